"""The raw records: from offset 0 to where the projector stood, and the published entries."""

import asyncio
import json
import ssl
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import aiokafka
import aiokafka.admin
import aiokafka.errors

from oracle.journal import Booked
from oracle.shell.batches import read_any_name
from oracle.values import CannotDecide, Leg, Name, Position, Record

LIBRARY: Any = aiokafka  # Any: aiokafka has no types
ADMIN: Any = aiokafka.admin  # Any: as above
KafkaFault: Any = aiokafka.errors.KafkaError  # Any: as above
ENTRIES = "ledger.entries"
_SILENCE_SECONDS_MAX = 30.0
_RECORDS_AT_ONCE = 5_000
_PUBLISHING_SECONDS_MAX = 15.0


@dataclass(frozen=True, slots=True)
class Address:
    """Where Kafka is and how to sign in."""

    bootstrap: str
    security_protocol: str = "PLAINTEXT"
    sasl_mechanism: str = "SCRAM-SHA-512"
    username: str = ""
    password: str = field(default="", repr=False)
    ca_file: str = ""


def _options(address: Address) -> dict[str, Any]:  # Any: keyword arguments without types
    options: dict[str, Any] = {  # Any: as above
        "bootstrap_servers": address.bootstrap.split(","),
        "security_protocol": address.security_protocol,
    }
    if address.security_protocol.endswith("SSL"):
        options["ssl_context"] = ssl.create_default_context(cafile=address.ca_file or None)
    if address.security_protocol.startswith("SASL"):
        options |= {
            "sasl_mechanism": address.sasl_mechanism,
            "sasl_plain_username": address.username,
            "sasl_plain_password": address.password,
        }
    return options


@asynccontextmanager
async def reader(address: Address) -> AsyncGenerator[Any]:  # Any: aiokafka has no types
    """A consumer without a group: it leaves no trace on the broker.

    Raises:
        CannotDecide: Kafka does not answer.
    """
    read_any_name()
    consumer = LIBRARY.AIOKafkaConsumer(
        group_id=None,
        enable_auto_commit=False,
        auto_offset_reset="none",
        isolation_level="read_uncommitted",
        **_options(address),
    )
    try:
        await consumer.start()
    except (KafkaFault, OSError) as why:
        await consumer.stop()
        raise CannotDecide(f"Kafka does not answer: {why}") from None
    # A task of the library that is cancelled before it began throws that at ``stop``.
    await asyncio.sleep(0)  # one turn of the loop, so that its task begins
    try:
        yield consumer
    except KafkaFault as why:
        raise CannotDecide(f"Kafka gave up: {why!r}") from None
    finally:
        await consumer.stop()


async def partitions_of_entries(address: Address) -> list[int]:
    """The partitions of ``ledger.entries``.

    Raises:
        CannotDecide: The topic is not there, or Kafka does not answer.
    """
    admin = ADMIN.AIOKafkaAdminClient(**_options(address))
    try:
        await admin.start()
        # Asking for a topic by name may create it: what there is is asked first.
        if ENTRIES not in await admin.list_topics():
            raise CannotDecide(f"there is no topic {ENTRIES}")
        (described,) = await admin.describe_topics([ENTRIES])
    except (KafkaFault, OSError) as why:
        raise CannotDecide(f"Kafka does not answer: {why}") from None
    finally:
        await admin.close()
    return sorted(partition["partition"] for partition in described["partitions"])


async def records_until(
    consumer: Any,  # Any: aiokafka has no types
    positions: Mapping[tuple[str, int], int],
) -> list[Record]:
    """Every record from offset 0 up to these positions, those of a partition in their order.

    Raises:
        CannotDecide: Records are gone, a position is past the end, or the broker fell silent.
    """
    ends = {
        LIBRARY.TopicPartition(topic, partition): end
        for (topic, partition), end in positions.items()
        if end > 0
    }
    if not ends:
        return []
    await _have_all(consumer, ends)
    found: list[Record] = []
    async for raw in _scan(consumer, ends):
        found.append(_record(raw))  # noqa: PERF401  # an async comprehension says no more
    found.sort(key=lambda record: record.position)
    return found


