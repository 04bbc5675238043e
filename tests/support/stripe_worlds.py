"""Random worlds of Stripe: every kind of movement, mixed, with what must be left of them.

A happening tells its messages and says what Stripe itself holds afterwards, and what is to stay
open under which key. It never asks the rules.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from hypothesis import strategies as st

from shared.contracts import topics

Json = dict[str, Any]  # Any: JSON as Stripe writes it
At = tuple[str, str, str]

T0: Final = 1_793_000_000
SETTLING: Final = "assets:stripe:settling"
IN_TRANSIT: Final = "assets:stripe:in-transit"
AMOUNTS: Final = st.integers(1, 10**9) | st.just(2**63) | st.just(10**20)
FEES: Final = st.integers(-50, 500)
# The types and categories under which the money of a refund that failed has come back.
RETURNS: Final = (
    ("refund_failure", "refund_failure"),
    ("adjustment", "refund_failure"),
    ("payment_refund", "refund"),
    ("refund", "refund"),
)


@dataclass(slots=True)
class Stripe:
    """What is told, what Stripe holds, and what stays open on the two clearing accounts."""

    draw: st.DrawFn
    told: list[tuple[str, Json]] = field(default_factory=list[tuple[str, Json]])
    held: Counter[tuple[str, str]] = field(default_factory=Counter[tuple[str, str]])
    left: Counter[At] = field(default_factory=Counter[At])
    count: int = 0

    def new(self, prefix: str) -> str:
        """An id that nobody else has."""
        self.count += 1
        return f"{prefix}_{self.count}"

    def amount(self, most: int | None = None) -> int:
        """Some amount above zero."""
        return self.draw(AMOUNTS if most is None else st.integers(1, most))

    def either(self, *choices: Any) -> Any:
        """One of these."""
        return self.draw(st.sampled_from(choices))

    def event(self, shown: Json, kind: str = "thing.happened") -> None:
        """Stripe tells an object by an event."""
        value = {"id": self.new("evt"), "object": "event", "type": kind, "created": T0}
        self.told.append((topics.STRIPE_EVENTS, value | {"data": {"object": shown}}))

    def poll(self, shown: Json) -> None:
        """The API tells an object."""
        self.told.append((topics.STRIPE_OBJECTS, shown))

    def move(
        self, kind: str, amount: int, source: object, *, fee: int = 0, currency: str = "usd",
        category: str | None = None, balance: str = "payments",
    ) -> Json:  # fmt: skip
        """A movement of one of Stripe's balances, told by the API."""
        movement: Json = {
            "id": self.new("txn"), "object": "balance_transaction", "type": kind, "amount": amount,
            "fee": fee, "net": amount - fee, "currency": currency, "source": source,
            "created": T0, "reporting_category": kind if category is None else category,
        }  # fmt: skip
        if balance != "payments" or self.either(True, False):
            movement["balance_type"] = balance
        self.held[balance, currency] += amount - fee
        self.poll(movement)
        return movement

    def charge(self, **more: Any) -> Json:
        """A charge in one of the shapes that versions have told."""
        amount, currency = more.pop("amount", None) or self.amount(), more.pop("currency", "usd")
        charge: Json = {
            "id": self.new(self.either("ch", "py")), "object": "charge", "amount": amount,
            "currency": currency, "created": T0, "status": "succeeded", "captured": True,
        }  # fmt: skip
        if self.either(True, False):
            charge["amount_captured"] = amount
        return charge | more


def sale(stripe: Stripe) -> Json:
    """A payment, perhaps a destination charge, told one time or several."""
    sent_on = stripe.either(None, None, {"destination": "acct_m", "amount": None})
    charge = stripe.charge(transfer_data=sent_on)
    movement = stripe.move(
        "charge", charge["amount"], charge["id"], fee=stripe.draw(FEES), category="charge"
    )
    bare, full = charge | {"balance_transaction": None}, charge | {"balance_transaction": movement}
    intent = {"id": stripe.new("pi"), "object": "payment_intent", "created": T0}
    for shown in stripe.either(
        [bare], [bare, full], [intent | {"charges": {"object": "list", "data": [full]}}],
        [full, intent | {"latest_charge": bare}, {"object": "invoice", "charge": full}],
        [without_status(bare)],
    ):  # fmt: skip
        stripe.event(shown, "charge.succeeded")
    return charge


