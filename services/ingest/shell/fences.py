"""What stands around the door, made from the settings: the guard, and the watch over sockets."""

import asyncio
from dataclasses import dataclass
from typing import Final

from services.ingest.config import IngestSettings
from services.ingest.shell.allow_list_file import AllowListFile
from services.ingest.shell.crowd import Crowd, ServingLimits, room_for
from services.ingest.shell.guard import Guard, GuardRates
from services.ingest.shell.verdict_log import VerdictLog
from shared.runtime import log

_BEHIND_THE_DOOR_SECONDS: Final = 2.0


@dataclass(frozen=True, slots=True)
class Fences:
    """Who is listened to, and how long a connection may take."""

    guard: Guard
    crowd: Crowd

    async def run(self, stop: asyncio.Event) -> None:
        """Keep both up until ``stop``: the last connections are watched, too."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.guard.run(stop))
            group.create_task(self.crowd.watch(stop))


def fences_of(settings: IngestSettings, verdicts: VerdictLog) -> Fences:
    """The fences that the settings ask for.

    Raises:
        SettingsInvalid: There is to be an allow-list, and it cannot be read.
    """
    guard = Guard(
        verdicts=verdicts,
        proxies=settings.proxies,
        rates=GuardRates(
            all_per_second=settings.ingest_rate_per_second,
            each_per_second=settings.ingest_rate_per_peer_per_second,
            refused_each_per_second=settings.ingest_refusals_per_peer_per_second,
            written_each_per_second=settings.ingest_verdicts_per_peer_per_second,
        ),
        allow_list=_allow_list(settings),
    )
    return Fences(guard, Crowd(_limits(settings), settings.proxies))


def _allow_list(settings: IngestSettings) -> AllowListFile | None:
    if settings.ingest_allow_list_file is None:
        return None
    return AllowListFile(
        settings.ingest_allow_list_file, days_max=settings.ingest_allow_list_days_max
    )


def _limits(settings: IngestSettings) -> ServingLimits:
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
