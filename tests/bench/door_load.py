"""Signed deliveries sent to a port as fast as it answers, or at a rate; prints figures as JSON.

A process of its own, so that making load costs the door nothing but the processor they share.
"""

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Iterator
from typing import cast

import uvloop

from services.ingest.signature import header_of
from tests.support.ingest import SECRET

OBJECTS = 500
ANSWER_BYTES = len(b'{"received":true}')


def request(number: int, path: str, run: str) -> bytes:
    """One delivery as it goes over the wire, with 2 to 4 KiB of body."""
    shown = {
        "id": f"ch_{run}{number % OBJECTS}",
        "object": "charge",
        "amount": 1000 + number % 5000,
        "currency": "usd",
        "metadata": {f"note_{part}": "x" * 80 for part in range(22 + number % 20)},
    }
    body = json.dumps(
        {
            "id": f"evt_{run}{number}",
            "object": "event",
            "type": "charge.succeeded",
            "created": 1_795_000_000,
            "livemode": False,
            "data": {"object": shown},
        }
    ).encode()
    header = header_of(body, SECRET, int(time.time()))
    head = (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nStripe-Signature: {header}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


class Connection(asyncio.Protocol):
    """Deliveries over one connection, each at its moment or when the one before was answered.

    A bare protocol, for what makes the load shares two processors with what carries it.
    """

    def __init__(self, waiting: Iterator[tuple[bytes, float]], seconds: list[float]) -> None:
        self.done = asyncio.get_running_loop().create_future()
        self._waiting = waiting
        self._seconds = seconds
        self._answer = b""
        self._at = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection."""
        self._transport = cast("asyncio.Transport", transport)

    def begin(self, begun: float) -> None:
        """Send the first delivery; ``begun`` is the moment that the moments count from."""
        self._begun = begun
        self._next()

    def data_received(self, data: bytes) -> None:
        """Take an answer; once it is whole, go on."""
        self._answer += data
        head, mark, body = self._answer.partition(b"\r\n\r\n")
        if not mark or len(body) < ANSWER_BYTES:
            return
        if not head.startswith(b"HTTP/1.1 200"):
            self.done.set_exception(RuntimeError(self._answer.decode()))
            self._transport.close()
            return
        self._answer = b""
        self._seconds.append(time.perf_counter() - self._at)
        self._next()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing more will come."""
        if not self.done.done():
            self.done.set_exception(exc or ConnectionError("the door closed the connection"))

    def _next(self) -> None:
        found = next(self._waiting, None)
        if found is None:
            self.done.set_result(None)
            self._transport.close()
            return
        wanted, moment = found
        now = time.perf_counter()
        # Paced, an answer's time counts from when the delivery was due: waiting is part of it.
        self._at = self._begun + moment if moment else now
        if self._at > now:
            loop = asyncio.get_running_loop()
            loop.call_later(self._at - now, self._transport.write, wanted)
        else:
            self._transport.write(wanted)


async def load(asked: argparse.Namespace) -> dict[str, float]:
    """Send what is asked for and tell how it went."""
    ready = [request(number, asked.path, asked.run) for number in range(asked.events)]
    gap = 1 / asked.rate if asked.rate else 0.0
    shared = iter([(wanted, number * gap) for number, wanted in enumerate(ready, 1)])
    seconds: list[float] = []
    loop = asyncio.get_running_loop()
    connections = [
        (
            await loop.create_connection(
                lambda: Connection(shared, seconds), "127.0.0.1", asked.port
            )
        )[1]
        for _ in range(asked.connections)
    ]
    spent = time.process_time()
    begun = time.perf_counter()
    for connection in connections:
        connection.begin(begun)
    await asyncio.gather(*(connection.done for connection in connections))
    took = time.perf_counter() - begun
    spent = time.process_time() - spent
    seconds.sort()
    return {
        "per_second": len(seconds) / took,
        "p50_ms": seconds[len(seconds) // 2] * 1000,
        "p99_ms": seconds[int(len(seconds) * 0.99)] * 1000,
        "cpu_us": spent / len(seconds) * 1e6,
    }


def main() -> int:
    """Read the command line, send, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--path", default="/webhooks/stripe/main")
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--rate", type=float, default=0.0, help="a second; 0 is as fast as it goes")
    parser.add_argument("--run", default="", help="what tells this run's ids from another's")
    print(json.dumps(uvloop.run(load(parser.parse_args()))))  # noqa: T201 - its answer
    return 0


if __name__ == "__main__":
    sys.exit(main())
