"""Made-up entries with chains that hold, and exports of them, for tests."""

import hashlib
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from services.ledger.exports.beancount import Beancount
from services.ledger.exports.csv_form import Csv
from services.ledger.exports.hledger import Hledger
from services.ledger.exports.journal import (
    About,
    Head,
    Leg,
    Selection,
    Tally,
    Told,
    Writer,
)
from services.ledger.exports.json_lines import JsonLines
from services.ledger.proof.hash_chain import GENESIS, chain_next
from shared.contracts.journal import (
    Book,
    Direction,
    Entry,
    Posting,
    Reference,
    account,
)
from shared.contracts.money import Money

NOW: Final = datetime(2026, 11, 21, 4, 5, 6, tzinfo=UTC)
UTC_ZONE: Final = ZoneInfo("UTC")
ORIGIN: Final = "stripe.events/0"

Legs = Sequence[tuple[str, str, int, str]]
SALE: Final = (
    ("assets:stripe:settling", "ch_1", 10_000, "usd"),
    ("revenue:stripe", "", -10_000, "usd"),
)


def entry(number: int, legs: Legs = SALE, *, book: str = "main", **said: str) -> Entry:
    """An entry whose legs are signed, debit positive, a day after the one before."""
    return Entry(
        book=Book(book),
        reference=Reference(said.get("reference", f"stripe:payment:ch_{number}")),
        kind="payment",
        effective_at=NOW + timedelta(days=number),
        postings=tuple(
            Posting(
                account(name),
                key,
                Direction.DEBIT if minor > 0 else Direction.CREDIT,
                Money.of(abs(minor), code),
            )
            for name, key, minor, code in legs
        ),
        rules_version=3,
        description=said.get("description", ""),
    )


def told(entries: Iterable[Entry], *, topic: str = "stripe.events") -> list[Told]:
    """Entries as one origin's journal has them, each with its link."""
    found: list[Told] = []
    link = GENESIS
    for sequence, each in enumerate(entries, 1):
        recorded_at = NOW + timedelta(seconds=sequence)
        link = chain_next(
            link,
            origin=f"{topic}/0",
            sequence=sequence,
            digest=each.digest(),
            book=each.book,
            reference=each.reference,
            kind=each.kind,
            effective_at=each.effective_at,
            recorded_at=recorded_at,
            offset=sequence * 2,
            message_id=f"evt_{sequence}",
            rules_version=each.rules_version,
            reverses=each.reverses,
            description=each.description,
        )
        found.append(
            Told(
                origin=f"{topic}/0",
                sequence=sequence,
                book=each.book,
                reference=each.reference,
                kind=each.kind,
                effective_at=each.effective_at,
                recorded_at=recorded_at,
                topic=topic,
                partition=0,
                offset=sequence * 2,
                message_id=f"evt_{sequence}",
                rules_version=each.rules_version,
                description=each.description,
                reverses=each.reverses,
                digest=each.digest().hex(),
                chain=link.hex(),
                previous="",
                legs=tuple(
                    Leg(
                        p.account,
                        p.key,
                        p.direction.value,
                        p.amount.minor,
                        p.amount.currency.code,
                        p.amount.currency.exponent,
                    )
                    for p in each.postings
                ),
            )
        )
    return found


def about(entries: Sequence[Told], **changes: object) -> About:
    """The header of an export of all these."""
    heads = {each.origin: Head(each.sequence, each.chain) for each in entries}
    given: dict[str, object] = {
        "made_at": NOW,
        "selection": Selection(),
        "books": ("main",),
        "heads": heads,
        "starts": {},
    }
    return About(**(given | changes))  # type: ignore[arg-type]  # the names are About's own


def written(writer: Writer, entries: Sequence[Told], header: About | None = None) -> str:
    """A whole export."""
    tally, text = Tally(), writer.begin(header or about(entries))
    for each in entries:
        tally.add(each)
        text += writer.entry(each)
    text += writer.end(tally)
    return text + writer.seal(hashlib.sha256(text.encode()).hexdigest())


def json_lines(entries: Sequence[Told], header: About | None = None) -> str:
    """As JSON Lines."""
    return written(JsonLines(), entries, header)


def csv_of(entries: Sequence[Told]) -> str:
    """As CSV."""
    return written(Csv(), entries)


def beancount(
    entries: Sequence[Told], header: About | None = None, zone: ZoneInfo = UTC_ZONE
) -> str:
    """As a journal of Beancount."""
    return written(Beancount("main", zone), entries, header)


def hledger(entries: Sequence[Told], header: About | None = None, zone: ZoneInfo = UTC_ZONE) -> str:
    """As a journal of hledger."""
    return written(Hledger("main", zone), entries, header)


def every_exponent(*, wei: int = 10**27 - 1) -> list[Entry]:
    """Currencies of 0, 2, 3, 6 and 18 decimals, with amounts that no 64 bits hold.

    Beancount reckons with 28 digits, so three times ``wei`` has not more of them.
    """
    amounts = {"jpy": 500, "usd": 10_001, "kwd": 1_234, "usdc": 1, "eth": wei}
    return [
        entry(
            number,
            (
                ("assets:bank:Main_bank", "", amount, code),
                ("assets:bank:Main_bank:sub", "", 2 * amount, code),
                ("revenue:stripe", "", -3 * amount, code),
            ),
        )
        for number, (code, amount) in enumerate(amounts.items())
    ]
