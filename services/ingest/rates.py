"""How often somebody may knock: token buckets that are told the time, in tables with a bound."""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

PEERS_MAX: Final = 10_000
OTHERS: Final = ""
# Sums of fractions of seconds miss a whole one by this much at most.
_ROUNDING_SECONDS: Final = 1e-9


@dataclass(frozen=True, slots=True)
class Rate:
    """So many a second over time, and so many at once."""

    per_second: float
    burst: float

    def __post_init__(self) -> None:
        if self.per_second <= 0 or self.burst < 1:
            raise ValueError(f"{self.per_second} a second, {self.burst} at once is no rate")


class Bucket:
    """What is left of a rate; ``at`` is seconds of any clock that does not go back."""

    __slots__ = ("_at", "_rate", "_tokens")

    def __init__(self, rate: Rate, at: float) -> None:
        self._rate = rate
        self._tokens = rate.burst
        self._at = at

    def wait(self, at: float) -> float:
        """Seconds until there is something to take; 0 when there is now."""
        elapsed = at - self._at
        if elapsed > 0:
            self._tokens = min(self._rate.burst, self._tokens + elapsed * self._rate.per_second)
            self._at = at
        missing = 1 - self._tokens
        return missing / self._rate.per_second if missing > _ROUNDING_SECONDS else 0.0

    def take(self, at: float) -> float:
        """Take one if there is one, and give 0; else the seconds to wait, and nothing is taken."""
        seconds = self.wait(at)
        if not seconds:
            self._tokens -= 1
        return seconds

    def charge(self, at: float) -> None:
        """Take one that is known of only afterwards; it may leave a debt, as large as the burst.

        Of many that were under way at once each counts, though all found something to take.
        """
        self.wait(at)
        self._tokens = max(self._tokens - 1, -self._rate.burst)


class Buckets:
    """A bucket for each peer; of too many, the one unheard for longest is forgotten."""

    def __init__(self, rate: Rate, *, peers_max: int = PEERS_MAX) -> None:
        self._rate = rate
        self._peers_max = peers_max
        self._of: OrderedDict[str, Bucket] = OrderedDict()

    def __len__(self) -> int:
        return len(self._of)

    def wait(self, peer: str, at: float) -> float:
        """Seconds until the peer may come again; 0 for one that is not known."""
        bucket = self._of.get(peer)
        return 0.0 if bucket is None else bucket.wait(at)

    def take(self, peer: str, at: float) -> float:
        """As ``Bucket.take``, for one peer."""
        return self._bucket(peer, at).take(at)

    def charge(self, peer: str, at: float) -> None:
        """As ``Bucket.charge``, for one peer."""
        self._bucket(peer, at).charge(at)

    def _bucket(self, peer: str, at: float) -> Bucket:
        bucket = self._of.get(peer)
        if bucket is None:
            if len(self._of) >= self._peers_max:
                self._of.popitem(last=False)
            bucket = self._of[peer] = Bucket(self._rate, at)
        else:
            self._of.move_to_end(peer)
        return bucket


@dataclass(frozen=True, slots=True)
class Unwritten:
    """How many refusals of one kind were not written down one by one, and until when."""

    endpoint: str
    peer: str
    reason: str
    status: int
    count: int


class Sieve:
    """Which refusals are written down one by one, and how many of each kind were not.

    A refusal costs its sender nothing, so a flood of them must not fill the record: of a peer and
    reason only so many a second are written, and of all together too; the rest is counted.
    """

    def __init__(self, each: Rate, total: Rate, *, at: float, peers_max: int = PEERS_MAX) -> None:
        self._each = Buckets(each, peers_max=peers_max)
        self._total = Bucket(total, at)
        self._peers_max = peers_max
        self._counts: dict[tuple[str, str, str, int], int] = {}

    def passes(self, endpoint: str, peer: str, reason: str, status: int, at: float) -> bool:
        """Whether a refusal is to be written now; if not, it is counted."""
        if not self._each.take(f"{peer} {reason}", at) and not self._total.take(at):
            return True
        kind = (endpoint, peer, reason, status)
        if kind not in self._counts and len(self._counts) >= self._peers_max:
            kind = (endpoint, OTHERS, reason, status)
        self._counts[kind] = self._counts.get(kind, 0) + 1
        return False

    def drained(self) -> list[Unwritten]:
        """What was counted since this was last asked."""
        counted, self._counts = self._counts, {}
        return [Unwritten(*kind, count) for kind, count in counted.items()]