def without_status(charge: Json) -> Json:
    """The same as the first versions told it."""
    return {k: v for k, v in charge.items() if k not in ("status", "captured")} | {"paid": True}


def sale_in_another_currency(stripe: Stripe) -> None:
    """Stripe settles in its own figure; both halves stay open until they are matched."""
    charge = stripe.charge(currency="eur")
    settled, key = stripe.amount(), charge["id"]
    stripe.event(charge)
    stripe.move("charge", settled, key, fee=7)["exchange_rate"] = 1.0853
    stripe.left[SETTLING, key, "eur"] += charge["amount"]
    stripe.left[SETTLING, key, "usd"] -= settled
    if stripe.either(True, False):
        refund = refund_of(stripe, charge, charge["amount"])
        back = stripe.amount()
        stripe.event(refund, "refund.created")
        stripe.move("refund", -back, refund["id"])
        stripe.left[SETTLING, refund["id"], "eur"] -= charge["amount"]
        stripe.left[SETTLING, refund["id"], "usd"] += back


def refund_of(stripe: Stripe, charge: Json, amount: int) -> Json:
    """A refund of a part of a charge."""
    return {
        "id": stripe.new("re"), "object": "refund", "charge": charge["id"], "amount": amount,
        "currency": charge["currency"], "created": T0, "status": "succeeded",
    }  # fmt: skip


def refunded_sale(stripe: Stripe) -> None:
    """A refund that may fail, in all forms of its return, told apart or inside its charge."""
    charge = sale(stripe)
    amount = stripe.amount(charge["amount"])
    refund = refund_of(stripe, charge, amount)
    stripe.move("refund", -amount, refund["id"], fee=stripe.either(0, -9))
    inside = charge | {"refunds": {"object": "list", "data": [refund], "has_more": False}}
    stripe.event(stripe.either(refund, inside), "charge.refunded")
    if stripe.either(True, False):
        stripe.event(refund | {"status": stripe.either("failed", "canceled")}, "refund.failed")
        kind, category = stripe.either(*RETURNS)
        stripe.move(kind, amount, refund["id"], category=category)


def refund_of_cash_balance(stripe: Stripe) -> None:
    """A customer takes back what it left with Stripe: nothing of it was in our balance."""
    refund: Json = {
        "id": stripe.new("pyr"), "object": "refund", "amount": stripe.amount(), "currency": "usd",
        "charge": None, "payment_intent": None, "balance_transaction": None, "created": T0,
    }  # fmt: skip
    stripe.event(refund | {"status": "requires_action"}, "refund.created")
    stripe.poll(refund | {"status": stripe.either("succeeded", "canceled")})


def captured_in_part(stripe: Stripe) -> None:
    """The whole authorization, then the uncaptured part back: a refund in form only.

    An event tells that one bare; the poller's list of refunds whole, with what it is told by.
    """
    charge = stripe.charge()
    whole = charge["amount"] + stripe.amount()
    charge |= {"amount": whole, "amount_captured": charge["amount"]}
    item = refund_of(stripe, charge, whole - charge["amount_captured"])
    stripe.move("charge", whole, charge["id"], fee=30)
    source = stripe.either(item, charge["id"])
    back = stripe.move(
        "refund", -item["amount"], source, fee=-3, category="partial_capture_reversal"
    )
    stripe.event(charge, "charge.captured")
    by_its_id = back | {"source": item["id"]}
    if source is item and stripe.either(True, False):
        stripe.poll(item | {"balance_transaction": by_its_id, "charge": charge})
    if source is item and stripe.either(True, False):
        stripe.event(item, "refund.created")


