"""The ledger over real topics and a real database."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from msgspec import structs

from services.ledger.proof.hash_chain import first_break
from shared.contracts import topics
from shared.contracts.commands import BookManualEntry, ManualPosting, Side
from shared.contracts.discrepancies import DiscrepancyKind
from shared.contracts.envelope import Envelope
from shared.contracts.messages import OutcomeKind
from shared.contracts.money import MoneyOnWire
from shared.contracts.schemas import type_of
from shared.runtime.dead_letters import dead_letter_of
from shared.runtime.kafka import Partition, Publication
from shared.runtime.kafka_exact import RawRecord, exact_writer
from tests.support.ledger import LedgerRig, charge, counted, event, garbage, polled

pytestmark = pytest.mark.stack

CREATED_MS = 1_795_000_000_000


def balance_transaction(charge_id: str, amount: int, fee: int) -> dict[str, Any]:
    return {
        "id": f"txn_{charge_id}",
        "object": "balance_transaction",
        "amount": amount,
        "available_on": 1_795_200_000,
        "balance_type": "payments",
        "created": 1_795_000_100,
        "currency": "usd",
        "description": None,
        "exchange_rate": None,
        "fee": fee,
        "fee_details": [],
        "net": amount - fee,
        "reporting_category": "charge",
        "source": charge_id,
        "status": "available",
        "type": "charge",
    }


def manual_entry(key: str, minor: int) -> Publication:
    amount = MoneyOnWire(minor=str(minor), currency="usd", exponent=2)
    command = BookManualEntry(
        idempotency_key=key,
        effective_at=datetime(2026, 11, 20, tzinfo=UTC),
        postings=(
            ManualPosting(account="assets:bank:main", side=Side.DEBIT, amount=amount),
            ManualPosting(account="equity:owner", side=Side.CREDIT, amount=amount),
        ),
    )
    envelope = Envelope(
        id=f"cmd-{key}-{minor}",
        source="tests",
        type=type_of(BookManualEntry),
        time=datetime.now(UTC),
        data=command.model_dump_json().encode(),
        subject=key,
        extensions={"book": "main"},
    )
    return Publication(topics.LEDGER_COMMANDS, f"main|{key}".encode(), envelope)


async def test_projector_books_each_fact_once_however_often_it_is_told(rig: LedgerRig) -> None:
    async with rig.ledger():
        await rig.publish(
            *(event(f"evt_{n}", charge(f"ch_{n}", 100 + n)) for n in range(50)),
            *(event(f"evt_{n}", charge(f"ch_{n}", 100 + n)) for n in range(50)),
            *(polled(charge(f"ch_{n}", 100 + n)) for n in range(50)),
        )
        await rig.caught_up()
    assert await rig.value("select count(*) from ledger.entries") == 50
    messages = "select count(*) from ledger_read.messages where identity like 'evt_%'"
    assert await rig.value(messages) == 50
    entries = await rig.entries()
    assert len(entries) == 50
    assert len({entry.reference for entry in entries}) == 50
    assert first_break(entries) is None
    by_account = {
        row["account"]: int(row["minor"])
        for row in await rig.fetch("select account, minor from ledger_read.balances")
    }
    total = sum(100 + n for n in range(50))
    assert by_account == {"assets:stripe:settling": total, "revenue:stripe": -total}
    open_items = await rig.fetch("select key, minor from ledger_read.open_items")
    assert {r["key"]: int(r["minor"]) for r in open_items} == {
        f"ch_{n}": 100 + n for n in range(50)
    }


async def test_projector_of_both_halves_leaves_no_open_item_and_buckets_that_sum_up(
    rig: LedgerRig,
) -> None:
    async with rig.ledger():
        await rig.publish(*(event(f"evt_{n}", charge(f"ch_{n}", 500)) for n in range(20)))
        await rig.caught_up()
        await rig.publish(*(polled(balance_transaction(f"ch_{n}", 500, 45)) for n in range(20)))
        await rig.caught_up()
    assert await rig.value("select count(*) from ledger.open_items") == 0
    balances = await rig.fetch("select account, minor from ledger_read.balances")
    assert {r["account"]: int(r["minor"]) for r in balances} == {
        "assets:stripe:balance": 20 * 455,
        "assets:stripe:settling": 0,
        "expenses:stripe-fees": 20 * 45,
        "revenue:stripe": -20 * 500,
    }
    apart = await rig.value(
        "select count(*) from ("
        " select account, sum(debit_minor), sum(credit_minor) from ledger.day_buckets group by 1"
        " except"
        " select account, sum(debit_minor), sum(credit_minor) from ledger.balances group by 1) d"
    )
    assert apart == 0


async def test_projector_moves_positions_in_the_commit_of_the_rows_that_they_caused(
    rig: LedgerRig,
) -> None:
    async with rig.ledger(ledger_batch_messages_max=5):
        await rig.publish(*(event(f"evt_{n}", charge(f"ch_{n}")) for n in range(40)))
        await rig.caught_up()
    xmins = await rig.fetch(
        "select o.topic, o.partition, max(e.caused_offset) as last, p.next_offset,"
        " (array_agg(e.xmin::text order by e.sequence desc))[1] = max(p.xmin::text) as same"
        " from ledger.entries e join ledger.origins o using (origin_id)"
        " join ledger.positions p on p.topic = o.topic and p.partition = o.partition"
        " group by o.topic, o.partition, p.next_offset"
    )
    assert xmins
    assert all(row["last"] + 1 == row["next_offset"] and row["same"] for row in xmins)


async def test_projector_of_a_message_that_nobody_can_read_parks_it_and_goes_on(
    rig: LedgerRig,
) -> None:
    async with rig.ledger():
        await rig.publish(
            event("evt_1", charge("ch_1")),
            garbage("bad_1", b"not json"),
            garbage("bad_2", b"[1]"),
            Publication(topics.STRIPE_EVENTS, b"x", None),
            event("evt_2", charge("ch_2")),
        )
        await rig.caught_up()
    assert sorted(e.reference for e in await rig.entries()) == [
        "stripe:payment:ch_1",
        "stripe:payment:ch_2",
    ]
    letters = await rig.records(topics.LEDGER_DEAD_LETTERS)
    assert sorted(r.value for r in letters) == [b"", b"[1]", b"not json"]
    said = [dead_letter_of(r.envelope()) for r in letters]
    assert {letter.reason for letter in said} == {"unreadable"}
    assert {letter.position.topic for letter in said} == {topics.STRIPE_EVENTS}
    refused = [o for o in await rig.outcomes() if o.outcome is OutcomeKind.REFUSED]
    assert counted(o.reason for o in refused) == {"unreadable": 3}


async def test_projector_of_a_header_without_a_value_goes_on(rig: LedgerRig) -> None:
    # Kafka allows it, and anybody who may write to a topic can send it.
    told = event("evt_1", charge("ch_1"))
    assert told.envelope is not None
    traced = (*told.envelope.headers(), ("traceparent", None))
    where = Partition(topics.STRIPE_EVENTS, 0)
    async with rig.ledger(), exact_writer(rig.bootstrap, client_id="test") as writer:
        for headers in ((("ce_id", None),), traced):
            await writer.append(where, RawRecord(0, CREATED_MS, b"k", told.envelope.data, headers))
        await rig.caught_up()
    assert [e.reference for e in await rig.entries()] == ["stripe:payment:ch_1"]
    (letter,) = await rig.records(topics.LEDGER_DEAD_LETTERS)
    assert dead_letter_of(letter.envelope()).reason == "unreadable"


async def test_projector_of_a_row_that_the_database_refuses_parks_that_message_alone(
    rig: LedgerRig,
) -> None:
    # An origin is numbered on from a value that stands already: the next entry there collides.
    await rig.publish(*(event(f"evt_{n}", charge(f"ch_{n}")) for n in range(30)))
    async with rig.ledger():
        await rig.caught_up()
    await rig.fetch(
        "alter table ledger.entries add constraint entries_reference_lucky"
        " check (reference <> 'stripe:payment:ch_40')"
    )
    async with rig.ledger():
        await rig.publish(*(event(f"evt_{n}", charge(f"ch_{n}")) for n in range(30, 60)))
        await rig.caught_up()
    assert await rig.value("select count(*) from ledger.entries") == 59
    (letter,) = await rig.records(topics.LEDGER_DEAD_LETTERS)
    said = dead_letter_of(letter.envelope())
    assert said.reason == "unfit"
    assert "entries_reference_lucky" in said.detail
    assert orjson.loads(letter.value)["id"] == "evt_40"
    assert first_break(await rig.entries()) is None


async def test_projector_of_a_message_with_monstrous_names_parks_it_and_goes_on(
    rig: LedgerRig,
) -> None:
    incompressible = "".join(chr(0x4E00 + n * 7919 % 20_000) for n in range(3_000))

    def odd(ident: str, data: bytes = b"", **changes: str) -> Publication:
        told = event("evt_odd", charge("ch_odd"))
        if told.envelope is None:
            raise ValueError
        envelope = structs.replace(
            told.envelope,
            id=ident,
            subject=ident,
            data=data or told.envelope.data,
            extensions={**told.envelope.extensions, **changes},
        )
        return replace(told, envelope=envelope, key=b"k" * 3_000)

    async with rig.ledger():
        await rig.publish(
            event("evt_1", charge("ch_1")),
            odd(incompressible, book=incompressible),
            odd("evt_\x00", book="bo\x00ok"),
            odd("evt_n", b'{"\\ud800": 1}'),
            event("evt_2", charge("ch_2")),
        )
        await rig.caught_up()
    assert {e.reference for e in await rig.entries()} == {
        "stripe:payment:ch_1",
        "stripe:payment:ch_2",
    }
    letters = await rig.records(topics.LEDGER_DEAD_LETTERS)
    assert len(letters) == 3
    assert {dead_letter_of(r.envelope()).reason for r in letters} == {"unfit", "unreadable"}


async def test_projector_of_one_event_id_with_two_contents_lets_the_first_stand(
    rig: LedgerRig,
) -> None:
    async with rig.ledger():
        await rig.publish(event("evt_1", charge("ch_1", 100)))
        await rig.caught_up()
        await rig.publish(event("evt_1", charge("ch_1", 900)), event("evt_1", charge("ch_1", 100)))
        await rig.caught_up()
    (conflict,) = [o for o in await rig.outcomes() if o.outcome is OutcomeKind.CONFLICT]
    assert (conflict.reason, conflict.subject) == (DiscrepancyKind.EVENT_CONFLICT, "evt_1")
    (entry,) = await rig.entries()
    assert {p.amount.minor for p in entry.postings} == {"100"}


@pytest.mark.parametrize("told", ["in two batches", "in one batch"])
async def test_projector_of_one_fact_with_two_amounts_says_by_how_much_they_differ(
    rig: LedgerRig, told: str
) -> None:
    async with rig.ledger():
        await rig.publish(event("evt_1", charge("ch_1", 100)))
        if told == "in two batches":
            await rig.caught_up()
        await rig.publish(event("evt_2", charge("ch_1", 250), "charge.updated"))
        await rig.caught_up()
    (conflict,) = [o for o in await rig.outcomes() if o.outcome is OutcomeKind.CONFLICT]
    assert (conflict.reason, conflict.subject) == (DiscrepancyKind.REFERENCE_CONFLICT, "ch_1")
    assert conflict.reference == "stripe:payment:ch_1"
    assert conflict.amount == MoneyOnWire(minor="150", currency="usd", exponent=2)
    assert len(await rig.entries()) == 1


async def test_projector_answers_each_command_and_each_repetition_of_it(rig: LedgerRig) -> None:
    async with rig.ledger():
        await rig.publish(manual_entry("k1", 700))
        await rig.caught_up()
        await rig.publish(manual_entry("k1", 700))
        await rig.caught_up()
        await rig.publish(manual_entry("k1", 800))
        await rig.caught_up()
    told = [(o.outcome, o.reason, o.subject, o.detail) for o in await rig.outcomes()]
    assert told[:2] == [
        (OutcomeKind.ACCEPTED, "command", "k1", "booked"),
        (OutcomeKind.ACCEPTED, "command", "k1", "replayed"),
    ]
    assert told[2][:3] == (OutcomeKind.CONFLICT, "command", "k1")
    (entry,) = await rig.entries()
    assert entry.reference == "command:k1"


async def test_publisher_tells_progress_only_after_the_entries_before_it(rig: LedgerRig) -> None:
    async with rig.ledger(ledger_publish_records_max=3, ledger_batch_messages_max=40):
        await rig.publish(*(event(f"evt_{n}", charge(f"ch_{n % 60}")) for n in range(120)))
        await rig.caught_up()
    entries = await rig.entries()
    assert len(entries) == 60
    last: dict[str, int] = {}
    for mark in await rig.progress():
        due = [
            e.sequence
            for e in entries
            if e.origin == mark.origin and e.caused_by.offset < mark.next_offset
        ]
        assert mark.sequence == max(due, default=0)
        assert mark.next_offset > last.get(mark.origin, 0)
        last[mark.origin] = mark.next_offset
    rows = await rig.fetch("select topic, partition, next_offset from ledger_read.positions")
    assert last == {
        topics.origin(r["topic"], r["partition"]): r["next_offset"]
        for r in rows
        if r["next_offset"]
    }


async def test_journal_of_an_amount_past_64_bits_is_exact_to_the_last_unit(rig: LedgerRig) -> None:
    async with rig.ledger():
        await rig.publish(manual_entry("big", 10**30))
        await rig.caught_up()
    (entry,) = await rig.entries()
    assert {p.amount.minor for p in entry.postings} == {str(10**30)}
    balance = await rig.value(
        "select minor::text from ledger_read.balances where account = 'assets:bank:main'"
    )
    assert balance == str(10**30)
