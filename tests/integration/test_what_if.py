"""What the books would say: replayed with something else in force, told in money, and gone."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from services.ledger.shell.rebuilding.rebuild import rebuild_and_compare
from services.ledger.shell.rebuilding.what_if import SuppositionUnknown, what_if
from services.ledger.what_if.suppositions import Apart, EntryDifference, supposed
from shared.contracts import topics
from shared.contracts.books import Basis, BookData, BookMap
from shared.contracts.commands import Activated, TickClock
from shared.contracts.envelope import Envelope
from shared.contracts.journal import Book, render
from shared.contracts.schemas import type_of
from shared.runtime.kafka import Publication, end_offsets
from tests.support.later_rules import LATER_RULES
from tests.support.ledger import LedgerRig, charge, event, polled
from tests.unit.ledger.invoicing import invoice, line

pytestmark = pytest.mark.stack

MAIN = Book("main")
OUTPUTS = (topics.LEDGER_ENTRIES, topics.LEDGER_OUTCOMES, topics.LEDGER_DEAD_LETTERS)


def refund(number: int) -> dict[str, object]:
    """A refund as Stripe's API shows it."""
    return {
        "id": f"re_{number}",
        "object": "refund",
        "amount": 10 + number,
        "balance_transaction": f"txn_re_{number}",
        "charge": f"ch_{number}",
        "created": 1_795_000_100,
        "currency": "usd",
        "status": "succeeded",
    }


async def tell(rig: LedgerRig, count: int) -> None:
    """Charges, and a refund of each."""
    await rig.publish(
        *(event(f"evt_{n}", charge(f"ch_{n}", 100 + n)) for n in range(count)),
        *(polled(refund(n)) for n in range(count)),
    )


async def test_what_if_of_later_rules_tells_the_difference_in_money_and_by_entry(
    rig: LedgerRig,
) -> None:
    async with rig.ledger():
        await tell(rig, 1_200)
        await rig.caught_up()
        before = await end_offsets(rig.bootstrap, OUTPUTS)
        later = supposed(Activated.RULES_VERSION, 3, book=MAIN)
        async with what_if(
            rig.settings().kafka, rig.dsn, BookMap(), [later], rules=LATER_RULES
        ) as found:
            apart = [each async for each in found.entries()]
        assert await end_offsets(rig.bootstrap, OUTPUTS) == before
    total = sum(10 + n for n in range(1_200))
    assert [(b.account, b.before, b.after) for b in found.balances] == [
        ("revenue:refunds", total, 0),
        ("revenue:stripe", -sum(100 + n for n in range(1_200)), total - 100 * 1_200 - 719_400),
    ]
    assert (found.entries_here, found.entries_there) == (2_400, 2_400)
    # Beside what was told here, what the books began with.
    assert found.messages == 2_401
    assert len(apart) == 1_200
    assert apart == sorted(apart, key=lambda each: each.reference)
    assert {each.apart for each in apart} == {Apart.OTHERWISE}
    assert leg_texts(apart[0]) == (["revenue:refunds", "revenue:stripe"], [-10, 10])
    left = await rig.value("select count(*) from pg_namespace where nspname like 'ledger\\_g%'")
    assert left == 0
    compared, _ = await rebuild_and_compare(rig.settings().kafka, rig.dsn, BookMap())
    assert compared.differences == ()


def leg_texts(told: EntryDifference) -> tuple[list[str], list[int]]:
    """What an entry would move otherwise."""
    legs = told.legs()
    return [leg.account for leg in legs], [leg.difference for leg in legs]


async def test_what_if_from_a_position_on_leaves_the_entries_before_it(rig: LedgerRig) -> None:
    async with rig.ledger():
        await tell(rig, 40)
        await rig.caught_up()
    ends = await end_offsets(rig.bootstrap, [topics.STRIPE_OBJECTS])
    since = {(p.topic, p.partition): end - 1 if end else 0 for p, end in ends.items()}
    used = sum(end > 0 for end in ends.values())
    later = supposed(Activated.RULES_VERSION, 3, book=MAIN, since=since)
    async with what_if(
        rig.settings().kafka, rig.dsn, BookMap(), [later], rules=LATER_RULES
    ) as found:
        apart = [each async for each in found.entries()]
    assert len(apart) == used
    for each in apart:
        assert each.here is not None
        assert each.there is not None
        assert "revenue:refunds" in render(each.here)
        assert "revenue:refunds" not in render(each.there)


