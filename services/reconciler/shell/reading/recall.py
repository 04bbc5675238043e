"""What was already told: our own topics, read to their end before anything is judged.

A reconciler whose tables are gone takes standing matches and discrepancies from there, and then
publishes only what differs. One whose tables are older than its topics believes the topics. While
it runs, what it has published itself comes by here too, and is no news.
"""

from typing import Final

from pydantic import ValidationError

from services.reconciler.facts.kinds import Fact
from services.reconciler.facts.known import fold
from services.reconciler.shell.judging import acts
from services.reconciler.shell.keeping import memory
from services.reconciler.shell.keeping.memory import SQL
from shared.contracts.acts import ACT_DECIDED, ActDecided
from shared.contracts.errors import InvariantBroken, Unreadable
from shared.contracts.look_ups import LookUpAsked
from shared.contracts.messages import DiscrepancyReported, MatchMade, MatchUndone
from shared.contracts.topics import DECISIONS, DISCREPANCIES, LOOK_UPS, MATCHES
from shared.runtime.kafka import KafkaAddress, Partition, Record, end_offsets, scan
from shared.runtime.positions import Fenced, Log, move_positions, read_positions
from shared.runtime.postgres import Database, Tx

OWN_TOPICS: Final = (MATCHES, DISCREPANCIES, DECISIONS, LOOK_UPS)


async def recall(address: KafkaAddress, database: Database, positions: Log) -> int:
    """Read what we have published and not read back yet, and say how many records it was.

    Raises:
        Unavailable: Kafka or Postgres does not answer.
        InvariantBroken: A record of ours cannot be read.
    """
    ends = await end_offsets(address, OWN_TOPICS)
    async with database.transaction() as tx:
        at = await read_positions(tx, positions)
    spans = {p: (at[p], end) for p, end in ends.items() if at[p] < end}
    count = 0
    here = {p: first for p, (first, _) in spans.items()}
    async for records in scan(address, spans):
        after = dict(here)
        for record in records:
            after[Partition(record.topic, record.partition)] = record.offset + 1
        moved = {p: (here[p], after[p]) for p in sorted(here) if after[p] > here[p]}

        async def work(
            tx: Tx, records: list[Record] = records, moved: dict[Partition, tuple[int, int]] = moved
        ) -> None:
            await _take(tx, records)
            await move_positions(tx, positions, moved)

        try:
            await database.run(work)
        except Fenced:
            # Another replica has read them: it writes the same tables.
            return count
        count += len(records)
        here = after
    return count


async def _take(tx: Tx, records: list[Record]) -> None:
    matches: list[MatchMade | MatchUndone] = []
    reports: list[DiscrepancyReported] = []
    decisions: list[ActDecided] = []
    asked: list[LookUpAsked] = []
    for record in records:
        try:
            if record.topic == MATCHES:
                matches.append(memory.match_record(record.value))
            elif record.topic == DECISIONS:
                decisions.append(ACT_DECIDED.validate_json(record.value))
            elif record.topic == LOOK_UPS:
                asked.append(LookUpAsked.model_validate_json(record.value))
            else:
                reports.append(DiscrepancyReported.model_validate_json(record.value))
        except (ValidationError, Unreadable) as error:
            raise InvariantBroken(f"{record.position} is not a record of ours") from error
    books = sorted({record.book for record in (*matches, *reports, *decisions, *asked)})
    for book in books:
        await tx.fetchval(SQL["hold_book"], book)
    news = await memory.put_look_ups(tx, asked)
    news |= await memory.put_matches(tx, matches) | await memory.put_discrepancies(tx, reports)
    for book, rulings in (await acts.recall(tx, decisions)).items():
        facts: list[Fact] = list(rulings)
        told = fold(facts)
        merged = fold(told.values(), await memory.facts_by_key(tx, book, told))
        await memory.put_facts(tx, book, merged, dormant=set())
        await memory.wake_rows(tx, book, merged)
        news.add(book)
    for book in sorted(news):
        await tx.fetchval(SQL["bump_book"], book)
