"""What is in force, as the journal keeps it, and the fence of batches that were decided under less.

Whoever puts something in force holds all positions first, so every other batch is committed before
or moves its positions after. A batch looks at the last activation once its positions are its own:
when there are more than it was decided under, nothing of it may stand, and it is decided again.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from pydantic import JsonValue, ValidationError

from services.ledger.activation.activations import (
    ACTIVATION,
    Activation,
    ActivationRecord,
    ActivationRefused,
    Activations,
)
from services.ledger.activation.in_force import InForce
from services.ledger.activation.rule_versions import Rules
from services.ledger.rulings.activations import PuttingInForce
from services.ledger.shell.booking.batch import Batch
from services.ledger.shell.booking.deciding import Decided
from services.ledger.shell.queries import SQL
from shared.contracts.commands import Activate
from shared.contracts.errors import InvariantBroken
from shared.contracts.messages import OutcomeKind
from shared.runtime.kafka import Partition
from shared.runtime.positions import Fenced, Log, read_positions
from shared.runtime.postgres import Tx


class DecidedUnderOthers(Fenced):
    """Something was put in force since these messages were decided: decide them again."""


@dataclass(frozen=True, slots=True)
class Kept:
    """An activation to be kept: its record, and the command that caused it."""

    record: ActivationRecord
    origin_id: int
    caused_offset: int
    recorded_at: datetime


def activation_in(decided: Mapping[str, JsonValue] | None) -> ActivationRecord | None:
    """The activation that a decision made, if it made one.

    Raises:
        ValidationError: It is told as none of ours.
    """
    told = (decided or {}).get(ACTIVATION)
    return ActivationRecord.model_validate(told) if told is not None else None


async def read_activations(tx: Tx) -> tuple[Activation, ...]:
    """All activations of the journal, by number.

    Raises:
        InvariantBroken: One is missing, or this program cannot read it.
    """
    rows = await tx.fetch(SQL["read_activations"])
    found: list[Activation] = []
    for expected, row in enumerate(rows, 1):
        try:
            one = ActivationRecord.model_validate(row["record"]).activation()
        except (ValidationError, ActivationRefused) as error:
            raise InvariantBroken(
                f"activation {row['number']} cannot be read by this program: {error}"
            ) from None
        if (row["number"], one.number) != (expected, expected):
            raise InvariantBroken(f"activation {expected} is missing before {row['number']}")
        found.append(one)
    return tuple(found)


async def keep_activations(tx: Tx, kept: Iterable[Kept]) -> None:
    """Write activations down; what is known already stays as it is."""
    rows = sorted(kept, key=lambda each: each.record.number)
    if rows:
        await tx.execute(
            SQL["add_activations"],
            [each.record.number for each in rows],
            [each.record.model_dump(mode="json") for each in rows],
            [each.origin_id for each in rows],
            [each.caused_offset for each in rows],
            [each.recorded_at for each in rows],
        )


def asks_to_put_in_force(each: Decided) -> bool:
    """Whether a message is a command that puts something in force."""
    asked = each.decision.asked if each.decision is not None else None
    return asked is not None and isinstance(asked.command, Activate)


async def hold_all_positions(tx: Tx) -> None:
    """Let nobody book until the end of the transaction; asked before any position is moved."""
    await tx.execute(SQL["hold_positions"])


async def putting_in_force(tx: Tx, ids: Log, first: InForce, rules: Rules) -> PuttingInForce:
    """What commands that put something in force are judged by, all positions being held."""
    known = Activations(first, await read_activations(tx))
    booked = {(p.topic, p.partition): at for p, at in (await read_positions(tx, ids)).items()}
    return PuttingInForce(known, booked, rules)


async def keep_what_was_put_in_force(tx: Tx, batch: Batch) -> None:
    """Write down what the commands of a batch have put in force."""
    await keep_activations(
        tx,
        [
            Kept(record, batch.head_of(each).origin_id, each.record.offset, each.record.appended_at)
            for each in batch.asked
            if asks_to_put_in_force(each)
            for remark in batch.remarks.get(id(each), ())
            if remark.outcome is OutcomeKind.ACCEPTED
            for record in (activation_in(remark.decided),)
            if record is not None
        ],
    )


def require_decided_under_all(
    last: int, decided: Sequence[Decided], partitions: Iterable[Partition]
) -> None:
    """Refuse messages that were decided under fewer activations than there are.

    ``last`` is the number of the last one, read once the positions are moved, so that none can
    come between.

    Raises:
        DecidedUnderOthers: The transaction must be rolled back, and the messages decided again.
    """
    if any(each.under != last for each in decided):
        raise DecidedUnderOthers(partitions)
