"""Subscribers: what they are billed, how they pay, what is taken back; and checkouts of credits."""

from dataclasses import dataclass, replace
from typing import Final

from sandbox.stripe.billing import Item
from sandbox.stripe.facts import Charge, Invoice
from sandbox.stripe.payments import NAMES, Order
from sandbox.stripe.settlement import Settlement, settled_charge, settled_movement, share
from sandbox.world.calendar import DAY, HOUR
from sandbox.world.schedule import Happening, done
from sandbox.world.state import State

_PLANS: Final = (("Yearly plan", 365), ("Quarterly plan", 91), ("Monthly plan", 30))
_SMALLEST: Final = 100


@dataclass(slots=True)
class Subscriptions:
    """What subscribers do."""

    state: State

    def plan_all(self) -> None:
        """Note the first invoice of every subscriber, and every checkout."""
        state, part = self.state, self.state.scenario.subscriptions
        span = (state.plan.payments_end_at - state.plan.start_at) // 3
        for number in range(part.subscribers):
            label = f"subscriber/{number}"
            at = state.plan.start_at + state.dice.below(f"{label}/at", span)
            state.agenda.note(at, self._subscribe(label))
        for number in range(part.checkouts):
            label = f"checkout/{number}"
            at = state.plan.start_at + state.dice.below(f"{label}/at", 2 * span)
            state.agenda.note(at, self._check_out(label))

    def _subscribe(self, label: str) -> Happening:
        return lambda now: self._bill(now, label)

    def _bill(self, now: int, label: str) -> None:
        state, dice, part = self.state, self.state.dice, self.state.scenario.subscriptions
        payer = dice.pick(f"{label}/payer", NAMES)
        name, days = dice.pick(f"{label}/plan", _PLANS)
        seats = part.seats if dice.happens(f"{label}/team", part.teams) else 1
        price = dice.pick(f"{label}/price", part.prices)
        items = [self._item(name, price, now, days) for _ in range(seats)]
        if dice.happens(f"{label}/set-up", 0.3):
            items.append(self._item("Set-up", 4_900, now, 0))
        invoice = state.stripe.billing.bill(now, payer, part.currency, tuple(items))
        later = now + dice.between(f"{label}/pays", HOUR, 3 * DAY)
        if invoice.amount_due == 0:
            state.agenda.note(
                now, lambda at: done(state.stripe.billing.collect(at, invoice.id, None))
            )
        elif dice.happens(f"{label}/voided", part.void):
            state.agenda.note(later, lambda at: done(state.stripe.billing.void(at, invoice.id)))
        elif dice.happens(f"{label}/given up", part.uncollectible):
            state.agenda.note(later, lambda at: done(state.stripe.billing.give_up(at, invoice.id)))
        else:
            if dice.happens(f"{label}/lowered", part.credit_note):
                half = now + (later - now) // 2
                state.agenda.note(half, lambda at: self._lower(at, invoice.id))
            state.agenda.note(later, lambda at: self._collect(at, label, invoice.id))

    def _item(self, name: str, amount: int, now: int, days: int) -> Item:
        tax = share(amount, self.state.scenario.subscriptions.tax_basis_points)
        return Item(description=name, amount=amount, tax=tax, since=now, until=now + days * DAY)

    def _lower(self, at: int, invoice_id: str) -> None:
        """A part of what is still to be paid is taken back; never so much that little is left."""
        invoice = self.state.stripe.store.get(Invoice, invoice_id)
        line = invoice.lines[0]
        amount, tax = line.amount // 4, line.tax // 4
        if invoice.amount_due - amount - tax >= _SMALLEST:
            self.state.stripe.billing.take_back(at, invoice_id, amount=amount, tax=tax)

    def _collect(self, at: int, label: str, invoice_id: str) -> None:
        state, dice, part = self.state, self.state.dice, self.state.scenario.subscriptions
        invoice = state.stripe.store.get(Invoice, invoice_id)
        charge = state.stripe.billing.collect(at, invoice_id, self._settled(at, invoice))
        later = at + dice.between(f"{label}/later", DAY, 6 * DAY)
        if charge is None:
            return
        if dice.happens(f"{label}/cancelled", part.credit_note):
            refunds = dice.happens(f"{label}/refunded", 0.5)
            state.agenda.note(
                later, lambda now: self._take_back(now, invoice_id, charge, refunds=refunds)
            )
        elif dice.happens(f"{label}/upgraded", part.upgrade):
            state.agenda.note(later, lambda now: self._upgrade(now, invoice_id))

    def _settled(self, at: int, invoice: Invoice) -> Settlement | None:
        if invoice.amount_due == 0:
            return None
        return settled_charge(
            self.state.dice,
            amount=invoice.amount_due,
            currency=invoice.currency,
            settles_in=self.state.settles_in(invoice.currency),
            at=at,
        )

    def _take_back(self, at: int, invoice_id: str, charge: Charge, *, refunds: bool) -> None:
        """What is not served is taken back, by a refund where the balance can bear it."""
        state = self.state
        line = state.stripe.store.get(Invoice, invoice_id).lines[0]
        amount, tax = line.amount // 2, line.tax // 2
        total = min(amount + tax, charge.amount)
        settlement = settled_movement(
            state.dice,
            amount=-total,
            currency=charge.currency,
            settles_in=state.settles_in(charge.currency),
            at=at,
        )
        refund = None
        if refunds and state.can_bear(settlement.currency, total) and total == amount + tax:
            refund = state.stripe.payments.refund(
                at, charge.id, total, settlement, reason="requested_by_customer"
            ).id
        state.stripe.billing.take_back(at, invoice_id, amount=amount, tax=tax, refund=refund)

    def _upgrade(self, at: int, invoice_id: str) -> None:
        """The unused time of a plan is given back by a line below zero, and a dearer one billed."""
        state = self.state
        old = state.stripe.store.get(Invoice, invoice_id)
        line = old.lines[0]
        left, whole = line.until - at, line.until - line.since
        back, tax = line.amount * left // whole, line.tax * left // whole
        unused = Item(
            description=f"Unused time on {line.description}",
            amount=-back, tax=-tax, since=at, until=line.until, is_proration=True,
        )  # fmt: skip
        dearer = replace(
            self._item(f"Remaining time on {line.description} Pro", 2 * back, at, 0),
            until=line.until,
        )
        payer = (old.customer_name, "GB")
        invoice = state.stripe.billing.bill(at, payer, old.currency, (unused, dearer))
        if invoice.amount_due == 0 or invoice.amount_due >= _SMALLEST:
            state.stripe.billing.collect(at, invoice.id, self._settled(at, invoice))

    def _check_out(self, label: str) -> Happening:
        def happen(now: int) -> None:
            state, dice = self.state, self.state.dice
            part = state.scenario.subscriptions
            order = Order(
                amount=dice.pick(f"{label}/amount", part.prices),
                currency=part.currency,
                description="Credits",
                is_guest=dice.happens(f"{label}/guest", 0.5),
            )
            settlement = settled_charge(
                dice,
                amount=order.amount,
                currency=order.currency,
                settles_in=state.settles_in(order.currency),
                at=now,
            )
            state.stripe.billing.check_out(now, order, settlement)

        return happen
