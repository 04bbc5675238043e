"""The simulated Stripe as the real ``stripe`` library meets it."""

from collections import Counter
from typing import Any

import pytest
import stripe

from sandbox.stripe.billing import Item
from sandbox.stripe.facts import BalanceTransaction, Event
from sandbox.world.scenario import ACCOUNT, CONNECTED
from tests.support.world import LIBRARY, played, runner_of, served


async def test_the_library_pages_through_every_balance_transaction_newest_first() -> None:
    async with played("month") as world:
        page = await world.client.v1.balance_transactions.list_async(
            {"limit": 100, "expand": ["data.source"]}
        )
        found = [txn async for txn in page.auto_paging_iter()]
        store = world.runner.world.state.stripe.store
        own = [t for t in store.every(BalanceTransaction) if t.owner == ACCOUNT]
        assert {t.id for t in found} == {t.id for t in own}
        assert len(found) == len(own)
        created = [t.created for t in found]
        assert created == sorted(created, reverse=True)
        assert sum(t.net for t in found if t.currency == "usd") == store.balance("usd")
        kinds = Counter(t.source.object for t in found if isinstance(t.source, stripe.StripeObject))
        assert {"charge", "refund", "payout", "dispute", "topup", "transfer"} <= set(kinds)


async def test_the_library_lists_what_a_payout_pays_out() -> None:
    async with played("month") as world:
        payouts = await world.client.v1.payouts.list_async({"limit": 100, "status": "paid"})
        assert payouts.data
        for payout in payouts.data:
            page = await world.client.v1.balance_transactions.list_async(
                {"payout": payout.id, "limit": 100}
            )
            nets = [txn.net async for txn in page.auto_paging_iter()]
            assert sum(nets) == 0
            assert -payout.amount in nets


async def test_the_library_finds_each_kind_of_object_by_its_id() -> None:
    async with played("faults") as world:
        v1 = world.client.v1
        for service in (
            v1.charges,
            v1.payment_intents,
            v1.refunds,
            v1.disputes,
            v1.payouts,
            v1.topups,
            v1.transfers,
            v1.application_fees,
            v1.balance_transactions,
            v1.events,
        ):
            listed = (await service.list_async({"limit": 1})).data[0]
            found = await service.retrieve_async(listed.id)
            assert found.to_dict() == listed.to_dict()
        transfer = next(
            t for t in (await v1.transfers.list_async({"limit": 100})).data if t.amount_reversed
        )
        reversals = await v1.transfers.reversals.list_async(transfer.id)
        assert sum(r.amount for r in reversals.data) == transfer.amount_reversed
        account = await v1.accounts.retrieve_current_async()
        assert account.id == ACCOUNT
        endpoints = await v1.webhook_endpoints.list_async()
        assert endpoints.data[0].api_version == "2026-10-28.endive"


async def test_expansion_reaches_through_a_payment_to_its_fee() -> None:
    async with played("month") as world:
        intents = await world.client.v1.payment_intents.list_async(
            {"limit": 5, "expand": ["data.latest_charge.balance_transaction"]}
        )
        for intent in intents.data:
            charge = intent.latest_charge
            assert isinstance(charge, stripe.Charge)
            assert isinstance(charge.balance_transaction, stripe.BalanceTransaction)
            assert charge.balance_transaction.source == charge.id
        refunds = await world.client.v1.refunds.list_async({"limit": 1})
        charge_id = refunds.data[0].charge
        assert isinstance(charge_id, str)
        charge = await world.client.v1.charges.retrieve_async(charge_id, {"expand": ["refunds"]})
        assert charge.refunds is not None
        assert refunds.data[0].id in {r.id for r in charge.refunds.data}


