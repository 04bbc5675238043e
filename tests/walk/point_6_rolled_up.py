"""Point 6: roll-ups, what is refused, and every other book's equations."""

from datetime import date, timedelta

from tests.walk import atelier
from tests.walk.atelier import BOOK, LATE, MARCH, USD, sums, total
from tests.walk.figures import STATEMENTS, minor, rows
from tests.walk.point_6_statements import POINT, UNTIL_MARCH, report
from tests.walk.walking import Walk

OTHER_BOOKS = ("main", "shop", "studio", "desk")


def walk(w: Walk) -> None:
    """Roll-ups four ways; a missing rate; wrong names; the books that others filled."""
    atelier.tell(w)
    _roll_ups(w)
    _without_a_rate(w)
    _other_books(w)
    _refusals(w)


def _roll_ups(w: Walk) -> None:
    def rolled(*words: str) -> list[tuple[str | None, str, int]]:
        told = report(w, "roll-up", *words).json
        name = {"account": "account", "key": "key", "tag": "tag"}.get(told["by"], "begins")
        return sorted(
            (line[name], line["net"]["currency"], minor(line["net"])) for line in told["lines"]
        )

    of = sums(until=MARCH)
    w.same(
        POINT,
        "roll-up by prefix: the banks together, each currency",
        [each for each in rolled("assets", "--depth", "2", *UNTIL_MARCH) if "bank" in str(each[0])],
        sorted(
            ("assets:bank", c, total(of, under="assets:bank", currency=c))
            for c in ("eur", "jpy", "usd")
        ),
    )
    w.same(
        POINT,
        "roll-up by key: what is owed to one supplier, now and at the end of March",
        (
            rolled("liabilities:payable", "--by", "key"),
            rolled("liabilities:payable", "--by", "key", *UNTIL_MARCH),
        ),
        ([("acme", "usd", -50_000)], [("acme", "usd", -80_000)]),
    )
    tags = ("--tag", "cloud=expenses:compute,expenses:domain")
    w.same(
        POINT,
        "roll-up by a tag that is named where it is asked, and what none names",
        rolled("expenses", "--by", "tag", *tags),
        [("(untagged)", "jpy", 500), ("cloud", "eur", 10_000), ("cloud", "usd", 205_000)],
    )
    w.same(
        POINT,
        "roll-up by month",
        [each for each in rolled(USD, "--by", "month", "--to", "2026-06-30") if each[1] == "usd"],
        sorted(
            (date(2026, month, 1).isoformat(), "usd", amount)
            for month in range(1, 5)
            for amount in [
                total(
                    sums(since=date(2026, month, 1), until=date(2026, month + 1, 1)
                         - timedelta(days=1)),
                    under=USD,
                )
            ]
        ),
    )  # fmt: skip


def _without_a_rate(w: Walk) -> None:
    said = w.cli("report", "balance-sheet", "--as-of", "2026-06-30", "--book", BOOK)
    w.holds(
        POINT,
        "a figure that misses a rate is not made up: it ends with 1 and names the rate",
        said.code == 1 and "no rate of ETH in USD" in said.all and "book rate eth usd" in said.all,
        f"exit {said.code}: {said.err}",
    )


def _other_books(w: Walk) -> None:
    for book in OTHER_BOOKS:
        seen = {
            name: (said.code, said.json["is_sound"])
            for name in STATEMENTS
            for said in [report(w, name, "--reporting", "", book=book)]
        }
        w.same(
            POINT,
            f"every statement's equation holds in {book}, whatever was booked there",
            seen,
            dict.fromkeys(STATEMENTS, (0, True)),
            command=f"tallystick report … --book {book}",
        )


def _refusals(w: Walk) -> None:
    wrong = {
        ("report", "trial-balance", "--book", "nobody"): "nobody",
        ("report", "account", "assets:nowhere", "--book", BOOK): "assets:nowhere",
        ("report", "trial-balance", "--as-of", "2026-02-30", "--book", BOOK): "2026-02-30",
    }
    for words, named in wrong.items():
        said = w.cli(*words)
        w.holds(
            POINT,
            f"{named}, which is none, is refused by its name",
            said.code == 2 and named in said.err and not said.out,
            f"exit {said.code}: {said.err}",
        )
    said = w.cli("report", "account", USD, "--book", BOOK, "--format", "csv")
    (late,) = [row for row in rows(said.out) if row["reference"] == LATE.reference]
    w.same(
        POINT,
        "the late entry stands by its day in the account's CSV",
        (late["effective_at"][:10], int(late["minor"])),
        ("2026-02-25", -5_000),
    )
