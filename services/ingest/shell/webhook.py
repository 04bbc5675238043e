"""The door: ``POST /webhooks/stripe/{endpoint}``, 2xx only for what Kafka has acknowledged.

    head ─▶ begin ─▶ body ─▶ whole: judged ─▶ posted ─▶ … Kafka has a batch ─▶ verdict, answer

Nothing here is awaited and no delivery has a task of its own: a connection calls when bytes have
come, the outbox when a batch is kept or not. The body's bytes go through untouched; whatever is
wrong with them is a 4xx, and what we cannot promise is a 503.
"""

import asyncio
import functools
import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Final

from prometheus_client import Gauge

from services.ingest.admission import Admitted, Desk, Turned
from services.ingest.config import FailpointPlace
from services.ingest.endpoints import ROUTE, Endpoint
from services.ingest.shell.answers import ACCEPTED, FAILED, LATER, Answer, Header, problem
from services.ingest.shell.delivery import Caller, Delivery, Named
from services.ingest.shell.failpoint import Failpoint
from services.ingest.shell.guard import Guard
from services.ingest.shell.verdict_log import VerdictLog
from services.ingest.verdict_lines import Said
from shared.contracts.books import BookMap
from shared.contracts.errors import Refused, Unavailable
from shared.contracts.messages import VerdictReason
from shared.contracts.topics import STRIPE_EVENTS
from shared.runtime import log
from shared.runtime.counter import Counter
from shared.runtime.histogram import Histogram
from shared.runtime.kafka import Publisher, Row
from shared.runtime.kafka_outbox import Outbox
from shared.runtime.metrics import Health

# `tallystick events resend` says with it what it sends; nothing is judged by it.
RESENT_HEADER: Final = b"tallystick-resent"
# How long a test's death after sending waits, so that the record has left this process.
_AFTER_SEND_SECONDS: Final = 0.002
# How long a body that is under way may go on once the door is to stop: less than the server waits.
_STOP_SECONDS: Final = 2.0
_DISCARDED_BYTES_MAX: Final = 4 * 1_048_576
_SIGNATURE: Final = b"stripe-signature"
# The headers that the door reads.
READ: Final = (_SIGNATURE, RESENT_HEADER, b"content-encoding", b"content-length")

_BUCKETS: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10)
_DELIVERIES = Counter(
    "tallystick_ingest_requests_total",
    "Deliveries at the door by verdict",
    ["endpoint", "outcome", "reason"],
)
_SECONDS = Histogram(
    "tallystick_ingest_request_duration_seconds",
    "From a request's head to its verdict",
    buckets=_BUCKETS,
)
_ACK_SECONDS = Histogram(
    "tallystick_ingest_publish_duration_seconds",
    "From a judged delivery to Kafka's acknowledgement",
    buckets=_BUCKETS,
)
_OTHER_VERSIONS = Counter(
    "tallystick_ingest_unexpected_api_versions_total",
    "Accepted events told in another API version than their endpoint expects",
    ["endpoint"],
)
_IN_FLIGHT = Gauge("tallystick_ingest_in_flight", "Deliveries that are being answered")
_OUTCOMES: Final = MappingProxyType({200: "accepted"} | dict.fromkeys(LATER, "later"))
_ACCEPTED: Final = VerdictReason.ACCEPTED
_NOW: Final = functools.partial(datetime.now, UTC)
_Act = Callable[[Delivery, float], None]
_log = log.get(__name__)


@dataclass(frozen=True, slots=True)
class DoorLimits:
    """How much of everything the door takes."""

    tolerance_seconds: int
    body_bytes_max: int
    body_timeout_seconds: float
    in_flight_max: int
    publish_timeout_seconds: float


