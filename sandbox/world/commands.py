"""What can be done to a world from outside, each a small JSON object.

A command is applied between two moments of the scenario. Given again at the same second of the
same world it does the same, so that a restarted world has the same ids.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final

from sandbox.bank.facts import Rail, Wording
from sandbox.stripe.facts import BalanceTransaction, BalanceType, Charge, Dispute, Refund
from sandbox.stripe.payments import Order
from sandbox.stripe.settlement import Settlement, dispute_fee, settled_charge, settled_movement
from sandbox.world.calendar import business_day_from, day_of, midnight
from sandbox.world.jsons import JsonObject, as_int, as_object, as_text
from sandbox.world.scenario import CONNECTED
from sandbox.world.state import Sending, State

TIMES_MAX: Final = 100


class CommandRefused(Exception):
    """A command that this world does not know, or cannot follow."""


@dataclass(frozen=True, slots=True)
class Given:
    """A command's fields, read with their types."""

    fields: Mapping[str, object]

    def text(self, name: str, default: str | None = None) -> str:
        """A text field; without a default it must be there."""
        value = self.fields.get(name, default)
        return as_text(value)

    def number(self, name: str, default: int | None = None) -> int:
        """A whole number; without a default it must be there."""
        return as_int(self.fields.get(name, default))


def applied(state: State, command: JsonObject) -> JsonObject:
    """Do what a command says and give back the ids of what came of it.

    With ``"webhook": {"type": …, "times": 2, "late_seconds": 60}`` its events of that type are
    sent so often and so late, and all that it has told of is given back as ``events``.

    Raises:
        CommandRefused: Unknown, incomplete, or about something that does not exist.
    """
    action = _ACTIONS.get(str(command.get("do")))
    if action is None:
        raise CommandRefused(f"unknown command {command.get('do')!r}; there are {sorted(_ACTIONS)}")
    try:
        wish = command.get("webhook")
        if wish is None:
            return action(state, state.agenda.now, Given(command))
        before = len(state.stripe.store.events_from(0))
        sending, event_type = _sending(Given(as_object(wish)))
        made = action(state, state.agenda.now, Given(command))
        fresh = state.stripe.store.events_from(before)
        state.sendings |= {event.id: sending for event in fresh if event.type == event_type}
        return made | {"events": [{"id": event.id, "type": event.type} for event in fresh]}
    except (KeyError, ValueError) as error:
        raise CommandRefused(f"{command.get('do')}: {error}") from error


def _sending(wish: Given) -> tuple[Sending, str]:
    times, late = wish.number("times", 1), wish.number("late_seconds", 0)
    if not 1 <= times <= TIMES_MAX or late < 0:
        raise CommandRefused(f"a webhook is sent 1 to {TIMES_MAX} times, and never early")
    return Sending(times, late), wish.text("type")


def _charge(state: State, now: int, given: Given) -> JsonObject:
    order = Order(
        amount=given.number("amount"),
        currency=given.text("currency", "usd"),
        description=given.text("description", "Order"),
    )
    is_settled = bool(given.fields.get("settled", True))
    settlement = _charge_settlement(state, now, order.amount, order.currency)
    charge = state.stripe.payments.pay(now, order, settlement if is_settled else None)
    return {"charge": charge.id, "balance_transaction": charge.balance_transaction}


def _charge_settlement(state: State, now: int, amount: int, currency: str) -> Settlement:
    return settled_charge(
        state.dice,
        amount=amount,
        currency=currency,
        settles_in=state.settles_in(currency),
        at=now,
    )


def _movement(state: State, now: int, amount: int, currency: str) -> Settlement:
    return settled_movement(
        state.dice,
        amount=amount,
        currency=currency,
        settles_in=state.settles_in(currency),
        at=now,
    )


def _settle(state: State, now: int, given: Given) -> JsonObject:
    charge = state.stripe.store.get(Charge, given.text("charge"))
    settlement = _charge_settlement(state, now, charge.amount, charge.currency)
    txn = state.stripe.payments.settle(now, charge.id, settlement)
    return {"balance_transaction": txn.id}


def _refund(state: State, now: int, given: Given) -> JsonObject:
    charge = state.stripe.store.get(Charge, given.text("charge"))
    amount = given.number("amount", charge.amount - charge.amount_refunded)
    settlement = _movement(state, now, -amount, charge.currency)
    refund = state.stripe.payments.refund(
        now, charge.id, amount, settlement, reason="requested_by_customer"
    )
    return {"refund": refund.id, "balance_transaction": refund.balance_transaction}


def _fail_refund(state: State, now: int, given: Given) -> JsonObject:
    refund = state.stripe.store.get(Refund, given.text("refund"))
    settlement = _movement(state, now, refund.amount, refund.currency)
    refund = state.stripe.payments.fail_refund(
        now, refund.id, settlement, reason=given.text("reason", "unknown")
    )
    return {"balance_transaction": refund.failure_balance_transaction}


