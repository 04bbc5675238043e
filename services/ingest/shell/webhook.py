"""The door: ``POST /webhooks/stripe/{endpoint}``, 2xx only for what Kafka has acknowledged.

Plain ASGI: one route at thousands a second needs no framework. The body's bytes go through
untouched; whatever is wrong with them is a 4xx, and what we cannot promise is a 503.
"""

import asyncio
import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import orjson
from prometheus_client import Counter, Gauge, Histogram
from starlette.types import ASGIApp, Receive, Scope, Send

from services.ingest.admission import Admitted, Turned, admission
from services.ingest.config import FailpointPlace
from services.ingest.endpoints import ROUTE, Endpoint
from services.ingest.shell.failpoint import Failpoint
from services.ingest.shell.guard import Guard
from services.ingest.shell.verdict_log import VerdictLog
from services.ingest.verdict_lines import Said
from shared.contracts.books import BookMap
from shared.contracts.errors import Refused, Unavailable
from shared.contracts.messages import VerdictReason
from shared.contracts.topics import STRIPE_EVENTS
from shared.runtime import log
from shared.runtime.kafka import Publisher
from shared.runtime.metrics import Health

# `tallystick events resend` says with it what it sends; nothing is judged by it.
RESENT_HEADER: Final = b"tallystick-resent"
RETRY_AFTER_SECONDS: Final = 5
# How long a test's death after sending waits, so that the record has left this process.
_AFTER_SEND_SECONDS: Final = 0.002
_DISCARDED_BYTES_MAX: Final = 4 * 1_048_576
_JSON: Final = (b"content-type", b"application/json")
_RETRY_AFTER: Final = (b"retry-after", str(RETRY_AFTER_SECONDS).encode())
_CLOSE: Final = (b"connection", b"close")
# Not now: by the rate of one peer, or by what all together ask of us.
_LATER: Final = (429, 503)
_RECEIVED: Final = b'{"received":true}'

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
_log = log.get(__name__)

Header = tuple[bytes, bytes]


@dataclass(frozen=True, slots=True)
class DoorLimits:
    """How much of everything the door takes."""

    tolerance_seconds: int
    body_bytes_max: int
    body_timeout_seconds: float
    in_flight_max: int
    publish_timeout_seconds: float


@dataclass(frozen=True, slots=True)
class _Delivery:
    name: str
    endpoint: Endpoint | None
    peer: str
    received_at: datetime
    # On the clock that only goes forward.
    began_at: float


class _BodyTooLarge(Exception):
    """The body goes on past the bound."""


class _PeerGone(Exception):
    """The peer left before its body was whole: there is nobody to answer."""


def _now() -> datetime:
    return datetime.now(UTC)


