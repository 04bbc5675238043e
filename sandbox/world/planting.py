"""What a scenario plants beside ordinary business, and what must be found of it."""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from sandbox.bank.facts import Wording
from sandbox.stripe.facts import BalanceTransaction, Charge, Event, Payout, Refund
from sandbox.stripe.payments import Order
from sandbox.stripe.settlement import settled_movement
from sandbox.world.business import Business
from sandbox.world.calendar import DAY, HOUR, business_day_from, day_of, midnight
from sandbox.world.deliveries import Delivery
from sandbox.world.jsons import JsonObject, as_int, as_object
from sandbox.world.payout_life import PayoutLife
from sandbox.world.scenario import PlantedKind, PlantedPart
from sandbox.world.schedule import done
from sandbox.world.state import ScenarioUnmet, State

ON_PAYOUTS: Final = frozenset(
    {
        PlantedKind.PAYOUT_NEVER_ARRIVES,
        PlantedKind.PAYOUT_SHORT,
        PlantedKind.PAYOUT_FAILED,
        PlantedKind.DUPLICATE_BANK_CREDIT,
    }
)

_CONTRADICTION_MINOR: Final = 100


@dataclass(slots=True)
class Planting:
    """Special happenings at their days."""

    state: State
    business: Business
    payouts: PayoutLife

    def plan_all(self) -> None:
        """Note everything that the scenario plants, but for what hangs on payouts."""
        actions: dict[PlantedKind, Callable[[int, PlantedPart], None]] = {
            PlantedKind.DISPUTE_WON: self._dispute_won,
            PlantedKind.DISPUTE_LOST: self._dispute_lost,
            PlantedKind.STRIPE_BILL: self._bill,
            PlantedKind.TOPUP: self._topup,
            PlantedKind.RESERVE: self._reserve,
            PlantedKind.APPLICATION_FEE: self._application_fee,
            PlantedKind.INSTANT_PAYOUT: self._instant_payout,
            PlantedKind.REFUND_FAILED: self._refund_failed,
            PlantedKind.UNKNOWN_BANK_CREDIT: self._bank_credit,
            PlantedKind.UNKNOWN_BANK_DEBIT: self._bank_debit,
            PlantedKind.UNKNOWN_BALANCE_TRANSACTION: self._strange_movement,
            PlantedKind.TOPUP_NEVER_LEAVES: self._topup_never_leaves,
            PlantedKind.CHARGE_NEVER_SETTLES: self._charge_never_settles,
            PlantedKind.BANK_DRIFTS: self._bank_drifts,
            PlantedKind.BALANCE_BELOW_ZERO: self._below_zero,
            PlantedKind.EVENT_CONTRADICTED: self._event_contradicted,
            PlantedKind.CHARGE_CONTRADICTED: self._charge_contradicted,
            PlantedKind.OTHER_MODE: self._other_mode,
            PlantedKind.NEGATIVE_AMOUNT: self._negative_amount,
        }
        for place, part in enumerate(self.state.scenario.planted):
            if part.kind in ON_PAYOUTS:
                continue
            at = self.state.day_at(part.day, label=f"planted/{place}")
            if at >= self.state.plan.end_at:
                raise ScenarioUnmet(f"{part.kind} on day {part.day} is after the world's end")
            self._note(at, part, actions[part.kind])

    def _note(self, at: int, part: PlantedPart, action: Callable[[int, PlantedPart], None]) -> None:
        self.state.agenda.note(at, lambda now: action(now, part))

    def _own_charge(self, now: int, part: PlantedPart, text: str) -> Charge:
        """A charge of its own to plant something on, so that no other happening meets it."""
        amount = part.amount or 4_200
        order = Order(amount=amount, currency=part.currency, description=text)
        return self.business.pay(now, order, wait=0)

    def _dispute_won(self, now: int, part: PlantedPart) -> None:
        charge = self._own_charge(now, part, "Disputed order")
        self.business.note_dispute(now + 2 * DAY, charge.id, wins=True)

    def _dispute_lost(self, now: int, part: PlantedPart) -> None:
        charge = self._own_charge(now, part, "Disputed order")
        self.business.note_dispute(now + 2 * DAY, charge.id, wins=False)

    def _bill(self, now: int, part: PlantedPart) -> None:
        text = part.text or f"Billing - Usage Fee ({day_of(now).isoformat()})"
        if not self.state.can_bear(part.currency, part.amount):
            raise ScenarioUnmet(f"a bill of {part.amount} {part.currency} is more than there is")
        self.state.stripe.platform.bill(
            now, amount=part.amount, currency=part.currency, description=text
        )

    def _topup(self, now: int, part: PlantedPart) -> None:
        self.payouts.top_up(now, currency=part.currency, amount=part.amount, leaves=True)

    def _topup_never_leaves(self, now: int, part: PlantedPart) -> None:
        topup = self.payouts.top_up(now, currency=part.currency, amount=part.amount, leaves=False)
        self.state.found("topup_overdue", topup.id, part.amount, part.currency)

    def _reserve(self, now: int, part: PlantedPart) -> None:
        state = self.state
        if not state.can_bear(part.currency, part.amount):
            raise ScenarioUnmet(f"a reserve of {part.amount} {part.currency} is not there")
        hold = state.stripe.platform.hold_reserve(
            now, amount=part.amount, currency=part.currency, release_after=now + 6 * DAY
        )
        state.agenda.note(
            now + 6 * DAY,
            lambda at: done(state.stripe.platform.release_reserve(at, hold.id, part.amount // 2)),
        )

    def _application_fee(self, now: int, part: PlantedPart) -> None:
        fee_id = self.business.direct_charge(now, f"planted-fee/{part.day}")
        self.state.agenda.note(
            now + DAY,
            lambda at: done(self.state.stripe.platform.refund_application_fee(at, fee_id, 25)),
        )

    def _instant_payout(self, now: int, part: PlantedPart) -> None:
        state = self.state
        fee = max(part.amount // 100, 1)
        if not state.can_bear(part.currency, part.amount + fee):
            raise ScenarioUnmet(f"an instant payout of {part.amount} {part.currency}")
        name = state.scenario.bank_of(part.currency) or ""
        payout = state.stripe.payouts.pay_out(
            now,
            amount=part.amount,
            currency=part.currency,
            destination=state.scenario.banks[name].destination,
            arrival_date=midnight(business_day_from(day_of(now), count=1)),
            instant_fee=fee,
        )
        self.payouts.live(now, payout)

    def _refund_failed(self, now: int, part: PlantedPart) -> None:
        state = self.state
        charge = self._own_charge(now, part, "Order refunded to a closed card")

        def fail(at: int) -> None:
            refund = next(r for r in state.stripe.store.every(Refund) if r.charge == charge.id)
            settlement = settled_movement(
                state.dice,
                amount=refund.amount,
                currency=refund.currency,
                settles_in=state.settles_in(refund.currency),
                at=at,
            )
            state.stripe.payments.fail_refund(
                at, refund.id, settlement, reason="expired_or_canceled_card"
            )
            state.found("refund_failed", refund.id, refund.amount, refund.currency)

        self.business.note_refund(
            now + DAY,
            charge.id,
            charge.amount,
            "requested_by_customer",
            lambda at: state.agenda.note(at + 3 * DAY, fail),
        )

    def _bank_credit(self, now: int, part: PlantedPart) -> None:
        wording = Wording(
            description=part.text or "WIRE IN NORTHWIND TRADING INV 4471",
            payer="NORTHWIND TRADING",
            entry="PAYMENT",
            trace=self.state.dice.number_text(f"trace/credit/{part.day}", 15),
        )
        account = self.state.bank_account(part.currency)
        line = self.state.bank.post(now, account.id, part.amount, wording)
        self.state.found("unidentified_bank_credit", line.id, part.amount, part.currency)

    def _bank_debit(self, now: int, part: PlantedPart) -> None:
        wording = Wording(
            description=part.text or "ACH DEBIT HOSTING CO",
            payer="HOSTING CO",
            entry="INVOICE",
            trace=self.state.dice.number_text(f"trace/debit/{part.day}", 15),
        )
        account = self.state.bank_account(part.currency)
        line = self.state.bank.post(now, account.id, -part.amount, wording)
        self.state.found("unidentified_bank_debit", line.id, part.amount, part.currency)

    def _strange_movement(self, now: int, part: PlantedPart) -> None:
        txn: BalanceTransaction = self.state.stripe.platform.strange_movement(
            now,
            amount=part.amount,
            currency=part.currency,
            txn_type=part.text or "loyalty_rebate",
        )
        self.state.found("unknown_balance_transaction", txn.id, abs(part.amount), part.currency)

    def _charge_never_settles(self, now: int, part: PlantedPart) -> None:
        order = Order(
            amount=part.amount or 3_300, currency=part.currency, description="Order in limbo"
        )
        charge = self.state.stripe.payments.pay(now, order)
        self.state.found("clearing_overdue", charge.id, order.amount, order.currency)

    def _bank_drifts(self, now: int, part: PlantedPart) -> None:
        account = self.state.bank_account(part.currency)
        self.state.bank.move_unseen(now, account.id, -part.amount)
        self.state.found("balance_drift", account.name, part.amount, part.currency)

    def _below_zero(self, now: int, part: PlantedPart) -> None:
        """A bill that takes more than there is; to be planted when nothing comes in any more."""
        store = self.state.stripe.store
        amount = store.balance(part.currency) + part.amount
        self.state.stripe.platform.bill(
            now, amount=amount, currency=part.currency, description="Stripe - Account Fee"
        )
        self.state.found("negative_stripe_balance", store.account, part.amount, part.currency)

    def _succeeded(self, charge: Charge) -> Event:
        """The event which tells of a charge, marked clean so that it is sure to be sent."""
        for event in reversed(self.state.stripe.store.every(Event)):
            if event.type == "charge.succeeded" and event.data["id"] == charge.id:
                self.state.clean.add(event.id)
                return event
        raise ScenarioUnmet(f"nothing was told of {charge.id}")

    def _event_contradicted(self, now: int, part: PlantedPart) -> None:
        """The same event id is sent again with other money in it."""
        event = self._succeeded(self._own_charge(now, part, "Order told twice"))
        body = self.state.stripe.store.shown(event, now)
        body = copy.deepcopy(body)
        told = as_object(as_object(body["data"])["object"])
        _raise_amount(told)
        self._send_later(now, event, body)
        self.state.found("event_conflict", event.id, None, None)

    def _charge_contradicted(self, now: int, part: PlantedPart) -> None:
        """Another event says another amount of the same charge."""
        charge = self._own_charge(now, part, "Order told otherwise")
        self._succeeded(charge)
        told: JsonObject = copy.deepcopy(self.state.stripe.store.shown(charge, now))
        _raise_amount(told)

        def contradict(at: int) -> None:
            event = self.state.stripe.store.emit(at, "charge.updated", told)
            self.state.clean.add(event.id)

        self.state.agenda.note(now + 2 * DAY, contradict)
        self.state.found("reference_conflict", charge.id, _CONTRADICTION_MINOR, charge.currency)

    def _negative_amount(self, now: int, part: PlantedPart) -> None:
        """An event of a charge with a negative amount, which no API ever shows."""
        charge = self._own_charge(now, part, "Template")
        told: JsonObject = copy.deepcopy(self.state.stripe.store.shown(charge, now))
        told["id"] = f"ch_3{self.state.dice.token('negative', 23)}"
        told["amount"] = told["amount_captured"] = -charge.amount
        told["balance_transaction"] = None
        event = self.state.stripe.store.emit(now, "charge.succeeded", told)
        self.state.clean.add(event.id)
        self.state.found("invalid_amount", str(told["id"]), None, None)

    def _other_mode(self, now: int, part: PlantedPart) -> None:
        """An event of the other mode is sent to this mode's endpoint, once."""
        event = self._succeeded(self._own_charge(now, part, "Order of the other mode"))
        body = copy.deepcopy(self.state.stripe.store.shown(event, now))
        told = as_object(as_object(body["data"])["object"])
        body["id"] = f"evt_3{self.state.dice.token('other-mode', 23)}"
        told["id"] = f"ch_3{self.state.dice.token('other-mode', 23)}"
        body["livemode"] = told["livemode"] = not self.state.plan.livemode
        self.state.replies.append(
            Delivery(
                id=f"{body['id']}#1",
                event_id=event.id,
                due=now + HOUR,
                body=body,
                after=event.id,
                attempts_max=1,
            )
        )

    def _send_later(self, now: int, event: Event, body: JsonObject) -> None:
        self.state.replies.append(
            Delivery(
                id=f"{event.id}#contradicted",
                event_id=event.id,
                due=now + DAY,
                body=body,
                after=event.id,
            )
        )


def _raise_amount(told: JsonObject) -> None:
    told["amount"] = as_int(told["amount"]) + _CONTRADICTION_MINOR
    told["amount_captured"] = as_int(told["amount_captured"]) + _CONTRADICTION_MINOR


def unmet_payouts(state: State, planted: dict[tuple[str, int], PlantedPart]) -> list[str]:
    """What was planted on payouts that were never made."""
    made = state.payouts_made
    payouts = {p.currency for p in state.stripe.store.every(Payout)}
    return [
        f"{part.kind} on payout {ordinal} in {currency}"
        for (currency, ordinal), part in sorted(planted.items())
        if currency not in payouts or made.get(currency, 0) < ordinal
    ]
