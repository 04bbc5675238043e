"""Commands that put something in force: a rules version, a chart, a basis, a book map."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from services.ledger.activation.activating import activation
from services.ledger.activation.activations import (
    ACTIVATION,
    Activation,
    ActivationRecord,
    Activations,
    Place,
)
from services.ledger.activation.rule_versions import Rules
from services.ledger.rulings.cases import Case, Ruling
from shared.contracts.commands import Activate, Activated
from shared.contracts.errors import InvariantBroken

KIND: Final = "activate"


@dataclass(slots=True)
class PuttingInForce:
    """What commands that put something in force are judged by; one for all books of a batch.

    ``booked`` is how far each input partition is booked once the batch is: it is held, so nobody
    books meanwhile.
    """

    known: Activations
    booked: Mapping[Place, int]
    rules: Rules


def put_in_force(command: Activate, case: Case) -> Ruling:
    """Put something in force, from positions that nobody has passed.

    Raises:
        CommandRefused: It cannot be put in force, or not from there; says why and what can.
        InvariantBroken: What is in force was not loaded.
    """
    by = case.standing.extra.get(KIND)
    if not isinstance(by, PuttingInForce):
        raise InvariantBroken("an activation is judged without what is in force")
    if command.what is Activated.GENESIS and _is_begun_with(by.known, command):
        # The ledger that said so has kept it already; this is its command on the log.
        return _ruled(by.known.made[0], command)
    made = activation(command, by.known, by.booked, by.rules)
    by.known = Activations(by.known.first, (*by.known.made, made))
    return _ruled(made, command)


def _is_begun_with(known: Activations, command: Activate) -> bool:
    return bool(known.made) and known.made[0].said == command.value


def _ruled(made: Activation, command: Activate) -> Ruling:
    record = ActivationRecord.of(made, actor=command.actor, reason=command.reason)
    said = f"{command.what.replace('_', ' ')} in force as activation {made.number}"
    return Ruling(said, (), {ACTIVATION: record.model_dump(mode="json")})