class Door:
    """The ASGI application; what is not a delivery goes to ``otherwise`` (health, metrics)."""

    def __init__(
        self,
        *,
        endpoints: Mapping[str, Endpoint],
        books: BookMap,
        limits: DoorLimits,
        publisher: Publisher,
        verdicts: VerdictLog,
        health: Health,
        otherwise: ASGIApp,
        guard: Guard | None = None,
        failpoint: Failpoint | None = None,
        clock: Callable[[], datetime] = _now,
    ) -> None:
        self._endpoints: dict[str, Endpoint] = {}
        self.use(endpoints)
        self._books = books
        self._limits = limits
        self._publisher = publisher
        self._guard = guard or Guard(verdicts=verdicts)
        self._health = health
        self._otherwise = otherwise
        self._failpoint = failpoint
        self._clock = clock
        self._in_flight = 0
        # Asked for when it is scraped: counted on its own it would cost a lock for each delivery.
        _IN_FLIGHT.set_function(lambda: self._in_flight)
        self._is_open = False

    def use(self, endpoints: Mapping[str, Endpoint]) -> None:
        """Put these endpoints into force, all at once; what is being answered keeps its own."""
        self._endpoints = {endpoint.path: endpoint for endpoint in endpoints.values()}

    def open(self) -> None:
        """Let deliveries in: the topics are there and as they should be."""
        self._is_open = True

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http" or not scope["path"].startswith(ROUTE):
            await self._otherwise(scope, receive, send)
        elif scope["method"] != "POST":
            await _answer(send, 405, _problem("method", "only POST"), ((b"allow", b"POST"), _CLOSE))
        else:
            await self._deliver(scope, receive, send)

    async def _deliver(self, scope: Scope, receive: Receive, send: Send) -> None:
        client = scope.get("client")
        endpoint = self._endpoints.get(scope["path"][len(ROUTE) :])
        delivery = _Delivery(
            # Whatever somebody wrote into a path is not worth keeping for ever.
            name=endpoint.name if endpoint is not None else "",
            endpoint=endpoint,
            peer=self._guard.peer(client[0] if client else "", scope["headers"]),
            received_at=self._clock(),
            began_at=time.monotonic(),
        )
        told: Admitted | Turned | None = self._guard.refusal(delivery.peer, delivery.received_at)
        if told is None and self._in_flight >= self._limits.in_flight_max:
            told = _unavailable("too many deliveries at once")
        if told is not None:
            await self._tell(delivery, told, b"", send)
            return
        self._in_flight += 1
        try:
            body, told = await self._judged(delivery, scope, receive)
            judged_at: float | None = None
            if isinstance(told, Admitted):
                judged_at = time.monotonic()
                told = await self._kept(told)
            await self._tell(delivery, told, body, send, judged_at)
        except _PeerGone:
            _DELIVERIES.labels(delivery.name, "gone", "peer_gone").inc()
        finally:
            self._in_flight -= 1

    async def _judged(
        self, delivery: _Delivery, scope: Scope, receive: Receive
    ) -> tuple[bytes, Admitted | Turned]:
        headers: list[Header] = scope["headers"]
        if delivery.endpoint is None:
            return b"", Turned(VerdictReason.UNKNOWN_ENDPOINT, 404, "there is no such endpoint")
        if any(n == b"content-encoding" and v.lower() != b"identity" for n, v in headers):
            return b"", Turned(
                VerdictReason.BODY_ENCODED, 415, "send the body as it was signed, not encoded"
            )
        try:
            body = await _body(receive, headers, self._limits)
        except _BodyTooLarge:
            detail = f"the body is larger than {self._limits.body_bytes_max} bytes"
            return b"", Turned(VerdictReason.BODY_TOO_LARGE, 413, detail)
        except TimeoutError:
            return b"", Turned(VerdictReason.UNAVAILABLE, 408, "the body did not come in time")
        except asyncio.CancelledError:
            # Only a door that stops ends a request, which ends here in any case.
            return b"", _unavailable("the door stops; send it again")
        return body, self._admission(delivery.endpoint, headers, body)

    def _admission(
        self, endpoint: Endpoint, headers: list[Header], body: bytes
    ) -> Admitted | Turned:
        signatures = [value for name, value in headers if name == b"stripe-signature"]
        if len(signatures) > 1:
            return Turned(
                VerdictReason.MALFORMED_HEADER, 400, "the Stripe-Signature header is there twice"
            )
        header = signatures[0].decode("latin-1") if signatures else None
        resent = [value for name, value in headers if name == RESENT_HEADER]
        return admission(
            body,
            header,
            endpoint,
            self._books,
            # Asked anew: the body may have taken its time, and the tolerance is for now.
            received_at=self._clock(),
            tolerance_seconds=self._limits.tolerance_seconds,
            resent_from=resent[0].decode("latin-1") if resent else "",
        )

    async def _kept(self, told: Admitted) -> Admitted | Turned:
        """The same once Kafka has it; only then is it promised."""
        if not self._is_open:
            return _named(_unavailable("the topics are not there yet"), told)
        began = time.monotonic()
        self._pass(FailpointPlace.BEFORE_SEND)
        try:
            await self._published(told)
        except Unavailable as error:
            self._health.not_ready("kafka", str(error))
            return _named(_unavailable("the event could not be kept; send it again"), told)
        except Refused as error:
            _log.warning("event.too_large", event_id=told.event_id, reason=str(error))
            return _named(Turned(VerdictReason.BODY_TOO_LARGE, 413, "the event is too large"), told)
        _ACK_SECONDS.observe(time.monotonic() - began)
        self._health.ready("kafka")
        self._pass(FailpointPlace.AFTER_ACK)
        return told

    async def _published(self, told: Admitted) -> None:
        publishing = self._publisher.publish(
            STRIPE_EVENTS, told.key, told.envelope, self._limits.publish_timeout_seconds
        )
        if self._failpoint is None or self._failpoint.place is not FailpointPlace.AFTER_SEND:
            await publishing
            return
        task = asyncio.ensure_future(publishing)
        await asyncio.wait({task}, timeout=_AFTER_SEND_SECONDS)
        self._pass(FailpointPlace.AFTER_SEND)
        await task

    async def _tell(
        self,
        delivery: _Delivery,
        told: Admitted | Turned,
        body: bytes,
        send: Send,
        judged_at: float | None = None,
    ) -> None:
        """Take the verdict down and answer."""
        now = time.monotonic()
        judged_at = now if judged_at is None else judged_at
        if isinstance(told, Admitted):
            reason, status, outcome = VerdictReason.ACCEPTED, 200, "accepted"
        else:
            reason, status = told.reason, told.status
            outcome = "later" if status in _LATER else "refused"
        _DELIVERIES.labels(delivery.name, outcome, reason).inc()
        _SECONDS.observe(now - delivery.began_at)
        self._guard.tell(
            Said(
                endpoint=delivery.name,
                reason=reason,
                status=status,
                received_at=delivery.received_at,
                peer=delivery.peer,
                event_id=told.event_id,
                event_type=told.event_type,
                body_sha256=hashlib.sha256(body).hexdigest() if body else "",
                body_bytes=len(body),
                secret_id=told.secret,
                detail=told.detail,
                judged_microseconds=round((judged_at - delivery.began_at) * 1e6),
                ack_microseconds=round((now - judged_at) * 1e6),
            ),
            book="" if delivery.endpoint is None else str(delivery.endpoint.book),
        )
        if isinstance(told, Admitted):
            if told.expected_version:
                _OTHER_VERSIONS.labels(delivery.name).inc()
            self._pass(FailpointPlace.BEFORE_REPLY)
            await _answer(send, 200, _RECEIVED, ())
            return
        # An unread body would be taken for the next request.
        headers = (_RETRY_AFTER, _CLOSE) if status in _LATER else (_CLOSE,)
        await _answer(send, status, _problem(reason, told.detail), headers)

    def _pass(self, place: FailpointPlace) -> None:
        if self._failpoint is not None:
            self._failpoint.passed(place)


