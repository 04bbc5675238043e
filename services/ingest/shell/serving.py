"""The door's side of a socket: HTTP within bounds, deliveries to the door, the rest to ASGI.

    connection ──▶ head: so long, so large ──▶ body: so long, so fast ──▶ answer ──▶ idle: so long
                     │
                     ├─ under the webhook route: calls of the door, an answer in one piece
                     └─ all else (health, metrics): uvicorn's ASGI, as it is

uvicorn limits none of these times and sizes. One watch looks over all connections each half
second, so a request costs a few notes of the time and no timer. What HTTP leaves to be understood
in two ways is refused, for whoever stands before us may understand it in the other: the parser's
strictness is kept whole, and a request comes alone, without another behind it.

A delivery has no ASGI scope, no task, no queue of messages: these cost more than all that the door
does with it (docs/decisions/0051). The parser is the same, and so are the bounds.
"""

import asyncio
import functools
import time
import urllib.parse
from http import HTTPStatus
from typing import Any, Final

import httptools
from prometheus_client import Counter
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from services.ingest.endpoints import ROUTE
from services.ingest.http_rules import DECIDING, refusal
from services.ingest.peers import address_text
from services.ingest.shell.answers import ACCEPTED, ONLY_POST, Answer, Ready, written
from services.ingest.shell.crowd import CUT, Crowd
from services.ingest.shell.delivery import Delivery
from services.ingest.shell.webhook import READ, Door

# A body may begin slowly; after this its pace counts.
_PACE_GRACE_SECONDS: Final = 3.0
# What a body may take on the wire beside its bytes: heads of chunks, and what is thrown away.
_WIRE_BYTES_BESIDE: Final = 8 * 1_048_576
_NAMED: Final = frozenset((*DECIDING, *READ))
_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
_READY: Final = Ready()

_UNREADABLE = Counter(
    "tallystick_ingest_requests_unreadable_total",
    "Requests that were refused as HTTP, by status",
    ["status"],
)


def protocol_of(crowd: Crowd, door: Door) -> Any:  # Any: uvicorn takes a maker and names a class
    """What uvicorn makes a protocol with for each connection."""
    return functools.partial(BoundedProtocol, crowd=crowd, door=door)


