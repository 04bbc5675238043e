"""What the running pipeline says: its books, its discrepancies, and how far it has come."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from shared.contracts.money import decimal_text
from shared.contracts.topics import (
    BANK_OBSERVATIONS,
    FEEDS_AUDITS,
    INGEST_AUDITS,
    LEDGER_AUDITS,
    LEDGER_COMMANDS,
    LEDGER_ENTRIES,
    LEDGER_OUTCOMES,
    MATCHES,
    STRIPE_EVENTS,
    STRIPE_OBJECTS,
)
from shared.runtime.kafka_admin import end_offsets
from shared.runtime.kafka_client import Partition
from shared.runtime.postgres import Database, load_queries
from tallystick.demo.proof import Balance, Found

BOOKED_TOPICS: Final = (
    STRIPE_EVENTS,
    STRIPE_OBJECTS,
    BANK_OBSERVATIONS,
    LEDGER_COMMANDS,
    MATCHES,
)
RECONCILED_TOPICS: Final = (
    STRIPE_EVENTS,
    STRIPE_OBJECTS,
    BANK_OBSERVATIONS,
    LEDGER_ENTRIES,
    LEDGER_OUTCOMES,
    MATCHES,
    INGEST_AUDITS,
    LEDGER_AUDITS,
    FEEDS_AUDITS,
)
_SQL: Final = load_queries(Path(__file__).parent / "sql")


@dataclass(frozen=True, slots=True)
class Sight:
    """The pipeline at one moment: what stands in the topics, how far each reader is, what came."""

    entries: int
    matches: int
    found: tuple[Found, ...]
    ends: Mapping[Partition, int]
    booked: Mapping[Partition, int]
    reconciled: Mapping[Partition, int]

    @property
    def happened(self) -> tuple[object, ...]:
        """What changes when anything is booked, matched or found."""
        return (self.entries, self.matches, self.found)

    @property
    def messages(self) -> int:
        """How many messages stand in the topics."""
        return sum(self.ends.values())

    @property
    def behind(self) -> int:
        """How many messages were not read yet, counted once for each reader."""
        return self._unread(self.ends)

    def has_read(self, ends: Mapping[Partition, int]) -> bool:
        """Whether all that stood before these ends was read by everybody."""
        return self._unread(ends) == 0

    def _unread(self, ends: Mapping[Partition, int]) -> int:
        readers = ((self.booked, BOOKED_TOPICS), (self.reconciled, RECONCILED_TOPICS))
        return sum(
            max(end - read.get(partition, 0), 0)
            for read, topics in readers
            for partition, end in ends.items()
            if partition.topic in topics
        )


@dataclass(frozen=True, slots=True)
class Story:
    """One discrepancy as it is told to a person."""

    kind: str
    subject: str
    amount: str
    expected: str
    found: str
    next_step: str


async def sight(database: Database, kafka_bootstrap: str) -> Sight:
    """How far everything is, with the open discrepancies."""
    topics = sorted({*BOOKED_TOPICS, *RECONCILED_TOPICS})
    ends = await end_offsets(kafka_bootstrap, topics)
    async with database.transaction("repeatable_read") as tx:
        counts = await tx.fetchrow(_SQL["counts"])
        booked = {
            Partition(row["topic"], row["partition"]): row["next_offset"]
            for row in await tx.fetch(_SQL["booked_positions"])
        }
        reconciled = {
            Partition(row["topic"], row["partition"]): row["next_offset"]
            for row in await tx.fetch(_SQL["reconciled_positions"])
        }
        found = [
            Found(
                row["kind"],
                row["subject"],
                None if row["amount_minor"] is None else int(row["amount_minor"]),
                row["currency"] or "",
            )
            for row in await tx.fetch(_SQL["open_discrepancies"])
        ]
    return Sight(
        entries=counts["entries"] if counts else 0,
        matches=counts["matches"] if counts else 0,
        found=tuple(found),
        ends=ends,
        booked=booked,
        reconciled=reconciled,
    )


async def balances(database: Database) -> tuple[Balance, ...]:
    """Every balance of the ledger."""
    async with database.transaction("repeatable_read") as tx:
        rows = await tx.fetch(_SQL["balances"])
    return tuple(
        Balance(row["account"], row["currency"], row["exponent"], int(row["minor"])) for row in rows
    )


async def stories(database: Database) -> tuple[Story, ...]:
    """The open discrepancies in words."""
    async with database.transaction("repeatable_read") as tx:
        rows = await tx.fetch(_SQL["open_discrepancies"])
    return tuple(
        Story(
            kind=row["kind"],
            subject=row["subject"],
            amount=""
            if row["amount_minor"] is None
            else f"{decimal_text(int(row['amount_minor']), row['exponent'])}"
            f" {row['currency'].upper()}",
            expected=row["expected"] or "",
            found=row["found"] or "",
            next_step=row["next_step"] or "",
        )
        for row in rows
    )