async def _body(receive: Receive, headers: list[Header], limits: DoorLimits) -> bytes:
    """The whole body; of one too large nothing is kept, and it is refused.

    Raises:
        _BodyTooLarge: It says so in its length, or goes on past the bound.
        TimeoutError: The rest of it does not come in time.
        _PeerGone: The peer left.
    """
    is_too_large = any(
        name == b"content-length" and int(value) > limits.body_bytes_max for name, value in headers
    )
    # Nearly every body has come with its head, and a timeout costs more than taking it: for the
    # first part the watch over the sockets is enough.
    chunk, is_whole = await _chunk(receive)
    if is_whole and not is_too_large and len(chunk) <= limits.body_bytes_max:
        return chunk
    async with asyncio.timeout(limits.body_timeout_seconds):
        chunks, size = [chunk], len(chunk)
        # A peer that is answered in mid-sentence sees a broken connection instead of the answer,
        # so some of what is too much is read and thrown away.
        patience = limits.body_bytes_max + _DISCARDED_BYTES_MAX
        while not is_whole and size <= patience:
            chunk, is_whole = await _chunk(receive)
            size += len(chunk)
            is_too_large = is_too_large or size > limits.body_bytes_max
            if is_too_large:
                chunks.clear()
            else:
                chunks.append(chunk)
    if is_too_large or size > limits.body_bytes_max:
        raise _BodyTooLarge
    return b"".join(chunks)


async def _chunk(receive: Receive) -> tuple[bytes, bool]:
    """The next part of the body, and whether it is the last."""
    message = await receive()
    if message["type"] == "http.disconnect":
        raise _PeerGone
    return message.get("body", b""), not message.get("more_body", False)


async def _answer(send: Send, status: int, body: bytes, headers: tuple[Header, ...]) -> None:
    length = (b"content-length", str(len(body)).encode())
    await send(
        {"type": "http.response.start", "status": status, "headers": [_JSON, length, *headers]}
    )
    await send({"type": "http.response.body", "body": body})


def _problem(reason: str, detail: str) -> bytes:
    return orjson.dumps({"error": {"reason": reason, "detail": detail}})


def _unavailable(detail: str) -> Turned:
    return Turned(VerdictReason.UNAVAILABLE, 503, detail)


def _named(turned: Turned, told: Admitted) -> Turned:
    return Turned(
        turned.reason, turned.status, turned.detail, told.event_id, told.event_type, told.secret
    )
