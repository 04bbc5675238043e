"""How honest deliveries fare while two thousand sockets send a byte every five seconds."""

import asyncio
import resource
import time
from typing import Final

import httpx

from tests.support.ingest import HOOK, ServiceProcess, event_body, signed
from tests.support.raw_http import cut_after

SLOW_SOCKETS: Final = 2_000
HONEST_AT_ONCE: Final = 4
_OTHER_FILES: Final = 500


async def attacked(door: ServiceProcess) -> str:
    """Attack a door and say how long honest answers took, and when the last slow one was cut."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = max(soft, SLOW_SOCKETS + _OTHER_FILES)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(wanted, hard), hard))
    slow = [
        asyncio.create_task(cut_after(door.port, b"P", b"O", pause=5, count=10))
        for _ in range(SLOW_SOCKETS)
    ]
    took: list[float] = []
    async with httpx.AsyncClient(base_url=door.url, timeout=10) as client:

        async def deliver() -> None:
            while not all(task.done() for task in slow):
                body = event_body()
                began = time.perf_counter()
                answer = await client.post(HOOK, content=body, headers=signed(body))
                answer.raise_for_status()
                took.append((time.perf_counter() - began) * 1000)

        await asyncio.gather(*(deliver() for _ in range(HONEST_AT_ONCE)))
    cut = await asyncio.gather(*slow)
    took.sort()
    return (
        f"under {SLOW_SOCKETS:,} slow sockets: {len(took):,} honest deliveries,"
        f" p50 {took[len(took) // 2]:.1f} ms, p99 {took[int(len(took) * 0.99)]:.1f} ms,"
        f" longest {took[-1]:.0f} ms; the last slow one was cut after {max(cut):.1f} s"
    )