def _dispute(state: State, now: int, given: Given) -> JsonObject:
    charge = state.stripe.store.get(Charge, given.text("charge"))
    settlement = _movement(state, now, -charge.amount, charge.currency)
    fee = dispute_fee(settlement.currency)
    return {"dispute": state.stripe.payments.dispute(now, charge.id, settlement, fee).id}


def _win_dispute(state: State, now: int, given: Given) -> JsonObject:
    dispute = state.stripe.store.get(Dispute, given.text("dispute"))
    settlement = _movement(state, now, dispute.amount, dispute.currency)
    return {"dispute": state.stripe.payments.win_dispute(now, dispute.id, settlement).id}


def _lose_dispute(state: State, now: int, given: Given) -> JsonObject:
    return {"dispute": state.stripe.payments.lose_dispute(now, given.text("dispute")).id}


def _answer_dispute(state: State, now: int, given: Given) -> JsonObject:
    return {"dispute": state.stripe.payments.answer_dispute(now, given.text("dispute")).id}


def _reference_refund(state: State, now: int, given: Given) -> JsonObject:
    return {"refund": state.stripe.payments.reference_refund(now, given.text("refund")).id}


def _refund_application_fee(state: State, now: int, given: Given) -> JsonObject:
    refund = state.stripe.platform.refund_application_fee(
        now, given.text("application_fee"), given.number("amount")
    )
    return {"fee_refund": refund.id, "balance_transaction": refund.balance_transaction}


def _tell_balance(state: State, now: int, given: Given) -> JsonObject:
    state.stripe.platform.tell_balance(now)
    due = state.stripe.payouts.due(now, given.text("currency", "usd"))
    return {"available": sum(txn.net for txn in due)}


def _pay_out(state: State, now: int, given: Given) -> JsonObject:
    currency = given.text("currency", "usd")
    name = state.scenario.bank_of(currency) or ""
    destination = state.scenario.banks[name].destination
    arrival = midnight(business_day_from(day_of(now), count=given.number("business_days", 2)))
    if "amount" not in given.fields:
        automatic = state.stripe.payouts.pay_out_all(
            now, currency, destination=destination, arrival_date=arrival
        )
        return {"payout": None if automatic is None else automatic.id}
    payout = state.stripe.payouts.pay_out(
        now,
        amount=given.number("amount"),
        currency=currency,
        destination=destination,
        arrival_date=arrival,
        instant_fee=given.number("instant_fee", 0),
    )
    return {"payout": payout.id}


def _move_payout(state: State, now: int, given: Given) -> JsonObject:
    payouts, payout = state.stripe.payouts, given.text("payout")
    match given.text("to"):
        case "in_transit":
            payouts.submit(now, payout)
        case "paid":
            payouts.arrive(now, payout)
        case "failed":
            payouts.fail(now, payout, code=given.text("code", "account_closed"))
        case "reconciled":
            payouts.complete_reconciliation(now, payout)
        case "traced":
            payouts.trace(now, payout, given.text("trace"))
        case other:
            raise CommandRefused(f"a payout cannot become {other}")
    return {"payout": payout}


def _top_up(state: State, now: int, given: Given) -> JsonObject:
    topup = state.stripe.payouts.top_up(
        now,
        amount=given.number("amount"),
        currency=given.text("currency", "usd"),
        expected_on=midnight(business_day_from(day_of(now), count=3)),
    )
    return {"topup": topup.id}


def _complete_top_up(state: State, now: int, given: Given) -> JsonObject:
    topup = state.stripe.payouts.complete_top_up(now, given.text("topup"))
    return {"topup": topup.id, "balance_transaction": topup.balance_transaction}


def _transfer(state: State, now: int, given: Given) -> JsonObject:
    transfer = state.stripe.platform.transfer(
        now,
        amount=given.number("amount"),
        currency=given.text("currency", "usd"),
        destination=given.text("destination", CONNECTED[0]),
    )
    return {"transfer": transfer.id, "balance_transaction": transfer.balance_transaction}


def _reverse_transfer(state: State, now: int, given: Given) -> JsonObject:
    reversal = state.stripe.platform.reverse_transfer(
        now, given.text("transfer"), given.number("amount")
    )
    return {"reversal": reversal.id, "balance_transaction": reversal.balance_transaction}


