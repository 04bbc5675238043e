"""uvicorn's HTTP protocol with bounds on what one peer can hold: the door's side of a socket.

    connection ──▶ head: so long, so large ──▶ body: so long, so fast ──▶ answer ──▶ idle: so long

uvicorn limits none of these. One watch looks over all connections each half second, so a request
costs a few notes of the time and no timer. What HTTP leaves to be understood in two ways is
refused, for whoever stands before us may understand it in the other: the parser's strictness is
kept whole, and a request comes alone, without another behind it.
"""

import asyncio
import functools
import re
import resource
import time
from collections import Counter as Tally
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final, cast

import httptools
from prometheus_client import Counter, Gauge
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from services.ingest.peers import ProxyRule, address_text, is_loopback, is_proxy
from services.ingest.shell.gathering import GatheringTransport
from shared.runtime.lifecycle import pause

WATCH_SECONDS: Final = 0.5
# Beside connections a process holds its log, Kafka and what it reads.
_OTHER_FILES: Final = 128
# A body may begin slowly; after this its pace counts.
_PACE_GRACE_SECONDS: Final = 3.0
# What a body may take on the wire beside its bytes: heads of chunks, and what is thrown away.
_WIRE_BYTES_BESIDE: Final = 8 * 1_048_576
_VERSIONS: Final = ("1.1", "1.0")
_LENGTH: Final = re.compile(rb"0|[1-9][0-9]{0,15}")

_CUT = Counter(
    "tallystick_ingest_connections_cut_total", "Connections that the door ended", ["why"]
)
_UNREADABLE = Counter(
    "tallystick_ingest_requests_unreadable_total",
    "Requests that were refused as HTTP, by status",
    ["status"],
)
_OPEN = Gauge("tallystick_ingest_connections", "Connections that are open")


@dataclass(frozen=True, slots=True)
class ServingLimits:
    """How much of the door a connection may hold, and how many there may be."""

    connections_max: int = 4_096
    connections_per_peer_max: int = 512
    head_seconds: float = 5.0
    head_bytes_max: int = 16_384
    headers_max: int = 100
    body_seconds: float = 12.0
    body_bytes_max: int = 1_048_576
    body_bytes_per_second_min: int = 1_024
    idle_seconds: float = 5.0
    write_seconds: float = 5.0


@dataclass(slots=True)
class Crowd:
    """All connections of one door, those of each peer counted, and the watch over them."""

    limits: ServingLimits
    proxies: ProxyRule = field(default_factory=ProxyRule)
    connections: dict["BoundedProtocol", None] = field(default_factory=dict)
    of_peer: Tally[str] = field(default_factory=Tally[str])

    def protocol(self) -> Any:  # Any: uvicorn takes what makes a protocol, and names a class
        """What uvicorn makes a protocol with for each connection."""
        return functools.partial(BoundedProtocol, crowd=self)

    def is_counted(self, peer: str) -> bool:
        """Whether a peer stands for one sender; a proxy of ours stands for everybody."""
        return bool(peer) and not is_loopback(peer) and not is_proxy(peer, self.proxies)

    def refusal(self, peer: str) -> HTTPStatus | None:
        """Why there is no place for one more of this peer."""
        if self.of_peer[peer] >= self.limits.connections_per_peer_max and self.is_counted(peer):
            return HTTPStatus.TOO_MANY_REQUESTS
        if len(self.connections) < self.limits.connections_max:
            return None
        # Whoever has waited longest without asking for anything makes room.
        for connection in self.connections:
            if connection.is_waited_for:
                connection.cut("room")
                return None
        return HTTPStatus.SERVICE_UNAVAILABLE

    def enter(self, connection: "BoundedProtocol") -> None:
        """Count a connection in."""
        self.connections[connection] = None
        self.of_peer[connection.peer] += 1
        _OPEN.set(len(self.connections))

    def leave(self, connection: "BoundedProtocol") -> None:
        """Count a connection out; one that never came in is passed over."""
        if self.connections.pop(connection, self) is self:
            return
        self.of_peer[connection.peer] -= 1
        if self.of_peer[connection.peer] <= 0:
            del self.of_peer[connection.peer]
        _OPEN.set(len(self.connections))

    async def watch(self, stop: asyncio.Event) -> None:
        """End what is over its time, until ``stop``."""
        while not await pause(stop, WATCH_SECONDS):
            now = time.monotonic()
            for connection in list(self.connections):
                connection.look(now)


