"""What goes on from one key to another in the journal, in any order and any batches.

The receivable of an invoice that was given up to bad debt, a payment's credits to its customer.
"""

import asyncio
import json
import random
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from itertools import permutations
from pathlib import Path

import asyncpg
import pytest

from services.ledger.shell.rebuilding.rebuild import rebuild_and_compare
from shared.contracts.books import Basis, BookData, BookMap
from shared.contracts.topics import STRIPE_OBJECTS
from shared.runtime.kafka import Partition, Record
from tests.integration.test_cli_ledger import tallystick
from tests.integration.test_oracle import audited
from tests.support.in_force import Topics, projector
from tests.support.judged_journal import (
    InputLog,
    Journal,
    Json,
    cut,
    in_another_order,
    judged_journal,
)
from tests.support.ledger import LedgerRig, event, polled
from tests.unit.ledger.invoicing import FINALIZED, PAID, invoice, line, payment
from tests.unit.ledger.test_customer_credits import bought, failed, session

pytestmark = pytest.mark.stack
OBJECTS = Partition(STRIPE_OBJECTS, 0)
LEFT = {"liabilities:tax": -1_900, "revenue:stripe": 1_900}


def tellings(key: str) -> list[Json]:
    """An invoice of 119.00: 40.00 paid, 79.00 given up, then paid after all; a telling each.

    The paid invoice is told without its payments, as events tell it since 2025-03-31.
    """
    shown = invoice(line(10_000, 31) | {"id": f"il_{key}"}, tax=1_900, id=f"in_{key}")
    passed = {"finalized_at": FINALIZED, "marked_uncollectible_at": FINALIZED + 60}
    paid = passed | {"paid_at": FINALIZED + 90}
    rest: Json = {"id": f"inpay_{key}_2", "payment": {"type": "charge", "charge": f"ch_{key}"}}
    first = payment(4_000, id=f"inpay_{key}_1", invoice=f"in_{key}")
    first["payment"] = {"type": "payment_intent", "payment_intent": f"pi_{key}"}
    given_up = {"status": "uncollectible", "amount_paid": 4_000, "amount_remaining": 7_900}
    over = {"status": "paid", "amount_paid": 11_900, "amount_remaining": 0}
    return [
        first,
        shown | given_up | {"status_transitions": passed},
        payment(7_900, **rest) | {"invoice": f"in_{key}"},
        shown | over | {"status_transitions": paid},
    ]


def sales(key: str) -> list[Json]:
    """A payment of 50.00 whose debit failed and was tried again; a checkout says whose it is."""
    one = bought(f"ch_{key}_1") | {"payment_intent": f"pi_{key}", "customer": None}
    other = failed(f"ch_{key}_1") | {"payment_intent": f"pi_{key}", "customer": None}
    return [
        one,
        other,
        one | {"id": f"ch_{key}_2"},
        session(
            id=f"cs_{key}", payment_intent=f"pi_{key}", customer_details={"email": f"{key}@x.y"}
        ),
    ]


async def balances(journal: Journal) -> dict[str, int]:
    """What stands on each account."""
    rows = await journal.read(
        "select account, (sum(debit_minor) - sum(credit_minor))::int as minor from balances"
        " group by account having sum(debit_minor) <> sum(credit_minor)"
    )
    return {row["account"]: row["minor"] for row in rows}


async def open_receivables(journal: Journal) -> list[Json]:
    """The invoices of which something stands open."""
    return await journal.read(
        "select key, minor from open_items where account = 'assets:receivable' and minor <> 0"
    )


async def gone_on(journal: Journal) -> list[Json]:
    """What went on: of each entry the message that booked it."""
    return await journal.read(
        "select e.reference, e.rules_version, e.effective_at, o.partition, e.caused_offset"
        " from entries as e join origins as o on o.origin_id = e.origin_id"
        " where e.kind = any(array['bad_debt', 'credits_assigned', 'credits_unassigned'])"
        " order by 1"
    )


async def customers(journal: Journal) -> dict[str, int]:
    """The credits under each key."""
    rows = await journal.read(
        "select key, minor::int from open_items where account = 'memo:credits' and minor <> 0"
    )
    return {row["key"]: row["minor"] for row in rows}


