"""``python -m services.archiver``: a copy of the log, outside the broker."""

import asyncio
import sys
from typing import Final

from services.archiver.config import ArchiverSettings
from services.archiver.sealing import SealingRules
from services.archiver.shell.copying import Copier
from services.archiver.shell.places import store_at
from services.archiver.shell.store import ArchiveStore, require_names_taken_once
from shared.contracts.topics import TOPICS
from shared.runtime import log
from shared.runtime.kafka import check_topics, patiently
from shared.runtime.lifecycle import run_service, together, unless_stopped
from shared.runtime.metrics import Health, health_app, serve

# Kafka may start after us; a supervisor starts us anew when it does not.
START_SECONDS_MAX: Final = 60.0
# What is in hand is sealed on the way out; what does not get ready is read again next time.
STOP_SECONDS_MAX: Final = 15.0


async def archiver(stop: asyncio.Event) -> None:
    """Copy every topic of the registry until told to stop."""
    settings = ArchiverSettings.load()
    log.configure(settings, service="archiver")
    store = store_at(settings.place())
    health = Health()
    await unless_stopped(stop, _found_all(settings, store))
    copier = Copier(
        kafka=settings.kafka,
        topics=tuple(sorted(TOPICS)),
        store=store,
        rules=SealingRules(
            segment_bytes=settings.archiver_segment_bytes,
            age_ms=int(settings.archiver_age_seconds * 1000),
            buffered_bytes_max=settings.archiver_buffer_bytes,
        ),
        compression=settings.archiver_compression,
        health=health,
    )

    async def telling(stop: asyncio.Event) -> None:
        await serve(
            health_app(health), host=settings.archiver_host, port=settings.archiver_port, stop=stop
        )

    await together(stop, copier.run, telling, grace_seconds=STOP_SECONDS_MAX)


async def _found_all(settings: ArchiverSettings, store: ArchiveStore) -> None:
    """Wait for the topics, then for the place where copies go."""
    await patiently(
        lambda: check_topics(settings.kafka),
        what="Kafka",
        give_up_after_seconds=START_SECONDS_MAX,
    )
    await patiently(
        lambda: require_names_taken_once(store),
        what="the store",
        give_up_after_seconds=START_SECONDS_MAX,
    )


if __name__ == "__main__":
    sys.exit(run_service(archiver, name="archiver"))