class BoundedProtocol(HttpToolsProtocol):
    """One connection, with its deadlines and the one request that it may have open.

    Of the four times only that of the present phase is set; the watch reads them. The open request
    is a delivery, or a cycle of uvicorn's.
    """

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],  # Any: uvicorn's own signature
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        crowd: Crowd,
        door: Door,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        # uvicorn's parser forgives bytes behind the last message of a connection; this one not.
        self.parser = httptools.HttpRequestParser(self)
        self.crowd = crowd
        self.peer = ""
        self._door = door
        self._limits = crowd.limits
        self._head_since: float | None = None
        self._body_since: float | None = None
        self._idle_since: float | None = None
        self._write_since: float | None = None
        self._head_bytes = 0
        self._body_bytes = 0
        self._wire_bytes = 0
        self._named: dict[bytes, list[bytes]] = {}
        self._delivery: Delivery | None = None
        self._keeps_alive = True
        self._has_replied = False
        self._is_cut = False
        self._status = HTTPStatus.BAD_REQUEST

    @property
    def is_waited_for(self) -> bool:
        """Whether it has asked for nothing yet."""
        return self._head_since is not None or self._idle_since is not None

    @property
    def _asked(self) -> RequestResponseCycle | None:
        """The last request that uvicorn took; there is none at first, whatever uvicorn's type."""
        return self.cycle

    # ------------------------------------------------------------------ the connection

    def connection_made(  # type: ignore[override]  # as uvicorn's own
        self, transport: asyncio.Transport
    ) -> None:
        """Take a connection in, if there is a place."""
        super().connection_made(transport)
        self.peer = address_text(self.client[0] if self.client else "")
        status = self.crowd.refusal(self.peer)
        if status is not None:
            CUT.labels("crowded").inc()
            self._refuse(status)
            return
        self.crowd.enter(self)
        self._head_since = time.monotonic()

    def connection_lost(self, exc: Exception | None) -> None:
        """Let it go; a delivery whose body was whole goes on without it."""
        self.crowd.leave(self)
        if self._delivery is not None and self._body_since is not None:
            self._door.gone(self._delivery)
        self._delivery = None
        super().connection_lost(exc)

    def shutdown(self) -> None:
        """End it once what is open is answered."""
        if self._delivery is None:
            super().shutdown()
            return
        self._keeps_alive = False
        if self._body_since is not None:
            self._door.stop(self._delivery)

    def data_received(self, data: bytes) -> None:
        """Read on, within the bounds of the phase."""
        if self._is_cut:
            return
        if self._head_since is not None or self._idle_since is not None:
            if self._idle_since is not None:
                self._idle_since, self._head_since = None, time.monotonic()
                self._head_bytes = 0
        else:
            self._wire_bytes += len(data)
        try:
            self.parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            # Where it was answered for good, what is behind is nobody's.
            if not self._is_cut:
                self._give_up()
            return
        if self._head_since is not None or self._body_since is not None:
            self._check_size(len(data))

    def reply(self, answer: Answer) -> None:
        """Answer the delivery that is open; of who has left nothing is to be told."""
        self._delivery = None
        self._has_replied = True
        self.server_state.total_requests += 1
        transport = self.transport
        if transport.is_closing():
            return
        default_headers = self.server_state.default_headers
        if answer is ACCEPTED and self._keeps_alive:
            transport.write(_READY.accepted(default_headers))
            self._idle_since = time.monotonic()
            return
        has_body = self.parser.get_method() != b"HEAD"
        transport.write(written(answer, default_headers, closes=True, has_body=has_body))
        self._is_cut = True
        transport.close()

    def cut(self, why: str, status: HTTPStatus | None = None) -> None:
        """End the connection, with an answer where one is due and none has begun."""
        CUT.labels(why).inc()
        self._is_cut = True
        self.crowd.leave(self)
        if status is not None and not self._has_begun_to_answer():
            self._refuse(status)
        else:
            self.transport.abort()

    def look(self, now: float) -> None:
        """End the connection if it is over its time."""
        limits = self._limits
        if self.transport.is_closing() or self.transport.get_write_buffer_size():
            # Whoever does not read its answer holds it in our memory.
            if self._write_since is None:
                self._write_since = now
            elif now - self._write_since > limits.write_seconds:
                self.cut("slow_reading")
            return
        self._write_since = None
        if self._idle_since is not None:
            if now - self._idle_since > limits.idle_seconds:
                CUT.labels("idle").inc()
                self._is_cut = True
                self.transport.close()
        elif self._head_since is not None:
            if now - self._head_since > limits.head_seconds:
                self.cut("slow_head", HTTPStatus.REQUEST_TIMEOUT)
        elif self._body_since is not None:
            seconds = now - self._body_since
            is_slow = (
                seconds > _PACE_GRACE_SECONDS
                and self._body_bytes < seconds * limits.body_bytes_per_second_min
            )
            if is_slow or seconds > limits.body_seconds:
                self.cut("slow_body", HTTPStatus.REQUEST_TIMEOUT)

    # ------------------------------------------------------------------ the parser's calls

    def on_message_begin(self) -> None:
        """Begin a request; one that comes before the last was answered is not read."""
        asked = self._asked
        is_open = self._delivery is not None or not (asked is None or asked.response_complete)
        if is_open or self._is_cut:
            raise ValueError("a request behind a request")
        self.url = b""
        self.headers = []
        self._named = {}
        if self._head_since is None:
            self._head_since = time.monotonic()
        self._idle_since = None
        self._head_bytes = 0

    def on_url(self, url: bytes) -> None:
        """Take the target, within the bound of a head."""
        self.url += url
        if len(self.url) > self._limits.head_bytes_max:
            self._too_large()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header, within the bounds; one behind the body is none."""
        if self._head_since is None:
            raise ValueError("a trailer")
        name = name.lower()
        self.headers.append((name, value))
        if name in _NAMED:
            self._named.setdefault(name, []).append(value)
        self._head_bytes += len(name) + len(value)
        limits = self._limits
        if self._head_bytes > limits.head_bytes_max or len(self.headers) > limits.headers_max:
            self._too_large()

    def on_headers_complete(self) -> None:
        """Hand the request on, if there is one way to read it."""
        parser = self.parser
        version = parser.get_http_version()
        status = refusal(version, self.url, self._named, is_upgrade=parser.should_upgrade())
        if status is not None:
            self._status = status
            raise ValueError("head")
        self._head_since = None
        self._body_since = time.monotonic()
        self._body_bytes = self._wire_bytes = 0
        path = _path_of(self.url)
        if not path.startswith(ROUTE):
            self._hand_to_uvicorn()
            return
        self._keeps_alive = version != "1.0" and parser.should_keep_alive()
        if parser.get_method() != b"POST":
            self.reply(ONLY_POST)
            return
        delivery = self._door.begin(self, path, self.headers, self._named)
        self._delivery = delivery
        if delivery is not None and b"expect" in self._named:
            self.transport.write(_CONTINUE)

    def on_body(self, body: bytes) -> None:
        """Take a part of the body."""
        self._body_bytes += len(body)
        if self._delivery is not None:
            self._door.add(self._delivery, body)
        elif not self._is_cut:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is whole: what follows is ours."""
        self._body_since = None
        if self._delivery is not None:
            self._door.whole(self._delivery)
        elif not self._is_cut:
            super().on_message_complete()
            if self.cycle.response_complete:
                self._idle_since = time.monotonic()

    def on_response_complete(self) -> None:
        """Wait for the next request; where this one's body still comes, its time goes on."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self._body_since is None:
            self._idle_since = time.monotonic()

    def _hand_to_uvicorn(self) -> None:
        """Begin a request of uvicorn's: it makes its scope when a message begins."""
        url, headers = self.url, self.headers
        super().on_message_begin()
        self.url = url
        self.headers.extend(headers)
        self.expect_100_continue = b"expect" in self._named
        super().on_headers_complete()

    # ------------------------------------------------------------------ refusals

    def _has_begun_to_answer(self) -> bool:
        if self._delivery is not None:
            return False
        asked = self._asked
        has_begun = asked is not None and asked.response_started
        # While a body comes, the last that was asked is what it belongs to.
        return has_begun or (self._has_replied and self._body_since is None)

    def _check_size(self, size: int) -> None:
        """End what is past a bound in a part of a request that is not whole yet."""
        if self._head_since is not None:
            # A name or a value that does not end is in no header yet, but in memory already.
            self._head_bytes += size
            if self._head_bytes > self._limits.head_bytes_max:
                self._status = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
                self._give_up()
        elif self._wire_bytes > self._limits.body_bytes_max + _WIRE_BYTES_BESIDE:
            self.cut("body_size")
        elif self._delivery is not None and self._delivery.timer is None:
            self._door.wait_for(self._delivery)

    def _too_large(self) -> None:
        self._status = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
        raise ValueError("head")

    def _give_up(self) -> None:
        """Refuse what cannot be read on; a whole request before it still gets its answer."""
        self._is_cut = True
        asked = self._asked
        if self._body_since is None:
            if self._delivery is not None:
                self._keeps_alive = False
                _UNREADABLE.labels("behind").inc()
                return
            if asked is not None and not asked.response_complete:
                asked.keep_alive = False
                _UNREADABLE.labels("behind").inc()
                return
        _UNREADABLE.labels(str(self._status.value)).inc()
        if self._body_since is not None and self._has_begun_to_answer():
            # A second answer to one request would be taken for that of the next.
            self.transport.abort()
            return
        self._refuse(self._status)

    def _refuse(self, status: HTTPStatus) -> None:
        """Answer without the application, and close."""
        self._is_cut = True
        retry = b"retry-after: 5\r\n" if status in (429, 503) else b""
        self.transport.write(
            b"HTTP/1.1 %d %s\r\n%scontent-length: 0\r\nconnection: close\r\n\r\n"
            % (status.value, status.phrase.encode(), retry)
        )
        self.transport.close()


# There are few endpoints; what strangers ask for is soon forgotten.
@functools.lru_cache(maxsize=64)
def _path_of(target: bytes) -> str:
    """The path of a request's target, as uvicorn gives it to an application."""
    if b"%" not in target and b"?" not in target and b"#" not in target:
        return target.decode("ascii")
    path = httptools.parse_url(target).path.decode("ascii")
    return urllib.parse.unquote(path) if "%" in path else path
