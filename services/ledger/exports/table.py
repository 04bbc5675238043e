"""An export as one table: a row for each posting, then rows of what they add up to."""

from collections.abc import Iterator
from typing import Final, TypeAlias

from services.ledger.exports.journal import Tally, Told
from shared.contracts.envelope import rfc3339
from shared.contracts.money import decimal_text

# What a spreadsheet may take for a formula is text; amounts are digits, and never negative.
TEXTS: Final = (
    "book",
    "reference",
    "kind",
    "account",
    "key",
    "description",
    "reverses",
    "message_id",
)
COLUMNS: Final = (
    "row",
    "book",
    "origin",
    "sequence",
    "posting",
    "reference",
    "kind",
    "effective_at",
    "recorded_at",
    "reported_day",
    "account",
    "key",
    "direction",
    "amount",
    "currency",
    "minor",
    "exponent",
    "description",
    "reverses",
    "rules_version",
    "topic",
    "partition",
    "offset",
    "message_id",
    "digest",
    "chain",
)
POSTING: Final = "posting"
HEAD: Final = "head"
TREE_HEAD: Final = "tree_head"
SUM: Final = "sum"
COUNT: Final = "count"
SEAL: Final = "seal"

Cell: TypeAlias = "str | int | None"
Row = tuple[Cell, ...]


def posting_rows(told: Told) -> Iterator[Row]:
    """A row for each posting; what the entry says stands in all of them."""
    effective_at, recorded_at = rfc3339(told.effective_at), rfc3339(told.recorded_at)
    for number, leg in enumerate(told.legs, 1):
        yield (
            POSTING,
            told.book,
            told.origin,
            told.sequence,
            number,
            told.reference,
            told.kind,
            effective_at,
            recorded_at,
            None if told.reported_day is None else told.reported_day.isoformat(),
            leg.account,
            leg.key,
            leg.direction,
            decimal_text(leg.minor, leg.exponent),
            leg.currency.upper(),
            leg.minor,
            leg.exponent,
            told.description,
            told.reverses,
            told.rules_version,
            told.topic,
            told.partition,
            told.offset,
            told.message_id,
            told.digest,
            told.chain,
        )


def trailer_rows(tally: Tally) -> Iterator[Row]:
    """How far each origin was told, heads, the sums of each currency, and how many there were."""
    for name, origin in sorted(tally.origins.items()):
        yield _row(row=HEAD, origin=name, sequence=origin.last, chain=origin.chain)
    for head in tally.tree_heads:
        yield _row(
            row=TREE_HEAD,
            book=head.book,
            recorded_at=rfc3339(head.made_at),
            minor=head.size,
            description=head.model_dump_json(),
        )
    for currency, sums in tally.currencies().items():
        for direction, minor in (("debit", sums.debit), ("credit", sums.credit)):
            yield _row(
                row=SUM,
                direction=direction,
                amount=decimal_text(minor, sums.exponent),
                currency=currency.upper(),
                minor=minor,
                exponent=sums.exponent,
            )
    yield _row(row=COUNT, kind="entries", minor=tally.entries)
    yield _row(row=COUNT, kind="postings", minor=tally.postings)


def seal_row(sha256: str) -> Row:
    """The last row: the digest of all bytes before it."""
    return _row(row=SEAL, digest=sha256)


def _row(**cells: Cell) -> Row:
    return tuple(cells.get(name) for name in COLUMNS)
