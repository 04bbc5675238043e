"""Random worlds of invoices: what is billed, paid and taken back, with the simulator's own figures.

Each happening tells its messages, in one of the shapes that versions have used, and writes down what
the accounts must hold on accrual basis and on cash basis. It never asks the rules.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from hypothesis import strategies as st

from shared.contracts import topics
from tests.support.stripe_worlds import SETTLING, T0, At, Json

DAY: Final = 86_400
RECEIVABLE: Final = "assets:receivable"
REVENUE: Final = "revenue:stripe"
TAX: Final = "liabilities:tax"
UNEARNED: Final = "liabilities:unearned"
CUSTOMER: Final = "liabilities:customer-balance"


@dataclass(frozen=True, slots=True)
class Served:
    """A line that is served over time, as the simulator has it."""

    net: int
    since: int
    until: int
    cut: int = 0


@dataclass(slots=True)
class Billing:
    """What is told, and what must be on the books of either basis."""

    draw: st.DrawFn
    told: list[tuple[str, Json]] = field(default_factory=list[tuple[str, Json]])
    accrual: Counter[At] = field(default_factory=Counter[At])
    cash: Counter[At] = field(default_factory=Counter[At])
    served: dict[str, Served] = field(default_factory=dict[str, Served])
    balances: Counter[str] = field(default_factory=Counter[str])
    count: int = 0

    def new(self, prefix: str) -> str:
        """An id that nobody else has."""
        self.count += 1
        return f"{prefix}_{self.count}"

    def number(self, least: int, most: int) -> int:
        """Some number."""
        return self.draw(st.integers(least, most))

    def maybe(self) -> bool:
        """Yes or no."""
        return self.draw(st.booleans())

    def event(self, shown: Json) -> None:
        """Stripe tells an object by an event, or the API tells it."""
        if self.maybe():
            self.told.append((topics.STRIPE_OBJECTS, shown))
            return
        value = {"id": self.new("evt"), "object": "event", "type": "x.y", "created": T0}
        self.told.append((topics.STRIPE_EVENTS, value | {"data": {"object": shown}}))

    def both(self, account: str, key: str, minor: int) -> None:
        """What stands on the books of either basis."""
        self.cash[account, key, "usd"] += minor
        self.accrual[account, key, "usd"] += minor

    def own(self, account: str, key: str, minor: int) -> None:
        """What stands on accrual basis alone."""
        self.accrual[account, key, "usd"] += minor


@dataclass(slots=True)
class Bill:
    """An invoice while it lives: its object in the shape of today, and its figures."""

    shown: Json
    total: int
    tax: int
    due: int
    nets: dict[str, int]


def _line(world: Billing, *, is_old: bool) -> tuple[Json, int, int, Served | None]:
    """A line, its tax on top, its net, and what of it is served over more than a month."""
    amount = world.number(-50_000, 200_000)
    days = world.draw(st.sampled_from([0, 1, 30, 31, 32, 90, 365, 1_000]))
    since = T0 + DAY * world.number(-400, 40)
    off = world.number(0, max(amount // 3, 0)) if amount > 0 else 0
    included = world.number(0, max((amount - off) // 5, 0)) if amount > 0 else 0
    extra = world.number(0, max(amount // 4, 0)) if amount > 0 else 0
    taxes = ((included, "inclusive"), (extra, "exclusive"))
    line: Json = {
        "id": world.new("il"),
        "object": "line_item",
        "amount": amount,
        "currency": "usd",
        "discount_amounts": [{"amount": off, "discount": "di_1"}] if off else [],
        "period": {"start": since, "end": since + days * DAY},
    }
    if is_old:
        line["tax_amounts"] = [{"amount": a, "inclusive": b == "inclusive"} for a, b in taxes]
    else:
        line["taxes"] = [{"amount": a, "tax_behavior": b} for a, b in taxes]
        line["pricing"] = {"type": "price_details"}
    net = amount - off - included
    later = Served(net, since, since + days * DAY)
    is_later = days > 31 and later.until > T0
    return line, included + extra, net, later if is_later else None


def finalized(world: Billing, *, is_old: bool) -> Bill:
    """An invoice that a customer's balance pays in part, or leaves something to."""
    lines: list[Json] = []
    nets: dict[str, int] = {}
    tax = net = 0
    for _ in range(world.number(1, 4)):
        line, line_tax, line_net, served = _line(world, is_old=is_old)
        lines.append(line)
        tax, net = tax + line_tax, net + line_net
        nets[line["id"]] = line_net
        if served is not None:
            world.served[line["id"]] = served
            world.own(REVENUE, "", line_net)
            world.own(UNEARNED, line["id"], -line_net)
    total, customer, key = net + tax, f"cus_{world.number(1, 2)}", world.new("in")
    before = world.balances[customer]
    due = max(total + before, 0)
    after = world.balances[customer] = total + before - due
    world.own(RECEIVABLE, key, total)
    world.own(REVENUE, "", -net)
    world.own(TAX, "", -tax)
    # At Stripe a balance below zero is the customer's; on the books it is a liability.
    world.own(CUSTOMER, customer, after - before)
    world.own(RECEIVABLE, key, before - after)
    shown: Json = {
        "id": key, "object": "invoice", "status": "open", "created": T0 - 60, "currency": "usd",
        "customer": customer, "total": total, "amount_due": due, "amount_paid": 0,
        "amount_remaining": due, "starting_balance": before, "ending_balance": after,
        "lines": {"object": "list", "data": lines, "has_more": False},
        "status_transitions": {"finalized_at": T0},
    }  # fmt: skip
    if is_old:
        shown |= {"tax": tax, "paid": False, "charge": None, "payment_intent": None}
        if world.maybe():
            shown["total_tax_amounts"] = [{"amount": tax, "inclusive": False}]
    else:
        shown |= {"total_taxes": [{"amount": tax, "tax_behavior": "exclusive"}]}
        shown |= {"total_excluding_tax": net} if world.maybe() else {}
    if world.maybe():
        world.event(shown | {"status": "draft", "status_transitions": {}, "ending_balance": None})
    if world.maybe():
        world.event(shown)
    return Bill(shown, total, tax, due, nets)


