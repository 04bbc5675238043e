"""Dead letters as they stand: letters and the notes behind them, laid together.

a letter ──▶ open ──note──▶ redriven: its record stands on its topic once more
                  ──note──▶ parked: somebody has looked at it, and it stays
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from pydantic import ValidationError

from shared.contracts.envelope import Envelope
from shared.contracts.errors import Unreadable
from shared.contracts.messages import DeadLetter, DeadLetterNote, LetterState, Position
from shared.contracts.topics import LEDGER_DEAD_LETTERS, RECONCILER_DEAD_LETTERS, TOPICS

LETTER_TYPE: Final = "com.tallystick.dead-letter.v1"
NOTE_TYPE: Final = "com.tallystick.dead-letters.note.v1"
DEAD_LETTER_TOPICS: Final = (LEDGER_DEAD_LETTERS, RECONCILER_DEAD_LETTERS)
# What a service of ours derives is numbered and chained: a record of it that came once more would
# be dropped as a repeat at best. Mend the reader and read the topic again.
REDRIVABLE: Final = frozenset(
    topic.name
    for topic in TOPICS.values()
    if not {"ledger", "reconciler"} & set(topic.writers)
    and {"ledger", "reconciler"} & set(topic.readers)
)


@dataclass(frozen=True, slots=True)
class Letter:
    """One dead letter as it stands now, without its bytes.

    ``places`` are where the letter stands; after a crash it may be there twice.
    """

    topic: str
    places: tuple[Position, ...]
    key: bytes | None
    said: DeadLetter
    size_bytes: int
    is_truncated: bool
    state: LetterState = LetterState.OPEN
    note: DeadLetterNote | None = None

    @property
    def place(self) -> str:
        """Where it stands, as it is written: ``topic/partition@offset``."""
        return written(self.places[0])

    @property
    def source(self) -> str:
        """Where the record stands that it is of."""
        return written(self.said.position)

    @property
    def is_open(self) -> bool:
        """Whether nobody has done anything about it."""
        return self.state is LetterState.OPEN


@dataclass(frozen=True, slots=True)
class OpenLetters:
    """How many letters are open for one reason, and since when the oldest is."""

    topic: str
    reason: str
    count: int
    oldest: datetime


@dataclass(slots=True)
class Letters:
    """All letters of some topics, as far as their records have been taken."""

    _found: dict[tuple[str, str], Letter] = field(default_factory=dict[tuple[str, str], Letter])
    _noted: dict[tuple[str, str], DeadLetterNote] = field(
        default_factory=dict[tuple[str, str], DeadLetterNote]
    )

    def take(self, at: Position, key: bytes | None, envelope: Envelope) -> None:
        """Take a record of a dead-letter topic.

        Raises:
            Unreadable: It is neither a letter nor a note.
        """
        try:
            if envelope.type == NOTE_TYPE:
                self._take_note(at, DeadLetterNote.model_validate_json(envelope.data))
            elif envelope.type == LETTER_TYPE:
                said = DeadLetter.model_validate_json(envelope.extension("deadletter"))
                self._take_letter(at, key, said, envelope)
            else:
                raise Unreadable(f"{written(at)} is of type {envelope.type[:80]!r}")
        except ValidationError:
            raise Unreadable(f"{written(at)} is no {envelope.type}") from None

    def _take_letter(
        self, at: Position, key: bytes | None, said: DeadLetter, envelope: Envelope
    ) -> None:
        name = (at.topic, written(said.position))
        known = self._found.get(name)
        if known is not None:
            self._found[name] = replace(known, places=(*known.places, at))
            return
        note = self._noted.get(name)
        self._found[name] = Letter(
            topic=at.topic,
            places=(at,),
            key=key,
            said=said,
            size_bytes=len(envelope.data),
            is_truncated=envelope.extension("truncated") == "true",
            state=LetterState.OPEN if note is None else note.state,
            note=note,
        )

    def _take_note(self, at: Position, note: DeadLetterNote) -> None:
        name = (at.topic, written(note.position))
        self._noted[name] = note
        known = self._found.get(name)
        if known is not None:
            self._found[name] = replace(known, state=note.state, note=note)

    def all(self) -> list[Letter]:
        """Every letter, the oldest first."""
        return sorted(self._found.values(), key=lambda each: (each.said.parked_at, each.place))

    def noted(self) -> list[str]:
        """The sources of which a note has been taken."""
        return sorted(source for _, source in self._noted)

    def of_source(self, source: str) -> list[Letter]:
        """The letters of one record: each consumer that could not read it has written one."""
        return [self._found[name] for name in sorted(self._found) if name[1] == source]

    def at(self, place: str) -> Letter | None:
        """The letter that stands at a place."""
        return next(
            (each for each in self._found.values() if place in map(written, each.places)), None
        )


def open_letters(letters: Iterable[Letter]) -> list[OpenLetters]:
    """The open ones, counted by topic and reason."""
    oldest: dict[tuple[str, str], datetime] = {}
    count: dict[tuple[str, str], int] = {}
    for each in letters:
        if each.is_open:
            name = (each.topic, each.said.reason)
            count[name] = count.get(name, 0) + 1
            oldest[name] = min(oldest.get(name, each.said.parked_at), each.said.parked_at)
    return [OpenLetters(*name, count[name], oldest[name]) for name in sorted(count)]


def written(position: Position) -> str:
    """A position as it is written: ``topic/partition@offset``."""
    return f"{position.topic}/{position.partition}@{position.offset}"
