"""Topics as the broker has them: create, compare with the registry, identity, offsets."""

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any, Final
from uuid import UUID

from aiokafka.admin import config_resource
from aiokafka.protocol import api, types

from shared.contracts.errors import TallystickError, Unavailable
from shared.contracts.topics import TOPICS, Topic
from shared.runtime.kafka_client import (
    ADMIN,
    LIBRARY,
    KafkaAddress,
    Partition,
    address_of,
    admin_client,
    offsets_client,
    patiently,
)

REPLICATION_FACTOR_MAX: Final = 3
_TOPIC_EXISTS: Final = 36
_LEADER_WAIT_SECONDS: Final = 30.0
_RESOURCE: Any = config_resource  # Any: aiokafka has no types
_WIRE: Any = types  # Any: aiokafka has no types
_API: Any = api  # Any: as above


class TopicsInvalid(TallystickError):
    """Topics are missing or configured otherwise than the registry says; nothing may start."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


async def create_topics(
    where: KafkaAddress | str,
    topics: Iterable[Topic] = TOPICS.values(),
    *,
    replication_factor: int | None = None,
) -> list[str]:
    """Create the topics that are not there and give their names; each is led on return.

    The replication factor is 3, or as many as there are brokers.

    Raises:
        Unavailable: Kafka does not answer, or refuses.
    """
    wanted = list(topics)
    made: list[str] = []
    async with admin_client(where) as client:
        brokers = len((await client.describe_cluster())["brokers"])
        factor = replication_factor or min(REPLICATION_FACTOR_MAX, brokers)
        answer = await client.create_topics(
            [
                ADMIN.NewTopic(t.name, t.partitions, factor, topic_configs=dict(t.config()))
                for t in wanted
            ]
        )
        for name, code, message in answer.topic_errors:
            if code not in (0, _TOPIC_EXISTS):
                raise Unavailable(f"topic {name} cannot be created: {message} (code {code})")
            if code == 0:
                made.append(str(name))

        async def all_led() -> None:
            found = await _described(client, [t.name for t in wanted])
            missing = [t.name for t in wanted if t.name not in found]
            if missing:
                raise Unavailable(f"no leader yet for {', '.join(missing)}")

        await patiently(all_led, what="new topics", give_up_after_seconds=_LEADER_WAIT_SECONDS)
    if made:
        # The cluster names a leader before that broker has made the log: only its answer is proof.
        await patiently(
            partial(offset_bounds, where, made),
            what="leaders of new topics",
            give_up_after_seconds=_LEADER_WAIT_SECONDS,
        )
    return sorted(made)


async def delete_topics(where: KafkaAddress | str, names: Iterable[str]) -> None:
    """Delete topics with all that is in them; for tests and for starting over in a sandbox.

    Raises:
        Unavailable: Kafka does not answer, or the topics do not go.
    """
    unwanted = sorted(names)
    async with admin_client(where) as client:
        await client.delete_topics(unwanted)

        async def all_gone() -> None:
            if left := await _described(client, unwanted):
                raise Unavailable(f"not gone yet: {', '.join(left)}")

        await patiently(all_gone, what="old topics", give_up_after_seconds=_LEADER_WAIT_SECONDS)


async def topic_problems(
    where: KafkaAddress | str, topics: Iterable[Topic] = TOPICS.values()
) -> list[str]:
    """What is wrong with the topics, one sentence each; empty when they are as registered.

    Raises:
        Unavailable: Kafka does not answer.
    """
    wanted = sorted(topics, key=lambda topic: topic.name)
    problems: list[str] = []
    async with admin_client(where) as client:
        found = await _described(client, [t.name for t in wanted])
        present = [t for t in wanted if t.name in found]
        settings = await _settings(client, [t.name for t in present])
    for topic in wanted:
        if topic.name not in found:
            problems.append(f"topic {topic.name} is missing")
            continue
        if found[topic.name] != topic.partitions:
            problems.append(
                f"topic {topic.name} has {found[topic.name]} partitions, not {topic.partitions}"
            )
        problems.extend(
            f"topic {topic.name} has {name}={settings[topic.name].get(name)}, not {value}"
            for name, value in sorted(topic.config().items())
            if settings[topic.name].get(name) != value
        )
    return problems


async def topic_settings(
    where: KafkaAddress | str, names: Iterable[str]
) -> dict[str, dict[str, str]]:
    """The settings in force of those of the topics that are there.

    Raises:
        Unavailable: Kafka does not answer.
    """
    async with admin_client(where) as client:
        return await _settings(client, sorted(await _described(client, sorted(set(names)))))


async def check_topics(
    where: KafkaAddress | str, topics: Iterable[Topic | str] = TOPICS.values()
) -> None:
    """Refuse to go on unless the topics are there as registered.

    Raises:
        TopicsInvalid: A topic is missing or configured otherwise.
        Unavailable: Kafka does not answer.
    """
    wanted = [TOPICS[topic] if isinstance(topic, str) else topic for topic in topics]
    problems = await topic_problems(where, wanted)
    if problems:
        raise TopicsInvalid(problems)


async def cluster_id(where: KafkaAddress | str) -> str:
    """The id that the cluster was formatted with."""
    async with admin_client(where) as client:
        return str((await client.describe_cluster())["cluster_id"])


async def topic_ids(where: KafkaAddress | str, names: Iterable[str]) -> dict[str, str]:
    """The id of each topic: a topic deleted and created again has another one.

    Raises:
        Unavailable: Kafka does not answer, or a topic is not there.
    """
    wanted = sorted(set(names))
    async with admin_client(where) as client:
        answer = (await client._send_request(_TopicIdsRequest(wanted))).to_object()  # noqa: SLF001
    found = {
        str(topic["name"]): str(UUID(bytes=topic["topic_id"]))
        for topic in answer["topics"]
        if topic["error_code"] == 0
    }
    if missing := [name for name in wanted if name not in found]:
        raise Unavailable(f"topics not known to the broker: {', '.join(missing)}")
    return found


async def topic_id(where: KafkaAddress | str, name: str) -> str:
    """The id of one topic."""
    return (await topic_ids(where, [name]))[name]


async def end_offsets(where: KafkaAddress | str, topics: Iterable[str]) -> dict[Partition, int]:
    """The offset that the next record of each partition will have."""
    return (await offset_bounds(where, topics))[1]


async def offset_bounds(
    where: KafkaAddress | str, topics: Iterable[str]
) -> tuple[dict[Partition, int], dict[Partition, int]]:
    """The first offset that is there, and the one that comes next, of each partition.

    Raises:
        Unavailable: Kafka does not answer.
    """
    address = address_of(where)
    async with admin_client(address) as client:
        counts = await _described(client, sorted(set(topics)))
        partitions = [
            LIBRARY.TopicPartition(topic, n)
            for topic, count in counts.items()
            for n in range(count)
        ]
    if not partitions:
        return {}, {}
    async with offsets_client(address) as reader:
        reader.assign(partitions)
        first = await reader.beginning_offsets(partitions)
        end = await reader.end_offsets(partitions)
    return _by_partition(first), _by_partition(end)


def _by_partition(offsets: Mapping[Any, int]) -> dict[Partition, int]:  # Any: a foreign tuple
    return {Partition(p.topic, p.partition): offset for p, offset in sorted(offsets.items())}


async def _described(client: Any, names: list[str]) -> dict[str, int]:  # Any: no types
    """Partition counts of the topics that are there and led; asking must not create any."""
    found: dict[str, int] = {}
    answer = (await client._send_request(_TopicIdsRequest(names))).to_object()  # noqa: SLF001
    for topic in answer["topics"]:
        led = all(p["leader_id"] >= 0 and p["error_code"] == 0 for p in topic["partitions"])
        if topic["error_code"] == 0 and led:
            found[str(topic["name"])] = len(topic["partitions"])
    return found


async def _settings(client: Any, names: list[str]) -> dict[str, dict[str, str]]:  # Any: no types
    if not names:
        return {}
    kind = _RESOURCE.ConfigResourceType.TOPIC
    answers = await client.describe_configs(
        [_RESOURCE.ConfigResource(kind, name) for name in names]
    )
    return {
        resource[3]: {str(entry[0]): str(entry[1]) for entry in resource[4]}
        for answer in answers
        for resource in answer.resources
    }


class _Uuid(_WIRE.AbstractType):  # type: ignore[misc]  # aiokafka has no types
    """Sixteen bytes, which aiokafka's own types do not know."""

    @classmethod
    def encode(cls, value: bytes) -> bytes:
        return value

    @classmethod
    def decode(cls, data: Any) -> bytes:  # Any: a reader of the library
        return bytes(data.read(16))


