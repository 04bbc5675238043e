"""Every object of the simulated Stripe has the fields of the library's resource classes."""

import inspect
import typing
from datetime import date

import pytest
import stripe
from stripe.reserve import Hold, Release

from sandbox.stripe.facts import (
    AnyFact,
    ApplicationFee,
    BalanceTransaction,
    Charge,
    CreditNote,
    Dispute,
    Event,
    FeeRefund,
    Invoice,
    InvoicePayment,
    PaymentIntent,
    Payout,
    Refund,
    ReserveHold,
    ReserveRelease,
    Session,
    Topup,
    Transfer,
    TransferReversal,
)
from sandbox.stripe.shapes.money import balance_object
from sandbox.world.commands import applied
from sandbox.world.jsons import JsonObject, as_list, as_object
from sandbox.world.scenario import scenario_named
from sandbox.world.state import Plan, State
from sandbox.world.world import World

# What Stripe leaves out of an object unless it applies: expanded lists, features not in use.
LEFT_OUT: dict[type[stripe.StripeObject], set[str]] = {
    stripe.Charge: {"level3", "presentment_details", "refunds", "transfer"},
    stripe.PaymentIntent: {"hooks", "payment_details", "payment_record", "presentment_details"},
    stripe.Refund: {
        "description",
        "failure_balance_transaction",
        "failure_reason",
        "instructions_email",
        "next_action",
        "presentment_details",
    },
    stripe.Dispute: {"intended_submission_method"},
    stripe.Invoice: {"amount_paid_off_stripe", "payments"},
    stripe.checkout.Session: {"line_items", "presentment_details"},
    stripe.Event: {"account", "context"},
    stripe.Balance: {"instant_available", "issuing"},
}

KINDS: list[tuple[type[AnyFact], type[stripe.StripeObject]]] = [
    (ApplicationFee, stripe.ApplicationFee),
    (BalanceTransaction, stripe.BalanceTransaction),
    (Charge, stripe.Charge),
    (Dispute, stripe.Dispute),
    (Event, stripe.Event),
    (FeeRefund, stripe.ApplicationFeeRefund),
    (PaymentIntent, stripe.PaymentIntent),
    (Payout, stripe.Payout),
    (Refund, stripe.Refund),
    (ReserveHold, Hold),
    (ReserveRelease, Release),
    (Topup, stripe.Topup),
    (Transfer, stripe.Transfer),
    (TransferReversal, stripe.TransferReversal),
]

BILLED: list[tuple[type[AnyFact], type[stripe.StripeObject]]] = [
    (CreditNote, stripe.CreditNote),
    (Invoice, stripe.Invoice),
    (InvoicePayment, stripe.InvoicePayment),
    (Session, stripe.checkout.Session),
]
LINES: dict[type[AnyFact], type[stripe.StripeObject]] = {
    CreditNote: stripe.CreditNoteLineItem,
    Invoice: stripe.InvoiceLineItem,
}


@pytest.fixture(scope="module")
def state() -> State:
    scenario = scenario_named("faults")
    world = World.begun(Plan(scenario=scenario, seed=1, payments=200, end=date(2026, 11, 21)))
    world.run_until(world.state.plan.end_at)
    refund = world.state.stripe.store.every(Refund)[0]
    applied(world.state, {"do": "fail_refund", "refund": refund.id, "reason": "unknown"})
    return world.state


def fields_of(resource: type[stripe.StripeObject]) -> set[str]:
    """The fields which the library's class declares, from its annotations alone."""
    names = (
        str(name)
        for name, annotation in inspect.get_annotations(resource).items()
        if "ClassVar" not in str(annotation)
    )
    return set(names) - {"deleted"}


def check(shown: JsonObject, resource: type[stripe.StripeObject]) -> None:
    declared = fields_of(resource)
    assert set(shown) - declared == set(), f"{resource.__name__} knows no such field"
    missing = declared - set(shown) - LEFT_OUT.get(resource, set())
    assert missing == set(), f"{resource.__name__} is incomplete"


@pytest.mark.parametrize(("kind", "resource"), KINDS, ids=lambda k: typing.cast("type", k).__name__)
def test_an_object_has_every_field_of_its_resource_class(
    state: State, kind: type[AnyFact], resource: type[stripe.StripeObject]
) -> None:
    facts = state.stripe.store.every(kind)
    assert facts
    for fact in facts:
        shown = state.stripe.store.shown(fact, state.agenda.now)
        check(shown, resource)
        assert shown["object"] == resource.OBJECT_NAME  # type: ignore[attr-defined]  # on each one


@pytest.fixture(scope="module")
def billed() -> State:
    scenario = scenario_named("saas")
    world = World.begun(Plan(scenario=scenario, seed=1, payments=5, end=date(2026, 11, 21)))
    world.run_until(world.state.plan.end_at)
    return world.state


@pytest.mark.parametrize(
    ("kind", "resource"), BILLED, ids=lambda k: typing.cast("type", k).__name__
)
def test_what_is_billed_has_every_field_of_its_resource_class(
    billed: State, kind: type[AnyFact], resource: type[stripe.StripeObject]
) -> None:
    facts = billed.stripe.store.every(kind)
    assert facts
    for fact in facts:
        shown = billed.stripe.store.shown(fact, billed.agenda.now)
        check(shown, resource)
        assert shown["object"] == resource.OBJECT_NAME  # type: ignore[attr-defined]  # on each one
        if kind is not Session:
            line = LINES.get(kind)
            for each in as_list(as_object(shown["lines"])["data"]) if line else ():
                check(as_object(each), typing.cast("type[stripe.StripeObject]", line))


def test_a_balance_has_every_field_of_its_resource_class(state: State) -> None:
    store = state.stripe.store
    shown = balance_object(store.every(BalanceTransaction), store.view(state.agenda.now))
    check(shown, stripe.Balance)


def test_an_id_has_the_prefix_that_stripe_gives_its_kind(state: State) -> None:
    prefixes: dict[type[AnyFact], str] = {
        ApplicationFee: "fee_",
        BalanceTransaction: "txn_",
        Charge: "ch_",
        Dispute: "du_",
        Event: "evt_",
        PaymentIntent: "pi_",
        Payout: "po_",
        Refund: "re_",
        ReserveHold: "reshold_",
        Topup: "tu_",
        Transfer: "tr_",
        TransferReversal: "trr_",
    }
    for kind, prefix in prefixes.items():
        facts: list[AnyFact] = state.stripe.store.every(kind)
        ids = [fact.id for fact in facts]
        assert len(set(ids)) == len(ids)
        assert all(i.startswith(prefix) and len(i) == len(prefix) + 24 for i in ids)
