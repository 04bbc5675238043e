"""From a figure to the entries behind it, each as it stands in the journal."""

from collections.abc import Sequence
from dataclasses import dataclass

from services.ledger.exports.journal import Told
from services.ledger.shell.booking.rows import Columns
from services.ledger.shell.queries import SQL
from services.ledger.shell.reading.export import Journal
from shared.contracts.money import Currency, Money
from shared.runtime.postgres import Tx


@dataclass(frozen=True, slots=True)
class Said:
    """What the ledger said of a message that it did not simply book."""

    outcome: str
    reason: str
    subject: str
    detail: str
    reference: str | None
    book: str


@dataclass(frozen=True, slots=True)
class Figure:
    """What a book has on an account, of a key and in a currency where they are named."""

    account: str
    key: str | None
    currency: str | None


class Tracer:
    """Finds entries in one snapshot."""

    def __init__(self, tx: Tx, journal: Journal) -> None:
        self._tx = tx
        self._journal = journal

    @property
    def books(self) -> tuple[str, ...]:
        """The books that there are."""
        return self._journal.books

    async def of_reference(self, reference: str, books: Sequence[str]) -> list[Told]:
        """The entries of a reference; one of another book than asked for is not told."""
        rows = await self._tx.fetch(SQL["trace_by_reference"], reference, list(books))
        return await self._told(rows)

    async def of_position(self, topic: str, partition: int, offset: int) -> list[Told]:
        """The entries that a message caused."""
        rows = await self._tx.fetch(SQL["trace_by_position"], topic, partition, offset)
        return await self._told(rows)

    async def of_sequence(self, topic: str, partition: int, sequence: int) -> list[Told]:
        """The entry at a place of a chain."""
        rows = await self._tx.fetch(SQL["trace_by_sequence"], topic, partition, sequence)
        return await self._told(rows)

    async def of_figure(self, book: str, figure: Figure, limit: int) -> list[Told]:
        """The entries behind a figure, the newest first."""
        place = (book, figure.account)
        if figure.key is None:
            rows = await self._tx.fetch(SQL["trace_by_account"], *place, figure.currency, limit)
            if len(rows) < limit:
                rows = await self._tx.fetch(
                    SQL["trace_by_seldom_account"], *place, figure.currency, limit
                )
        else:
            rows = await self._tx.fetch(
                SQL["trace_by_key"], *place, figure.key, figure.currency, limit
            )
        return await self._told(rows)

    async def amounts(self, book: str, figure: Figure) -> list[Money]:
        """The figure, debit positive, in each currency that it has."""
        place = (book, figure.account)
        if figure.key is None:
            rows = await self._tx.fetch(SQL["trace_balances"], *place, figure.currency)
        else:
            rows = await self._tx.fetch(
                SQL["trace_key_balances"], *place, figure.key, figure.currency
            )
        return [Money(r["minor"], Currency(r["currency"], r["exponent"])) for r in rows]

    async def said(self, topic: str, partition: int, offset: int) -> list[Said]:
        """What was said of a message."""
        return [
            Said(
                row["outcome"],
                row["reason"],
                row["subject"],
                row["detail"],
                row["reference"],
                row["book"],
            )
            for row in await self._tx.fetch(SQL["trace_outcomes"], topic, partition, offset)
        ]

    async def next_offset(self, topic: str, partition: int) -> int | None:
        """How far a partition has been booked; ``None``: the ledger does not know it."""
        rows = await self._tx.fetch(SQL["trace_next_offset"], topic, partition)
        return int(rows[0][0]) if rows else None

    async def _told(self, rows: Sequence[Columns]) -> list[Told]:
        return [
            told
            for row in rows
            for told in await self._journal.entry_at(
                row["topic"], row["partition"], row["sequence"]
            )
        ]