@pytest.mark.parametrize("are_apart", [False, True])
async def test_bad_debt_that_was_paid_leaves_nothing_in_any_order_of_its_tellings(
    fresh_database: Callable[[], str], *, are_apart: bool
) -> None:
    """All 24 orders, in one batch each, or in a batch for each telling."""
    log, batches = InputLog(), list[list[Record]]()
    for number, order in enumerate(permutations(range(4))):
        told = tellings(str(number))
        records = [log.stripe_object(told[each], at=number % 8) for each in order]
        batches += [[each] for each in records] if are_apart else [records]
    async with judged_journal(fresh_database(), basis=Basis.ACCRUAL) as journal:
        for batch in batches:
            assert (await journal.book(batch)).conflicts == 0
        assert await balances(journal) == {name: 24 * minor for name, minor in LEFT.items()}
        assert await open_receivables(journal) == []
        assert await journal.read("select 1 from outcomes") == []
        found = await gone_on(journal)
        assert [row["reference"] for row in found[:3]] == [
            "bad_debt:stripe:invoice:in_0",
            "bad_debt:stripe:invoice:in_0:paid:ch_0",
            "bad_debt:stripe:invoice:in_0:paid:pi_0",
        ]
        assert len(found) == 3 * 24
        assert {row["rules_version"] for row in found} == {2}
        assert {int(row["effective_at"].timestamp()) for row in found} == {FINALIZED + 60, PAID}
        # Told once more, by other messages, nothing is booked and nothing contradicts.
        again = [log.stripe_object(each, at=7) for each in tellings("3")]
        booked = await journal.book(again)
        assert (booked.entries, booked.conflicts) == (0, 0)


@pytest.mark.parametrize("has_commands", [False, True])
async def test_rebuild_in_another_order_passes_on_by_the_same_messages(
    fresh_database: Callable[[], str], *, has_commands: bool
) -> None:
    """Which telling comes last differs from one reading to another; the chain is as published.

    What a person reverses by hand goes on too, and is decided once.
    """
    dice, log = random.Random(11), InputLog()
    told = [
        (each, dice.randrange(8))
        for number in range(30)
        for each in (*tellings(str(number)), *sales(str(number)))
    ]
    dice.shuffle(told)
    for number, (shown, at) in enumerate(told):
        log.stripe_object(shown, at=at)
        if has_commands and number % 4 == 0:
            undone = f"stripe:invoice:in_{number % 30}"
            log.ask("reverse_entry", reference=undone, reason="by hand")

    def opened() -> AbstractAsyncContextManager[Journal]:
        return judged_journal(fresh_database(), basis=Basis.ACCRUAL, sells_credits=True)

    async with opened() as first:
        for batch in cut(log.records, dice):
            await first.book(batch)
        content, heads, booked = await first.content(), await first.heads(), await gone_on(first)
        # Three of each invoice, and of each payment what two charges bought and one gave back.
        by_hand = [row for row in booked if row["reference"].startswith("bad_debt:command:")]
        assert len(booked) - len(by_hand) == 6 * 30
        assert bool(by_hand) is has_commands
        assert await open_receivables(first) == []
        assert await customers(first) == {f"{number}@x.y": 5_000 for number in range(30)}
        published = await first.published()
    for seed in range(3):
        order = random.Random(seed)
        async with opened() as again:
            await again.learn(published)
            for batch in cut(in_another_order(log.records, order), order):
                await again.book(batch)
            assert await gone_on(again) == booked
            assert (await again.content(), await again.heads()) == (content, heads)
        # A journal that takes no order from the other comes to the same books all the same.
        async with opened() as anew:
            for batch in cut(in_another_order(log.records, order), order):
                await anew.book(batch)
            # What commands find there is another matter.
            assert has_commands or (await anew.content()).digest == content.digest
            assert await open_receivables(anew) == []


