"""The oracle over the whole stack: it recomputes all that the walk did, and it would tell."""

from tests.support.tampering import Books, set_postings
from tests.walk import atelier
from tests.walk.copied import copied, resting, touched
from tests.walk.walking import Json, Walk

POINT = "end"


async def _amount(books: Books) -> None:
    await set_postings(books, "minor = minor + 5")


def _are_booked(w: Walk, made: Json) -> bool:
    told = (
        f"stripe:payment:{made['charge']}",
        f"stripe:balance_transaction:{made['balance_transaction']}",
    )
    return all(w.postings(reference, book="main") for reference in told)


def walk(w: Walk) -> None:
    """A copy with one amount changed is told; the books themselves are equal."""
    atelier.tell(w)
    made = w.sim("charge", amount=2_300)
    w.until("the charge to be booked", lambda: _are_booked(w, made))
    w.booked()
    with resting(w):
        with copied(w):
            dsn, books = touched(w, _amount)
            said = w.cli(
                *("audit", "--json"),
                TALLYSTICK_POSTGRES_DSN=dsn,
                TALLYSTICK_KAFKA_BOOTSTRAP=w.at.kafka,
            )
            w.holds(
                POINT,
                "the oracle finds an amount that was changed on a copy, by its reference",
                said.code == 1 and books.reference in said.out,
                f"exit {said.code}: {said.json['differences'][:1]}",
            )
        w.until("the books to be read again", lambda: w.cli("verify").code == 0)
        (row,) = w.sql("select count(*) as entries from ledger_read.entries")
        said = w.cli("audit", "--json")
        told = said.json
        w.same(
            POINT,
            "over the whole stack the oracle is at zero, with every entry compared",
            (said.code, told["verdict"], told["differences_total"], told["compared"]["entries"]),
            (0, "equal", 0, int(row["entries"])),
        )
        w.same(
            POINT,
            "and every entry is published",
            told["compared"]["published"],
            int(row["entries"]),
        )
    said = w.cli("audit", "--truth", f"{w.at.stripe.url}/sim/truth", "--json")
    w.same(
        POINT,
        "three ways: books, topics, and the simulated Stripe's and bank's own",
        (said.code, said.json["verdict"]),
        (0, "equal"),
    )
