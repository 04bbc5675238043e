"""What the doctor says of the copy of the topics, and of how many brokers keep each of them."""

import asyncio
from collections.abc import Coroutine, Iterator, Mapping
from typing import Any, Final, TypeVar

from services.archiver.config import ArchiverSettings
from services.archiver.shell.holdings import ArchiveBroken
from services.archiver.shell.places import store_at
from shared.contracts.errors import Unavailable
from shared.contracts.topics import TOPICS
from shared.runtime.kafka_client import KafkaAddress, address_of, admin_client
from shared.runtime.settings import SettingsInvalid
from tallystick.archives import CopyStatus, copy_status
from tallystick.doctor import Finding, bad, good, warning
from tallystick.processes import ARCHIVE_VARIABLE

REPLICAS_LIVE_MIN: Final = 3
LOOK_SECONDS_MAX: Final = 30.0
_Found = TypeVar("_Found")
_SUBJECT: Final = "archive"
_HOW: Final = "docs/howto/back-up-and-restore.md"


def archive_findings(
    environment: Mapping[str, str], where: KafkaAddress | str, *, is_live: bool
) -> Iterator[Finding]:
    """Whether there is a copy that is young enough, and brokers enough; strict for live money."""
    kafka = address_of(where)
    yield from _replicas_finding(kafka, is_live=is_live)
    try:
        settings = ArchiverSettings.load(environment)
        if not settings.archiver_place:
            yield _no_copy("no place is set", is_live=is_live)
            return
        store = store_at(settings.place())
        found = asyncio.run(_bounded(copy_status(store, kafka)))
    except SettingsInvalid as error:
        yield bad(_SUBJECT, str(error).replace("\n", "; "), "correct or unset these variables")
    except ArchiveBroken as error:
        yield bad(_SUBJECT, str(error), "tallystick archive verify")
    except (Unavailable, TimeoutError) as error:
        said = str(error) or f"no answer within {LOOK_SECONDS_MAX:.0f} s"
        yield warning(_SUBJECT, f"cannot be looked at: {said}", "tallystick archive status")
    else:
        yield _copy_finding(found, is_live=is_live)


def _copy_finding(found: CopyStatus, *, is_live: bool) -> Finding:
    if not found.has_any and found.uncopied:
        return _no_copy(f"{found.place} has none of this cluster", is_live=is_live)
    problems = found.problems()
    if not problems:
        return good(
            _SUBJECT,
            f"{found.uncopied:,} records are not in {found.place} yet,"
            f" the oldest for {found.oldest_seconds / 60:.0f} minutes",
        )
    return warning(_SUBJECT, "; ".join(problems), "tallystick archive status; see " + _HOW)


def _no_copy(why: str, *, is_live: bool) -> Finding:
    if not is_live:
        return good(_SUBJECT, f"{why} (enough for trying)")
    return warning(
        _SUBJECT,
        f"no copy of the topics: {why}",
        f"set {ARCHIVE_VARIABLE} and start the archiver; see {_HOW}",
    )


def _replicas_finding(kafka: KafkaAddress, *, is_live: bool) -> Iterator[Finding]:
    if not is_live:
        return
    try:
        fewest = asyncio.run(_bounded(_replicas(kafka)))
    except (Unavailable, TimeoutError):
        return  # that Kafka does not answer is said already
    thin = sorted(name for name, count in fewest.items() if count < REPLICAS_LIVE_MIN)
    if thin:
        yield warning(
            "replicas",
            f"{len(thin)} topics are on fewer than {REPLICAS_LIVE_MIN} brokers, {thin[0]} on"
            f" {fewest[thin[0]]}",
            "add brokers, then kafka-reassign-partitions.sh to spread the topics",
        )
    elif fewest:
        yield good("replicas", f"every topic is on {min(fewest.values())} brokers or more")


async def _bounded(question: Coroutine[Any, Any, _Found]) -> _Found:
    async with asyncio.timeout(LOOK_SECONDS_MAX):
        return await question


async def _replicas(kafka: KafkaAddress) -> dict[str, int]:
    """On how many brokers each topic of ours is, by its thinnest partition."""
    async with admin_client(kafka) as client:
        told: list[dict[str, Any]] = await client.describe_topics()  # Any: aiokafka has no types
    return {
        topic["topic"]: min(len(partition["replicas"]) for partition in topic["partitions"])
        for topic in told
        if topic["topic"] in TOPICS and topic["partitions"]
    }
