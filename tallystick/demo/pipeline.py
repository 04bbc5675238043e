"""What the running pipeline says: its books, its discrepancies, and how far it has come."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from shared.contracts.money import decimal_text
from shared.contracts.topics import (
    BANK_OBSERVATIONS,
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
)
_SQL: Final = load_queries(Path(__file__).parent / "sql")


@dataclass(frozen=True, slots=True)
class Sight:
    """The pipeline at one moment."""

    entries: int
    matches: int
    found: tuple[Found, ...]
    messages: int
    behind: int
    ends: Mapping[Partition, int]


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
    behind = _behind(ends, booked, BOOKED_TOPICS) + _behind(ends, reconciled, RECONCILED_TOPICS)
    return Sight(
        entries=counts["entries"] if counts else 0,
        matches=counts["matches"] if counts else 0,
        found=tuple(found),
        messages=sum(ends.values()),
        behind=behind,
        ends=ends,
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


def _behind(
    ends: Mapping[Partition, int], read: Mapping[Partition, int], topics: tuple[str, ...]
) -> int:
    """Messages that stand in the topics and were not read yet."""
    return sum(
        max(end - read.get(partition, 0), 0)
        for partition, end in ends.items()
        if partition.topic in topics
    )
