"""A command whose form is right, on its way to be judged."""

from dataclasses import dataclass

from services.ledger.activation.in_force import BookInForce
from shared.contracts.commands import Command


@dataclass(frozen=True, slots=True)
class Asked:
    """A command, with its book as in force where it stands."""

    command: Command
    book: BookInForce
