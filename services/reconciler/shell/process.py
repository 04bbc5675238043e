"""The parts put together: migrations, checks, what was told before, then Faust and the loops."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from prometheus_client import CollectorRegistry
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from services.reconciler.config import ReconcilerSettings
from services.reconciler.shell.failpoints import Failpoints
from services.reconciler.shell.figures import Figures
from services.reconciler.shell.judging.in_hand import Rules
from services.reconciler.shell.reading.carrier import Carrier
from services.reconciler.shell.reading.conveyor import Conveyor
from services.reconciler.shell.reading.intake import Intake
from services.reconciler.shell.reading.recall import OWN_TOPICS, recall
from services.reconciler.shell.reading.watch import Watch
from services.reconciler.shell.telling.outbox import Postman
from shared.contracts.errors import Unavailable
from shared.contracts.topics import (
    BANK_OBSERVATIONS,
    DISCREPANCIES_CURRENT,
    FEEDS_AUDITS,
    INGEST_AUDITS,
    LEDGER_AUDITS,
    LEDGER_ENTRIES,
    LEDGER_OUTCOMES,
    RECONCILER_DEAD_LETTERS,
    RECONCILIATION_COMMANDS,
    STRIPE_EVENTS,
    STRIPE_OBJECTS,
    TOPICS,
)
from shared.runtime import log
from shared.runtime.dead_letter_watch import DeadLetterWatch
from shared.runtime.kafka import Partition, Publisher, check_topics, patiently, producer
from shared.runtime.lifecycle import EXIT_OK, EXIT_UNAVAILABLE, together, unless_stopped
from shared.runtime.metrics import Health, health_routes, serve
from shared.runtime.migrations import migrate
from shared.runtime.positions import Log, begin_positions
from shared.runtime.postgres import Database

SCHEMA: Final = "reconciler"
READ_SCHEMA: Final = "reconciler_read"
HERE: Final = Path(__file__).parent
INPUTS: Final = (
    STRIPE_EVENTS,
    STRIPE_OBJECTS,
    BANK_OBSERVATIONS,
    LEDGER_ENTRIES,
    LEDGER_OUTCOMES,
    INGEST_AUDITS,
    LEDGER_AUDITS,
    FEEDS_AUDITS,
    RECONCILIATION_COMMANDS,
)
OUTPUTS: Final = (*OWN_TOPICS, DISCREPANCIES_CURRENT, RECONCILER_DEAD_LETTERS)
CONNECTIONS_MAX: Final = 6
Part = Callable[[asyncio.Event], Awaitable[None]]
_logger = log.get(__name__)


@dataclass(frozen=True, slots=True)
class _Process:
    """What all parts share."""

    settings: ReconcilerSettings
    database: Database
    positions: Log
    health: Health
    figures: Figures
    failpoints: Failpoints


@dataclass(slots=True)
class _Failures:
    """Whether a part beside Faust has failed: then the process was not asked to end."""

    any: bool = False

    def noted(self, part: Part) -> Part:
        """The part, whose failure is noted on its way."""

        async def run(stopping: asyncio.Event) -> None:
            try:
                await part(stopping)
            except Exception:
                self.any = True
                raise

        return run


async def main(stop: asyncio.Event) -> None:
    """The whole of the process, until ``stop``."""
    settings = ReconcilerSettings.load()
    log.configure(settings, service="reconciler")
    health = Health()
    health.not_ready("starting", "not all parts have started")
    patience = settings.reconciler_start_timeout_seconds
    await unless_stopped(stop, _found_all(settings))
    database = await Database.open(
        settings.dsn,
        search_path=SCHEMA,
        connections_max=CONNECTIONS_MAX,
        application="tallystick-reconciler",
    )
    try:
        process = _Process(
            settings=settings,
            database=database,
            positions=await Log.ask(settings.kafka, (*INPUTS, *OWN_TOPICS)),
            health=health,
            figures=Figures(CollectorRegistry()),
            failpoints=Failpoints(settings.failpoint),
        )
        async with producer(
            settings.kafka, client_id="tallystick-reconciler", wait_seconds=patience
        ) as publisher:
            await _run(process, publisher, stop)
    finally:
        await database.close()


async def _found_all(settings: ReconcilerSettings) -> None:
    """Wait for the database and bring it up to date; then for the topics."""
    patience = settings.reconciler_start_timeout_seconds
    await migrate_all(settings.dsn, wait_seconds=patience)
    await patiently(
        lambda: check_topics(settings.kafka, (*INPUTS, *OUTPUTS)),
        what="Kafka",
        give_up_after_seconds=patience,
    )


async def migrate_all(dsn: str, *, wait_seconds: float = 0.0) -> None:
    """Bring the tables and the published views up to date."""
    await migrate(dsn, schema=SCHEMA, folder=HERE / "migrations", wait_seconds=wait_seconds)
    await migrate(dsn, schema=READ_SCHEMA, folder=HERE / "read_migrations")


async def _run(process: _Process, publisher: Publisher, stop: asyncio.Event) -> None:
    settings, health = process.settings, process.health
    postman = Postman(process.database, publisher, health=health, failpoints=process.failpoints)
    conveyor = _conveyor(process, postman)
    carrier = Carrier(
        settings.kafka,
        topics=INPUTS,
        instance=settings.reconciler_instance,
        take=conveyor.carry,
        records_max=settings.reconciler_batch_records_max,
        wait_seconds=settings.reconciler_batch_wait_seconds,
        session_seconds=settings.reconciler_session_timeout_seconds,
    )
    watch = _watch(process, conveyor, carrier)
    letters = DeadLetterWatch(
        settings.kafka, RECONCILER_DEAD_LETTERS, registry=process.figures.registry
    )

    failures = _Failures()

    async def work(stopping: asyncio.Event) -> None:
        await unless_stopped(stopping, _begin(process, watch))
        await together(
            stopping,
            lambda s: _carried(
                carrier,
                s,
                within=settings.reconciler_stop_seconds_max,
                exit_code=lambda: EXIT_UNAVAILABLE if failures.any else EXIT_OK,
            ),
            failures.noted(postman.run),
            failures.noted(letters.run),
            failures.noted(lambda s: watch.run(s, every_seconds=settings.reconciler_sweep_seconds)),
            failures.noted(
                lambda s: watch.run_due(s, every_seconds=settings.reconciler_due_seconds)
            ),
            grace_seconds=settings.reconciler_stop_seconds_max + 1,
        )

    routes = [Route("/status", _status(watch)), *health_routes(health, process.figures.registry)]
    await together(
        stop,
        work,
        lambda s: serve(
            Starlette(routes=routes),
            host=settings.reconciler_host,
            port=settings.reconciler_port,
            stop=s,
        ),
        grace_seconds=settings.reconciler_stop_seconds_max + 2,
    )


def _watch(process: _Process, conveyor: Conveyor, carrier: Carrier) -> Watch:
    settings = process.settings
    return Watch(
        settings.kafka,
        process.database,
        process.positions,
        conveyor,
        recall=lambda: recall(settings.kafka, process.database, process.positions),
        inputs=INPUTS,
        mine=carrier.partitions,
        health=process.health,
        figures=process.figures,
        now=_now,
    )


def _conveyor(process: _Process, postman: Postman) -> Conveyor:
    settings = process.settings
    intake = Intake(
        process.database,
        process.positions,
        Rules(
            books=settings.books(),
            require_readings=settings.reconciler_require_readings,
            proofs_needed=settings.reconciler_proofs_needed,
            write_off_minor_max=settings.reconciler_write_off_minor_max,
            matching=settings.matching_rules(),
        ),
        inputs=INPUTS,
        now=_now,
        failpoints=process.failpoints,
        figures=process.figures,
        wake_postman=postman.wake,
    )
    return Conveyor(
        settings.kafka,
        process.database,
        intake,
        health=process.health,
        figures=process.figures,
        now=_now,
        records_max=settings.reconciler_batch_records_max,
    )


async def _begin(process: _Process, watch: Watch) -> None:
    """Positions, our own topics, and where the inputs end: before anything is judged."""
    positions, settings = process.positions, process.settings
    process.health.not_ready("starting", "reading what was told before")
    partitions = [
        Partition(topic, n)
        for topic in sorted(positions.topic_ids)
        for n in range(TOPICS[topic].partitions)
    ]
    async with process.database.transaction() as tx:
        await begin_positions(tx, positions, partitions)
    await patiently(
        lambda: recall(settings.kafka, process.database, positions),
        what="our own records",
        give_up_after_seconds=settings.reconciler_start_timeout_seconds,
    )
    await watch.begin()
    process.health.not_ready("catching_up", "the topics are being read to their end")
    process.health.ready("starting")


async def _carried(
    carrier: Carrier, stop: asyncio.Event, *, within: float, exit_code: Callable[[], int]
) -> None:
    """Faust from start to stop; its end by itself is the end of the process.

    With ``exit_code`` the process ends when Faust does not stop within so many seconds.

    Raises:
        Unavailable: Faust crashed or ended unasked.
    """
    await carrier.start()
    ended = asyncio.create_task(carrier.until_ended())
    asked = asyncio.create_task(stop.wait())
    await asyncio.wait({ended, asked}, return_when=asyncio.FIRST_COMPLETED)
    asked.cancel()
    if ended.done():
        raise Unavailable(f"Faust ended by itself: {carrier.crash_reason or 'no reason given'}")
    ended.cancel()
    # Waited for and not cancelled: Faust takes a cancellation for nothing and goes on waiting.
    stopping = asyncio.create_task(carrier.stop())
    await asyncio.wait({stopping}, timeout=within)
    if not stopping.done():
        # Faust waits for the batch in work for ever. Positions stand in Postgres, so leaving now
        # loses nothing: the batch is taken again, or found to have been taken.
        _logger.warning("carrier.left_behind", seconds=within)
        os._exit(exit_code())
    stopping.result()


def _status(watch: Watch) -> Callable[[Request], Awaitable[Response]]:
    async def status(_: Request) -> Response:
        return JSONResponse(watch.standing.as_json())

    return status


def _now() -> datetime:
    return datetime.now(UTC)
