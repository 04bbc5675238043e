"""Worlds in two currencies: every clearing key ends at zero, in whatever order they are told."""

import json
import random
from collections import Counter
from datetime import UTC, datetime
from typing import Final

from hypothesis import given, settings
from hypothesis import strategies as st

from services.ledger.activation.in_force import InForce
from services.ledger.posting_rules import Input, decide
from services.reconciler.facts.kinds import Booking, Fact
from services.reconciler.facts.known import fold
from services.reconciler.findings.found import difference
from services.reconciler.reconcile import reconcile
from services.reconciler.scope import hooks, match_hooks, meeting
from shared.contracts.books import BookMap
from shared.contracts.envelope import Envelope
from shared.contracts.journal import DEFAULT_BOOK
from shared.contracts.messages import MatchMade
from tallystick.preview.books import Books
from tallystick.preview.options import Options
from tallystick.preview.reconciling import Taken, told_by
from tallystick.preview.run import preview
from tests.support.exchange_worlds import CONNECT, EXCHANGE, exchange_worlds
from tests.support.reconciler_facts import facts_of
from tests.support.stripe_worlds import SETTLING, At, Json, Stripe

NOW: Final = datetime(2026, 12, 30, tzinfo=UTC)
# What the exchange of two currencies has to do with.
ACCOUNTS: Final = (SETTLING, CONNECT, EXCHANGE)


def shuffled(told: list[tuple[str, Json]], seed: int) -> list[tuple[str, Json]]:
    dice = random.Random(seed)
    again = [*told, *(each for each in told if dice.random() < 0.3)]
    dice.shuffle(again)
    return again


def left_of(world: Stripe) -> dict[At, int]:
    return {at: minor for at, minor in world.left.items() if minor}


@given(exchange_worlds(), st.integers())
@settings(max_examples=150, deadline=None)
def test_books_are_the_bookkeepers_in_any_order(world: Stripe, seed: int) -> None:
    lines = [json.dumps({"topic": t, "value": v}).encode() for t, v in shuffled(world.told, seed)]
    report = preview([("world", lines)], Options(as_of=NOW))
    assert not report.refused
    kinds = {each.kind for each in report.discrepancies}
    assert kinds <= {"refund_failed", "negative_stripe_balance"}
    balances = {(str(b.account), b.key, b.currency.code): b.minor for b in report.balances}
    assert {at: minor for at, minor in balances.items() if at[0] in ACCOUNTS} == left_of(world)


def facts_told(told: list[tuple[str, Json]]) -> list[Fact]:
    """What the records tell the reconciler, and what the ledger booked of them."""
    books, messages = Books(), list[Input]()
    for topic, value in told:
        envelope = Envelope("m", "s", "t", NOW, json.dumps(value).encode())
        messages.append(Input(topic, envelope, NOW))
        books.take(decide(messages[-1], InForce()), NOW)
    return list(told_by(Taken(messages, books.entries(), ()), BookMap()).facts[str(DEFAULT_BOOK)])


class Asleep:
    """All facts and matches sleep; a new fact wakes what its hooks bring together, no more."""

    def __init__(self) -> None:
        self.facts: dict[str, Fact] = {}
        self.standing: dict[str, MatchMade] = {}
        self.revisions: dict[str, int] = {}

    def tell(self, fact: Fact) -> None:
        """One fact more: what it wakes is judged, and what no longer follows is undone."""
        self.facts = fold([fact], self.facts)
        awake, matches = self._woken(fact.key)
        known = [self.facts[key] for key in awake]
        stood = [self.standing[key] for key in matches]
        wanted = reconcile(facts_of(known, standing=stood), at=NOW).matches
        for record in difference(stood, wanted, revisions=self.revisions):
            self.revisions[record.id] = record.revision
            if isinstance(record, MatchMade):
                assert record.id not in self.standing
                self.standing[record.id] = record
            else:
                del self.standing[record.id]

    def _woken(self, key: str) -> tuple[set[str], set[str]]:
        known = {key: hooks(fact) for key, fact in self.facts.items()}
        known |= {key: match_hooks(made) for key, made in self.standing.items()}
        seen, fresh = set[str](), {key}
        while fresh:
            seen |= fresh
            met = {meeting(hook) for each in fresh for hook in known[each]}
            fresh = {each for each, own in known.items() if own & met} - seen
        return seen & self.facts.keys(), seen & self.standing.keys()

    def left(self) -> dict[At, int]:
        """What the entries and the matches that stand leave."""
        sums: Counter[At] = Counter()
        for fact in self.facts.values():
            for leg in fact.legs if isinstance(fact, Booking) else ():
                sums[leg.account, leg.key, leg.currency] += leg.minor
        for made in self.standing.values():
            for cleared in made.clears:
                minor, code = int(cleared.amount.minor), cleared.amount.currency
                sums[cleared.account, cleared.key, code] += minor
                sums[EXCHANGE, "", code] -= minor
        return {at: minor for at, minor in sums.items() if minor and at[0] in ACCOUNTS}


@given(exchange_worlds(), st.integers())
@settings(max_examples=150, deadline=None)
def test_what_is_told_late_wakes_what_it_changes(world: Stripe, seed: int) -> None:
    books, facts = Asleep(), facts_told(world.told)
    random.Random(seed).shuffle(facts)
    for fact in facts:
        books.tell(fact)
    assert books.left() == left_of(world)
