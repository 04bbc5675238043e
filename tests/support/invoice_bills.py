"""What a random world of invoices has: its customers and books, and an invoice as it is finalized.

Each happening tells its messages, in one of the shapes that versions have used, and writes down what
the accounts must hold on accrual basis and on cash basis. It never asks the rules.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from hypothesis import strategies as st

from shared.contracts import topics
from tests.support.stripe_worlds import T0, At, Json

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

    def answer(self, shown: Json) -> None:
        """The API tells an object that it was asked for."""
        self.told.append((topics.STRIPE_OBJECTS, shown))

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
