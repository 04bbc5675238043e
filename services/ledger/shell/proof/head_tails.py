"""What ``ledger.tree-heads`` knows of our heads, and the journal in use does not yet.

Before the first head is published from a journal, the last ones of each book are read from the
topic: after a crash, a restore or a loss no head is told that contradicts one that was.
"""

import orjson
from pydantic import ValidationError

from services.ledger.shell.own_topics import spans_to_read, spans_were_read
from services.ledger.shell.queries import SQL
from shared.contracts.errors import InvariantBroken
from shared.contracts.topics import LEDGER_TREE_HEADS
from shared.contracts.tree_heads import TreeHead
from shared.runtime.kafka import KafkaAddress, offset_bounds, scan
from shared.runtime.postgres import Database, Tx


async def heads_are_known(database: Database) -> bool:
    """Whether the topic was read on behalf of this journal before."""
    async with database.connection() as connection:
        (row,) = await connection.fetch(SQL["heads_are_known"], LEDGER_TREE_HEADS)
    return bool(row["are_known"])


async def learn_heads(database: Database, kafka: KafkaAddress | str) -> None:
    """Take in the last head of each book. Nothing is done twice; several processes take turns.

    Raises:
        InvariantBroken: The topic was cut, or holds what is no head.
        Unavailable: Kafka or Postgres is away.
    """
    first, end = await offset_bounds(kafka, (LEDGER_TREE_HEADS,))
    async with database.transaction() as tx:
        spans = await spans_to_read(tx, first, end)
        last: dict[str, TreeHead] = {}
        async for batch in scan(kafka, spans):
            for record in batch:
                try:
                    head = TreeHead.model_validate_json(record.value)
                except ValidationError as error:
                    raise InvariantBroken(
                        f"{record.position} is no tree head: {error.error_count()} mistakes"
                    ) from None
                if head.book not in last or last[head.book].size < head.size:
                    last[head.book] = head
        for _, head in sorted(last.items()):
            await note_head(tx, head)
        await spans_were_read(tx, spans)


async def note_head(tx: Tx, head: TreeHead) -> None:
    """Write down that a head is on the topic."""
    shown = orjson.loads(head.model_dump_json())
    await tx.execute(SQL["note_head"], head.book, head.size, head.made_at, shown)
