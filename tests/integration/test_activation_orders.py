"""Facts and activations at any positions: a rebuild that reads topics in any order says the same."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from typing import Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.ledger.shell.booking.activated import DecidedUnderOthers
from services.ledger.shell.rebuilding.comparing import Content, content_of
from shared.contracts.topics import STRIPE_EVENTS, STRIPE_OBJECTS
from shared.runtime.kafka import Partition, Record
from tests.support.in_force import PLACES, OneProjector, Topics, projector
from tests.unit.ledger.telling import event, moved, refund

pytestmark = pytest.mark.stack

# Each example has two schemas of its own in one database.
_NUMBERS: Final = count(1)
# What our own topics would tell a rebuild: who booked what, what was decided and put in force.
TAILS: Final = (
    "insert into {0}.activations select * from {1}.activations",
    "insert into {0}.claims select * from {1}.claims",
    (
        "insert into {0}.decisions select origin_id, caused_offset, outcome, reason, detail,"
        " reference, decided, '[]' from {1}.outcomes where reason = 'command'"
    ),
)


@dataclass(frozen=True)
class Step:
    """One message: a refund told by an event or by a poll, a movement, or an activation."""

    kind: str
    number: int
    partition: int
    version: int = 1
    ahead: int = 0


STEPS: Final = st.lists(
    st.builds(
        Step,
        kind=st.sampled_from(["event", "poll", "movement", "activate"]),
        number=st.integers(0, 4),
        partition=st.integers(0, 1),
        version=st.integers(1, 3),
        ahead=st.integers(0, 3),
    ),
    min_size=3,
    max_size=16,
)


def tell(topics: Topics, step: Step, nth: int) -> Record:
    events = Partition(STRIPE_EVENTS, step.partition)
    objects = Partition(STRIPE_OBJECTS, step.partition)
    told = refund(id=f"re_{step.number}")
    match step.kind:
        case "event":
            return topics.tell(events, event("refund.created", told, id=f"evt_{nth}"))
        case "poll":
            return topics.tell(objects, told)
        case "movement":
            return topics.tell(objects, moved("tax_fund", -500, id=f"txn_{step.number}"))
        case _:
            # Ahead of where the topic ends, so it is never a position that was passed.
            named = (objects, len(topics.records.get(objects, [])) + step.ahead)
            positions = (named,) if step.ahead else ()
            return topics.activate(
                f"k{nth}", "rules_version", step.version, *positions, partition=step.partition
            )


async def record(one: OneProjector, topics: Topics, steps: Sequence[Step], batch: int) -> None:
    """Book as projectors do: batch after batch, decided before the one before is in."""
    records = [tell(topics, step, nth) for nth, step in enumerate(steps)]
    batches = [records[at : at + batch] for at in range(0, len(records), batch)]
    ahead = [one.decided(each) for each in batches[:1]]
    for number, each in enumerate(batches):
        decided = ahead.pop()
        ahead.extend(one.decided(later) for later in batches[number + 1 : number + 2])
        try:
            await one.book(decided)
        except DecidedUnderOthers:
            await one.take(*each)


async def replay(one: OneProjector, topics: Topics, picks: Sequence[int], batch: int) -> None:
    """Read the topics in another order, each partition in its own."""
    await one.learn()
    left = {place: list(topics.records.get(place, [])) for place in PLACES}
    order: list[Record] = []
    for pick in picks:
        place = PLACES[pick % len(PLACES)]
        if left[place]:
            order.append(left[place].pop(0))
    for place in PLACES:
        order += left[place]
    for at in range(0, len(order), batch):
        await one.book(one.decided(order[at : at + batch]))


async def said(one: OneProjector) -> tuple[Content, list[tuple[object, ...]]]:
    async with one.database.transaction() as tx:
        heads = await tx.fetch("select origin_id, sequence, chain from origins order by origin_id")
        return await content_of(tx), [tuple(row) for row in heads]


async def both(dsn: str, steps: Sequence[Step], picks: Sequence[int], batch: int) -> None:
    topics = Topics()
    number = next(_NUMBERS)
    here, there = f"ledger_used_{number}", f"ledger_rebuilt_{number}"
    async with projector(dsn, schema=here) as used:
        await record(used, topics, steps, batch)
        async with projector(dsn, schema=there) as rebuilt:
            async with used.database.transaction() as tx:
                await tx.execute("reset role")
                for statement in TAILS:
                    await tx.execute(statement.format(there, here))
            await replay(rebuilt, topics, picks, batch)
            assert await said(rebuilt) == await said(used)
        for version, topic, partition, offset in await entries(used):
            await used.learn()
            known = used.decider.activations()
            assert known.at(topic, partition, offset).rules_version == version


async def entries(one: OneProjector) -> list[tuple[int, str, int, int]]:
    async with one.database.transaction() as tx:
        rows = await tx.fetch(
            "select e.rules_version, o.topic, o.partition, e.caused_offset from entries e"
            " join origins o using (origin_id)"
        )
    return [tuple(row) for row in rows]


@given(STEPS, st.lists(st.integers(0, 7), max_size=24), st.integers(1, 5))
@settings(
    max_examples=8,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_rebuild_in_any_order_of_topics_arrives_at_the_same_books_and_heads(
    database_dsn: str, steps: list[Step], picks: list[int], batch: int
) -> None:
    asyncio.run(both(database_dsn, steps, picks, batch))
