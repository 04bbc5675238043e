"""Monitors over real views and a real broker: told once, across deaths, and withdrawn."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest

from services.console.monitors import Monitor, monitors_of
from services.console.shell.monitor_watch import MonitorWatch, standing
from services.console.shell.readers import Views
from shared.contracts.books import BookData, BookMap
from shared.contracts.monitors import MonitorCrossed, MonitorState
from shared.contracts.topics import LEDGER_MONITORS
from shared.runtime.kafka import KafkaAddress, Publisher, offset_bounds, scan
from shared.runtime.metrics import Health
from tests.support.commanded import commanded
from tests.support.ledger import fresh_topics, until

pytestmark = pytest.mark.stack

AT = datetime(2026, 11, 3, 12, tzinfo=UTC)
FILE = """
[[monitor]]
name = "cash is low"
account = "assets:bank"
currency = "usd"
falls_to = "100.00"
clears_at = "150.00"

[[monitor]]
name = "one key is empty"
account = "assets:stripe:settling"
key = "k1"
currency = "usd"
falls_to = "0"

[[monitor]]
name = "can pay"
ratio = "current_ratio"
currency = "usd"
falls_to = "2"
"""


@asynccontextmanager
async def watch(
    bootstrap: str, dsn: str, monitors: Sequence[Monitor]
) -> AsyncGenerator[MonitorWatch]:
    ledger, publisher, stop = Views(dsn, "ledger"), Publisher(bootstrap), asyncio.Event()
    watching = MonitorWatch(
        monitors,
        BookMap(),
        KafkaAddress(bootstrap),
        ledger,
        publisher,
        Health(),
        clock=lambda: AT,
        seconds=0.05,
    )
    task = asyncio.create_task(watching.run(stop))
    try:
        yield watching
    finally:
        stop.set()
        await task
        await publisher.stop()
        await ledger.close()


async def told(bootstrap: str) -> list[MonitorCrossed]:
    """Every record on the topic, in order."""
    first, end = await offset_bounds(bootstrap, [LEDGER_MONITORS])
    spans = {p: (first[p], end[p]) for p in end}
    return [
        MonitorCrossed.model_validate_json(record.value)
        async for batch in scan(bootstrap, spans)
        for record in batch
    ]


async def stand(bootstrap: str, **wanted: str) -> dict[str, MonitorState]:
    """How monitors stand, once they stand as wanted."""

    async def look() -> dict[str, MonitorState] | None:
        found = {name: one.state for (_, name), one in (await standing(bootstrap)).items()}
        return found if found == {k.replace("_", " "): v for k, v in wanted.items()} else None

    return await until(f"monitors to stand {wanted}", look)


async def test_crossings_are_told_once_also_by_a_watch_that_begins_anew(
    kafka_bootstrap: str, database_dsn: str
) -> None:
    await fresh_topics(kafka_bootstrap)
    monitors = monitors_of(FILE, ["main"])
    async with commanded(database_dsn, BookData()) as journal:
        journal.entry(AT, AT, ("assets:bank:main", 20_000), ("equity:owner", -20_000))
        journal.entry(AT, AT, ("assets:stripe:settling", 500), ("revenue:stripe", -500))
        await journal.book()
        async with watch(kafka_bootstrap, database_dsn, monitors):
            journal.entry(AT, AT, ("assets:bank:main", -9_999), ("expenses:compute", 9_999))
            journal.entry(AT, AT, ("assets:bank:main", -1), ("expenses:compute", 1))
            journal.entry(AT, AT, ("liabilities:payable", -9_000), ("expenses:compute", 9_000))
            journal.entry(AT, AT, ("assets:stripe:settling", -500), ("revenue:stripe", 500))
            await journal.book()
            await stand(
                kafka_bootstrap,
                cash_is_low="breached",
                one_key_is_empty="breached",
                can_pay="breached",
            )
        # Another process, which knows only what the topic tells.
        async with watch(kafka_bootstrap, database_dsn, monitors[:1]):
            await stand(
                kafka_bootstrap,
                cash_is_low="breached",
                one_key_is_empty="withdrawn",
                can_pay="withdrawn",
            )
            journal.entry(AT, AT, ("assets:bank:main", 4_999), ("equity:owner", -4_999))
            await journal.book()
            journal.entry(AT, AT, ("assets:bank:main", 1), ("equity:owner", -1))
            await journal.book()
            await stand(
                kafka_bootstrap,
                cash_is_low="cleared",
                one_key_is_empty="withdrawn",
                can_pay="withdrawn",
            )
    cash = [each for each in await told(kafka_bootstrap) if each.monitor == "cash is low"]
    assert [(each.revision, each.state, each.value) for each in cash] == [
        (1, "breached", "100.00 USD"),
        (2, "cleared", "150.00 USD"),
    ]
    assert all(each.positions for each in cash)
