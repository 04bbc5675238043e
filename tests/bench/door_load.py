"""Signed deliveries sent to a port as fast as it answers, or at a rate; prints figures as JSON.

A process of its own, so that making load costs the door nothing but the processor they share.
"""

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Iterator

import uvloop

from services.ingest.signature import header_of
from tests.support.ingest import SECRET

OBJECTS = 500


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


async def connection(
    port: int, waiting: Iterator[tuple[bytes, float]], seconds: list[float], begun: float
) -> None:
    """Deliveries over one connection, each at its moment or when the one before was answered."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for wanted, moment in waiting:
        # Paced load: the pause is the measurement's rate, no wait for a fact.
        await asyncio.sleep(max(0.0, begun + moment - time.perf_counter()))  # the rate asked for
        # Paced, an answer's time counts from when the delivery was due: waiting is part of it.
        at = begun + moment if moment else time.perf_counter()
        writer.write(wanted)
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(head.decode())
        length = next(row for row in head.lower().split(b"\r\n") if row[:15] == b"content-length:")
        await reader.readexactly(int(length[15:]))
        seconds.append(time.perf_counter() - at)
    writer.close()
    await writer.wait_closed()


async def load(asked: argparse.Namespace) -> dict[str, float]:
    """Send what is asked for and tell how it went."""
    ready = [request(number, asked.path, asked.run) for number in range(asked.events)]
    gap = 1 / asked.rate if asked.rate else 0.0
    shared = iter([(wanted, number * gap) for number, wanted in enumerate(ready, 1)])
    seconds: list[float] = []
    begun = time.perf_counter()
    await asyncio.gather(
        *(connection(asked.port, shared, seconds, begun) for _ in range(asked.connections))
    )
    took = time.perf_counter() - begun
    seconds.sort()
    return {
        "per_second": len(seconds) / took,
        "p50_ms": seconds[len(seconds) // 2] * 1000,
        "p99_ms": seconds[int(len(seconds) * 0.99)] * 1000,
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
