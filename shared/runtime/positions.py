"""Positions in Postgres: moved in the transaction of the rows that the records caused.

The table is ``positions (cluster_id, topic_id, topic, partition, next_offset)`` with the primary
key ``(cluster_id, topic, partition)``, in the schema of the search path. The ids tell a cluster
or topic that was made anew from the one that the rows were made from.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from shared.contracts.errors import InvariantBroken, TallystickError
from shared.runtime.kafka_admin import cluster_id, topic_ids
from shared.runtime.kafka_client import KafkaAddress, Partition
from shared.runtime.postgres import Tx, load_queries

_SQL: Final = load_queries(Path(__file__).parent / "sql")


class Fenced(TallystickError):
    """Somebody else has moved a position: roll back, seek anew, and read on from there."""

    def __init__(self, partitions: Iterable[Partition]) -> None:
        self.partitions = tuple(sorted(partitions))
        super().__init__(f"moved by another process: {', '.join(map(str, self.partitions))}")


@dataclass(frozen=True, slots=True)
class Log:
    """Which log positions are positions of: the cluster's id, and each topic's."""

    cluster_id: str
    topic_ids: Mapping[str, str]

    @classmethod
    async def ask(cls, where: KafkaAddress | str, topics: Iterable[str]) -> "Log":
        """The ids as Kafka tells them.

        Raises:
            Unavailable: Kafka does not answer.
        """
        return cls(await cluster_id(where), await topic_ids(where, topics))


async def begin_positions(tx: Tx, log: Log, partitions: Iterable[Partition]) -> None:
    """Make rows at offset zero for partitions that have none.

    Raises:
        InvariantBroken: A row was made from another cluster, or from a topic deleted since.
    """
    wanted = sorted(partitions)
    await tx.execute(
        _SQL["begin_positions"],
        log.cluster_id,
        [log.topic_ids[p.topic] for p in wanted],
        [p.topic for p in wanted],
        [p.partition for p in wanted],
    )
    await read_positions(tx, log)


async def read_positions(tx: Tx, log: Log) -> dict[Partition, int]:
    """Where each partition of the log's topics is read on.

    Raises:
        InvariantBroken: A row was made from another cluster, or from a topic deleted since.
    """
    found: dict[Partition, int] = {}
    for row in await tx.fetch(_SQL["read_positions"], sorted(log.topic_ids)):
        made_from = (row["cluster_id"], row["topic_id"])
        if made_from != (log.cluster_id, log.topic_ids[row["topic"]]):
            raise InvariantBroken(
                f"{row['topic']}/{row['partition']}: the tables were made from topic "
                f"{made_from[1]} of cluster {made_from[0]}, which is not the one that answers; "
                "point to that cluster again, or rebuild into an empty database"
            )
        found[Partition(row["topic"], row["partition"])] = row["next_offset"]
    return found


async def move_positions(tx: Tx, log: Log, moves: Mapping[Partition, tuple[int, int]]) -> None:
    """Move positions from where they are expected to be, locking them in sorted order.

    Raises:
        Fenced: One is elsewhere; the transaction must be rolled back.
    """
    wanted = sorted(moves.items())
    rows = await tx.fetch(
        _SQL["move_positions"],
        log.cluster_id,
        [p.topic for p, _ in wanted],
        [p.partition for p, _ in wanted],
        [expected for _, (expected, _) in wanted],
        [after for _, (_, after) in wanted],
    )
    moved = {Partition(row["topic"], row["partition"]) for row in rows}
    if len(moved) != len(wanted):
        raise Fenced(p for p, _ in wanted if p not in moved)