def debit_that_fails(stripe: Stripe) -> None:
    """An asynchronous debit that settles, perhaps is refunded in part, and comes back later."""
    charge = stripe.charge()
    item = refund_of(stripe, charge, charge["amount"]) | {"id": stripe.new("pyr")}
    stripe.move("payment", charge["amount"], charge["id"], fee=80, category="charge")
    back = stripe.move(
        "payment_failure_refund", -charge["amount"], item, fee=400, category="charge_failure"
    )
    stripe.event(charge, "charge.succeeded")
    bare = charge | {"status": "failed", "failure_balance_transaction": back["id"]}
    by_its_id = back | {"source": item["id"]}
    full = bare | {"failure_balance_transaction": by_its_id}
    items = [item | {"balance_transaction": back["id"]}]
    is_given = stripe.either(True, False)
    if is_given:
        given = refund_of(stripe, charge, stripe.amount(charge["amount"]))
        moved = stripe.move("payment_refund", -given["amount"], given["id"], category="refund")
        items.append(given | {"balance_transaction": moved["id"]})
    with_refunds = bare | {"refunds": {"object": "list", "data": items}}
    shown = stripe.either(bare, full, with_refunds)
    stripe.event(shown, "charge.failed")
    if is_given and (shown is not with_refunds or stripe.either(True, False)):
        stripe.event(items[-1], "refund.created")
    if stripe.either(True, False):
        stripe.poll(item | {"balance_transaction": by_its_id, "charge": full})
    if stripe.either(True, False):
        stripe.event(item | {"balance_transaction": back["id"]}, "refund.created")


def dispute(stripe: Stripe) -> None:
    """Withdrawn, perhaps reinstated in parts, a fee given back; or an inquiry without money."""
    charge, disputed = sale(stripe), stripe.new(stripe.either("du", "dp"))
    shown: Json = {"id": disputed, "object": "dispute", "balance_transactions": []}
    stripe.event(shown | {"status": "warning_needs_response"}, "charge.dispute.created")
    if stripe.either(True, True, False):
        amount = charge["amount"]
        parts = [stripe.move("adjustment", -amount, disputed, fee=1_500, category="dispute")]
        if stripe.either(True, False):
            part = stripe.amount(amount)
            for given, fee in ((part, 0), (amount - part, -1_500)):
                parts.append(
                    stripe.move("adjustment", given, disputed, fee=fee, category="dispute_reversal")
                )
        told = shown | {"status": "lost", "balance_transactions": parts}
        stripe.event(told, "charge.dispute.closed")


