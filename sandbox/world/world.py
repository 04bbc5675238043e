"""The small world: one scheduler, a simulated Stripe and a simulated bank, one truth.

It is a function of its plan and of the commands that were given to it, each at its second. So a
world that was killed is started again and let run to where it was, and every id is the same.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from sandbox.stripe.facts import Charge, Dispute, Event, Payout, Refund
from sandbox.world.business import Business
from sandbox.world.calendar import text_of
from sandbox.world.deliveries import Delivery, deliveries_of, ordered_deliveries
from sandbox.world.jsons import JsonObject
from sandbox.world.payout_life import PayoutLife
from sandbox.world.planting import ON_PAYOUTS, Planting, unmet_payouts
from sandbox.world.schedule import Happening
from sandbox.world.state import Plan, ScenarioUnmet, State
from sandbox.world.subscriptions import Subscriptions
from sandbox.world.truth import Truth


@dataclass(slots=True)
class World:
    """A world and its passing of time."""

    state: State
    planting: Planting
    _events_seen: int = 0
    _deliveries_seen: int = 0

    @classmethod
    def begun(cls, plan: Plan) -> "World":
        """A world at its first second, with all that is to come noted.

        Raises:
            ScenarioUnmet: The scenario plants two things on one payout, or after its end.
        """
        state = State.begun(plan)
        on_payouts = [part for part in plan.scenario.planted if part.kind in ON_PAYOUTS]
        planted = {(part.currency, part.ordinal): part for part in on_payouts}
        if len(planted) < len(on_payouts):
            raise ScenarioUnmet("two things are planted on one payout")
        business = Business(state)
        payouts = PayoutLife(state, planted)
        planting = Planting(state, business, payouts)
        Subscriptions(state).plan_all()
        business.plan_all()
        payouts.plan_all()
        planting.plan_all()
        return cls(state, planting)

    @property
    def now(self) -> int:
        """The world's second."""
        return self.state.agenda.now

    @property
    def is_over(self) -> bool:
        """Whether the end has been reached and all that was due by then has happened."""
        return self.now >= self.state.plan.end_at

    def run_until(self, at: int) -> None:
        """Let everything happen that is due by a second."""
        while self.step(at):
            pass

    def step(self, limit: int) -> bool:
        """Let one thing happen that is due by a second; without one, that second is reached."""
        happened = self.state.agenda.step(min(limit, self.state.plan.end_at))
        self._send_new()
        return happened

    def note(self, at: int, happening: Happening) -> None:
        """Let something else happen, from outside of the scenario."""
        self.state.agenda.note(at, happening)

    def deliveries(self) -> list[Delivery]:
        """The sendings that have fallen due since the last call, in their order."""
        fresh = self.state.outbox[self._deliveries_seen :]
        self._deliveries_seen = len(self.state.outbox)
        return fresh

    def check(self) -> None:
        """Compare what came out with what the scenario says.

        Raises:
            ScenarioUnmet: Something planted did not come about, or more than the scenario says.
        """
        unmet = unmet_payouts(self.state, dict(self.planting.payouts.planted))
        if unmet:
            raise ScenarioUnmet("; ".join(unmet))
        came = Counter(finding.kind for finding in self.state.findings)
        expected = Counter(self.state.scenario.expect.discrepancies)
        if came != expected:
            raise ScenarioUnmet(f"discrepancies {dict(came)}, expected {dict(expected)}")
        self._check_books()

    def _check_books(self) -> None:
        plan, pinned = self.state.plan, self.state.scenario.expect.books
        if pinned is None or (pinned.seed, pinned.payments, pinned.end) != (
            plan.seed,
            plan.payments,
            plan.end.isoformat(),
        ):
            return
        came = Truth.of(self.state).books.balances()
        expected = {(b.account, b.currency): b.minor for b in pinned.balances}
        if came != expected:
            raise ScenarioUnmet(f"books {came}, expected {expected}")

    def progress(self) -> JsonObject:
        """How far the world is, in numbers."""
        state, store = self.state, self.state.stripe.store
        plan = state.plan
        return {
            "scenario": state.scenario.world.name,
            "seed": plan.seed,
            "simulated_at": text_of(self.now),
            "day": (self.now - plan.start_at) // 86_400,
            "days": state.scenario.world.days,
            "payments": len(store.every(Charge)),
            "refunds": len(store.every(Refund)),
            "disputes": len(store.every(Dispute)),
            "payouts": len(store.every(Payout)),
            "events": len(store.events_from(0)),
            "events_lost": len(state.lost),
            "deliveries_due": len(state.outbox),
            "bank_lines": len(state.bank.every_line()),
            "over": self.is_over,
        }

    def _send_new(self) -> None:
        state = self.state
        for event in state.stripe.store.events_from(self._events_seen):
            self._events_seen += 1
            self._plan(event)
        for delivery in state.replies:
            state.agenda.note(delivery.due, _posting(state.outbox, delivery))
        state.replies.clear()

    def _plan(self, event: Event) -> None:
        state = self.state
        ordered = state.sendings.get(event.id)
        if ordered is not None:
            planned = ordered_deliveries(
                event,
                state.dice,
                times=ordered.times,
                late_seconds=ordered.late_seconds,
                end=state.plan.end_at,
            )
        else:
            planned = deliveries_of(
                event,
                state.scenario.delivery,
                state.dice,
                end=state.plan.end_at,
                is_clean=event.id in state.clean,
            )
        if not planned:
            state.lost.add(event.id)
        for delivery in planned:
            state.agenda.note(delivery.due, _posting(state.outbox, delivery))


def _posting(outbox: list[Delivery], delivery: Delivery) -> Callable[[int], None]:
    return lambda _at: outbox.append(delivery)
