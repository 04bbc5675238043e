"""Our own topics, read by each journal once: how far it has come, held while somebody reads on."""

from collections.abc import Mapping

from services.ledger.shell.queries import SQL
from shared.contracts.errors import InvariantBroken
from shared.runtime.kafka import Partition
from shared.runtime.postgres import Tx

Spans = Mapping[Partition, tuple[int, int]]


async def spans_to_read(
    tx: Tx, first: Mapping[Partition, int], end: Mapping[Partition, int]
) -> Spans:
    """What was not read yet of partitions, by their bounds; several processes take turns.

    Raises:
        InvariantBroken: One ends before what was read of it.
    """
    await tx.execute(SQL["hold_seeding"])
    known = {
        Partition(row["topic"], row["partition"]): row["next_offset"]
        for row in await tx.fetch(SQL["read_tails"])
    }
    spans = {p: (max(first[p], known.get(p, 0)), end[p]) for p in end}
    for partition, (since, before) in spans.items():
        if since > before:
            raise InvariantBroken(
                f"{partition} ends at {before}, and {since} of it were published: "
                "it was cut or made anew"
            )
    return spans


async def spans_were_read(tx: Tx, spans: Spans) -> None:
    """Write down that these were read."""
    ends = sorted(spans.items())
    await tx.execute(
        SQL["move_tails"],
        [p.topic for p, _ in ends],
        [p.partition for p, _ in ends],
        [before for _, (_, before) in ends],
    )
