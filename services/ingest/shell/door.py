"""The door's process, put together: it holds no API key and owns no table."""

import asyncio
import gc
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from services.ingest.config import IngestSettings, parsed_failpoint
from services.ingest.endpoints import Endpoint
from services.ingest.shell.endpoint_file import EndpointFile
from services.ingest.shell.failpoint import Failpoint
from services.ingest.shell.fences import Fences, fences_of
from services.ingest.shell.opening import open_when_safe
from services.ingest.shell.serving import protocol_of
from services.ingest.shell.verdict_files import VerdictFiles
from services.ingest.shell.verdict_folder import FolderLimits
from services.ingest.shell.verdict_log import VerdictLog
from services.ingest.shell.webhook import Door, DoorLimits
from shared.contracts.books import BookMap, Mode
from shared.runtime import log
from shared.runtime.kafka import Publisher
from shared.runtime.lifecycle import together
from shared.runtime.metrics import Health, health_app, serve
from shared.runtime.settings import PREFIX, SettingsInvalid

_VERDICT_LINGER_MILLISECONDS: Final = 20
_COLLECTION_THRESHOLDS: Final = (50_000, 20, 50)


async def run_door(stop: asyncio.Event) -> None:
    """Answer webhooks until told to stop; then finish what is open and keep its verdicts."""
    settings = IngestSettings.load()
    log.configure(settings, service="door")
    books = settings.books()
    health = Health()
    publisher = Publisher(settings.kafka, client_id="ingest-door")
    verdict_publisher = Publisher(
        settings.kafka, client_id="ingest-verdicts", linger_ms=_VERDICT_LINGER_MILLISECONDS
    )
    verdicts = _verdict_log(settings, verdict_publisher, health)
    fences = fences_of(settings, verdicts)
    door = Door(
        endpoints={},
        books=books,
        limits=_door_limits(settings),
        publisher=publisher,
        verdicts=verdicts,
        health=health,
        guard=fences.guard,
        failpoint=_failpoint(settings),
    )
    endpoint_file = EndpointFile(
        # Settings too: a secret of its own, without an endpoints file, may come from a file.
        lambda: _endpoints(IngestSettings.load(), books),
        door.use,
        health,
        look_seconds=settings.ingest_endpoints_look_seconds,
    )
    served, summed = asyncio.Event(), asyncio.Event()

    async def serving(stop: asyncio.Event) -> None:
        try:
            await _serve(door, health, settings, fences, stop)
        finally:
            served.set()

    async def opening(stop: asyncio.Event) -> None:
        await open_when_safe(settings.kafka, publisher, door, health, stop)

    async def keeping(_: asyncio.Event) -> None:
        # The last answers still make verdicts, so these end after the answers.
        await verdicts.run(summed)

    async def fencing(_: asyncio.Event) -> None:
        try:
            await fences.run(served)
        finally:
            summed.set()

    parts = (serving, opening, keeping, fencing, endpoint_file.watch)
    try:
        await together(stop, *parts, grace_seconds=10)
    finally:
        await publisher.stop()
        await verdict_publisher.stop()


def _verdict_log(settings: IngestSettings, publisher: Publisher, health: Health) -> VerdictLog:
    return VerdictLog(
        publisher,
        queue_max=settings.ingest_verdicts_queue_max,
        files=_verdict_files(settings, health),
    )


def _verdict_files(settings: IngestSettings, health: Health) -> VerdictFiles | None:
    if settings.ingest_verdicts_dir is None:
        return None
    return VerdictFiles(
        settings.ingest_verdicts_dir,
        FolderLimits(
            file_bytes_max=settings.ingest_verdicts_file_bytes_max,
            files_max=settings.ingest_verdicts_files_max,
            days_max=settings.ingest_verdicts_days_max,
        ),
        waiting_max=settings.ingest_verdicts_queue_max,
        health=health,
    )


async def _serve(
    door: Door, health: Health, settings: IngestSettings, fences: Fences, stop: asyncio.Event
) -> None:
    # A delivery leaves few cycles behind; looking for them as often as Python does by itself costs
    # a twelfth of the processor time.
    gc.set_threshold(*_COLLECTION_THRESHOLDS)
    gc.freeze()
    await serve(
        # Deliveries go from the protocol to the door; what is left for an application is this.
        health_app(health),
        host=settings.ingest_door_host,
        port=settings.ingest_door_port,
        stop=stop,
        proxy_headers=False,
        server_header=False,
        ws="none",
        http=protocol_of(fences.crowd, door),
    )


def _door_limits(settings: IngestSettings) -> DoorLimits:
    return DoorLimits(
        tolerance_seconds=settings.ingest_tolerance_seconds,
        body_bytes_max=settings.ingest_body_bytes_max,
        body_timeout_seconds=settings.ingest_body_timeout_seconds,
        in_flight_max=settings.ingest_in_flight_max,
        publish_timeout_seconds=settings.ingest_publish_timeout_seconds,
    )


def _endpoints(settings: IngestSettings, books: BookMap) -> Mapping[str, Endpoint]:
    """The endpoints as they are to be had now, secrets and all."""
    found = settings.endpoints(books, at=datetime.now(UTC))
    if settings.ingest_failpoint and {each.mode for each in found.values()} != {Mode.TEST}:
        raise SettingsInvalid(
            f"{PREFIX}INGEST_FAILPOINT: only where every endpoint is of test mode"
        )
    return found


def _failpoint(settings: IngestSettings) -> Failpoint | None:
    if not settings.ingest_failpoint:
        return None
    place, count = parsed_failpoint(settings.ingest_failpoint)
    return Failpoint(place, count)