async def published_entries(
    consumer: Any,  # Any: aiokafka has no types
    partitions: Sequence[int],
    heads: Mapping[str, int],
) -> tuple[Booked, ...]:
    """What ``ledger.entries`` tells, waiting a while until it tells up to these sequences.

    Raises:
        CannotDecide: A record cannot be read.
    """
    waiting = {LIBRARY.TopicPartition(ENTRIES, number) for number in partitions}
    clock = asyncio.get_running_loop()
    deadline = clock.time() + _PUBLISHING_SECONDS_MAX
    while True:
        ends = {p: end for p, end in (await consumer.end_offsets(waiting)).items() if end > 0}
        found = [_published(raw) async for raw in _scan(consumer, ends)] if ends else []
        last: dict[str, int] = {}
        for booked in found:
            last[booked.origin] = max(last.get(booked.origin, 0), booked.sequence)
        is_all = all(last.get(origin, 0) >= sequence for origin, sequence in heads.items())
        if is_all or clock.time() > deadline:
            return tuple(found)
        await asyncio.sleep(0.5)  # bounded poll: the deadline above


async def _have_all(consumer: Any, ends: Mapping[Any, int]) -> None:  # Any: no types
    beginnings = await consumer.beginning_offsets(list(ends))
    tails = await consumer.end_offsets(list(ends))
    for partition, end in sorted(ends.items()):
        where = f"{partition.topic}/{partition.partition}"
        if beginnings[partition] > 0:
            raise CannotDecide(f"{where}: records before {beginnings[partition]} are gone")
        if tails[partition] < end:
            raise CannotDecide(f"{where} ends at {tails[partition]}, the ledger stands at {end}")


async def _scan(
    consumer: Any,  # Any: aiokafka has no types
    ends: Mapping[Any, int],  # Any: as above
) -> AsyncGenerator[Any]:  # Any: as above
    """Every record from 0 up to the ends."""
    consumer.assign(list(ends))
    for partition in ends:
        consumer.seek(partition, 0)
    clock = asyncio.get_running_loop()
    left, heard_at = dict(ends), clock.time()
    while left:
        batches = await consumer.getmany(*left, timeout_ms=1_000, max_records=_RECORDS_AT_ONCE)
        for partition, raws in batches.items():
            heard_at = clock.time()
            for raw in raws:
                if raw.offset < ends[partition]:
                    yield raw
        for partition in list(left):
            if await consumer.position(partition) >= left[partition]:
                del left[partition]
                consumer.pause(partition)
        if left and clock.time() - heard_at > _SILENCE_SECONDS_MAX:
            raise CannotDecide(f"Kafka fell silent with {len(left)} partitions to go")


def _record(raw: Any) -> Record:  # Any: aiokafka has no types
    return Record(
        Position(raw.topic, raw.partition, raw.offset),
        {
            name.removeprefix("ce_"): (value or b"").decode("utf-8", "replace")
            for name, value in raw.headers
            if name.startswith("ce_")
        },
        raw.value or b"",
    )


def _published(raw: Any) -> Booked:  # Any: aiokafka has no types
    where = f"{raw.topic}/{raw.partition} offset {raw.offset}"
    try:
        told: Any = json.loads(raw.value)  # Any: JSON, whose fields the next lines name
        cause = told["caused_by"]
        return Booked(
            name=Name(told["book"], told["reference"]),
            kind=told["kind"],
            legs=tuple(
                sorted(
                    Leg(
                        posting["account"],
                        posting["key"],
                        posting["amount"]["currency"],
                        int(posting["amount"]["minor"])
                        * (1 if posting["direction"] == "debit" else -1),
                    )
                    for posting in told["postings"]
                )
            ),
            effective_at=_instant(told["effective_at"]),
            recorded_at=_instant(told["recorded_at"]),
            rules_version=told["rules_version"],
            caused_by=Position(cause["topic"], cause["partition"], cause["offset"]),
            message_id=told["message_id"],
            sequence=told["sequence"],
            digest=told["digest"],
            chain=told["chain"],
            reverses=told.get("reverses") or "",
            description=told.get("description", ""),
        )
    except (KeyError, TypeError, ValueError) as why:
        raise CannotDecide(f"{where} is no entry: {why!r}") from None


def _instant(text: str) -> str:
    return datetime.fromisoformat(text).astimezone(UTC).isoformat().replace("+00:00", "Z")
