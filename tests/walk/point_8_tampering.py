"""Point 8: whoever changes a row by hand is found out, and the first row is named.

The kinds are those of the promise on tampering: an amount, a row gone, the tail gone, a row put
in, two swapped, what is told beside the money, and everything made anew behind it.
"""

import tempfile
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Final

import asyncpg

from tests.support.tampering import (
    Books,
    cut_tail,
    delete_entry,
    make_anew,
    put_in_the_middle,
    set_entry,
    set_postings,
    swap,
)
from tests.walk import atelier
from tests.walk.copied import ORIGINAL, address_of, copied, resting, touched
from tests.walk.offline import verified
from tests.walk.point_8_proof import POINT, await_heads
from tests.walk.walking import Json, Said, Walk

Change = Callable[[Books], Awaitable[None]]

KINDS: Final[Mapping[str, tuple[Change, str]]] = {
    "an amount, on both legs": (lambda b: set_postings(b, "minor = minor + 5"), "amount.minor is"),
    "an amount, on one leg": (
        lambda b: set_postings(b, "minor = minor + 5", which="ordinal = 1"),
        "amount.minor is",
    ),
    "an account": (
        lambda b: set_postings(b, "account = 'assets:bank:mine'", which="ordinal = 1"),
        "account is 'assets:bank:mine', and was",
    ),
    "the sides": (
        lambda b: set_postings(
            b, "direction = case direction when 'debit' then 'credit' else 'debit' end"
        ),
        "direction is",
    ),
    "an entry gone": (delete_entry, "it is missing; it was published at ledger.entries/"),
    "the tail gone": (lambda b: cut_tail(b, 2), "it is missing; it was published at"),
    "an entry put in the middle": (put_in_the_middle, "reference is 'stripe:payment:ch_forged'"),
    "two entries swapped": (swap, "reference is"),
    "the text": (lambda b: set_entry(b, "description = 'x'"), "description is 'x', and was"),
    "the time": (
        lambda b: set_entry(b, "effective_at = effective_at - interval '1 year'"),
        "effective_at is",
    ),
    "the kind": (lambda b: set_entry(b, "kind = 'odd'"), "kind is 'odd', and was"),
    "the book": (lambda b: set_entry(b, "book = 'other'"), "book is 'other', and was"),
    "the reference": (lambda b: set_entry(b, "reference = 'x'"), "reference is 'x', and was"),
    "the link": (
        lambda b: set_entry(b, "chain = decode(repeat('ab', 32), 'hex')"),
        "chain is 'abab",
    ),
}
# What is kept beside the entries: the statement, and what is said of it.
KEPT: Final[Mapping[str, tuple[str, str]]] = {
    "a balance": (
        "update balances set debit_minor = debit_minor + 1 where origin_id = $1 and $2 > 0",
        "is kept as debits",
    ),
    "a claim gone": (
        (
            "delete from claims c using entries e where c.reference = e.reference"
            " and c.book = e.book and e.origin_id = $1 and e.sequence = $2"
        ),
        "its reference is not claimed: it could be booked twice",
    ),
    "the chain's head": (
        (
            "update origins set chain = decode(repeat('ab', 32), 'hex')"
            " where origin_id = $1 and $2 > 0"
        ),
        "the head says entry",
    ),
}


async def _amount_and_everything_anew(books: Books) -> None:
    await set_postings(books, "minor = minor + 5")
    await make_anew(books)


async def _tail_and_everything_anew(books: Books) -> None:
    await cut_tail(books, 2)
    await make_anew(books)


def walk(w: Walk) -> None:
    """Each kind on a copy of its own, with the topics as they were."""
    atelier.tell(w)
    _by_the_owner_himself(w)
    with resting(w), tempfile.TemporaryDirectory() as made:
        await_heads(w)
        folder = Path(made)
        heads = folder / "heads.json"
        heads.write_text(w.cli("heads", "--json").out, "utf-8")
        with copied(w):
            said = _verify(w, address_of(w, ORIGINAL))
            w.same(
                POINT,
                "a copy that nobody touched holds",
                (said.code, said.json["findings"]),
                (0, list[Json]()),
            )
            _rows(w)
            _kept(w)
            _anew(w, folder, heads)
    w.until("the books to be read again", lambda: w.cli("verify").code == 0)


