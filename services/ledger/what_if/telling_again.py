"""Facts that the books lack and a message tells: it is told again, and no command stands for them.

A message that is sent to its topic again is booked by what is in force at the topic's end. So a
fact comes under its own reference, at its own time, with all that it says to the clock, and
whoever tells it later tells what is booked already. That holds where the end books what was
supposed at the message's first place; elsewhere a command has to do.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from services.ledger.activation.activating import is_booked_alike
from services.ledger.activation.activations import Activations, Place, Timeline
from shared.contracts.dead_letters import REDRIVABLE
from shared.contracts.journal import Book
from shared.contracts.messages import Position
from shared.contracts.topics import BANK_OBSERVATIONS, STRIPE_EVENTS, STRIPE_OBJECTS

# What others tell us. Commands and matches are decisions, which are made once.
TOLD_BY_OTHERS: Final = REDRIVABLE & {STRIPE_EVENTS, STRIPE_OBJECTS, BANK_OBSERVATIONS}
UNTOLD: Final = "no message of Stripe or a bank tells it"
NOT_IN_FORCE: Final = "what is supposed is not in force now"


@dataclass(slots=True)
class TellingAgain:
    """Which messages, told again now, book what they would have booked.

    ``supposed`` is what would have been in force where they stand, ``now`` what was put in force,
    ``ends`` where each input ends.
    """

    supposed: Activations
    now: Activations
    ends: Mapping[Place, int]
    _along: dict[Place, tuple[Timeline, Timeline]] = field(
        default_factory=dict[Place, tuple[Timeline, Timeline]], init=False
    )

    def why_not(self, book: Book, told_at: Position | None) -> str:
        """Why a message cannot tell a fact of a book again; empty, where it can."""
        if told_at is None or told_at.topic not in TOLD_BY_OTHERS:
            return UNTOLD
        place = (told_at.topic, told_at.partition)
        if place not in self._along:
            self._along[place] = (self.supposed.along(*place), self.now.along(*place))
        would_be, now = self._along[place]
        end = max(self.ends.get(place, 0), told_at.offset)
        return (
            "" if is_booked_alike(book, would_be.at(told_at.offset), now.at(end)) else NOT_IN_FORCE
        )
