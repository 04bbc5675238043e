"""Which deliveries are asked for, and whether one of them is such a one."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Final

from services.ingest.stored_events import StoredEvent, Via
from shared.contracts.topics import STRIPE_EVENTS

_POSITION: Final = re.compile(rf"(?:{re.escape(STRIPE_EVENTS)}/)?([0-9]{{1,5}})@([0-9]{{1,18}})")


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A place on ``stripe.events``."""

    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{STRIPE_EVENTS}/{self.partition}@{self.offset}"

    @property
    def short(self) -> str:
        """The place without the name of the topic: ``3@17``."""
        return f"{self.partition}@{self.offset}"

    @classmethod
    def of(cls, event: StoredEvent) -> "Place":
        """Where a delivery stands."""
        return cls(event.partition, event.offset)

    @classmethod
    def written(cls, text: str) -> "Place | None":
        """The place that a text names, in full or in short, ``None`` where it names none."""
        found = _POSITION.fullmatch(text)
        return None if found is None else cls(int(found[1]), int(found[2]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What is asked for; what is left out selects nothing. Times are those of the broker.

    ``type_pattern`` is a type or a shell pattern of types (``charge.*``); ``limit`` 0 is all.
    """

    event_id: str = ""
    type_pattern: str = ""
    account: str = ""
    object_id: str = ""
    since: datetime | None = None
    until: datetime | None = None
    via: Via | None = None
    limit: int = 0

    def takes(self, event: StoredEvent) -> bool:
        """Whether a delivery is asked for."""
        return (
            self.event_id in ("", event.event_id)
            and self.account in ("", event.account)
            and self.object_id in ("", event.object_id)
            and (not self.type_pattern or fnmatchcase(event.event_type, self.type_pattern))
            and (self.since is None or event.appended_at >= self.since)
            and (self.until is None or event.appended_at < self.until)
            and self.via in (None, event.via)
        )

    def types_of(self, known: Iterable[str]) -> list[str]:
        """Which of the types that there are the pattern means."""
        return sorted(t for t in known if fnmatchcase(t, self.type_pattern))

    def newest(self, events: Iterable[StoredEvent]) -> tuple[StoredEvent, ...]:
        """Those asked for, the newest first, each place once, as many as are wanted."""
        taken = {Place.of(event): event for event in events if self.takes(event)}
        newest = sorted(
            taken.values(), key=lambda e: (e.appended_at, e.partition, e.offset), reverse=True
        )
        return tuple(newest[: self.limit or None])