class BoundedProtocol(HttpToolsProtocol):
    """One connection, with its deadlines.

    Of the four times only that of the present phase is set; the watch reads them.
    """

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],  # Any: uvicorn's own signature
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        crowd: Crowd,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        # uvicorn's parser forgives bytes behind the last message of a connection; this one not.
        self.parser = httptools.HttpRequestParser(self)
        self.crowd = crowd
        self.peer = ""
        self._limits = crowd.limits
        self._head_since: float | None = None
        self._body_since: float | None = None
        self._idle_since: float | None = None
        self._write_since: float | None = None
        self._head_bytes = 0
        self._body_bytes = 0
        self._wire_bytes = 0
        self._is_cut = False
        self._status = HTTPStatus.BAD_REQUEST

    @property
    def is_waited_for(self) -> bool:
        """Whether it has asked for nothing yet."""
        return self._head_since is not None or self._idle_since is not None

    @property
    def _asked(self) -> RequestResponseCycle | None:
        """The last request that was handed on; there is none at first, whatever uvicorn's type."""
        return self.cycle

    # ------------------------------------------------------------------ the connection

    def connection_made(  # type: ignore[override]  # as uvicorn's own
        self, transport: asyncio.Transport
    ) -> None:
        """Take a connection in, if there is a place."""
        super().connection_made(transport)
        self.transport = cast("asyncio.Transport", GatheringTransport(transport, self.loop))
        self.peer = address_text(self.client[0]) if self.client else ""
        status = self.crowd.refusal(self.peer)
        if status is not None:
            _CUT.labels("crowded").inc()
            self._refuse(status)
            return
        self.crowd.enter(self)
        self._head_since = time.monotonic()

    def connection_lost(self, exc: Exception | None) -> None:
        """Let it go."""
        self.crowd.leave(self)
        super().connection_lost(exc)

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
            self._give_up()
            return
        if self._head_since is not None:
            # A name or a value that does not end is in no header yet, but in memory already.
            self._head_bytes += len(data)
            if self._head_bytes > self._limits.head_bytes_max:
                self._status = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
                self._give_up()
        elif self._wire_bytes > self._limits.body_bytes_max + _WIRE_BYTES_BESIDE:
            self.cut("body_size")

    def cut(self, why: str, status: HTTPStatus | None = None) -> None:
        """End the connection, with an answer where one is due and none has begun."""
        _CUT.labels(why).inc()
        self._is_cut = True
        self.crowd.leave(self)
        asked = self._asked
        if status is not None and (asked is None or not asked.response_started):
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
                _CUT.labels("idle").inc()
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
        if asked is not None and not asked.response_complete:
            raise ValueError("a request behind a request")
        super().on_message_begin()
        if self._head_since is None:
            self._head_since = time.monotonic()
        self._idle_since = None
        self._head_bytes = 0

    def on_url(self, url: bytes) -> None:
        """Take the target, within the bound of a head."""
        super().on_url(url)
        if len(self.url) > self._limits.head_bytes_max:
            self._too_large()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header, within the bounds; one behind the body is none."""
        if self._head_since is None:
            raise ValueError("a trailer")
        super().on_header(name, value)
        self._head_bytes += len(name) + len(value)
        limits = self._limits
        if self._head_bytes > limits.head_bytes_max or len(self.headers) > limits.headers_max:
            self._too_large()

    def on_headers_complete(self) -> None:
        """Hand the request on, if there is one way to read it."""
        self._check_head()
        self._head_since = None
        self._body_since = time.monotonic()
        self._body_bytes = self._wire_bytes = 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Take a part of the body."""
        self._body_bytes += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is whole: what follows is ours."""
        self._body_since = None
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

    # ------------------------------------------------------------------ refusals

    def _check_head(self) -> None:
        version = self.parser.get_http_version()
        if version not in _VERSIONS:
            self._status = HTTPStatus.HTTP_VERSION_NOT_SUPPORTED
            raise ValueError("version")
        names = [name for name, _ in self.headers]
        hosts = names.count(b"host")
        if hosts > 1 or (not hosts and version != "1.0"):
            raise ValueError("host")
        # A target with a scheme or a host in it names a server twice.
        if not self.url.startswith(b"/"):
            raise ValueError("target")
        if b"upgrade" in names or self.parser.should_upgrade():
            raise ValueError("upgrade")
        if b"transfer-encoding" in names:
            codings = [
                value.lower() for name, value in self.headers if name == b"transfer-encoding"
            ]
            if codings != [b"chunked"] or version == "1.0" or b"content-length" in names:
                raise ValueError("transfer-encoding")
        # The parser counts thousands of zeros as none, where Python refuses to count at all.
        if any(name == b"content-length" and not _LENGTH.fullmatch(v) for name, v in self.headers):
            raise ValueError("content-length")
        if b"expect" in names:
            asked = [value.lower() for name, value in self.headers if name == b"expect"]
            if asked != [b"100-continue"]:
                self._status = HTTPStatus.EXPECTATION_FAILED
                raise ValueError("expect")

    def _too_large(self) -> None:
        self._status = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
        raise ValueError("head")

    def _give_up(self) -> None:
        """Refuse what cannot be read on; a whole request before it still gets its answer."""
        self._is_cut = True
        asked = self._asked
        if asked is not None and not asked.response_complete and self._body_since is None:
            asked.keep_alive = False
            _UNREADABLE.labels("behind").inc()
            return
        _UNREADABLE.labels(str(self._status.value)).inc()
        if self._body_since is not None and asked is not None and asked.response_started:
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


def room_for(connections: int) -> int:
    """How many connections the process may hold, its own limit of open files raised as needed."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + _OTHER_FILES
    if soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return max(1, min(connections, soft - _OTHER_FILES))