async def test_what_if_leaves_the_first_of_two_contradicting_tellings_the_first(
    rig: LedgerRig,
) -> None:
    async with rig.ledger():
        # Of one half the event came first, of the other what the API told; and an event's id twice.
        await rig.publish(
            *(event(f"evt_{n}", charge(f"ch_{n}", 100)) for n in range(10)),
            *(polled(charge(f"ch_{n}", 170)) for n in range(10, 20)),
        )
        await rig.caught_up()
        await rig.publish(
            *(polled(charge(f"ch_{n}", 170)) for n in range(10)),
            *(event(f"evt_{n}", charge(f"ch_{n}", 100)) for n in range(10, 20)),
            *(event(f"evt_{n}", charge(f"ch_other_{n}", 300)) for n in range(10)),
        )
        await rig.caught_up()
    assert (
        await rig.value("select count(*) from ledger_read.outcomes where outcome = 'conflict'")
        == 30
    )
    same = supposed(Activated.BASIS, "cash", book=MAIN)
    async with what_if(rig.settings().kafka, rig.dsn, BookMap(), [same]) as found:
        assert found.balances == ()
        assert [each async for each in found.entries()] == []
    compared, _ = await rebuild_and_compare(rig.settings().kafka, rig.dsn, BookMap())
    assert compared.differences == ()


@pytest.mark.parametrize("basis", ["accrual", "cash"])
async def test_what_if_of_the_other_basis_makes_clock_ticks_once_more(
    rig: LedgerRig, tmp_path: Path, basis: str
) -> None:
    file = tmp_path / "books.toml"
    file.write_text(f'books = [{{name = "main", basis = "{basis}"}}]\n', encoding="utf-8")
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    begins = midnight - timedelta(days=120)
    at = int(begins.timestamp())
    served = line(36_500, period={"start": at, "end": at + 365 * 86_400})
    shown = invoice(served, created=at, status_transitions={"finalized_at": at + 60})
    async with rig.ledger(books_file=file):
        await rig.publish(polled(shown | {"livemode": False}))
        await rig.caught_up()
        # Twice: what the second releases stands on what the first has left.
        for days in (10, 100):
            await rig.publish(ticking(begins + timedelta(days=days)))
            await rig.caught_up()
    books = BookMap(books=(BookData(basis=Basis(basis)),))
    other = supposed(Activated.BASIS, "cash" if basis == "accrual" else "accrual", book=MAIN)
    kafka = rig.settings().kafka
    async with what_if(kafka, rig.dsn, books, [other]) as found:
        moved = {b.account: (b.before, b.after) for b in found.balances}
    before, after = moved["liabilities:unearned"]
    # Of 365 days at 1.00 a day, 100 are served.
    assert (before, after) == ((-26_500, 0) if basis == "accrual" else (0, -26_500))
    assert moved["revenue:stripe"] == ((-10_000, 0) if basis == "accrual" else (0, -10_000))
    same = supposed(Activated.BASIS, basis, book=MAIN)
    async with what_if(kafka, rig.dsn, books, [same]) as found:
        assert found.balances == ()
        assert [each async for each in found.entries()] == []


def ticking(until: datetime) -> Publication:
    """A clock tick, as the console sends it."""
    command = TickClock(idempotency_key=f"t{until:%j}", until=until)
    envelope = Envelope(
        id=f"cmd_{command.idempotency_key}",
        source="test",
        type=type_of(TickClock),
        time=until,
        data=command.model_dump_json().encode(),
        extensions={"book": "main"},
    )
    key = f"main|{command.idempotency_key}".encode()
    return Publication(topics.LEDGER_COMMANDS, key, envelope)


async def test_what_if_of_what_is_in_force_is_no_difference(rig: LedgerRig) -> None:
    async with rig.ledger():
        await tell(rig, 20)
        await rig.caught_up()
    same = [
        supposed(Activated.RULES_VERSION, 1, book=MAIN),
        supposed(Activated.BASIS, "cash", book=MAIN),
    ]
    async with what_if(rig.settings().kafka, rig.dsn, BookMap(), same) as found:
        assert found.balances == ()
        assert [each async for each in found.entries()] == []
    with pytest.raises(SuppositionUnknown, match="there is no rules version 9"):
        async with what_if(
            rig.settings().kafka,
            rig.dsn,
            BookMap(),
            [supposed(Activated.RULES_VERSION, 9, book=MAIN)],
        ):
            pass
