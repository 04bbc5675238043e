"""Random worlds in two currencies: told in euros, settled in dollars, at another rate each time.

What is to be left is what a bookkeeper writes down when all of it is known: every clearing key at
zero, and on ``equity:exchange`` what was taken in one currency for the other.
"""

from collections.abc import Callable
from typing import Any, Final

from hypothesis import strategies as st

from tests.support.stripe_worlds import RETURNS, T0, Json, Stripe, refund_of

EXCHANGE: Final = "equity:exchange"
CONNECT: Final = "liabilities:connect"
AMOUNT_MAX: Final = 10**9


def sold(stripe: Stripe, **more: Any) -> Json:
    """A charge in euros, settled in dollars."""
    charge = stripe.charge(amount=stripe.amount(AMOUNT_MAX), currency="eur", **more)
    settled = stripe.amount(AMOUNT_MAX)
    stripe.move("charge", settled, charge["id"], fee=7, category="charge")
    stripe.event(charge, "charge.succeeded")
    taken_in(stripe, charge["amount"], settled)
    return charge


def taken_in(stripe: Stripe, euros: int, dollars: int) -> None:
    """Euros became dollars; amounts below zero are of dollars that became euros."""
    stripe.left[EXCHANGE, "", "eur"] += euros
    stripe.left[EXCHANGE, "", "usd"] -= dollars


def sold_and_refunded(stripe: Stripe) -> None:
    """A refund at another rate; it may fail, and its money comes back at a third."""
    charge = sold(stripe)
    refund = refund_of(stripe, charge, stripe.amount(charge["amount"]))
    gone = stripe.amount(AMOUNT_MAX)
    stripe.move("refund", -gone, refund["id"])
    stripe.event(refund, "refund.created")
    taken_in(stripe, -refund["amount"], -gone)
    if stripe.either(True, False):
        kind, category = stripe.either(*RETURNS)
        back = stripe.amount(AMOUNT_MAX)
        stripe.move(kind, back, refund["id"], category=category)
        failed = refund | {"status": stripe.either("failed", "canceled")}
        stripe.event(failed, "refund.failed")
        taken_in(stripe, refund["amount"], back)


def captured_in_part(stripe: Stripe) -> None:
    """The whole authorization is settled, then dollars of the uncaptured part go back."""
    captured, rest = stripe.amount(AMOUNT_MAX), stripe.amount(AMOUNT_MAX)
    charge = stripe.charge(amount=captured + rest, currency="eur") | {"amount_captured": captured}
    item = refund_of(stripe, charge, rest)
    kept, given_up = stripe.amount(AMOUNT_MAX), stripe.amount(AMOUNT_MAX)
    stripe.move("charge", kept + given_up, charge["id"], category="charge")
    stripe.move("refund", -given_up, item, category="partial_capture_reversal")
    stripe.event(charge, "charge.captured")
    taken_in(stripe, captured, kept)


def passed_on(stripe: Stripe) -> None:
    """A destination charge whose share is transferred in dollars; its debit may fail.

    What the charge owed is given up with it. A transfer that was made stays an advance, but for
    what is reversed of it.
    """
    share = stripe.amount(AMOUNT_MAX)
    destination = {"destination": "acct_m", "amount": share}
    charge = stripe.charge(
        amount=share + stripe.amount(AMOUNT_MAX), currency="eur", transfer_data=destination
    )
    settled, sent = stripe.amount(AMOUNT_MAX), stripe.amount(AMOUNT_MAX)
    stripe.move("payment", settled, charge["id"], fee=80, category="charge")
    stripe.event(charge, "charge.succeeded")
    taken_in(stripe, charge["amount"], settled)
    transfer: Json = {
        "id": stripe.new("tr"), "object": "transfer", "amount": sent, "currency": "usd",
        "destination": "acct_m", "created": T0, "source_transaction": charge["id"],
    }  # fmt: skip
    stripe.move("transfer", -sent, transfer["id"])
    stripe.event(transfer, "transfer.created")
    if stripe.either(True, False):
        taken_in(stripe, -share, -sent)
        return
    returned_debit(stripe, charge)
    stripe.left[CONNECT, "acct_m", "usd"] += sent
    if stripe.either(True, False):
        reversed_in(stripe, transfer, stripe.either(sent, stripe.amount(sent)))


def returned_debit(stripe: Stripe, charge: Json) -> None:
    """The customer's bank takes a debit back, at another rate than it came."""
    item = refund_of(stripe, charge, charge["amount"]) | {"id": stripe.new("pyr")}
    back = stripe.amount(AMOUNT_MAX)
    moved = stripe.move("payment_failure_refund", -back, item, category="charge_failure")
    failed = {"status": "failed", "failure_balance_transaction": moved["id"]}
    stripe.event(charge | failed, "charge.failed")
    taken_in(stripe, -charge["amount"], -back)


def reversed_in(stripe: Stripe, transfer: Json, part: int) -> None:
    """A part of a transfer, or all of it, comes back for no refund's sake."""
    reversal: Json = {
        "id": stripe.new("trr"), "object": "transfer_reversal", "amount": part, "currency": "usd",
        "created": T0, "source_refund": None,
    }  # fmt: skip
    stripe.move("transfer_refund", part, reversal["id"], category="transfer_reversal")
    listed = {"object": "list", "data": [reversal]}
    stripe.event(transfer | {"reversals": listed}, "transfer.reversed")
    stripe.left[CONNECT, "acct_m", "usd"] -= part


HAPPENINGS: Final[tuple[Callable[[Stripe], object], ...]] = (
    sold,
    sold_and_refunded,
    captured_in_part,
    passed_on,
)


@st.composite
def exchange_worlds(draw: st.DrawFn) -> Stripe:
    """A few happenings in two currencies."""
    world = Stripe(draw)
    for happen in draw(st.lists(st.sampled_from(HAPPENINGS), min_size=1, max_size=3)):
        happen(world)
    return world
