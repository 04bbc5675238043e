"""Message types: the CloudEvents ``type`` of every value that is ours, and its JSON Schema.

A type's name is ``com.tallystick.AREA.EVENT.vN``. A version only ever gains optional fields; what
would break a reader becomes version N + 1 beside it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from pydantic import BaseModel

from shared.contracts import topics
from shared.contracts.acts import (
    ActDecided,
    MatchByHand,
    SignOff,
    UnmatchLines,
    WorkDiscrepancies,
    WriteOff,
)
from shared.contracts.audits import AuditReport
from shared.contracts.commands import (
    Activate,
    BookExpense,
    BookManualEntry,
    CloseAccount,
    ClosePeriod,
    GrantCredits,
    LockPeriod,
    OpenAccount,
    OwnerCapital,
    PlaceHold,
    ReleaseHold,
    RenameAccount,
    ReopenPeriod,
    ReverseEntry,
    SetExchangeRate,
    SettleHold,
    SpendCredits,
    TickClock,
)
from shared.contracts.dead_letters import DEAD_LETTER_TOPICS, NOTE_TYPE
from shared.contracts.look_ups import LookUpAsked
from shared.contracts.messages import (
    DeadLetterNote,
    DiscrepancyReported,
    EntryBooked,
    MatchMade,
    MatchUndone,
    Outcome,
    Progress,
    Verdict,
)
from shared.contracts.monitors import MonitorCrossed
from shared.contracts.observations import BankBalance, BankLine
from shared.contracts.tree_heads import TreeHead

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


@dataclass(frozen=True, slots=True)
class MessageType:
    """One message type: its name, the model of its data, and the topics that carry it."""

    name: str
    model: type[BaseModel]
    topics: tuple[str, ...]

    @property
    def schema_id(self) -> str:
        """The ``$id`` of its schema, which is also its ``dataschema``."""
        return f"urn:{self.name.replace('.', ':')}"

    def schema(self) -> dict[str, Any]:  # Any: a JSON Schema document
        """The JSON Schema (2020-12) of its data, as a reader must accept it."""
        body = self.model.model_json_schema(mode="validation")
        return {"$schema": DIALECT, "$id": self.schema_id} | body


_COMMAND_TYPES: Final = tuple(
    MessageType(f"com.tallystick.ledger.{name}.v1", model, (topics.LEDGER_COMMANDS,))
    for name, model in (
        ("manual-entry", BookManualEntry),
        ("reverse-entry", ReverseEntry),
        ("expense", BookExpense),
        ("owner-capital", OwnerCapital),
        ("exchange-rate", SetExchangeRate),
        ("close-period", ClosePeriod),
        ("lock-period", LockPeriod),
        ("reopen-period", ReopenPeriod),
        ("open-account", OpenAccount),
        ("close-account", CloseAccount),
        ("rename-account", RenameAccount),
        ("place-hold", PlaceHold),
        ("settle-hold", SettleHold),
        ("release-hold", ReleaseHold),
        ("grant-credits", GrantCredits),
        ("spend-credits", SpendCredits),
        ("tick-clock", TickClock),
        ("activate", Activate),
    )
)
_ACT_TYPES: Final = tuple(
    MessageType(
        f"com.tallystick.reconciliation.{name}.v1", model, (topics.RECONCILIATION_COMMANDS,)
    )
    for name, model in (
        ("work-discrepancies", WorkDiscrepancies),
        ("match-by-hand", MatchByHand),
        ("unmatch", UnmatchLines),
        ("write-off", WriteOff),
        ("sign-off", SignOff),
    )
)
_TYPES: Final = (
    MessageType("com.tallystick.ingest.verdict.v1", Verdict, (topics.INGEST_VERDICTS,)),
    MessageType(
        "com.tallystick.ingest.audit.v1",
        AuditReport,
        (topics.INGEST_AUDITS, topics.LEDGER_AUDITS, topics.FEEDS_AUDITS),
    ),
    MessageType("com.tallystick.bank.line.v1", BankLine, (topics.BANK_OBSERVATIONS,)),
    MessageType("com.tallystick.bank.balance.v1", BankBalance, (topics.BANK_OBSERVATIONS,)),
    *_COMMAND_TYPES,
    MessageType("com.tallystick.ledger.entry.v1", EntryBooked, (topics.LEDGER_ENTRIES,)),
    MessageType("com.tallystick.ledger.outcome.v1", Outcome, (topics.LEDGER_OUTCOMES,)),
    MessageType("com.tallystick.ledger.progress.v1", Progress, (topics.LEDGER_OUTCOMES,)),
    MessageType("com.tallystick.ledger.tree-head.v1", TreeHead, (topics.LEDGER_TREE_HEADS,)),
    MessageType("com.tallystick.ledger.monitor.v1", MonitorCrossed, (topics.LEDGER_MONITORS,)),
    MessageType("com.tallystick.reconciliation.match-made.v1", MatchMade, (topics.MATCHES,)),
    MessageType("com.tallystick.reconciliation.match-undone.v1", MatchUndone, (topics.MATCHES,)),
    MessageType(
        "com.tallystick.reconciliation.discrepancy.v1",
        DiscrepancyReported,
        (topics.DISCREPANCIES, topics.DISCREPANCIES_CURRENT),
    ),
    *_ACT_TYPES,
    MessageType("com.tallystick.reconciliation.decided.v1", ActDecided, (topics.DECISIONS,)),
    MessageType("com.tallystick.reconciliation.look-up.v1", LookUpAsked, (topics.LOOK_UPS,)),
    MessageType(NOTE_TYPE, DeadLetterNote, DEAD_LETTER_TOPICS),
)

MESSAGE_TYPES: Final[Mapping[str, MessageType]] = MappingProxyType({t.name: t for t in _TYPES})


def types_of(topic: str) -> tuple[MessageType, ...]:
    """The message types that a topic carries, in the registry's order; none for others' bytes."""
    return tuple(t for t in _TYPES if topic in t.topics)


def type_of(model: type[BaseModel]) -> str:
    """The CloudEvents type of a message of ours.

    Raises:
        LookupError: The model is no message type.
    """
    for message_type in _TYPES:
        if message_type.model is model:
            return message_type.name
    raise LookupError(f"{model.__name__} is not a message type")
