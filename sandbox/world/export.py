"""The whole world as JSON Lines, in the form that ``tallystick preview`` reads."""

from collections.abc import Iterator

from sandbox.bank.facts import Line
from sandbox.stripe.facts import BalanceTransaction, Event, Invoice, Payout
from sandbox.stripe.shapes.billing import invoice_lines
from sandbox.stripe.shapes.money import balance_object
from sandbox.stripe.shapes.render import event_object
from sandbox.stripe.shapes.view import EMBEDDED_MAX, list_object
from sandbox.stripe.store import Store
from sandbox.world.calendar import text_of
from sandbox.world.jsons import JsonObject
from sandbox.world.state import State
from sandbox.world.truth import money


def exported(state: State) -> Iterator[JsonObject]:
    """Every webhook in the order of its sending, then what polls would tell, then the bank.

    A webhook that was lost is told once at the end, as the event list would tell it.
    """
    store = state.stripe.store
    now = state.agenda.now
    for delivery in state.outbox:
        event = store.get(Event, delivery.event_id)
        body = delivery.body or event_object(event, pending_webhooks=1, platform=store.account)
        yield _line("stripe.events", body, delivery.due)
    for event in store.every(Event):
        if event.id in state.lost:
            body = event_object(event, pending_webhooks=1, platform=store.account)
            yield _line("stripe.events", body, now)
    for txn in store.every(BalanceTransaction):
        if txn.owner == store.account:
            told = _line(
                "stripe.objects", store.shown(txn, now), max(txn.created, txn.available_on)
            )
            yield told | {"account": store.account}
    for payout in store.every(Payout):
        yield _line("stripe.objects", store.shown(payout, now), now) | {"account": store.account}
    yield from _whole_invoices(store, now)
    own = [txn for txn in store.every(BalanceTransaction) if txn.owner == store.account]
    balance_at_stripe = balance_object(own, store.view(now))
    yield _line("stripe.objects", balance_at_stripe, now) | {"account": store.account}
    for line in state.bank.every_line():
        yield _line("bank.observations", _bank_line(state, line), line.visible_from)
    for account in state.bank.accounts():
        balance: JsonObject = {
            "kind": "balance",
            "account": account.name,
            "amount": money(state.bank.balance(account.id), account.currency),
            "as_of": text_of(now),
        }
        yield _line("bank.observations", balance, now)


def _whole_invoices(store: Store, now: int) -> Iterator[JsonObject]:
    """Invoices of more lines than an event shows: who polls asks for them and tells them all."""
    for invoice in store.every(Invoice):
        if len(invoice.lines) > EMBEDDED_MAX:
            whole = invoice_lines(invoice, store.view(now))
            lines = list_object(f"/v1/invoices/{invoice.id}/lines", whole)
            told = _line("stripe.objects", store.shown(invoice, now) | {"lines": lines}, now)
            yield told | {"account": store.account}


def _line(topic: str, value: JsonObject, received_at: int) -> JsonObject:
    return {"topic": topic, "value": value, "received_at": text_of(received_at)}


def _bank_line(state: State, line: Line) -> JsonObject:
    return {
        "kind": "line",
        "account": state.bank.account(line.account_id).name,
        "id": line.id,
        "amount": money(line.amount, line.currency),
        "booked_on": line.booked_on.isoformat(),
        "description": line.wording.description,
        "reference": line.wording.remittance or line.wording.trace,
    }