def share(stripe: Stripe) -> None:
    """A transfer to a connected account with reversals, and a fee of a direct charge."""
    amount = stripe.amount() + 1
    transfer: Json = {
        "id": stripe.new("tr"), "object": "transfer", "amount": amount, "currency": "usd",
        "destination": "acct_m", "created": T0,
    }  # fmt: skip
    stripe.move("transfer", -amount, transfer["id"])
    reversals: list[Json] = []
    for _ in range(stripe.either(0, 1, 2)):
        part = stripe.amount(amount // 2)
        reversals.append(
            {
                "id": stripe.new("trr"),
                "object": "transfer_reversal",
                "amount": part,
                "currency": "usd",
                "created": T0,
                "source_refund": stripe.either(None, "re_x"),
            }
        )
        stripe.move("transfer_refund", part, reversals[-1]["id"], category="transfer_reversal")
    listed = {"object": "list", "data": reversals}
    stripe.event(transfer | {"reversals": listed}, "transfer.reversed")
    fee = stripe.new("fee")
    stripe.move("application_fee", 1_000, fee, category="platform_earning")
    stripe.move("application_fee_refund", -400, fee, category="platform_earning_refund")


def payout(stripe: Stripe) -> None:
    """Out to the bank or from it, instant in both forms, failed, cancelled, or reversed."""
    amount, key = stripe.either(1, -1) * stripe.amount(), stripe.new("po")
    old = stripe.either(True, False, False)
    kind, category = ("transfer", "payout") if old else ("payout", "payout")
    fee = stripe.either(0, 0, 150)
    is_apart = stripe.either(True, False)
    stripe.move(kind, -amount, key, fee=0 if is_apart else fee, category=category)
    if fee and is_apart:
        stripe.move("stripe_fee", -fee, None, category="fee")
    stripe.left[IN_TRANSIT, key, "usd"] += amount
    end = stripe.either("paid", "payout_failure", "payout_cancel", "reversed")
    if end.startswith("payout"):
        stripe.move(end, amount, key, category="payout_reversal")
        stripe.left[IN_TRANSIT, key, "usd"] -= amount
    elif end == "reversed":
        other = stripe.new("po")
        stripe.move("payout", amount, other)
        stripe.left[IN_TRANSIT, other, "usd"] -= amount
    shown = {"id": key, "object": "payout", "amount": amount, "currency": "usd", "status": "paid"}
    stripe.event(shown, "payout.paid")


def topup(stripe: Stripe) -> None:
    """Money in from the bank, into one of the balances, perhaps taken back."""
    amount, kind = stripe.amount(), stripe.either("topup", "inbound_transfer")
    key, balance = (
        stripe.new("tu"),
        stripe.either("payments", "issuing", "refund_and_dispute_prefunding"),
    )
    stripe.move(kind, amount, key, balance=balance)
    if stripe.either(True, False):
        stripe.move(f"{kind}_reversal", -amount, key, balance=balance)
    else:
        stripe.left[IN_TRANSIT, key, "usd"] -= amount


def reserve(stripe: Stripe) -> None:
    """Funds set aside: in two legs, or in one of each kind."""
    amount = stripe.amount()
    hold = stripe.new("rsv")
    stripe.move("reserve_hold", -amount, hold)
    stripe.move("reserve_hold", amount, hold, balance="risk_reserved")
    if stripe.either(True, False):
        release = stripe.new("rsv")
        stripe.move("reserve_release", amount, release)
        stripe.move("reserve_release", -amount, release, balance="risk_reserved")
    for held, released in (
        ("reserve_transaction", "reserve_transaction"),
        ("payment_network_reserve_hold", "payment_network_reserve_release"),
        ("payout_minimum_balance_hold", "payout_minimum_balance_release"),
    ):
        stripe.move(held, -amount, None)
        if stripe.either(True, False):
            stripe.move(released, amount, stripe.new("rtx"))
    stripe.move("connect_collection_transfer", -amount, stripe.new("cct"))


def card(stripe: Stripe) -> None:
    """An issued card: held, set free, spent, disputed."""
    amount, auth = stripe.amount(), stripe.new("iauth")
    for kind, sign in (
        ("issuing_authorization_hold", -1),
        ("issuing_authorization_release", 1),
        ("issuing_transaction", -1),
        ("issuing_dispute_provisional_credit", 1),
        ("issuing_dispute_provisional_credit_reversal", -1),
        ("issuing_dispute", 1),
    ):
        stripe.move(kind, sign * amount, auth, balance="issuing")


def others(stripe: Stripe) -> None:
    """Loans, bills, climate, platforms, customers' funds, and what nobody knows."""
    for kind, category, sign in (
        ("advance", "advance", 1),
        ("advance_funding", "advance_funding", -1),
        ("anticipation_repayment", "anticipation_repayment", -1),
        ("adjustment", "financing_payout", 1),
        ("payment", "financing_paydown", -1),
        ("stripe_fx_fee", "fee", -1),
        ("tax_fee", "tax", -1),
        ("adjustment", "network_cost", -1),
        ("climate_order_purchase", "climate_order_purchase", -1),
        ("contribution", "contribution", -1),
        ("stripe_balance_payment_debit", "stripe_balance_payment_debit", -1),
        ("payment_unreconciled", "unreconciled_customer_funds", 1),
        ("tax_fund", "tax", -1),
        ("quantum_rebate", "quantum", 1),
    ):
        if stripe.either(True, False):
            source = stripe.either(None, stripe.new("x"))
            stripe.move(kind, sign * stripe.amount(), source, category=category, fee=3)


HAPPENINGS: Final[tuple[Callable[[Stripe], object], ...]] = (
    sale,
    sale_in_another_currency,
    refunded_sale,
    refund_of_cash_balance,
    captured_in_part,
    debit_that_fails,
    dispute,
    share,
    payout,
    topup,
    reserve,
    card,
    others,
)


@st.composite
def stripe_worlds(draw: st.DrawFn) -> Stripe:
    """A few happenings of any kinds."""
    world = Stripe(draw)
    for happen in draw(st.lists(st.sampled_from(HAPPENINGS), min_size=1, max_size=5)):
        happen(world)
    return world
