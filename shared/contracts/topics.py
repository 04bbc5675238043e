"""Every topic: name, key, schema, partitions, retention, writers, readers; said only here.

Topic creation and checking, JSON Schemas, the AsyncAPI document and the docs page come from this
registry.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

from pydantic import TypeAdapter

from shared.contracts.acts import ACT_DECIDED, RECONCILER_ACT
from shared.contracts.audits import AuditReport
from shared.contracts.commands import LEDGER_COMMAND
from shared.contracts.look_ups import LookUpAsked
from shared.contracts.messages import (
    MATCH_RECORD,
    OUTCOME_RECORD,
    DiscrepancyReported,
    EntryBooked,
    Verdict,
)
from shared.contracts.monitors import MonitorCrossed
from shared.contracts.observations import BANK_OBSERVATION
from shared.contracts.tree_heads import TreeHead

DEFAULT_PARTITIONS: Final = 8
RECORD_BYTES_MAX: Final = 4 * 1024 * 1024

STRIPE_EVENTS: Final = "stripe.events"
STRIPE_OBJECTS: Final = "stripe.objects"
INGEST_VERDICTS: Final = "ingest.verdicts"
INGEST_AUDITS: Final = "ingest.audits"
BANK_OBSERVATIONS: Final = "bank.observations"
LEDGER_COMMANDS: Final = "ledger.commands"
LEDGER_ENTRIES: Final = "ledger.entries"
LEDGER_OUTCOMES: Final = "ledger.outcomes"
LEDGER_TREE_HEADS: Final = "ledger.tree-heads"
LEDGER_MONITORS: Final = "ledger.monitors"
LEDGER_AUDITS: Final = "ledger.audits"
FEEDS_AUDITS: Final = "feeds.audits"
MATCHES: Final = "reconciliation.matches"
DISCREPANCIES: Final = "reconciliation.discrepancies"
DISCREPANCIES_CURRENT: Final = "reconciliation.discrepancies.current"
RECONCILIATION_COMMANDS: Final = "reconciliation.commands"
DECISIONS: Final = "reconciliation.decisions"
LOOK_UPS: Final = "reconciliation.look-ups"
LEDGER_DEAD_LETTERS: Final = "ledger.dead-letters"
RECONCILER_DEAD_LETTERS: Final = "reconciler.dead-letters"


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic. ``value`` is ``None`` where the value is somebody else's bytes."""

    name: str
    about: str
    key: str
    value: TypeAdapter[Any] | None  # one registry of many message types
    writers: tuple[str, ...]
    readers: tuple[str, ...]
    partitions: int = DEFAULT_PARTITIONS
    compacted: bool = False
    examples: tuple[str, ...] = field(default=())

    def config(self) -> Mapping[str, str]:
        """The broker-side settings that the topic must have."""
        common = {
            "message.timestamp.type": "LogAppendTime",
            "max.message.bytes": str(RECORD_BYTES_MAX),
        }
        if self.compacted:
            return common | {"cleanup.policy": "compact"}
        return common | {
            "cleanup.policy": "delete",
            "retention.ms": "-1",
            "retention.bytes": "-1",
        }