def _direct_charge(state: State, now: int, given: Given) -> JsonObject:
    amount = given.number("amount")
    settlement = settled_charge(state.dice, amount=amount, currency="usd", settles_in="usd", at=now)
    fee = state.stripe.platform.direct_charge(
        now,
        account=given.text("account", CONNECTED[0]),
        amount=amount,
        currency="usd",
        fee_amount=given.number("fee", amount // 10),
        fee=settlement.fees[0],
    )
    return {"application_fee": fee.id, "charge": fee.charge}


def _bill(state: State, now: int, given: Given) -> JsonObject:
    txn = state.stripe.platform.bill(
        now,
        amount=given.number("amount"),
        currency=given.text("currency", "usd"),
        description=given.text("description", "Billing - Usage Fee"),
    )
    return {"balance_transaction": txn.id}


def _hold(state: State, now: int, given: Given) -> JsonObject:
    hold = state.stripe.platform.hold_reserve(
        now,
        amount=given.number("amount"),
        currency=given.text("currency", "usd"),
        release_after=now,
    )
    return {"hold": hold.id}


def _release(state: State, now: int, given: Given) -> JsonObject:
    release = state.stripe.platform.release_reserve(now, given.text("hold"), given.number("amount"))
    return {"release": release.id}


def _strange(state: State, now: int, given: Given) -> JsonObject:
    txn: BalanceTransaction = state.stripe.platform.strange_movement(
        now,
        amount=given.number("amount"),
        currency=given.text("currency", "usd"),
        txn_type=given.text("type", "loyalty_rebate"),
        balance_type=BalanceType(given.text("balance_type", BalanceType.PAYMENTS.value)),
    )
    return {"balance_transaction": txn.id}


def _tell(state: State, now: int, given: Given) -> JsonObject:
    subject = as_object(given.fields["object"])
    event = state.stripe.store.emit(now, given.text("type"), subject)
    return {"event": event.id}


def _bank_line(state: State, now: int, given: Given) -> JsonObject:
    account = state.bank.named(given.text("account"))
    rail = Rail(given.text("rail", Rail.ACH.value))
    wording = Wording(
        description=given.text("description", ""),
        payer=given.text("payer", ""),
        entry=given.text("entry", ""),
        remittance=given.text("reference") if "reference" in given.fields else None,
        trace=given.text("trace", ""),
        rail=rail,
    )
    booked_on = given.text("booked_on", day_of(now).isoformat())
    line = state.bank.post(
        now,
        account.id,
        given.number("amount"),
        wording,
        booked_on=date.fromisoformat(booked_on),
        visible_from=now + given.number("late_seconds", 0),
        pending_id=given.text("pending") if "pending" in given.fields else None,
    )
    return {"line": line.id}


def _bank_announce(state: State, now: int, given: Given) -> JsonObject:
    account = state.bank.named(given.text("account"))
    text = given.text("description", "")
    return {"pending": state.bank.announce(now, account.id, given.number("amount"), text).id}


def _bank_pending(state: State, now: int, given: Given) -> JsonObject:
    pending = given.text("pending")
    if given.text("to") == "complete":
        state.bank.complete(now, pending)
    else:
        state.bank.withdraw(pending)
    return {"pending": pending}


def _bank_amend(state: State, now: int, given: Given) -> JsonObject:
    return {"line": state.bank.amend(now, given.text("line"), given.number("amount")).id}


def _bank_remove(state: State, now: int, given: Given) -> JsonObject:
    return {"line": state.bank.remove(now, given.text("line")).id}


def _bank_tell_again(state: State, _now: int, given: Given) -> JsonObject:
    return {"line": state.bank.tell_again(given.text("line"), given.number("times", 2)).id}


def _bank_drift(state: State, now: int, given: Given) -> JsonObject:
    account = state.bank.named(given.text("account"))
    state.bank.move_unseen(now, account.id, given.number("amount"))
    return {"account": account.id}


def _bank_lag(state: State, _now: int, given: Given) -> JsonObject:
    state.bank.balance_lag_seconds = given.number("seconds")
    return {"seconds": state.bank.balance_lag_seconds}


def _bank_reset_cursors(state: State, _now: int, _given: Given) -> JsonObject:
    state.bank.cursor_generation += 1
    return {"generation": state.bank.cursor_generation}


_ACTIONS: Final[Mapping[str, Callable[[State, int, Given], JsonObject]]] = {
    "charge": _charge,
    "settle": _settle,
    "refund": _refund,
    "fail_refund": _fail_refund,
    "dispute": _dispute,
    "answer_dispute": _answer_dispute,
    "reference_refund": _reference_refund,
    "refund_application_fee": _refund_application_fee,
    "tell_balance": _tell_balance,
    "win_dispute": _win_dispute,
    "lose_dispute": _lose_dispute,
    "pay_out": _pay_out,
    "move_payout": _move_payout,
    "top_up": _top_up,
    "complete_top_up": _complete_top_up,
    "transfer": _transfer,
    "reverse_transfer": _reverse_transfer,
    "direct_charge": _direct_charge,
    "bill": _bill,
    "hold_reserve": _hold,
    "release_reserve": _release,
    "strange_movement": _strange,
    "tell": _tell,
    "bank_line": _bank_line,
    "bank_announce": _bank_announce,
    "bank_pending": _bank_pending,
    "bank_amend": _bank_amend,
    "bank_remove": _bank_remove,
    "bank_tell_again": _bank_tell_again,
    "bank_drift": _bank_drift,
    "bank_lag": _bank_lag,
    "bank_reset_cursors": _bank_reset_cursors,
}