def _by_the_owner_himself(w: Walk) -> None:
    refused: list[str] = []
    for statement in (
        "update ledger.entries set description = 'x'",
        "update ledger.postings set minor = minor + 1",
        "delete from ledger.entries",
        "truncate ledger.postings",
    ):
        try:
            w.sql(statement, role="tallystick")
        except asyncpg.PostgresError as error:
            refused.append(f"{type(error).__name__}: {error}")
    w.holds(
        POINT,
        "as long as its triggers stand, the owner himself cannot change the journal",
        len(refused) == 4,
        refused,
        command="as the owner: update …; delete …; truncate …",
    )


def _verify(w: Walk, dsn: str, *words: str) -> Said:
    return w.cli(
        *("verify", "--json", *words),
        TALLYSTICK_POSTGRES_DSN=dsn,
        TALLYSTICK_KAFKA_BOOTSTRAP=w.at.kafka,
    )


def _first(said: Said) -> Json:
    """The first finding."""
    findings: list[Json] = said.json["findings"]
    return findings[0] if findings else {"origin": "", "sequence": 0, "reference": "", "said": ""}


def _is_named(said: Said, books: Books) -> bool:
    first = _first(said)
    return said.code == 1 and (first["origin"], first["sequence"]) == (books.origin, books.entry)


def _rows(w: Walk) -> None:
    for what, (change, named) in KINDS.items():
        dsn, books = touched(w, change)
        alone = _verify(w, dsn, "--journal-only")
        said = _verify(w, dsn)
        first = _first(said)
        w.holds(
            POINT,
            f"touched by hand: {what}. The first row is named with what was there, and without"
            " any topic too",
            _is_named(said, books)
            and first["reference"] == books.reference
            and named in first["said"]
            and _is_named(alone, books),
            f"exit {said.code}: {first}; alone: {_first(alone)}",
        )


def _kept(w: Walk) -> None:
    for what, (statement, named) in KEPT.items():

        async def change(books: Books, statement: str = statement) -> None:
            await books.run(statement)

        dsn, _ = touched(w, change)
        said = _verify(w, dsn)
        w.holds(
            POINT,
            f"touched by hand: {what}",
            said.code == 1 and named in said.out,
            f"exit {said.code}: {_first(said)}",
        )


def _anew(w: Walk, folder: Path, heads: Path) -> None:
    dsn, books = touched(w, _amount_and_everything_anew)
    said = _verify(w, dsn)
    w.holds(
        POINT,
        "an amount changed and every digest, link, head, tree and sum made anew: what was"
        " published names the row",
        _is_named(said, books) and "amount.minor is" in _first(said)["said"],
        f"exit {said.code}: {_first(said)}",
    )
    said = _verify(w, dsn, "--journal-only", "--head", str(heads))
    w.holds(
        POINT,
        "and a head that was kept elsewhere tells of its chain without any topic",
        said.code == 1 and books.origin in str(said.json["findings"]),
        f"exit {said.code}: {_first(said)}",
    )
    file = folder / "books.jsonl"
    said = w.cli(
        *("export", "--format", "jsonl", "--all-books", "--with-verifier", "-o", str(file)),
        TALLYSTICK_POSTGRES_DSN=dsn,
        TALLYSTICK_KAFKA_BOOTSTRAP=w.at.kafka,
    )
    key = w.cli("keys", "show").out.split()[0]
    done = verified(file, "--key", key, "--tree-head", str(heads))
    w.holds(
        POINT,
        "an export of it does not hold offline against the signed heads",
        said.code == 0 and done.returncode == 1 and "does not hold" in done.stdout + done.stderr,
        f"export ended with {said.code}; {done.stdout}{done.stderr}",
        command="python -I -S verify.py books.jsonl --key … --tree-head heads.json",
    )
    dsn, books = touched(w, _tail_and_everything_anew)
    said = _verify(w, dsn, "--journal-only", "--head", str(heads))
    w.holds(
        POINT,
        "the tail cut and everything made anew: a head that was kept elsewhere names the first",
        _is_named(said, books),
        f"exit {said.code}: {_first(said)}",
    )