_TOPICS: Final = (
    Topic(
        STRIPE_EVENTS,
        "Stripe's events, byte for byte as they came, with signature and verdict in the headers",
        "Stripe account + object id",
        None,
        ("ingest",),
        ("ledger", "reconciler"),
    ),
    Topic(
        STRIPE_OBJECTS,
        "What Stripe's API told: movements and what they are about, payout contents, balances",
        "Stripe account + object id",
        None,
        ("ingest",),
        ("ledger", "reconciler"),
    ),
    Topic(
        INGEST_VERDICTS,
        "Every verdict of the door, refusals too",
        "endpoint",
        TypeAdapter(Verdict),
        ("ingest",),
        ("console",),
    ),
    Topic(
        INGEST_AUDITS,
        "What a look at Stripe from outside finds wrong with the way in, and when it is mended",
        "discrepancy id",
        TypeAdapter(AuditReport),
        ("ingest",),
        ("ingest", "reconciler"),
    ),
    Topic(
        BANK_OBSERVATIONS,
        "Bank lines with their revisions, and bank balances",
        "bank account",
        BANK_OBSERVATION,
        ("feeds",),
        ("ledger", "reconciler"),
    ),
    Topic(
        FEEDS_AUDITS,
        "Bank accounts not read for too long, statement files refused, and when that is mended",
        "discrepancy id",
        TypeAdapter(AuditReport),
        ("feeds",),
        ("reconciler",),
    ),
    Topic(
        LEDGER_COMMANDS,
        "What people and services ask the ledger for",
        "book + idempotency key",
        LEDGER_COMMAND,
        ("console", "ledger"),
        ("ledger",),
    ),
    Topic(
        LEDGER_ENTRIES,
        "Every committed entry: a sequence without gaps per origin, hash-chained",
        "origin",
        TypeAdapter(EntryBooked),
        ("ledger",),
        ("ledger", "reconciler", "console"),
    ),
    Topic(
        LEDGER_OUTCOMES,
        "What was not booked and why, the outcome of commands, and progress marks",
        "origin",
        OUTCOME_RECORD,
        ("ledger",),
        ("ledger", "reconciler", "console"),
    ),
    Topic(
        LEDGER_TREE_HEADS,
        "Signed heads of the Merkle trees over each book's entries",
        "book",
        TypeAdapter(TreeHead),
        ("ledger",),
        ("ledger",),
    ),
    Topic(
        LEDGER_MONITORS,
        "Figures of the books that crossed a watched threshold, or came back",
        "book",
        TypeAdapter(MonitorCrossed),
        ("console",),
        ("console",),
    ),
    Topic(
        LEDGER_AUDITS,
        "Each time the books were rebuilt beside those in use: whether they are the same",
        "discrepancy id",
        TypeAdapter(AuditReport),
        ("ledger",),
        ("ledger", "reconciler"),
    ),
    Topic(
        MATCHES,
        "Matches made and undone: facts of record",
        "match id",
        MATCH_RECORD,
        ("reconciler",),
        ("ledger", "reconciler"),
    ),
    Topic(
        DISCREPANCIES,
        "Discrepancies opened, changed, resolved, opened again, each in full state",
        "discrepancy id",
        TypeAdapter(DiscrepancyReported),
        ("reconciler",),
        ("console", "reconciler"),
    ),
    Topic(
        DISCREPANCIES_CURRENT,
        "The last state of each open discrepancy; a tombstone once it is resolved",
        "discrepancy id",
        TypeAdapter(DiscrepancyReported),
        ("reconciler",),
        ("console",),
        compacted=True,
    ),
    Topic(
        RECONCILIATION_COMMANDS,
        "What people do about discrepancies and matches",
        "book + idempotency key",
        RECONCILER_ACT,
        ("console",),
        ("reconciler",),
    ),
    Topic(
        DECISIONS,
        "What became of it, and what follows for matching; sign-offs with their frozen figures",
        "book + idempotency key",
        ACT_DECIDED,
        ("reconciler",),
        ("console", "reconciler"),
    ),
    Topic(
        LOOK_UPS,
        "What is to be asked for by name: it is waited for, and its deadline has passed",
        "book + what is waited for",
        TypeAdapter(LookUpAsked),
        ("reconciler",),
        ("feeds", "ingest", "reconciler"),
    ),
    Topic(
        LEDGER_DEAD_LETTERS,
        "Records that the ledger cannot read or book: source bytes, reason and position in headers;"
        " and notes of what was done about them",
        "of the source",
        None,
        ("ledger",),
        ("console",),
    ),
    Topic(
        RECONCILER_DEAD_LETTERS,
        "Records that the reconciler cannot read: the same",
        "of the source",
        None,
        ("reconciler",),
        ("console",),
    ),
)

TOPICS: Final[Mapping[str, Topic]] = MappingProxyType({topic.name: topic for topic in _TOPICS})


def origin(topic: str, partition: int) -> str:
    """The name of an input partition, which entries are numbered and chained by."""
    return f"{topic}/{partition}"


def stripe_key(account: str, object_id: str) -> bytes:
    """The key of a Stripe record: one object's matters stay in one partition."""
    return f"{account}|{object_id}".encode()
