"""Who is listened to at all: decided from address and rate, before a byte of a body is read.

    real peer ──▶ on the allow-list? ──▶ within its rate? ──▶ within everybody's? ──▶ the door

Each of the three is skipped where it is off. A peer's rate counts what it sends; a second, lower
one counts what of it was refused, so that who floods the door with forgeries is turned away
cheaply while who is verified is not held up.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from prometheus_client import Counter

from services.ingest.admission import Turned
from services.ingest.peers import UNKNOWN, Header, ProxyRule, is_loopback, real_peer, sender_of
from services.ingest.rates import Bucket, Buckets, Rate, Sieve
from services.ingest.shell.allow_list_file import AllowListFile
from services.ingest.shell.verdict_log import VerdictLog
from services.ingest.verdict_lines import Said
from shared.contracts.messages import VerdictReason
from shared.runtime.lifecycle import pause

# What may come at once, in seconds of a rate.
_BURST_SECONDS: Final = 2.0
_REFUSALS_BURST_SECONDS: Final = 5.0
# Refusals of all peers together that are written one by one.
_WRITTEN_PER_SECOND: Final = 200.0
LOOK_SECONDS: Final = 1.0
_SUMMED_DETAIL: Final = "summed up: too many of this kind to write each"

_UNWRITTEN = Counter(
    "tallystick_ingest_verdicts_summed_total", "Refusals that were counted in a verdict for many"
)


@dataclass(frozen=True, slots=True)
class GuardRates:
    """How many deliveries a second; 0 is without a bound."""

    all_per_second: float = 0.0
    each_per_second: float = 0.0
    refused_each_per_second: float = 0.0
    written_each_per_second: float = 0.0


class Guard:
    """What stands between the network and the door's work."""

    def __init__(
        self,
        *,
        verdicts: VerdictLog,
        proxies: ProxyRule | None = None,
        rates: GuardRates | None = None,
        allow_list: AllowListFile | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        rates = rates or GuardRates()
        self._verdicts = verdicts
        self._proxies = proxies or ProxyRule()
        self._allow_list = allow_list
        self._clock = clock
        self._all = _bucket(rates.all_per_second, clock())
        self._each = _buckets(rates.each_per_second, _BURST_SECONDS)
        self._refused = _buckets(rates.refused_each_per_second, _REFUSALS_BURST_SECONDS)
        self._sieve = _sieve(rates.written_each_per_second, clock())

    def peer(self, socket_peer: str, headers: Sequence[Header]) -> str:
        """Who sent a request; ``UNKNOWN`` where the proxies before us do not say it."""
        proxies = self._proxies
        return real_peer(socket_peer, headers, proxies) if proxies.hops else socket_peer

    def refusal(self, peer: str, at: datetime) -> Turned | None:
        """Why this peer is not listened to now; ``None`` when it is."""
        if self._allow_list is not None and not self._allow_list.allows(peer, at):
            detail = (
                f"{peer} is not one of Stripe's addresses"
                if peer != UNKNOWN
                else "the sender's address is not known"
            )
            return Turned(VerdictReason.PEER_NOT_ALLOWED, 403, detail)
        now = self._clock()
        # On this machine sits a proxy that nobody told us of: one name for all that it sends.
        if not is_loopback(peer):
            sender = sender_of(peer)
            if self._refused is not None and self._refused.wait(sender, now):
                return _limited("too many refused deliveries from this address")
            if self._each is not None and self._each.take(sender, now):
                return _limited("too many deliveries from this address")
        if self._all is not None and self._all.take(now):
            return Turned(VerdictReason.UNAVAILABLE, 503, "too many deliveries a second")
        return None

    def tell(self, verdict: Said, *, book: str) -> None:
        """Take a verdict down, or count it with others of its kind."""
        if verdict.reason is VerdictReason.ACCEPTED:
            self._verdicts.add(verdict, book=book)
            return
        now = self._clock()
        is_theirs = verdict.status < 500 and verdict.reason is not VerdictReason.RATE_LIMITED
        if self._refused is not None and is_theirs and not is_loopback(verdict.peer):
            self._refused.charge(sender_of(verdict.peer), now)
        # Whose signature was right is written down in any case.
        if (
            self._sieve is None
            or verdict.event_id
            or self._sieve.passes(
                verdict.endpoint, verdict.peer, verdict.reason, verdict.status, now
            )
        ):
            self._verdicts.add(verdict, book=book)

    def sum_up(self, at: datetime) -> None:
        """Write one verdict for each kind of refusal that was only counted."""
        if self._sieve is None:
            return
        for each in self._sieve.drained():
            _UNWRITTEN.inc(each.count)
            verdict = Said(
                endpoint=each.endpoint,
                reason=VerdictReason(each.reason),
                status=each.status,
                received_at=at,
                peer=each.peer,
                detail=_SUMMED_DETAIL,
                deliveries=each.count,
            )
            self._verdicts.add(verdict, book="")

    async def run(self, stop: asyncio.Event) -> None:
        """Look at the list and sum up, each second until ``stop``, and then once more."""
        is_last = False
        while not is_last:
            is_last = await pause(stop, LOOK_SECONDS)
            if self._allow_list is not None:
                self._allow_list.look()
            self.sum_up(datetime.now(UTC))


def _limited(detail: str) -> Turned:
    return Turned(VerdictReason.RATE_LIMITED, 429, detail)


def _rate(per_second: float, burst_seconds: float) -> Rate:
    return Rate(per_second, max(1.0, per_second * burst_seconds))


def _bucket(per_second: float, at: float) -> Bucket | None:
    return Bucket(_rate(per_second, _BURST_SECONDS), at) if per_second else None


def _buckets(per_second: float, burst_seconds: float) -> Buckets | None:
    return Buckets(_rate(per_second, burst_seconds)) if per_second else None


def _sieve(per_second: float, at: float) -> Sieve | None:
    if not per_second:
        return None
    total = _rate(max(per_second, _WRITTEN_PER_SECOND), 1.0)
    return Sieve(_rate(per_second, 1.0), total, at=at)
