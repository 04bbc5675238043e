"""Ordinary business: payments, refunds, disputes, transfers, and news that move no money."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from sandbox.stripe.facts import Charge, Refund
from sandbox.stripe.payments import Order
from sandbox.stripe.settlement import (
    Settlement,
    dispute_fee,
    settled_charge,
    settled_movement,
)
from sandbox.world.calendar import DAY, HOUR
from sandbox.world.jsons import JsonObject
from sandbox.world.scenario import CONNECTED
from sandbox.world.schedule import Happening, done
from sandbox.world.state import State

_GOODS: Final = ("Annual plan", "Monthly plan", "Workshop seat", "Print edition", "Credits")
_NEWS: Final = ("customer.updated", "product.updated", "widget.flipped")
Labelled = Callable[[int, str], None]
"""What happens at a second, under a label that its choices hang on."""

_REASONS: Final = ("requested_by_customer", "duplicate")


@dataclass(slots=True)
class Business:
    """What customers and connected accounts do."""

    state: State

    def plan_all(self) -> None:
        """Note every payment, transfer and piece of news of the whole world."""
        state, plan = self.state, self.state.plan
        rates = state.scenario.rates
        span = plan.payments_end_at - plan.start_at
        for number in range(plan.payments):
            at = plan.start_at + state.dice.below(f"payment/{number}/at", span)
            self._note(at, f"payment/{number}", self._payment)
        for kind, rate, action in (
            ("transfer", rates.transfer, self._transfer),
            ("direct", rates.direct_charge, self._direct_charge),
            ("news", rates.unknown_event, self._news),
        ):
            for number in range(round(plan.payments * rate)):
                # Transfers need money to have come in before.
                early = span // 5 if kind == "transfer" else 0
                at = plan.start_at + early
                at += state.dice.below(f"{kind}/{number}/at", span - early)
                self._note(at, f"{kind}/{number}", action)

    def _note(self, at: int, label: str, action: Labelled) -> None:
        self.state.agenda.note(at, lambda now: action(now, label))

    def _payment(self, at: int, label: str) -> None:
        state, dice, rates = self.state, self.state.dice, self.state.scenario.rates
        weights = [(code, part.weight) for code, part in state.scenario.currencies.items()]
        currency = dice.weighted(f"{label}/currency", weights)
        order = Order(
            amount=self._amount(label, currency),
            currency=currency,
            description=dice.pick(f"{label}/goods", _GOODS),
        )
        waits = dice.happens(f"{label}/asynchronous", rates.asynchronous_capture)
        charge = self.pay(at, order, wait=dice.between(f"{label}/wait", 2, 240) if waits else 0)
        if dice.happens(f"{label}/refund", rates.refund):
            delay = dice.between(f"{label}/refund/delay", HOUR, 6 * DAY)
            self._note_refunds(at + delay, label, charge)
        elif dice.happens(f"{label}/dispute", rates.dispute):
            delay = dice.between(f"{label}/dispute/delay", DAY, 8 * DAY)
            wins = dice.happens(f"{label}/dispute/won", rates.dispute_won)
            self.note_dispute(at + delay, charge.id, wins=wins)

    def pay(self, at: int, order: Order, *, wait: int) -> Charge:
        """A payment whose balance transaction comes ``wait`` seconds later, or with it."""
        payments = self.state.stripe.payments
        if wait == 0:
            return payments.pay(at, order, self._settlement(at, order))
        charge = payments.pay(at, order)
        settlement = self._settlement(at + wait, order)
        self.state.agenda.note(
            at + wait, lambda now: done(payments.settle(now, charge.id, settlement))
        )
        return charge

    def _settlement(self, at: int, order: Order) -> Settlement:
        return settled_charge(
            self.state.dice,
            amount=order.amount,
            currency=order.currency,
            settles_in=self.state.settles_in(order.currency),
            at=at,
        )

    def _amount(self, label: str, currency: str) -> int:
        part, dice = self.state.scenario.currencies[currency], self.state.dice
        if part.price_points and dice.happens(f"{label}/priced", 0.6):
            return dice.pick(f"{label}/price", part.price_points)
        return dice.between(f"{label}/amount", *part.amounts)

    def _note_refunds(self, at: int, label: str, charge: Charge) -> None:
        state, dice = self.state, self.state.dice
        reason = dice.pick(f"{label}/refund/reason", _REASONS)
        first = charge.amount
        if dice.happens(f"{label}/refund/partial", state.scenario.rates.partial_refund):
            first = max(charge.amount * dice.between(f"{label}/refund/share", 10, 80) // 100, 1)
            if dice.happens(f"{label}/refund/twice", 0.3):
                second = max((charge.amount - first) // 2, 1)
                self.note_refund(at + DAY, charge.id, second, reason)
        self.note_refund(at, charge.id, first, reason)

    def note_refund(
        self, at: int, charge_id: str, amount: int, reason: str, then: Happening | None = None
    ) -> None:
        """Refund at a time, or a day later and again while the balance cannot bear it."""
        state = self.state

        def happen(now: int) -> None:
            charge = state.stripe.store.get(Charge, charge_id)
            settlement = self._movement(now, -amount, charge)
            if not self._may_leave(settlement):
                self._again(now, happen)
                return
            refund = state.stripe.payments.refund(now, charge_id, amount, settlement, reason=reason)
            later = now + state.dice.between(f"arn-delay/{refund.id}", DAY, 3 * DAY)
            if later < state.plan.end_at:
                state.agenda.note(
                    later,
                    lambda then_at: (
                        done(state.stripe.payments.reference_refund(then_at, refund.id))
                        if state.stripe.store.get(Refund, refund.id).status == "succeeded"
                        else None
                    ),
                )
            if then is not None:
                then(now)

        if at < state.plan.payments_end_at:
            state.agenda.note(at, happen)

    def note_dispute(self, at: int, charge_id: str, *, wins: bool) -> None:
        """Dispute at a time, answered after a day and decided some days later."""
        state = self.state

        def happen(now: int) -> None:
            charge = state.stripe.store.get(Charge, charge_id)
            settlement = self._movement(now, -charge.amount, charge)
            fee = dispute_fee(settlement.currency)
            if not self._may_leave(replace(settlement, fees=(fee,))):
                self._again(now, happen)
                return
            dispute = state.stripe.payments.dispute(now, charge_id, settlement, fee)
            payments = state.stripe.payments
            state.agenda.note(
                now + DAY, lambda then: done(payments.answer_dispute(then, dispute.id))
            )
            decided = now + DAY + state.dice.between(f"decided/{dispute.id}", DAY, 6 * DAY)
            if decided >= state.plan.end_at:
                return
            if wins:
                state.agenda.note(
                    decided,
                    lambda then: done(
                        payments.win_dispute(
                            then, dispute.id, self._movement(then, charge.amount, charge)
                        )
                    ),
                )
            else:
                state.agenda.note(
                    decided, lambda then: done(payments.lose_dispute(then, dispute.id))
                )

        if at < state.plan.payments_end_at:
            state.agenda.note(at, happen)

    def _movement(self, at: int, amount: int, charge: Charge) -> Settlement:
        return settled_movement(
            self.state.dice,
            amount=amount,
            currency=charge.currency,
            settles_in=self.state.settles_in(charge.currency),
            at=at,
        )

    def _may_leave(self, settlement: Settlement) -> bool:
        return self.state.can_bear(settlement.currency, -settlement.net)

    def _again(self, now: int, happening: Happening) -> None:
        if now + DAY < self.state.plan.payments_end_at:
            self.state.agenda.note(now + DAY, happening)

    def _transfer(self, at: int, label: str) -> None:
        state, dice = self.state, self.state.dice
        amount = dice.between(f"{label}/amount", 300, 2_500)
        if not state.can_bear("usd", amount):
            return
        transfer = state.stripe.platform.transfer(
            at,
            amount=amount,
            currency="usd",
            destination=dice.pick(f"{label}/to", CONNECTED),
        )
        if dice.happens(f"{label}/reversed", state.scenario.rates.reversal):
            back = max(amount * dice.between(f"{label}/share", 20, 100) // 100, 1)
            later = min(at + dice.between(f"{label}/after", HOUR, 2 * DAY), state.plan.end_at - 1)
            state.agenda.note(
                later,
                lambda now: done(state.stripe.platform.reverse_transfer(now, transfer.id, back)),
            )

    def _direct_charge(self, at: int, label: str) -> None:
        self.direct_charge(at, label)

    def direct_charge(self, at: int, label: str) -> str:
        """A connected account's own payment; gives the id of our application fee."""
        state, dice = self.state, self.state.dice
        amount = dice.between(f"{label}/amount", 1_000, 9_000)
        settlement = settled_charge(dice, amount=amount, currency="usd", settles_in="usd", at=at)
        fee = state.stripe.platform.direct_charge(
            at,
            account=dice.pick(f"{label}/at", CONNECTED),
            amount=amount,
            currency="usd",
            fee_amount=amount // 10,
            fee=settlement.fees[0],
        )
        return fee.id

    def _news(self, at: int, label: str) -> None:
        dice = self.state.dice
        event_type = dice.pick(f"{label}/type", _NEWS)
        noun = event_type.split(".")[0]
        subject: JsonObject = {
            "id": f"{noun[:4]}_{dice.token(f'{label}/id', 14)}",
            "object": noun,
            "created": at,
            "livemode": self.state.plan.livemode,
            "metadata": {},
        }
        self.state.stripe.platform.tell(at, event_type, subject)