class _TopicIdsResponse(_API.Response):  # type: ignore[misc]  # aiokafka has no types
    """Metadata, version 12: the first that aiokafka lacks which names topics by id."""

    API_KEY = 3
    API_VERSION = 12
    SCHEMA = _WIRE.Schema(
        ("throttle_time_ms", _WIRE.Int32),
        (
            "brokers",
            _WIRE.CompactArray(
                ("node_id", _WIRE.Int32),
                ("host", _WIRE.CompactString("utf-8")),
                ("port", _WIRE.Int32),
                ("rack", _WIRE.CompactString("utf-8")),
                ("tags", _WIRE.TaggedFields),
            ),
        ),
        ("cluster_id", _WIRE.CompactString("utf-8")),
        ("controller_id", _WIRE.Int32),
        (
            "topics",
            _WIRE.CompactArray(
                ("error_code", _WIRE.Int16),
                ("name", _WIRE.CompactString("utf-8")),
                ("topic_id", _Uuid),
                ("is_internal", _WIRE.Boolean),
                (
                    "partitions",
                    _WIRE.CompactArray(
                        ("error_code", _WIRE.Int16),
                        ("partition_index", _WIRE.Int32),
                        ("leader_id", _WIRE.Int32),
                        ("leader_epoch", _WIRE.Int32),
                        ("replica_nodes", _WIRE.CompactArray(_WIRE.Int32)),
                        ("isr_nodes", _WIRE.CompactArray(_WIRE.Int32)),
                        ("offline_replicas", _WIRE.CompactArray(_WIRE.Int32)),
                        ("tags", _WIRE.TaggedFields),
                    ),
                ),
                ("topic_authorized_operations", _WIRE.Int32),
                ("tags", _WIRE.TaggedFields),
            ),
        ),
        ("tags", _WIRE.TaggedFields),
    )