async def test_lists_are_filtered_by_time_type_source_and_currency() -> None:
    async with played("month") as world:
        v1 = world.client.v1
        store = world.runner.world.state.stripe.store
        events = store.every(Event)
        middle = sorted(event.created for event in events)[len(events) // 2]
        page = await v1.events.list_async(
            {
                "created": {"gte": middle},
                "types": ["charge.succeeded", "payout.paid"],
                "limit": 100,
            }
        )
        found = {event.id async for event in page.auto_paging_iter()}
        assert found == {
            e.id
            for e in events
            if e.created >= middle and e.type in ("charge.succeeded", "payout.paid")
        }
        one = await v1.events.list_async({"type": "topup.created"})
        assert [event.type for event in one.data] == ["topup.created"]
        yen = await v1.balance_transactions.list_async({"currency": "jpy", "type": "payout"})
        assert {(t.currency, t.type) for t in yen.data} == {("jpy", "payout")}
        source = yen.data[0].source
        assert isinstance(source, str)
        again = await v1.balance_transactions.list_async({"source": source})
        assert [t.id for t in again.data] == [yen.data[0].id]
        older = await v1.events.list_async({"created": {"lt": middle}, "limit": 3})
        newer = await v1.events.list_async({"ending_before": older.data[2].id, "limit": 2})
        assert [e.id for e in newer.data] == [e.id for e in older.data[:2]]


async def test_the_balance_tells_what_is_available_and_what_is_pending() -> None:
    async with served(runner_of("bare")) as world:
        await world.do("charge", amount=10_000)
        await world.do("charge", amount=5_000, currency="jpy")
        balance = await world.client.v1.balance.retrieve_async()
        pending = {row.currency: row.amount for row in balance.pending}
        assert pending == {"usd": 9_680, "jpy": 4_820}
        assert {row.amount for row in balance.available} == {0}
        world.runner.advance(5 * 86_400)
        balance = await world.client.v1.balance.retrieve_async()
        assert {r.currency: r.amount for r in balance.available} == {"usd": 9_680, "jpy": 4_820}


async def test_a_charge_is_told_before_its_balance_transaction_is_known() -> None:
    async with served(runner_of("bare")) as world:
        made = await world.do("charge", amount=10_000, settled=False)
        charge = await world.client.v1.charges.retrieve_async(made["charge"])
        assert charge.balance_transaction is None
        settled = await world.do("settle", charge=charge.id)
        charge = await world.client.v1.charges.retrieve_async(
            charge.id, {"expand": ["balance_transaction"]}
        )
        assert isinstance(charge.balance_transaction, stripe.BalanceTransaction)
        assert charge.balance_transaction.id == settled["balance_transaction"]
        txn = charge.balance_transaction
        assert (txn.amount, txn.fee, txn.net) == (10_000, 320, 9_680)
        events = await world.client.v1.events.list_async({"type": "charge.updated"})
        told = events.data[0].data
        assert told.previous_attributes is not None
        assert told.previous_attributes.to_dict() == {"balance_transaction": None}


async def test_how_an_invoice_was_paid_is_in_no_event_and_in_an_answer_that_expands_it() -> None:
    async with served(runner_of("bare")) as world:
        runner = world.runner
        at, billing = runner.world.now, runner.world.state.stripe.billing
        item = Item(description="A month", amount=5_000, tax=0, since=at, until=at + 60)
        made = billing.bill(at, ("Ada Lovelace", "GB"), "usd", (item,))
        billing.collect_elsewhere(at, made.id)
        runner.advance(60)
        v1 = world.client.v1
        plain = (await v1.invoices.retrieve_async(made.id)).to_dict()
        (event,) = (await v1.events.list_async({"type": "invoice.paid"})).data
        for shown in (plain, event.data.object.to_dict()):
            assert (shown["status"], shown["amount_paid"]) == ("paid", 5_000)
            assert not {"amount_paid_off_stripe", "payments"} & shown.keys()
        asked: Any = {"expand": ["amount_paid_off_stripe", "payments"]}  # Any: as above
        whole = (await v1.invoices.retrieve_async(made.id, asked)).to_dict()
        assert whole["amount_paid_off_stripe"] == 5_000
        assert whole["payments"]["data"] == []


async def test_an_unknown_type_of_balance_transaction_is_listed_like_any_other() -> None:
    async with served(runner_of("bare")) as world:
        made = await world.do("strange_movement", amount=777, type="time_crystal")
        txn = await world.client.v1.balance_transactions.retrieve_async(made["balance_transaction"])
        assert (txn.type, txn.net, txn.source) == ("time_crystal", 777, None)


async def test_requests_that_stripe_refuses_raise_the_librarys_own_errors() -> None:
    async with played("quiet") as world:
        v1 = world.client.v1
        with pytest.raises(stripe.InvalidRequestError) as missing:
            await v1.charges.retrieve_async("ch_none")
        assert missing.value.code == "resource_missing"
        assert missing.value.http_status == 404
        nonsense: Any = {"nonsense": "1"}  # Any: the library's types would refuse it
        with pytest.raises(stripe.InvalidRequestError) as unknown:
            await v1.charges.list_async(nonsense)
        assert unknown.value.code == "parameter_unknown"
        with pytest.raises(stripe.InvalidRequestError):
            await v1.charges.list_async({"limit": 101})
        with pytest.raises(stripe.InvalidRequestError):
            await v1.charges.list_async({"starting_after": "ch_none"})
        with pytest.raises(stripe.InvalidRequestError):
            await v1.charges.list_async({"expand": ["data.nonsense"]})
        library = LIBRARY.HTTPXClient()
        stranger = stripe.StripeClient(
            "sk_test_wrong",
            base_addresses={"api": world.stripe_url},
            http_client=library,
        )
        with pytest.raises(stripe.AuthenticationError):
            await stranger.v1.charges.list_async()
        await library.close_async()
        with pytest.raises(stripe.PermissionError):
            await v1.charges.list_async(options={"stripe_account": "acct_none"})


async def test_a_connected_account_sees_its_own_objects_and_the_platform_does_not() -> None:
    async with served(runner_of("bare")) as world:
        made = await world.do("direct_charge", amount=5_000, fee=500)
        v1 = world.client.v1
        assert (await v1.charges.list_async()).data == []
        theirs = await v1.charges.list_async(options={"stripe_account": CONNECTED[0]})
        assert [charge.id for charge in theirs.data] == [made["charge"]]
        fee = await v1.application_fees.retrieve_async(made["application_fee"])
        assert (fee.amount, fee.account) == (500, CONNECTED[0])
        own = await v1.events.list_async()
        assert {event.type for event in own.data} == {"application_fee.created"}


async def test_the_library_tries_again_after_a_server_error() -> None:
    async with played("quiet") as world:
        await world.knobs("stripe", next_requests=["server_error"])
        assert (await world.client.v1.charges.list_async({"limit": 1})).data


async def test_too_many_requests_are_refused_as_stripe_does() -> None:
    async with played("quiet") as world:
        await world.knobs("stripe", next_requests=["rate_limited"])
        with pytest.raises(stripe.RateLimitError):
            await world.client.v1.charges.list_async({"limit": 1})
        await world.knobs("stripe", next_requests=["timeout"], timeout_milliseconds=10)
        answer = await world.http.get(f"{world.stripe_url}/v1/charges")
        assert answer.status_code == 504
