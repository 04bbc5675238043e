"""Invoices that events show in part, before the simulated Stripe: told whole, expected until then."""

import json
from collections.abc import AsyncGenerator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from sandbox.stripe.billing import Item
from sandbox.stripe.facts import Invoice
from sandbox.stripe.settlement import Settlement
from sandbox.world.calendar import DAY
from sandbox.world.scenario import CONNECTED
from services.ingest.polled import Connected, PolledAccount, speaker_for
from services.ingest.shell import event_index
from services.ingest.shell.event_index import EventIndex
from services.ingest.shell.long_invoices import LongInvoices
from services.ingest.shell.poll_store import PollStore
from services.ingest.shell.stripe_api import API_VERSION, StripeApi
from services.ingest.shell.teller import Teller
from services.ledger.readers.billed import CreditNote
from services.ledger.readers.billed import Invoice as ReadInvoice
from services.ledger.readers.exact_json import parse_object
from services.ledger.readers.stripe_invoices import credit_note as read_credit_note
from services.ledger.readers.stripe_invoices import invoice as read_invoice
from shared.contracts.books import Mode
from shared.contracts.money import Money
from shared.runtime.kafka import KafkaAddress
from tests.support.poller import BOOKS, WATCH_PAUSE, WHOSE, Polling, polling_of
from tests.support.world import KEY

pytestmark = pytest.mark.stack

LINES = 123
MIGRATIONS = Path(event_index.__file__).parent / "migrations"
UPGRADES = ["0008_look_for_long_invoices_of_before.sql", "0012_look_for_what_was_shown_in_part.sql"]


@pytest.fixture
async def polling(kafka: str, database_dsn: str) -> AsyncGenerator[Polling]:
    async with polling_of(kafka, database_dsn) as found:
        yield found


def bill(polling: Polling, count: int) -> Invoice:
    """An invoice of so many lines, each served for a year."""
    runner = polling.world.runner
    at = runner.world.now
    item = Item(description="A seat", amount=1_200, tax=0, since=at, until=at + 365 * DAY)
    billing = runner.world.state.stripe.billing
    made = billing.bill(at, ("Ada Lovelace", "GB"), "usd", (item,) * count)
    runner.advance(60)
    return made


def asking(polling: Polling, api: StripeApi) -> LongInvoices:
    polled = PolledAccount(WHOSE, Mode.TEST, SecretStr(KEY), Connected())

    def teller(account: str) -> Teller:
        return Teller(
            api=api,
            store=PollStore(polling.database, account=account, mode=Mode.TEST),
            publisher=polling.publisher,
            speaker=speaker_for(account, polled, BOOKS, version=API_VERSION),
            watch_pause=WATCH_PAUSE,
        )

    return LongInvoices(
        api=lambda _: api,
        teller=teller,
        database=polling.database,
        polled=polled,
        everyone=[polled],
        pause=timedelta(0),
        beat=lambda: None,
    )


async def heard(polling: Polling) -> None:
    """The events come, as the gap audit fetches them, and are indexed."""
    await polling.auditor(0).look()
    await EventIndex(polling.database, KafkaAddress(polling.kafka), beat=lambda: None).catch_up()


async def expected(long_invoices: LongInvoices) -> set[str]:
    """The invoices that are still to be told whole."""
    return {each.subject for each in await long_invoices.expectations()}


async def told(polling: Polling, invoice: str) -> list[dict[str, Any]]:  # Any: JSON
    return (await polling.objects()).get(invoice, [])


async def due(polling: Polling, invoice: str) -> list[str]:
    """Whether an invoice is to be asked for."""
    async with polling.database.connection() as owner:
        rows = await owner.fetch(
            "select invoice from long_invoices where state = 'open' and invoice = $1", invoice
        )
    return [row["invoice"] for row in rows]


async def test_invoice_of_many_lines_is_told_with_all_of_them_and_again_when_it_changes(
    polling: Polling,
) -> None:
    long, short = bill(polling, LINES), bill(polling, 2)
    await heard(polling)
    long_invoices = asking(polling, polling.api)
    assert long.id in await expected(long_invoices)
    await long_invoices.fetch()
    assert long.id not in await expected(long_invoices)
    (whole,) = await told(polling, long.id)
    assert [line["id"] for line in whole["lines"]["data"]] == [line.id for line in long.lines]
    assert whole["lines"]["has_more"] is False
    assert await told(polling, short.id) == []
    # The ledger reads them all, each with its time.
    read = read_invoice(parse_object(json.dumps(whole).encode()), datetime.now(UTC))
    assert isinstance(read, ReadInvoice)
    assert (len(read.lines), read.has_untold_lines) == (LINES, False)

    # Nothing is due any more; a later state of it shows ten lines again, and is asked for again.
    await long_invoices.fetch()
    assert len(await told(polling, long.id)) == 1
    runner = polling.world.runner
    runner.world.state.stripe.billing.void(runner.world.now, long.id)
    runner.advance(60)
    await heard(polling)
    assert long.id in await expected(long_invoices)
    await long_invoices.fetch()
    last = (await told(polling, long.id))[-1]
    assert (last["status"], len(last["lines"]["data"])) == ("void", LINES)