class _TopicIdsStruct(_API.RequestStruct):  # type: ignore[misc]  # aiokafka has no types
    """Its question, by name; version 9 and later have compact fields."""

    FLEXIBLE_VERSION = True
    API_KEY = 3
    API_VERSION = 12
    RESPONSE_TYPE = _TopicIdsResponse
    SCHEMA = _WIRE.Schema(
        (
            "topics",
            _WIRE.CompactArray(
                ("topic_id", _Uuid),
                ("name", _WIRE.CompactString("utf-8")),
                ("tags", _WIRE.TaggedFields),
            ),
        ),
        ("allow_auto_topic_creation", _WIRE.Boolean),
        ("include_topic_authorized_operations", _WIRE.Boolean),
        ("tags", _WIRE.TaggedFields),
    )


class _TopicIdsRequest(_API.Request[_TopicIdsStruct]):  # type: ignore[misc]  # aiokafka has no types
    """Asks for topics with their ids, and never creates one by asking."""

    API_KEY = 3

    def __init__(self, names: list[str]) -> None:
        self._names = names

    def build(self, request_struct_class: Any) -> Any:  # Any: aiokafka has no types
        tags: dict[int, bytes] = {}
        topics = [(bytes(16), name, tags) for name in self._names]
        return request_struct_class(topics, False, False, tags)
