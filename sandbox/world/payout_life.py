"""A payout's way: made, submitted, told paid, seen at the bank, traced; and top-ups back."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from sandbox.bank.facts import Line, Rail, Wording
from sandbox.stripe.facts import Payout, Topup
from sandbox.world.calendar import (
    DAY,
    HOUR,
    business_day_from,
    day_of,
    is_business_day,
    midnight,
)
from sandbox.world.scenario import PayoutRhythm, PlantedKind, PlantedPart
from sandbox.world.schedule import done
from sandbox.world.state import ScenarioUnmet, Share, State

_MONDAY: Final = 0
_RAIL_DAYS_MAX: Final = 1
_POSTED_HOUR: Final = 13
_ARRIVAL_BUSINESS_DAYS: Final = 2


@dataclass(slots=True)
class PayoutLife:
    """Money between Stripe and the bank, and what was planted on it."""

    state: State
    planted: Mapping[tuple[str, int], PlantedPart]

    def plan_all(self) -> None:
        """Note every automatic payout of the world."""
        state, plan = self.state, self.state.plan
        last = plan.end - timedelta(days=1)
        if (days := state.scenario.world.payout_days) is not None:
            last = day_of(plan.start_at) + timedelta(days=days - 1)
        for part in state.scenario.banks.values():
            day = day_of(plan.start_at)
            while day <= last:
                if _is_payout_day(day, part.rhythm):
                    self._note_payout(midnight(day) + HOUR, part.currency, part.destination)
                day += timedelta(days=1)

    def _note_payout(self, at: int, currency: str, destination: str) -> None:
        state = self.state

        def happen(now: int) -> None:
            state.stripe.platform.tell_balance(now)
            arrival = business_day_from(day_of(now), count=_ARRIVAL_BUSINESS_DAYS)
            if self._posted_at(arrival, lag=_RAIL_DAYS_MAX) >= state.plan.end_at:
                # It could not reach the bank before the world ends, and nothing honest is late.
                return
            payout = state.stripe.payouts.pay_out_all(
                now, currency, destination=destination, arrival_date=midnight(arrival)
            )
            if payout is not None:
                self.live(now, payout)

        state.agenda.note(at, happen)

    def live(self, now: int, payout: Payout) -> None:
        """Note all that becomes of a payout that has just been made."""
        state, payouts = self.state, self.state.stripe.payouts
        ordinal = state.payouts_made.get(payout.currency, 0) + 1
        state.payouts_made[payout.currency] = ordinal
        planted = self.planted.get((payout.currency, ordinal))
        style = self._style(payout, planted)
        trace = self._trace(payout)
        state.agenda.note(now + 5 * HOUR, lambda at: done(payouts.submit(at, payout.id)))
        if payout.is_automatic:
            state.agenda.note(
                now + 9 * HOUR, lambda at: done(payouts.complete_reconciliation(at, payout.id))
            )
        state.agenda.note(
            payout.arrival_date + 8 * HOUR, lambda at: done(payouts.arrive(at, payout.id))
        )
        arrives = self._plant(planted, payout)
        if arrives:
            self._note_line(payout, style, trace, planted)
        traced = payout.arrival_date + 8 * HOUR
        traced += state.dice.between(f"traced/{payout.id}", 2 * HOUR, 3 * DAY)
        known = trace if arrives and style != "none" else None
        state.agenda.note(
            min(traced, state.plan.end_at - HOUR),
            lambda at: done(payouts.trace(at, payout.id, known)),
        )

    def _style(self, payout: Payout, planted: PlantedPart | None) -> str:
        if planted is not None:
            return "id"
        part = self.state.scenario.references
        weights = [
            ("none", round(part.none * 100)),
            ("trace", round(part.trace_only * 100)),
            ("id", 100 - round(part.none * 100) - round(part.trace_only * 100)),
        ]
        return self.state.dice.weighted(f"style/{payout.id}", weights)

    def _trace(self, payout: Payout) -> str:
        return self.state.dice.number_text(f"trace/{payout.id}", 15)

    def _plant(self, planted: PlantedPart | None, payout: Payout) -> bool:
        """Note what must be found of a payout; whether its money reaches the bank at all."""
        state, currency = self.state, payout.currency
        if planted is None:
            return True
        match planted.kind:
            case PlantedKind.PAYOUT_NEVER_ARRIVES:
                state.found("payout_overdue", payout.id, payout.amount, currency)
                return False
            case PlantedKind.PAYOUT_FAILED:
                code = planted.text or "account_closed"
                returned = business_day_from(day_of(payout.arrival_date), count=2)
                state.agenda.note(
                    midnight(returned) + 11 * HOUR,
                    lambda at: done(state.stripe.payouts.fail(at, payout.id, code=code)),
                )
                state.found("payout_failed", payout.id, payout.amount, currency)
                return False
            case PlantedKind.PAYOUT_SHORT:
                if not 0 < planted.amount < payout.amount:
                    raise ScenarioUnmet(f"a payout of {payout.amount} short by {planted.amount}")
                state.found("payout_amount_mismatch", payout.id, planted.amount, currency)
                return True
            case _:
                return True

    def _note_line(
        self, payout: Payout, style: str, trace: str, planted: PlantedPart | None
    ) -> None:
        state = self.state
        account = state.bank_account(payout.currency)
        wording = _wording(
            payout,
            style=style,
            # A trace number is always there; without support for it, it is not Stripe's.
            trace=trace if style != "none" else trace[::-1],
        )
        is_short = planted is not None and planted.kind is PlantedKind.PAYOUT_SHORT
        is_doubled = planted is not None and planted.kind is PlantedKind.DUPLICATE_BANK_CREDIT
        amount = payout.amount - (planted.amount if planted and is_short else 0)
        lag = state.dice.between(f"rail/{payout.id}", 0, _RAIL_DAYS_MAX)
        at = self._posted_at(day_of(payout.arrival_date), lag=lag)

        def announce(now: int) -> None:
            pending = state.bank.announce(now, account.id, amount, wording.description)
            state.agenda.note(at, lambda then: done(state.bank.complete(then, pending.id)))

        def post(now: int) -> None:
            line = state.bank.post(now, account.id, amount, wording)
            state.shares[line.id] = Share(payout.id, amount)
            if is_doubled:
                state.agenda.note(now + DAY, double)

        def double(now: int) -> None:
            line: Line = state.bank.post(now, account.id, amount, wording)
            state.found("duplicate_bank_credit", line.id, amount, payout.currency)

        state.agenda.note(at - 7 * HOUR, announce)
        state.agenda.note(at, post)

    def _posted_at(self, arrival: date, *, lag: int) -> int:
        return midnight(business_day_from(arrival, count=lag)) + _POSTED_HOUR * HOUR

    def top_up(self, now: int, *, currency: str, amount: int, leaves: bool) -> Topup:
        """Call money from the bank; where it never leaves, Stripe alone says that it came."""
        state = self.state
        account = state.bank_account(currency)
        comes = business_day_from(day_of(now), count=3)
        topup = state.stripe.payouts.top_up(
            now, amount=amount, currency=currency, expected_on=midnight(comes)
        )
        state.agenda.note(
            midnight(comes) + 9 * HOUR,
            lambda at: done(state.stripe.payouts.complete_top_up(at, topup.id)),
        )

        def post(at: int) -> None:
            wording = Wording(
                description=f"STRIPE TOPUP {topup.id}",
                payer="STRIPE",
                entry="TOPUP",
                remittance=topup.id,
                trace=state.dice.number_text(f"trace/{topup.id}", 15),
            )
            line = state.bank.post(at, account.id, -amount, wording)
            state.shares[line.id] = Share(topup.id, -amount)

        if leaves:
            state.agenda.note(self._posted_at(day_of(now), lag=1), post)
        return topup


def _wording(payout: Payout, *, style: str, trace: str) -> Wording:
    rail = Rail.ACH if payout.currency == "usd" else Rail.WIRE
    if style == "id":
        return Wording(
            description=f"STRIPE PAYOUT {payout.id}",
            payer="STRIPE",
            entry="TRANSFER",
            remittance=payout.id,
            trace=trace,
            rail=rail,
        )
    known = trace if style == "trace" or rail is Rail.ACH else ""
    return Wording(
        description="STRIPE TRANSFER", payer="STRIPE", entry="TRANSFER", trace=known, rail=rail
    )


def _is_payout_day(day: date, rhythm: PayoutRhythm) -> bool:
    match rhythm:
        case PayoutRhythm.NEVER:
            return False
        case PayoutRhythm.DAILY:
            return is_business_day(day)
        case PayoutRhythm.WEEKLY:
            return day.weekday() == _MONDAY
