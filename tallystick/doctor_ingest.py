"""What the doctor says of ingest: secrets, clock, broker, registration, walls, verdicts.

As in ``doctor.py``: a check that cannot be made because something before it failed is left out.
"""

import asyncio
from collections.abc import Iterator
from typing import Final

from sandbox.stack import probe
from services.ingest.shell.polled_accounts import polled_accounts
from shared.contracts.errors import Unavailable
from shared.contracts.topics import INGEST_VERDICTS, STRIPE_EVENTS, STRIPE_OBJECTS, TOPICS
from shared.runtime.kafka_admin import topic_problems, topic_settings
from shared.runtime.kafka_client import KafkaAddress
from shared.runtime.settings import SettingsInvalid
from tallystick.doctor import (
    CLOCK_SKEW_SECONDS_MAX,
    REPLICATION_FACTOR_LIVE_MIN,
    Finding,
    bad,
    good,
    kafka_findings,
    warning,
)
from tallystick.doctor_archive import archive_findings
from tallystick.doctor_door import door_findings
from tallystick.doctor_secrets import secret_findings
from tallystick.doctor_stripe import (
    Asked,
    asked_of,
    clock_finding,
    key_findings,
    registration_findings,
)
from tallystick.local_door import LocalDoor, local_door

LOOK_SECONDS_MAX: Final = 30.0
IN_SYNC_LIVE_MIN: Final = 2
INGEST_TOPICS: Final = (STRIPE_EVENTS, STRIPE_OBJECTS, INGEST_VERDICTS)


def examine_ingest(*, is_live: bool) -> Iterator[Finding]:
    """Every finding about what comes from Stripe, one after the other, as they are made."""
    try:
        door = local_door()
    except SettingsInvalid as error:
        yield bad("settings", str(error).replace("\n", "; "), "correct or unset these variables")
        return
    is_live = is_live or door.is_live
    yield good("settings", "live money" if is_live else "no live money")
    yield from secret_findings(door, is_live=is_live)
    yield from _stripe_findings(door, is_live=is_live)
    kafka = door.settings.kafka
    broker = list(kafka_findings(kafka, is_live=is_live))
    yield from broker
    if not any(finding.subject == "Kafka" and finding.fix for finding in broker):
        yield from topic_findings(kafka, is_live=is_live)
        yield from archive_findings(door.variables, kafka, is_live=is_live)
    yield from door_findings(door, is_live=is_live)


def _stripe_findings(door: LocalDoor, *, is_live: bool) -> Iterator[Finding]:
    """The API keys, and what Stripe answers to them; the clock, whoever can be asked."""
    try:
        accounts = polled_accounts(door.settings, door.settings.books(), door.variables)
        lacking = "" if accounts else "no key is set: what it never delivers is not missed"
    except SettingsInvalid as error:
        accounts, lacking = (), str(error)
    if lacking:
        yield warning(
            "API key",
            f"Stripe cannot be asked: {lacking}",
            "set TALLYSTICK_INGEST_STRIPE_API_KEY to a restricted key that may only read",
        )
        yield _other_clock_finding(door)
        return
    yield from key_findings(accounts, is_live=is_live)
    told: list[Asked] = [asked_of(account, door.settings) for account in accounts]
    skews = [each.skew_seconds for each in told if each.skew_seconds is not None]
    yield clock_finding(skews[0]) if skews else _other_clock_finding(door)
    yield from registration_findings(
        told, door.endpoints.values(), public_url=door.settings.ingest_public_url, is_live=is_live
    )


def _other_clock_finding(door: LocalDoor) -> Finding:
    """Our clock against Postgres', where Stripe's cannot be had."""
    dsn = door.settings.postgres_dsn.get_secret_value()
    if dsn:
        try:
            skew = probe.postgres_facts(dsn).clock_skew_seconds
        except (OSError, TimeoutError):
            pass
        else:
            said = f"Postgres' clock is {skew:+.2f} s from ours; Stripe's could not be asked"
            if abs(skew) <= CLOCK_SKEW_SECONDS_MAX:
                return good("clock", said)
            return bad("clock", said, "synchronise both (chrony, systemd-timesyncd)")
    return warning(
        "clock",
        "nobody could be asked what time it is, neither Stripe nor Postgres",
        "set an API key or start Postgres; or look yourself: timedatectl",
    )


def topic_findings(kafka: KafkaAddress, *, is_live: bool) -> Iterator[Finding]:
    """Whether ingest's topics keep for ever, keep enough copies, and take what the door takes."""
    names = INGEST_TOPICS
    try:
        problems = asyncio.run(_bounded_problems(kafka, names))
        settings = asyncio.run(_bounded_settings(kafka, names))
    except (Unavailable, TimeoutError) as error:
        yield bad("topics", f"cannot be looked at: {error}", "tallystick topics check")
        return
    for problem in problems:
        fix = "tallystick topics create" if "missing" in problem else _topic_fix(problem)
        yield bad("topics", problem, fix)
    if not problems:
        yield good("topics", f"{', '.join(names)} keep for ever and take what the door takes")
    for name, found in sorted(settings.items()):
        if found.get("unclean.leader.election.enable") == "true":
            yield bad(
                name,
                "a broker that lags may become its leader: what was answered 2xx can be lost",
                f"kafka-configs.sh --alter --entity-type topics --entity-name {name}"
                " --add-config unclean.leader.election.enable=false",
            )
        in_sync = int(found.get("min.insync.replicas", "1"))
        if is_live and in_sync < IN_SYNC_LIVE_MIN:
            yield bad(
                name,
                f"min.insync.replicas={in_sync}: one broker alone may acknowledge a delivery",
                f"on {REPLICATION_FACTOR_LIVE_MIN} brokers: kafka-configs.sh --alter --entity-type"
                f" topics --entity-name {name} --add-config min.insync.replicas=2",
            )


def _topic_fix(problem: str) -> str:
    if "partitions" in problem:
        return "make it anew in an empty cluster: keys are bound to partitions"
    # It is a sentence of the form: topic, its name, has, what it has, not, what is wanted.
    words = problem.replace(",", "").split()
    wanted = f"{words[3].partition('=')[0]}={words[-1]}"
    return (
        f"kafka-configs.sh --alter --entity-type topics --entity-name {words[1]}"
        f" --add-config {wanted}"
    )


async def _bounded_problems(kafka: KafkaAddress, names: tuple[str, ...]) -> list[str]:
    async with asyncio.timeout(LOOK_SECONDS_MAX):
        return await topic_problems(kafka, [TOPICS[name] for name in names])


async def _bounded_settings(
    kafka: KafkaAddress, names: tuple[str, ...]
) -> dict[str, dict[str, str]]:
    async with asyncio.timeout(LOOK_SECONDS_MAX):
        return await topic_settings(kafka, names)
