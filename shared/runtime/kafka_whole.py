"""A topic read whole, to the end that it has now: for small ones that remember a state."""

from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing

from shared.runtime.kafka import KafkaAddress, Record, offset_bounds, scan


async def whole(where: KafkaAddress | str, topics: Iterable[str]) -> AsyncGenerator[Record, None]:
    """Every record of topics, in order within a partition; close it when it is left half-way.

    Raises:
        Unavailable: Kafka is away, or silent about records that it has.
    """
    first, end = await offset_bounds(where, list(topics))
    async with aclosing(scan(where, {p: (first[p], end[p]) for p in end})) as batches:
        async for batch in batches:
            for record in batch:
                yield record
