"""What happens when: an agenda of simulated seconds, worked off in order."""

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field

Happening = Callable[[int], None]
"""What happens; it is told the second at which it does."""


def done(_result: object) -> None:
    """Let what gives a result be a happening, which gives none."""


@dataclass(slots=True)
class Agenda:
    """Happenings by their second; those of one second in the order in which they were noted."""

    now: int
    _heap: list[tuple[int, int, Happening]] = field(
        default_factory=list[tuple[int, int, Happening]]
    )
    _noted: int = 0

    def note(self, at: int, happening: Happening) -> None:
        """Let something happen at a second; what is due already happens next."""
        self._noted += 1
        heapq.heappush(self._heap, (max(at, self.now), self._noted, happening))

    def next_at(self) -> int | None:
        """The second of the next happening, or ``None`` if nothing is to come."""
        return self._heap[0][0] if self._heap else None

    def step(self, limit: int) -> bool:
        """Let the next thing happen if it is due by ``limit``; otherwise the time is ``limit``."""
        if not self._heap or self._heap[0][0] > limit:
            self.now = max(self.now, limit)
            return False
        at, _, happening = heapq.heappop(self._heap)
        self.now = at
        happening(at)
        return True