@pytest.mark.parametrize("upgrade", UPGRADES)
async def test_invoice_that_came_before_long_ones_were_noted_is_noted_after_the_upgrade(
    polling: Polling, upgrade: str
) -> None:
    long = bill(polling, LINES)
    await heard(polling)
    indexed = "select count(*) from stored_events"
    async with polling.database.connection() as owner:
        # As an installation was before the table was there.
        await owner.execute("delete from long_invoices")
        (before,) = await owner.fetch(indexed)
    await heard(polling)
    long_invoices = asking(polling, polling.api)
    assert long.id not in await expected(long_invoices)
    async with polling.database.connection() as owner:
        await owner.execute((MIGRATIONS / upgrade).read_text("utf-8"))
    await heard(polling)
    assert long.id in await expected(long_invoices)
    async with polling.database.connection() as owner:
        (after,) = await owner.fetch(indexed)
    assert tuple(after) == tuple(before)


async def test_lines_that_stripe_does_not_give_stay_expected_with_the_reason(
    polling: Polling,
) -> None:
    long = bill(polling, LINES)
    await heard(polling)
    # What the list had when it was told, the API does not know any more.
    store = polling.world.runner.world.state.stripe.store
    store.put(replace(long, owner=CONNECTED[0]))
    long_invoices = asking(polling, polling.api)
    await long_invoices.fetch()
    # The topics are shared with other tests, and so are the long invoices on them.
    said = {each.subject: each.explanation for each in await long_invoices.expectations()}
    assert "status 404" in said[long.id]
    assert await told(polling, long.id) == []


async def test_invoice_paid_outside_of_stripe_is_told_so_once_whatever_events_follow(
    polling: Polling,
) -> None:
    made = bill(polling, 1)
    runner = polling.world.runner
    billing = runner.world.state.stripe.billing
    billing.collect_elsewhere(runner.world.now, made.id)
    runner.advance(60)
    await heard(polling)
    assert await told(polling, made.id) == []
    await asking(polling, polling.api).fetch()
    (whole,) = await told(polling, made.id)
    assert (whole["amount_paid_off_stripe"], whole["payments"]["data"]) == (1_200, [])
    read = read_invoice(parse_object(json.dumps(whole).encode()), datetime.now(UTC))
    assert isinstance(read, ReadInvoice)
    assert (read.out_of_band, read.payment) == (Money.of(1_200, "usd"), None)

    # A later event shows it paid again, and one that has begun anew has nothing to ask.
    runner.world.state.stripe.store.emit(
        runner.world.now, "invoice.updated", runner.world.state.stripe.store.get(Invoice, made.id)
    )
    runner.advance(60)
    await heard(polling)
    assert await due(polling, made.id) == []
    await asking(polling, polling.api).fetch()
    assert len(await told(polling, made.id)) == 1


async def test_long_invoice_that_is_paid_is_told_with_its_lines_and_its_payments(
    polling: Polling,
) -> None:
    long = bill(polling, LINES)
    await heard(polling)
    await asking(polling, polling.api).fetch()
    runner = polling.world.runner
    charge = runner.world.state.stripe.billing.collect(
        runner.world.now, long.id, Settlement(amount=long.amount_due, currency="usd", fees=())
    )
    assert charge is not None
    runner.advance(60)
    await heard(polling)
    await asking(polling, polling.api).fetch()
    _, paid = await told(polling, long.id)
    assert (paid["status"], len(paid["lines"]["data"])) == ("paid", LINES)
    assert paid["amount_paid_off_stripe"] == 0
    (by,) = paid["payments"]["data"]
    assert by["payment"]["payment_intent"] == charge.payment_intent


async def test_how_an_invoice_was_paid_is_expected_only_where_asking_failed(
    polling: Polling,
) -> None:
    made = bill(polling, 1)
    runner = polling.world.runner
    runner.world.state.stripe.billing.collect_elsewhere(runner.world.now, made.id)
    runner.advance(60)
    await heard(polling)
    long_invoices = asking(polling, polling.api)
    assert made.id not in await expected(long_invoices)
    store = runner.world.state.stripe.store
    store.put(replace(store.get(Invoice, made.id), owner=CONNECTED[0]))
    await long_invoices.fetch()
    said = {each.subject: each.explanation for each in await long_invoices.expectations()}
    assert "outside of Stripe" in said[made.id]
    assert "status 404" in said[made.id]


async def test_credit_note_of_many_lines_is_told_with_all_of_them_once_unless_it_changes(
    polling: Polling,
) -> None:
    made = bill(polling, LINES)
    runner = polling.world.runner
    billing, store = runner.world.state.stripe.billing, runner.world.state.stripe.store
    lines = tuple((line.id, 100) for line in made.lines)
    note = billing.take_back_of(runner.world.now, made, lines)
    short = billing.take_back_of(runner.world.now, made, lines[:2])
    runner.advance(60)
    await heard(polling)
    long_invoices = asking(polling, polling.api)
    assert note.id in await expected(long_invoices)
    await long_invoices.fetch()
    assert note.id not in await expected(long_invoices)
    (whole,) = await told(polling, note.id)
    assert [line["invoice_line_item"] for line in whole["lines"]["data"]] == [i for i, _ in lines]
    assert await told(polling, short.id) == []
    read = read_credit_note(parse_object(json.dumps(whole).encode()), datetime.now(UTC))
    assert isinstance(read, CreditNote)
    assert (len(read.lines), read.has_untold_lines) == (LINES, False)

    store.emit(runner.world.now, "credit_note.updated", note)
    runner.advance(60)
    await heard(polling)
    assert await due(polling, note.id) == [note.id]
    # Told already just so, it is no news.
    await long_invoices.fetch()
    assert len(await told(polling, note.id)) == 1
    assert await due(polling, note.id) == []