@pytest.mark.parametrize("put_in_force_at", range(5))
async def test_journal_of_the_first_rules_ends_right_once_the_second_hear_of_an_invoice(
    database_dsn: str, put_in_force_at: int
) -> None:
    """The second rules are put in force before any telling, between two, or when all was told."""
    topics, books = Topics(), BookMap(books=(BookData(basis=Basis.ACCRUAL, sells_credits=True),))
    told = tellings("1") + sales("1")
    async with projector(database_dsn, book_map=books, rules_version=1) as one:
        for number, shown in enumerate(told):
            if number == 2 * put_in_force_at:
                await one.take(topics.activate("k1", "rules_version", 2))
            await one.take(topics.tell(OBJECTS, shown))
        if put_in_force_at == 4:
            await one.take(topics.activate("k1", "rules_version", 2))
        # Told once more, as the poller does; nothing is booked twice.
        for _ in range(2):
            for shown in (*told, told[3]):
                await one.take(topics.tell(Partition(STRIPE_OBJECTS, 1), shown))
        async with one.database.transaction() as tx:
            rows = await tx.fetch(
                "select account, key, minor::int from open_items where minor <> 0 order by 1, 2"
            )
            lost = await tx.fetch(
                "select 1 from balances where account = 'expenses:bad-debt'"
                " group by account having sum(debit_minor) <> sum(credit_minor)"
            )
    stands = {(row["account"], row["key"]): row["minor"] for row in rows}
    assert stands["memo:credits", "1@x.y"] == 5_000
    assert {account for account, _ in stands} == {"memo:credits", "assets:stripe:settling"}
    assert lost == []


async def test_two_processes_that_book_two_sides_of_it_at_once_miss_nothing(
    fresh_database: Callable[[], str],
) -> None:
    """Neither sees what the other has not committed, so one of them waits."""
    dsn, log = fresh_database(), InputLog()
    async with AsyncExitStack() as stack:
        journals = [
            await stack.enter_async_context(
                judged_journal(dsn, basis=Basis.ACCRUAL, is_new=number == 0)
            )
            for number in range(2)
        ]
        for number in range(20):
            told = tellings(str(number))
            # What both tell is booked before, so that neither waits for the other's claim.
            await journals[0].book([log.stripe_object(invoice_as_open(told[1]), at=2)])
            # One says that it was given up, the other what was paid of it.
            sides = [log.stripe_object(told[side], at=at) for at, side in enumerate((1, 2))]
            rest = [log.stripe_object(told[side], at=2) for side in (0, 3)]
            await asyncio.gather(*(j.book([each]) for j, each in zip(journals, sides, strict=True)))
            await journals[0].book(rest)
        assert len(await gone_on(journals[0])) == 3 * 20
        assert await open_receivables(journals[0]) == []


def invoice_as_open(shown: Json) -> Json:
    """The same invoice while nothing had come of it."""
    passed = {"finalized_at": FINALIZED}
    return shown | {"status": "open", "amount_paid": 0, "status_transitions": passed}


async def test_bad_debts_are_the_same_to_a_rebuild_to_a_lost_database_and_to_the_oracle(
    rig: LedgerRig, tmp_path: Path
) -> None:
    files = tmp_path / "books.toml"
    files.write_text('[[books]]\nname = "main"\nbasis = "accrual"\n', encoding="utf-8")
    stands = (
        "select reference, caused_offset from ledger.entries where kind = 'bad_debt' order by 1"
    )
    async with rig.ledger(books_file=files):
        for number, order in enumerate(permutations(range(4))):
            told = tellings(str(number))
            for each in order:
                shown = told[each] | {"livemode": False}
                if (number + each) % 2:
                    await rig.publish(polled(shown))
                else:
                    await rig.publish(event(f"evt_{number}_{each}", shown, "invoice.updated"))
        await rig.caught_up()
        booked = [tuple(row) for row in await rig.fetch(stands)]
        assert len(booked) == 3 * 24
        assert (await audited(rig))[1]["differences"] == []
        for reference, _ in booked[:12]:
            done = await tallystick(rig, tmp_path, "trace", reference, "--json")
            assert done.returncode == 0, done.stderr
            (traced,) = json.loads(done.stdout)["entries"]
            assert traced["sound"], traced
            assert traced["retold"]["holds"], traced["retold"]
            assert traced["rule"]["function"] == "services.ledger.rules.bad_debts.bad_debt"
        books = BookMap(books=(BookData(basis=Basis.ACCRUAL),))
        compared, _ = await rebuild_and_compare(rig.settings().kafka, rig.dsn, books)
        assert compared.differences == ()
    connection = await asyncpg.connect(rig.dsn)
    await connection.execute("drop schema ledger_read cascade")
    await connection.execute("drop schema ledger cascade")
    await connection.close()
    async with rig.ledger(books_file=files):
        await rig.caught_up()
        assert [tuple(row) for row in await rig.fetch(stands)] == booked
        assert (await audited(rig))[1]["differences"] == []