class Door:
    """Judges deliveries, hands them to Kafka, and answers. Each that begins is answered once."""

    def __init__(
        self,
        *,
        endpoints: Mapping[str, Endpoint],
        books: BookMap,
        limits: DoorLimits,
        publisher: Publisher,
        verdicts: VerdictLog,
        health: Health,
        guard: Guard | None = None,
        failpoint: Failpoint | None = None,
        clock: Callable[[], datetime] = _NOW,
    ) -> None:
        self._books = books
        self._limits = limits
        self._desks: dict[str, Desk] = {}
        self.use(endpoints)
        self._publisher = publisher
        self._outbox: Outbox[Delivery] = Outbox(
            publisher, STRIPE_EVENTS, self._settled, timeout_seconds=limits.publish_timeout_seconds
        )
        self._guard = guard or Guard(verdicts=verdicts)
        self._health = health
        self._failpoint = failpoint
        self._clock = clock
        self._sending: set[asyncio.Task[None]] = set()
        self._in_flight = 0
        # Asked for when it is scraped: counted on its own it would cost a lock for each delivery.
        _IN_FLIGHT.set_function(lambda: self._in_flight)
        self._is_open = False
        self.kafka_heard_at = 0.0

    def use(self, endpoints: Mapping[str, Endpoint]) -> None:
        """Put these endpoints into force, all at once; what is being answered keeps its own."""
        seconds = self._limits.tolerance_seconds
        self._desks = {
            ROUTE + endpoint.path: Desk(endpoint, self._books, tolerance_seconds=seconds)
            for endpoint in endpoints.values()
        }

    def open(self) -> None:
        """Let deliveries in: the topics are there and as they should be."""
        self._is_open = True

    # ------------------------------------------------------------------ from a connection

    def begin(
        self, caller: Caller, path: str, headers: Sequence[Header], named: Named
    ) -> Delivery | None:
        """Begin a delivery; ``None`` where its head was enough to answer it.

        ``named`` has by name those of the headers that are read.
        """
        at, began_at = self._clock(), time.monotonic()
        peer = self._guard.peer(caller.peer, headers)
        delivery = Delivery(caller, self._desks.get(path), peer, at, began_at)
        is_full = self._in_flight >= self._limits.in_flight_max
        self._in_flight += 1
        told = self._guard.refusal(peer, at)
        if told is None and is_full:
            told = _unavailable("too many deliveries at once")
        if told is None and (delivery.desk is None or b"content-encoding" in named):
            told = _refusal_of_head(delivery, named)
        if told is not None:
            self._refuse(delivery, told)
            return None
        delivery.named = named
        for length in named.get(b"content-length", ()):
            if int(length) > self._limits.body_bytes_max:
                delivery.is_too_large = True
        return delivery

    def add(self, delivery: Delivery, part: bytes) -> None:
        """Take a part of its body; of one too large nothing is kept, and it is refused.

        A peer that is answered in mid-sentence sees a broken connection instead of the answer, so
        some of what is too much is read and thrown away.
        """
        delivery.came_bytes += len(part)
        if delivery.is_too_large or delivery.came_bytes > self._limits.body_bytes_max:
            delivery.is_too_large = True
            delivery.parts.clear()
            if delivery.came_bytes > self._limits.body_bytes_max + _DISCARDED_BYTES_MAX:
                self._refuse(delivery, self._too_large())
        else:
            delivery.parts.append(part)

    def wait_for(self, delivery: Delivery) -> None:
        """Give the rest of its body its time."""
        late = Turned(VerdictReason.UNAVAILABLE, 408, "the body did not come in time")
        self._time(delivery, self._limits.body_timeout_seconds, late)

    def stop(self, delivery: Delivery) -> None:
        """Give the rest of its body the time that a door has which is to stop."""
        self._time(delivery, _STOP_SECONDS, _unavailable("the door stops; send it again"))

    def whole(self, delivery: Delivery) -> None:
        """Judge it, its body being there; what is admitted is posted."""
        try:
            told = self._judged(delivery)
            delivery.end_timer()
            if isinstance(told, Admitted):
                self._keep(delivery, told)
            else:
                self._refuse(delivery, told)
        except Exception:  # noqa: BLE001  # whatever it is, it is not the connection's fault
            self._fail(delivery)

    def gone(self, delivery: Delivery) -> None:
        """Its peer left before its body was whole: there is nobody to answer."""
        delivery.end_timer()
        if not delivery.is_answered:
            delivery.is_answered = True
            self._in_flight -= 1
            _DELIVERIES.inc(delivery.name, "gone", "peer_gone")

    # ------------------------------------------------------------------ to Kafka

    def _judged(self, delivery: Delivery) -> Admitted | Turned:
        if delivery.is_too_large:
            return self._too_large()
        desk, parts = delivery.desk, delivery.parts
        assert desk is not None  # noqa: S101  # whoever comes to none is refused by the head
        body = parts[0] if len(parts) == 1 else b"".join(parts)
        delivery.parts = []
        delivery.body_bytes = len(body)
        delivery.body_sha256 = hashlib.sha256(body).hexdigest() if body else ""
        signatures = delivery.named.get(_SIGNATURE, ())
        if len(signatures) > 1:
            return Turned(
                VerdictReason.MALFORMED_HEADER, 400, "the Stripe-Signature header is there twice"
            )
        resent = delivery.named.get(RESENT_HEADER)
        return desk.admission(
            body,
            signatures[0].decode("latin-1") if signatures else None,
            # Asked anew where the body has taken its time: the tolerance is for now.
            received_at=delivery.received_at if delivery.timer is None else self._clock(),
            resent_from=resent[0].decode("latin-1") if resent else "",
        )

    def _keep(self, delivery: Delivery, told: Admitted) -> None:
        """Hand it to Kafka; it is promised once that has it."""
        delivery.told = told
        delivery.judged_at = time.monotonic()
        if not self._is_open:
            self._refuse(delivery, _unavailable("the topics are not there yet"))
            return
        failpoint, is_watched = self._failpoint, False
        if failpoint is not None:
            failpoint.passed(FailpointPlace.BEFORE_SEND)
            is_watched = failpoint.place is FailpointPlace.AFTER_SEND
        row = told.key, told.data, told.headers
        try:
            if is_watched or not self._outbox.post(row, delivery):
                task = asyncio.get_running_loop().create_task(self._send(delivery, row))
                self._sending.add(task)
                task.add_done_callback(self._sending.discard)
        except Refused as error:
            self._refuse_large(delivery, error)

    async def _send(self, delivery: Delivery, row: Row) -> None:
        """The same where there is something to wait for: a producer, or room in it."""
        seconds = self._limits.publish_timeout_seconds
        publishing = self._publisher.publish_rows(STRIPE_EVENTS, [row], seconds)
        try:
            task = asyncio.ensure_future(publishing)
            if self._failpoint is not None:
                await asyncio.wait({task}, timeout=_AFTER_SEND_SECONDS)
                self._failpoint.passed(FailpointPlace.AFTER_SEND)
            await task
        except Unavailable as error:
            self._settled([delivery], error)
        except Refused as error:
            self._refuse_large(delivery, error)
        except Exception:  # noqa: BLE001  # as for a delivery that is judged
            self._fail(delivery)
        else:
            self._settled([delivery], None)

    def _settled(self, deliveries: list[Delivery], error: Unavailable | None) -> None:
        """Answer those of a batch: Kafka has them all, or may have none."""
        now = time.monotonic()
        if error is not None:
            self._health.not_ready("kafka", str(error))
            self._each(self._lose, deliveries, now)
            return
        self._health.ready("kafka")
        self.kafka_heard_at = now
        if self._failpoint is not None:
            for _ in deliveries:
                self._failpoint.passed(FailpointPlace.AFTER_ACK)
        # Answers come first and in a row: who waits for them sends on while we write down the rest.
        self._each(self._accept, deliveries, now)
        self._each(self._tell_accepted, deliveries, now)

    def _each(self, act: _Act, deliveries: Sequence[Delivery], now: float) -> None:
        for delivery in deliveries:
            try:
                act(delivery, now)
            except Exception:  # noqa: BLE001  # as for a delivery that is judged
                self._fail(delivery)

    # ------------------------------------------------------------------ answers

    def _accept(self, delivery: Delivery, now: float) -> None:
        _ACK_SECONDS.observe(now - delivery.judged_at)
        if self._failpoint is not None:
            self._failpoint.passed(FailpointPlace.BEFORE_REPLY)
        self._answer(delivery, ACCEPTED)

    def _tell_accepted(self, delivery: Delivery, now: float) -> None:
        told = delivery.told
        assert told is not None  # noqa: S101  # only what was admitted was posted
        self._tell(delivery, told, _ACCEPTED, 200, detail=told.detail, now=now)
        if told.expected_version:
            _OTHER_VERSIONS.inc(delivery.name)

    def _lose(self, delivery: Delivery, _: float) -> None:
        self._refuse(delivery, _unavailable("the event could not be kept; send it again"))

    def _refuse(self, delivery: Delivery, told: Turned) -> None:
        delivery.end_timer()
        # What is refused though it was admitted is named, as its signature was right.
        named = told if delivery.told is None else delivery.told
        now = time.monotonic()
        self._tell(delivery, named, told.reason, told.status, detail=told.detail, now=now)
        self._answer(delivery, problem(told.status, told.reason, told.detail))

    def _refuse_large(self, delivery: Delivery, error: Refused) -> None:
        event_id = "" if delivery.told is None else delivery.told.event_id
        _log.warning("event.too_large", event_id=event_id, reason=str(error))
        told = Turned(VerdictReason.BODY_TOO_LARGE, 413, "the event is too large")
        self._refuse(delivery, told)

    def _fail(self, delivery: Delivery) -> None:
        _log.exception("delivery.failed")
        delivery.end_timer()
        self._answer(delivery, FAILED)

    def _tell(
        self,
        delivery: Delivery,
        named: Admitted | Turned,
        reason: VerdictReason,
        status: int,
        *,
        detail: str,
        now: float,
    ) -> None:
        """Count a verdict and take it down."""
        desk, began_at = delivery.desk, delivery.began_at
        judged_at = delivery.judged_at or now
        name = delivery.name
        _DELIVERIES.inc(name, _OUTCOMES.get(status, "refused"), str(reason))
        _SECONDS.observe(now - began_at)
        self._guard.tell(
            Said(
                endpoint=name,
                reason=reason,
                status=status,
                received_at=delivery.received_at,
                peer=delivery.peer,
                event_id=named.event_id,
                event_type=named.event_type,
                body_sha256=delivery.body_sha256,
                body_bytes=delivery.body_bytes,
                secret_id=named.secret,
                detail=detail,
                judged_microseconds=round((judged_at - began_at) * 1e6),
                ack_microseconds=round((now - judged_at) * 1e6),
            ),
            book="" if desk is None else desk.book,
        )

    def _answer(self, delivery: Delivery, answer: Answer) -> None:
        if not delivery.is_answered:
            delivery.is_answered = True
            self._in_flight -= 1
            delivery.caller.reply(answer)

    def _time(self, delivery: Delivery, seconds: float, late: Turned) -> None:
        delivery.end_timer()
        loop = asyncio.get_running_loop()
        delivery.timer = loop.call_later(seconds, self._refuse, delivery, late)

    def _too_large(self) -> Turned:
        detail = f"the body is larger than {self._limits.body_bytes_max} bytes"
        return Turned(VerdictReason.BODY_TOO_LARGE, 413, detail)


def _refusal_of_head(delivery: Delivery, named: Named) -> Turned | None:
    if delivery.desk is None:
        return Turned(VerdictReason.UNKNOWN_ENDPOINT, 404, "there is no such endpoint")
    for coding in named.get(b"content-encoding", ()):
        if coding.lower() != b"identity":
            return Turned(
                VerdictReason.BODY_ENCODED, 415, "send the body as it was signed, not encoded"
            )
    return None


def _unavailable(detail: str) -> Turned:
    return Turned(VerdictReason.UNAVAILABLE, 503, detail)
