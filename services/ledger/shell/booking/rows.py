"""Journal rows: entries and postings as tuples for ``copy``, and back from the database."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any, Final, Protocol

from services.ledger.proof.hash_chain import chain_next
from shared.contracts.journal import Account, Book, Direction, Entry, Posting, Reference
from shared.contracts.money import Currency, Money

Row = tuple[object, ...]


class Columns(Protocol):
    """A database row, read by the names of its columns."""

    def __getitem__(self, name: str, /) -> Any: ...  # Any: as the column's type has it


ENTRY_COLUMNS: Final[tuple[str, ...]] = (
    "origin_id",
    "sequence",
    "book",
    "reference",
    "kind",
    "effective_at",
    "recorded_at",
    "caused_offset",
    "message_id",
    "rules_version",
    "description",
    "reverses",
    "digest",
    "chain",
    "posting_count",
)
POSTING_COLUMNS: Final[tuple[str, ...]] = (
    "origin_id",
    "sequence",
    "ordinal",
    "account",
    "key",
    "direction",
    "minor",
    "currency",
    "exponent",
    "recorded_at",
)
OUTCOME_COLUMNS: Final[tuple[str, ...]] = (
    "origin_id",
    "caused_offset",
    "ordinal",
    "outcome",
    "reason",
    "book",
    "subject",
    "detail",
    "reference",
    "amount_minor",
    "currency",
    "exponent",
    "message_id",
    "recorded_at",
    "decided",
)
DEAD_LETTER_COLUMNS: Final[tuple[str, ...]] = (
    "origin_id",
    "caused_offset",
    "reason",
    "detail",
    "record_key",
    "record_value",
    "record_headers",
    "recorded_at",
)


@dataclass(slots=True)
class Head:
    """The end of an origin's chain while a batch is being numbered."""

    origin_id: int
    origin: str
    sequence: int
    chain: bytes

    def numbered(
        self, entry: Entry, *, digest: bytes, recorded_at: datetime, offset: int, message_id: str
    ) -> Row:
        """The row of the next entry; the head moves on to it."""
        self.sequence += 1
        self.chain = chain_next(
            self.chain,
            origin=self.origin,
            sequence=self.sequence,
            digest=digest,
            book=entry.book,
            reference=entry.reference,
            kind=entry.kind,
            effective_at=entry.effective_at,
            recorded_at=recorded_at,
            offset=offset,
            message_id=message_id,
            rules_version=entry.rules_version,
            reverses=entry.reverses,
            description=entry.description,
        )
        return (
            self.origin_id,
            self.sequence,
            entry.book,
            entry.reference,
            entry.kind,
            entry.effective_at,
            recorded_at,
            offset,
            message_id,
            entry.rules_version,
            entry.description,
            entry.reverses,
            digest,
            self.chain,
            len(entry.postings),
        )


def posting_rows(
    entry: Entry, *, origin_id: int, sequence: int, recorded_at: datetime
) -> Iterator[Row]:
    """The rows of an entry's legs, in the entry's order."""
    for ordinal, posting in enumerate(entry.postings, 1):
        currency = posting.amount.currency
        yield (
            origin_id,
            sequence,
            ordinal,
            posting.account,
            posting.key,
            posting.direction,
            posting.amount.minor,
            currency.code,
            currency.exponent,
            recorded_at,
        )


def posting_of(row: Columns) -> Posting:
    """A leg from its row."""
    return Posting(
        account=Account(row["account"]),
        key=row["key"],
        direction=Direction(row["direction"]),
        amount=Money(row["minor"], Currency(row["currency"], row["exponent"])),
    )


def entry_of(row: Columns, postings: Iterable[Posting]) -> Entry:
    """An entry from its row and its legs in order."""
    reverses = row["reverses"]
    return Entry(
        book=Book(row["book"]),
        reference=Reference(row["reference"]),
        kind=row["kind"],
        effective_at=row["effective_at"],
        postings=tuple(postings),
        rules_version=row["rules_version"],
        description=row["description"],
        reverses=Reference(reverses) if reverses is not None else None,
    )


def entries_of(rows: Iterable[Columns]) -> dict[tuple[str, str], Entry]:
    """Entries by (book, reference), from one row for each posting, those of an entry together."""
    found: dict[tuple[str, str], Entry] = {}
    for name, group in groupby(rows, key=lambda row: (row["book"], row["reference"])):
        legs = list(group)
        found[name] = entry_of(legs[0], (posting_of(leg) for leg in legs))
    return found
