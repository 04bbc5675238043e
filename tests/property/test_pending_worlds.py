"""Pending lines that change, told in any order: what is open alone says what all facts say.

The shell loads what is not done with and what a new fact meets. A pending line and what it names, or
the line in whose place it has come, must never be apart when it matters.
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import date, datetime, timedelta
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from services.reconciler.facts.kinds import Fact
from services.reconciler.facts.known import merge
from services.reconciler.findings.found import Reconciliation
from services.reconciler.reconcile import reconcile
from services.reconciler.rules.expectations import Stage
from services.reconciler.scope import hooks, meeting
from shared.contracts.observations import LineState
from tests.support.reconciler_facts import LATER, SOON, facts_of, line, payout

NAMES = tuple(f"po_1Q{letter * 4}LkdIwHu7ix{letter * 8}" for letter in "ABCDE")


def world(random: Random) -> list[Fact]:
    """Payouts, and what the bank did with each: as pending, changed, gone, replaced, exchanged."""
    told: list[Fact] = []
    for number, name in enumerate(NAMES[: random.randrange(1, 6)]):
        arrival = date(2026, 11, 11) + timedelta(days=random.randrange(-6, 6))
        told += _payout(random, name, arrival)
        day = arrival + timedelta(days=random.randrange(-3, 3))
        text = f"STRIPE {name}"
        pending = line(text, id=f"p{number}", on=day, state=LineState.PENDING)
        posted = line(text, random.choice((10_000, 9_850)), id=f"p{number}", on=day, revision=2)
        gone = replace(posted, minor=10_000, state=LineState.REMOVED)
        match random.choice(("posted", "gone", "stays", "replaced", "back", "euros", "other")):
            case "posted":
                told += pending, posted
            case "gone":
                told += pending, gone
            case "stays":
                told += (pending,)
            case "replaced":
                told += pending, gone, replace(posted, id=f"n{number}", replaces=f"p{number}")
            case "back":
                told += pending, gone, replace(posted, revision=3)
            case "euros":
                told += (replace(posted, currency="eur", account="eur"),)
            case _:
                told += pending, gone, replace(posted, id=f"o{number}", revision=1)
    return told


def _payout(random: Random, name: str, arrival: date) -> Iterable[Fact]:
    first = payout(name, arrival=arrival, stage=Stage.IN_TRANSIT)
    yield first
    if random.random() < 0.3:
        yield replace(first, stage=Stage.FAILED, told_stage=Stage.FAILED)


class Open:
    """What is in hand, as the shell keeps it: the rest is found again by hooks alone."""

    def __init__(self) -> None:
        self.known: dict[str, Fact] = {}
        self.met: dict[str, set[str]] = {}
        self.open: set[str] = set()

    def hear(self, fact: Fact, at: datetime) -> Reconciliation:
        before = self.known.get(fact.key)
        self.known[fact.key] = fact if before is None else merge(before, fact)
        self.met.setdefault(fact.key, set()).update(hooks(self.known[fact.key]))
        self.open |= self._met_by(fact.key)
        return self.judge(at)

    def judge(self, at: datetime) -> Reconciliation:
        found = reconcile(facts_of(self.known[key] for key in sorted(self.open)), at=at)
        done = set(found.dormant)
        for match in found.matches:
            assert match.line is not None
            together = {match.line.key, *(f"expectation:{s.object}" for s in match.settles)}
            if not together <= done:
                done -= together
        self.open -= done
        return found

    def _met_by(self, key: str) -> set[str]:
        seen: set[str] = set()
        fresh = {key}
        while fresh:
            seen |= fresh
            wanted = {meeting(hook) for one in fresh for hook in self.met[one]}
            fresh = {other for other, own in self.met.items() if own & wanted} - seen
        return seen


def said(found: Reconciliation) -> list[tuple[object, ...]]:
    return [(d.id, d.break_class, d.amount, d.explanation, d.evidence) for d in found.discrepancies]


@given(st.integers(0, 2**32), st.randoms(use_true_random=False))
@settings(max_examples=300, deadline=None)
def test_open_part_says_what_all_facts_say_after_each_telling(seed: int, order: Random) -> None:
    facts = world(Random(seed))
    order.shuffle(facts)
    hand = Open()
    for fact in facts:
        found = hand.hear(fact, SOON)
        assert said(found) == said(reconcile(facts_of(hand.known.values()), at=SOON))
    whole = reconcile(facts_of(facts), at=LATER)
    assert said(hand.judge(LATER)) == said(whole)


@given(st.integers(0, 2**32))
@settings(max_examples=300, deadline=None)
def test_each_trouble_with_a_payout_is_told_once(seed: int) -> None:
    facts = world(Random(seed))
    for at in (SOON, SOON + timedelta(days=4), LATER):
        found = reconcile(facts_of(facts), at=at)
        payouts = [d.subject for d in found.discrepancies if d.subject.startswith("po_")]
        assert len(payouts) == len(set(payouts))
        overdue = {d.subject for d in found.discrepancies if d.kind == "payout_overdue"}
        for each in (d for d in found.discrepancies if d.kind == "pending_changed"):
            assert not overdue & set(each.explanation.replace(":", " ").split())


@given(st.integers(0, 2**32), st.randoms(use_true_random=False))
@settings(max_examples=100, deadline=None)
def test_any_order_of_forms_is_one_line(seed: int, order: Random) -> None:
    facts = world(Random(seed))
    shuffled = [*facts, *order.choices(facts, k=len(facts))]
    order.shuffle(shuffled)
    one, other = facts_of(facts), facts_of(shuffled)
    assert {li.key: li for li in one.lines} == {li.key: li for li in other.lines}
    assert said(reconcile(one, at=LATER)) == said(reconcile(other, at=LATER))
