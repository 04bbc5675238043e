"""All connections of one door: how many there may be, of whom, and the watch over their times."""

import asyncio
import resource
import time
from collections import Counter as Tally
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final, Protocol

from prometheus_client import Counter, Gauge

from services.ingest.peers import ProxyRule, is_loopback, is_proxy
from shared.runtime.lifecycle import pause

WATCH_SECONDS: Final = 0.5
# Beside connections a process holds its log, Kafka and what it reads.
_OTHER_FILES: Final = 128

CUT = Counter("tallystick_ingest_connections_cut_total", "Connections that the door ended", ["why"])
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


class Connection(Protocol):
    """One connection, as far as the crowd knows it."""

    peer: str

    @property
    def is_waited_for(self) -> bool:
        """Whether it has asked for nothing yet."""
        ...

    def cut(self, why: str) -> None:
        """End it."""

    def look(self, now: float) -> None:
        """End it if it is over its time."""


@dataclass(slots=True)
class Crowd:
    """All connections of one door, those of each peer counted, and the watch over them."""

    limits: ServingLimits
    proxies: ProxyRule = field(default_factory=ProxyRule)
    connections: dict[Connection, None] = field(default_factory=dict)
    of_peer: Tally[str] = field(default_factory=Tally[str])

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

    def enter(self, connection: Connection) -> None:
        """Count a connection in."""
        self.connections[connection] = None
        self.of_peer[connection.peer] += 1
        _OPEN.set(len(self.connections))

    def leave(self, connection: Connection) -> None:
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


def room_for(connections: int) -> int:
    """How many connections the process may hold, its own limit of open files raised as needed."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + _OTHER_FILES
    if soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return max(1, min(connections, soft - _OTHER_FILES))