def charged(world: Billing, amount: int, *, has_intent: bool = True) -> tuple[str, str]:
    """A charge that pays, and the id of its payment."""
    charge = world.new("ch")
    intent = world.new("pi") if has_intent else None
    shown: Json = {
        "id": charge, "object": "charge", "amount": amount, "amount_captured": amount,
        "captured": True, "status": "succeeded", "currency": "usd", "created": T0 + 9,
        "payment_intent": intent, "customer": "cus_1",
    }  # fmt: skip
    world.event(shown)
    world.both(SETTLING, charge, amount)
    world.both(REVENUE, "", -amount)
    return charge, intent or charge


def _end(bill: Bill, status: str, **more: object) -> Json:
    word = {"paid": "paid_at", "void": "voided_at", "uncollectible": "marked_uncollectible_at"}
    passed = bill.shown["status_transitions"] | {word[status]: T0 + 500}
    return bill.shown | {"status": status, "status_transitions": passed} | more


def pay(world: Billing, bill: Bill, *, is_old: bool) -> None:
    """What is due is paid: by charges in one or two parts, or outside of Stripe."""
    key, due = bill.shown["id"], bill.due
    done = {"amount_paid": due, "amount_remaining": 0}
    if due == 0:
        world.event(_end(bill, "paid", **done))
        return
    world.own(RECEIVABLE, key, -due)
    if world.maybe() and world.maybe():
        world.own("liabilities:suspense", key, due)
        old = {"paid": True, "paid_out_of_band": True}
        world.event(
            _end(bill, "paid", **done, **(old if is_old else {"amount_paid_off_stripe": due}))
        )
        return
    world.own(REVENUE, "", due)
    if is_old:
        charge, payment = charged(world, due, has_intent=world.maybe())
        intent = payment if payment != charge else None
        bill.shown |= {"charge": charge, "payment_intent": intent, "paid": True}
        world.event(_end(bill, "paid", **done, paid_out_of_band=False))
        return
    first = world.number(1, due)
    parts: list[Json] = []
    for amount in (first, due - first):
        if amount:
            charge, payment = charged(world, amount)
            by = world.draw(st.sampled_from(["payment_intent", "charge"]))
            named = payment if by == "payment_intent" else charge
            parts.append(
                {
                    "id": world.new("inpay"),
                    "object": "invoice_payment",
                    "invoice": key,
                    "amount_paid": amount,
                    "amount_requested": amount,
                    "currency": "usd",
                    "status": "paid",
                    "payment": {"type": by, by: named},
                    "created": T0 + 400,
                    "status_transitions": {"paid_at": T0 + 450},
                }
            )
    bill.shown["payments"] = {"object": "list", "data": parts, "has_more": False}
    if world.maybe():
        world.event(_end(bill, "paid", **done))
    else:
        for part in parts:
            world.event(part)
        world.event({k: v for k, v in _end(bill, "paid", **done).items() if k != "payments"})


def give_up(world: Billing, bill: Bill) -> None:
    """What is due is never paid."""
    world.own(RECEIVABLE, bill.shown["id"], -bill.due)
    world.own("expenses:bad-debt", "", bill.due)
    world.event(_end(bill, "uncollectible"))


