"""The index of the balance transactions on ``stripe.objects``: what the log has of the money.

Made from the topic alone. What the mirror remembers having told is its own business: an audit
believes nobody but the log.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import cast

from services.ingest.event_body import json_value
from services.ingest.shell.poll_store import QUERIES
from shared.contracts.books import Mode
from shared.contracts.errors import Unreadable
from shared.contracts.topics import STRIPE_OBJECTS
from shared.runtime.kafka import KafkaAddress, Record
from shared.runtime.postgres import Database
from shared.runtime.topic_reading import Keep, TopicReading


@dataclass(frozen=True, slots=True)
class _Stored:
    account: str
    is_live: bool
    id: str
    created: int
    partition: int
    offset: int


class TransactionIndex:
    """Which balance transactions stand on the topic, by account and mode."""

    def __init__(
        self, database: Database, kafka: KafkaAddress, *, beat: Callable[[], None]
    ) -> None:
        self._database = database
        self._reading = TopicReading(database, kafka, STRIPE_OBJECTS, beat=beat)

    async def catch_up(self) -> int:
        """Read the topic to the end that it has now; how many records were read.

        Raises:
            Fenced: Another process has moved the positions meanwhile.
            InvariantBroken: The rows were made from another cluster or topic.
            Unavailable: Kafka or Postgres is away.
        """
        return await self._reading.to_its_end(_take)

    async def held(self, ids: Iterable[str], *, account: str, mode: Mode) -> frozenset[str]:
        """Which of these are on the topic, as far as it has been read."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(
                QUERIES["transactions_of"], account, mode is Mode.LIVE, list(ids)
            )
        return frozenset(str(row["transaction_id"]) for row in rows)

    async def count(self, since: int, until: int, *, account: str, mode: Mode) -> int:
        """How many of a window of Stripe's time are on the topic."""
        async with self._database.connection() as connection:
            found = await connection.fetchval(
                QUERIES["count_transactions_between"], account, mode is Mode.LIVE, since, until
            )
        return int(found)


async def _take(batch: list[Record], keep: Keep) -> None:
    found = _stored(batch)
    await keep(
        lambda tx: tx.execute(
            QUERIES["store_transactions"],
            [t.account for t in found],
            [t.is_live for t in found],
            [t.id for t in found],
            [t.created for t in found],
            [t.partition for t in found],
            [t.offset for t in found],
        )
    )


def _stored(records: Iterable[Record]) -> list[_Stored]:
    found = [stored for record in records if (stored := _transaction(record)) is not None]
    first: dict[tuple[str, bool, str], _Stored] = {}
    for each in found:
        first.setdefault((each.account, each.is_live, each.id), each)
    return list(first.values())


def _transaction(record: Record) -> _Stored | None:
    try:
        envelope = record.envelope()
        value = json_value(record.value)
    except (Unreadable, ValueError):
        return None
    if not isinstance(value, dict):
        return None
    fields = cast("dict[str, object]", value)
    transaction_id, created = fields.get("id"), fields.get("created")
    if fields.get("object") != "balance_transaction" or type(created) is not int:
        return None
    if not isinstance(transaction_id, str) or "\0" in transaction_id:
        return None
    if not 0 <= created < 2**63:
        return None
    return _Stored(
        account=envelope.extension("account"),
        is_live=envelope.extension("livemode") == "true",
        id=transaction_id,
        created=created,
        partition=record.partition,
        offset=record.offset,
    )
