"""Faust, and all of it: an app of one agent that hands batches of raw records to a function.

Faust carries and schedules, nothing else: no tables, no timers, no serializers, no web server,
no internal topics. What it has committed decides nothing: positions stand in Postgres.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, Final
from urllib.parse import quote

import faust

from shared.contracts.errors import Unavailable
from shared.runtime.kafka import KafkaAddress, Partition, Record, headers_of
from shared.runtime.kafka_client import KafkaFault

APP_ID: Final = "tallystick-reconciler"
HEARTBEAT_SECONDS: Final = 2.0
COMMIT_SECONDS: Final = 1.0
_LIBRARY: Any = faust  # Any: Faust's own types do not survive strict checking
_KEPT_QUIET: Final = ("faust", "mode", "aiokafka")

Take = Callable[[Sequence[Record]], Awaitable[None]]


class _App(_LIBRARY.App):  # type: ignore[misc]  # faust has no types
    """An app that makes no folder: without tables there is nothing to keep in one."""

    def _create_directories(self) -> None:
        pass


class Carrier:
    """A member of the consumer group that gives each batch to ``take`` and waits for it.

    ``take`` must not raise: what leaves an agent's body is lost to Faust. Faust acknowledges a
    batch when ``take`` returns.
    """

    def __init__(
        self,
        address: KafkaAddress,
        *,
        topics: Iterable[str],
        instance: str,
        take: Take,
        records_max: int,
        wait_seconds: float,
        session_seconds: int,
    ) -> None:
        for name in _KEPT_QUIET:
            logger = logging.getLogger(name)
            logger.setLevel(max(logger.level, logging.WARNING))
        self._app: Any = _App(  # Any: as above
            APP_ID,
            # Faust prefers any environment variable of a setting's name (BROKER_URL,
            # PROCESSING_GUARANTEE, STREAM_WAIT_EMPTY …) to what stands here: it sees none.
            env={},
            broker=[_url(part) for part in address.bootstrap.split(",")],
            broker_credentials=_credentials(address),
            autodiscover=False,
            store="memory://",
            web_enabled=False,
            # Neither leader election nor tables: then Faust needs no topic of its own, and
            # partitions are dealt out by aiokafka's assignor, each topic for itself.
            topic_disable_leader=True,
            topic_allow_declare=False,
            topic_partitions=1,
            topic_replication_factor=1,
            table_standby_replicas=0,
            consumer_auto_offset_reset="earliest",
            consumer_group_instance_id=instance,
            broker_session_timeout=session_seconds,
            broker_heartbeat_interval=HEARTBEAT_SECONDS,
            broker_commit_interval=COMMIT_SECONDS,
            producer_acks=-1,
            # Without it the batch that SIGTERM interrupts would be committed unread.
            stream_wait_empty=True,
            stream_buffer_maxsize=records_max,
        )
        raw = self._app.topic(
            *topics,
            key_type=bytes,
            key_serializer="raw",
            value_type=bytes,
            value_serializer="raw",
        )

        async def carry(stream: Any) -> None:  # Any: as above
            async for events in stream.take_events(records_max, within=wait_seconds):
                await take([_record(event.message) for event in events])

        self._app.agent(raw, name="carry")(carry)

    async def start(self) -> None:
        """Join the group; partitions come when the group has dealt them out.

        Raises:
            Unavailable: No broker answers.
        """
        try:
            await self._app.start()
        except (KafkaFault, OSError) as error:
            raise Unavailable(f"Faust cannot start: {type(error).__name__}: {error}") from error

    async def stop(self) -> None:
        """Finish the batch in work and leave; waits as long as that takes."""
        await self._app.stop()

    async def until_ended(self) -> bool:
        """Wait until Faust ends by itself or is stopped; true when it crashed."""
        await self._app.wait_for_stopped(asyncio.Event())
        return bool(self._app.crashed)

    @property
    def crash_reason(self) -> str:
        """Why Faust crashed, in words; empty when it did not."""
        reason = getattr(self._app, "crash_reason", None)
        return "" if reason is None else f"{type(reason).__name__}: {reason}"

    def partitions(self) -> frozenset[Partition]:
        """The partitions that the group has given us; none while they are being dealt out."""
        if not self._app.started or self._app.rebalancing:
            return frozenset()
        return frozenset(Partition(p.topic, p.partition) for p in self._app.consumer.assignment())


def _record(message: Any) -> Record:  # Any: as above
    return Record(
        topic=message.topic,
        partition=message.partition,
        offset=message.offset,
        key=message.key,
        value=message.value or b"",
        headers=headers_of(message.headers or ()),
        # Faust makes seconds of the broker's milliseconds; round them back, never cut.
        timestamp_ms=round(message.timestamp * 1000),
    )


def _url(server: str) -> str:
    return f"kafka://{quote(server.strip(), safe=':[]')}"


def _credentials(address: KafkaAddress) -> Any:  # Any: as above
    options = address.options()
    context = options.get("ssl_context")
    if address.security_protocol.startswith("SASL"):
        return _LIBRARY.SASLCredentials(
            mechanism=address.sasl_mechanism,
            username=address.sasl_username,
            password=address.sasl_password,
            ssl_context=context,
        )
    return None if context is None else _LIBRARY.SSLCredentials(context)