def void(world: Billing, bill: Bill) -> None:
    """It is as if it had never been asked for; the customer's balance has its part again."""
    if bill.due == 0:
        world.event(_end(bill, "paid"))
        return
    key, customer = bill.shown["id"], bill.shown["customer"]
    from_balance = bill.shown["ending_balance"] - bill.shown["starting_balance"]
    world.own(RECEIVABLE, key, -bill.total + from_balance)
    world.own(CUSTOMER, customer, -from_balance)
    world.own(REVENUE, "", bill.total - bill.tax)
    world.own(TAX, "", bill.tax)
    for line, net in bill.nets.items():
        if line in world.served:
            world.own(UNEARNED, line, net)
            world.own(REVENUE, "", -net)
            kept = world.served[line]
            world.served[line] = Served(kept.net, kept.since, kept.until, cut=net)
    world.balances[customer] -= from_balance
    word = _end(bill, "void")
    lost = word["status_transitions"] | {"marked_uncollectible_at": T0 + 200}
    world.event(word | ({"status_transitions": lost} if world.maybe() else {}))


def take_back(world: Billing, bill: Bill, *, is_old: bool) -> None:
    """A credit note, before or after the invoice is paid, perhaps voided again."""
    lines = {line: net for line, net in bill.nets.items() if net > 0}
    most = min(bill.total - bill.tax, bill.due)
    if not lines or most <= 0:
        return
    line = world.draw(st.sampled_from(sorted(lines)))
    amount = world.number(1, min(lines[line], most))
    is_before = world.maybe()
    shown: Json = {
        "id": world.new("cn"), "object": "credit_note", "invoice": bill.shown["id"],
        "customer": bill.shown["customer"], "currency": "usd", "amount": amount, "total": amount,
        "created": T0 + 600, "status": "issued",
        "lines": {"object": "list", "data": [{"invoice_line_item": line, "amount": amount}]},
    }  # fmt: skip
    customer, revenue = bill.shown["customer"], amount
    if is_before:
        shown |= {"type": "pre_payment"}
        shown |= {} if is_old else {"pre_payment_amount": amount, "post_payment_amount": 0}
        if world.maybe():
            # Voided: as if it had not been issued.
            world.event(shown)
            world.event(shown | {"status": "void", "voided_at": T0 + 700})
            return
        world.own(RECEIVABLE, bill.shown["id"], -amount)
        bill.due -= amount
        bill.shown |= {
            "amount_due": bill.due,
            "amount_remaining": bill.due,
            "pre_payment_credit_notes_amount": amount,
        }
    else:
        refunded = amount if world.maybe() else 0
        shown |= {"type": "post_payment"}
        refund = world.new("re")
        if refunded:
            money: Json = {
                "id": refund, "object": "refund", "amount": amount, "currency": "usd",
                "created": T0 + 600, "status": "succeeded",
            }  # fmt: skip
            world.event(money)
            world.cash["revenue:refunds", "", "usd"] += amount
            world.both(SETTLING, refund, -amount)
        else:
            world.own(CUSTOMER, customer, -amount)
        if is_old:
            shown |= {"refund": refund if refunded else None}
        else:
            by = [{"amount_refunded": amount, "refund": refund}] if refunded else []
            shown |= {"pre_payment_amount": 0, "post_payment_amount": amount, "refunds": by}
    world.own(REVENUE, "", revenue)
    world.event(shown)
    if line in world.served:
        kept = world.served[line]
        world.served[line] = Served(kept.net, kept.since, kept.until, kept.cut + amount)


def bill(world: Billing) -> None:
    """An invoice from its finalization to its end, all in one version's shapes."""
    is_old = world.maybe()
    made = finalized(world, is_old=is_old)
    end: Callable[[], None] = world.draw(
        st.sampled_from(
            [
                lambda: pay(world, made, is_old=is_old),
                lambda: give_up(world, made),
                lambda: void(world, made),
                lambda: world.event(made.shown),
            ]
        )
    )
    end()


def bill_with_a_credit_note(world: Billing) -> None:
    """A paid or open invoice, a part of which is taken back."""
    is_old = world.maybe()
    made = finalized(world, is_old=is_old)
    take_back(world, made, is_old=is_old)
    if world.maybe():
        pay(world, made, is_old=is_old)
    else:
        world.event(made.shown)


def sale(world: Billing) -> None:
    """A payment without any invoice."""
    charged(world, world.number(1, 10**9))


HAPPENINGS: Final[tuple[Callable[[Billing], None], ...]] = (bill, bill_with_a_credit_note, sale)


@st.composite
def invoice_worlds(draw: st.DrawFn) -> Billing:
    """A few invoices of any kinds."""
    world = Billing(draw)
    for happen in draw(st.lists(st.sampled_from(HAPPENINGS), min_size=1, max_size=4)):
        happen(world)
    return world
