"""The door's process, put together: it holds no API key and owns no table."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from services.ingest.config import IngestSettings, parsed_failpoint
from services.ingest.endpoints import Endpoint
from services.ingest.shell.allow_list_file import AllowListFile
from services.ingest.shell.endpoint_file import EndpointFile
from services.ingest.shell.failpoint import Failpoint
from services.ingest.shell.guard import Guard, GuardRates
from services.ingest.shell.opening import open_when_safe
from services.ingest.shell.serving import Crowd, ServingLimits, room_for
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
_BEHIND_THE_DOOR_SECONDS: Final = 2.0


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
    verdicts = VerdictLog(
        verdict_publisher,
        queue_max=settings.ingest_verdicts_queue_max,
        files=_verdict_files(settings, health),
    )
    allow_list = _allow_list(settings)
    guard = _guard(settings, verdicts, allow_list)
    crowd = Crowd(_serving_limits(settings), settings.proxies)
    app = Door(
        endpoints={},
        books=books,
        limits=DoorLimits(
            tolerance_seconds=settings.ingest_tolerance_seconds,
            body_bytes_max=settings.ingest_body_bytes_max,
            body_timeout_seconds=settings.ingest_body_timeout_seconds,
            in_flight_max=settings.ingest_in_flight_max,
            publish_timeout_seconds=settings.ingest_publish_timeout_seconds,
        ),
        publisher=publisher,
        verdicts=verdicts,
        health=health,
        otherwise=health_app(health),
        guard=guard,
        failpoint=_failpoint(settings),
    )
    endpoint_file = EndpointFile(
        # Settings too: a secret of its own, without an endpoints file, may come from a file.
        lambda: _endpoints(IngestSettings.load(), books),
        app.use,
        health,
        look_seconds=settings.ingest_endpoints_look_seconds,
    )
    served, summed = asyncio.Event(), asyncio.Event()

    async def serving(stop: asyncio.Event) -> None:
        log.get(__name__).info("door.listening", port=settings.ingest_door_port)
        try:
            await serve(
                app,
                host=settings.ingest_door_host,
                port=settings.ingest_door_port,
                stop=stop,
                proxy_headers=False,
                server_header=False,
                ws="none",
                http=crowd.protocol(),
            )
        finally:
            served.set()

    async def opening(stop: asyncio.Event) -> None:
        await open_when_safe(settings.kafka, publisher, app, health, stop)

    async def keeping(_: asyncio.Event) -> None:
        # The last answers still make verdicts, so these end after the answers.
        await verdicts.run(summed)

    async def guarding(_: asyncio.Event) -> None:
        try:
            await guard.run(served)
        finally:
            summed.set()

    async def watching(_: asyncio.Event) -> None:
        # Connections that are being finished are watched, too.
        await crowd.watch(served)

    async def looking(stop: asyncio.Event) -> None:
        await (stop.wait() if allow_list is None else allow_list.watch(stop))

    parts = (serving, opening, keeping, guarding, watching, looking, endpoint_file.watch)
    try:
        await together(stop, *parts, grace_seconds=10)
    finally:
        await publisher.stop()
        await verdict_publisher.stop()


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


def _allow_list(settings: IngestSettings) -> AllowListFile | None:
    if settings.ingest_allow_list_file is None:
        return None
    return AllowListFile(
        settings.ingest_allow_list_file, days_max=settings.ingest_allow_list_days_max
    )


def _guard(
    settings: IngestSettings, verdicts: VerdictLog, allow_list: AllowListFile | None
) -> Guard:
    return Guard(
        verdicts=verdicts,
        proxies=settings.proxies,
        rates=GuardRates(
            all_per_second=settings.ingest_rate_per_second,
            each_per_second=settings.ingest_rate_per_peer_per_second,
            refused_each_per_second=settings.ingest_refusals_per_peer_per_second,
            written_each_per_second=settings.ingest_verdicts_per_peer_per_second,
        ),
        allow_list=allow_list,
    )


def _serving_limits(settings: IngestSettings) -> ServingLimits:
    wanted = settings.ingest_connections_max
    room = room_for(wanted)
    if room < wanted:
        log.get(__name__).warning(
            "door.fewer_connections",
            connections_max=room,
            wanted=wanted,
            do="raise the limit of open files (systemd: LimitNOFILE)",
        )
    return ServingLimits(
        connections_max=room,
        connections_per_peer_max=settings.ingest_connections_per_peer_max,
        head_seconds=settings.ingest_head_timeout_seconds,
        head_bytes_max=settings.ingest_head_bytes_max,
        headers_max=settings.ingest_headers_max,
        # The door answers a body that does not come; this ends what it does not wait for.
        body_seconds=settings.ingest_body_timeout_seconds + _BEHIND_THE_DOOR_SECONDS,
        body_bytes_max=settings.ingest_body_bytes_max,
        body_bytes_per_second_min=settings.ingest_body_bytes_per_second_min,
        idle_seconds=settings.ingest_idle_timeout_seconds,
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
