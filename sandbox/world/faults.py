"""When a simulated API misbehaves: knobs, and the decision about each request."""

from dataclasses import dataclass, field, replace
from enum import StrEnum


class Mishap(StrEnum):
    """What a request meets instead of an answer."""

    NONE = "none"
    RATE_LIMITED = "rate_limited"
    SERVER_ERROR = "server_error"
    TIMEOUT = "timeout"


@dataclass(frozen=True, slots=True, kw_only=True)
class Knobs:
    """How an API misbehaves.

    ``every`` are periods: each n-th request meets that mishap, 0 is never. ``next_requests`` are
    mishaps for the very next requests, in order. ``requests_per_second_max`` of 0 is no limit.
    """

    rate_limited_every: int = 0
    server_error_every: int = 0
    timeout_every: int = 0
    timeout_seconds: float = 30.0
    requests_per_second_max: int = 0
    next_requests: tuple[Mishap, ...] = ()


@dataclass(slots=True)
class FaultGate:
    """Counts requests and says what each one meets."""

    knobs: Knobs = field(default_factory=Knobs)
    requests: int = 0
    _second: int = 0
    _in_second: int = 0

    def mishap(self, second: int) -> Mishap:
        """What the next request meets, at this second of the wall clock."""
        self.requests += 1
        if second != self._second:
            self._second, self._in_second = second, 0
        self._in_second += 1
        knobs = self.knobs
        if knobs.next_requests:
            self.knobs = replace(knobs, next_requests=knobs.next_requests[1:])
            return knobs.next_requests[0]
        limit = knobs.requests_per_second_max
        if limit and self._in_second > limit:
            return Mishap.RATE_LIMITED
        for every, mishap in (
            (knobs.rate_limited_every, Mishap.RATE_LIMITED),
            (knobs.server_error_every, Mishap.SERVER_ERROR),
            (knobs.timeout_every, Mishap.TIMEOUT),
        ):
            if every and self.requests % every == 0:
                return mishap
        return Mishap.NONE
