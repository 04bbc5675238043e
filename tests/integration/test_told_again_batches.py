"""A message that is told again after the switch is taken in, whatever batch it comes in."""

from typing import Final

import pytest

from shared.contracts.topics import STRIPE_EVENTS, STRIPE_OBJECTS
from shared.runtime.kafka import Partition, Record
from tests.support.in_force import OneProjector, Topics, projector
from tests.unit.ledger.invoicing import invoice, line
from tests.unit.ledger.telling import event

pytestmark = pytest.mark.stack

EVENTS: Final = Partition(STRIPE_EVENTS, 0)
OBJECTS: Final = Partition(STRIPE_OBJECTS, 1)
# `e` an event and `o` an object before the switch, `a` the switch, `E` and `O` the same again.
CUTS: Final = ("e o a E O", "eo a EO", "eo a E O E O", "eo a EOEO", "a eEoO", "a eoEO", "a eEE oO")


def bill(number: int) -> dict[str, object]:
    return invoice(line(id=f"il_{number}", invoice=f"in_{number}"), id=f"in_{number}")


def told(topics: Topics, first: dict[str, Record], each: str, *, is_ahead: bool) -> Record:
    match each:
        case "e":
            value = event("invoice.finalized", bill(1), id="evt_1")
            found = topics.tell(EVENTS, value)
        case "o":
            found = topics.tell(OBJECTS, bill(2))
        case "a":
            # Decided before what it does not hold for has come: from behind that on.
            ahead = ((EVENTS, 1), (OBJECTS, 1)) if is_ahead else ()
            return topics.activate("k1", "basis", "accrual", *ahead)
        case _:
            return topics.again(first[each.lower()])
    first[each] = found
    return found


@pytest.mark.parametrize("cut", CUTS)
async def test_message_told_again_books_by_what_is_in_force_then_in_any_batch(
    database_dsn: str, cut: str
) -> None:
    topics, first = Topics(), dict[str, Record]()
    async with projector(database_dsn) as one:
        for batch in cut.split():
            is_ahead = cut.startswith("a")
            records = [told(topics, first, each, is_ahead=is_ahead) for each in batch]
            await one.take(*records)
        assert await booked(one) == [
            ("stripe:invoice:in_1", 1),
            ("stripe:invoice:in_2", 1),
            ("stripe:invoice_line:il_1", 1),
            ("stripe:invoice_line:il_2", 1),
        ]
        async with one.database.transaction() as tx:
            rows = await tx.fetch("select line from unearned_lines order by line")
        assert [row["line"] for row in rows] == ["il_1", "il_2"]


async def booked(one: OneProjector) -> list[tuple[str, int]]:
    """The facts that are booked, each with the offset of the message that it is from."""
    async with one.database.transaction() as tx:
        rows = await tx.fetch("select reference, caused_offset from entries order by reference")
    return [(row["reference"], row["caused_offset"]) for row in rows]
