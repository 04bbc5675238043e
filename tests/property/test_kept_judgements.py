"""What a judgement keeps for the next one decides nothing: the same facts give the same answer."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.reconbench.generate import world_of
from services.reconciler.facts.kinds import Fact
from services.reconciler.facts.known import Facts, fold
from services.reconciler.reconcile import Kept, reconcile
from shared.contracts.books import BookData
from tallystick.reconbench.answers import facts_of as facts_of_made
from tests.property.test_reconciler_laws import BOOKS, KNOWN
from tests.support.reconciler_facts import ANYWHERE, facts_of, line, payout
from tests.support.reconciler_worlds import world_from

BEGIN = datetime(2026, 11, 5, 12, tzinfo=UTC)


def held_against_one_alone(
    told: Sequence[Fact], random: Random, *, book: BookData, at: datetime
) -> None:
    """Facts told a few at a time, some let go of and told again: each judgement twice."""
    kept, known = Kept(), dict[str, Fact]()
    needs_readings = random.random() < 0.5
    rest = list(told)
    while rest:
        some = random.randrange(1, 4)
        fresh, rest = rest[:some], rest[some:]
        known = fold(fresh, known)
        at += timedelta(hours=random.choice((0, 0, 0, 5, 30, 90)))
        facts = facts_of(known.values(), book=book, require_readings=needs_readings)
        alone = reconcile(facts, at=at)
        assert reconcile(facts, at=at, kept=kept) == alone
        if random.random() < 0.3:
            standing = tuple(match.made(1) for match in alone.matches)
            stood = replace(facts, standing=standing)
            assert reconcile(stood, at=at, kept=kept) == reconcile(stood, at=at)
        if random.random() < 0.5:
            known = {key: fact for key, fact in known.items() if key not in alone.dormant}
        elif random.random() < 0.3 and known:
            rest.append(known.pop(random.choice(list(known))))


@given(
    st.integers(min_value=0, max_value=2**32),
    st.integers(min_value=1, max_value=14),
    st.randoms(use_true_random=False),
)
@settings(max_examples=60, deadline=None)
def test_what_was_kept_of_a_world_changes_no_answer(
    seed: int, payouts: int, random: Random
) -> None:
    told = world_from(seed, payouts).facts
    random.shuffle(told)
    held_against_one_alone(told, random, book=ANYWHERE, at=BEGIN)


@given(KNOWN, BOOKS, st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_what_was_kept_of_anything_told_changes_no_answer(
    facts: list[Fact], book: BookData, random: Random
) -> None:
    held_against_one_alone(facts, random, book=book, at=BEGIN)


@pytest.mark.parametrize("seed", [1])
def test_what_was_kept_over_the_days_of_a_made_world_changes_no_answer(seed: int) -> None:
    world, random = world_of(seed, 150), Random(seed)
    whole, kept = facts_of_made(world), Kept()
    at = world.at - timedelta(days=80)
    while at < world.at:
        at += timedelta(hours=random.choice((0, 6, 40, 170)))
        today = at.date()
        facts = replace(
            whole,
            expectations=tuple(e for e in whole.expectations if e.created <= at),
            lines=tuple(li for li in whole.lines if li.booked_on <= today),
        )
        assert reconcile(facts, at=at, kept=kept) == reconcile(facts, at=at)


def judged(kept: Kept, facts: Facts, at: datetime) -> None:
    assert reconcile(facts, at=at, kept=kept) == reconcile(facts, at=at)


def test_a_clock_that_goes_back_and_another_book_find_nothing_of_what_was_kept() -> None:
    kept = Kept()
    told: list[Fact] = [
        payout(),
        line("STRIPE"),
        payout("po_1", 700),
        line("STRIPE po_1", 700, id="l2"),
    ]
    for at in (BEGIN, BEGIN + timedelta(days=40), BEGIN - timedelta(days=3)):
        judged(kept, facts_of(told), at)
        judged(kept, facts_of(told, book=ANYWHERE), at)
        judged(kept, facts_of(told[:1], require_readings=True), at)
        judged(kept, facts_of(told, book=BookData(payer_names=("ACME",))), at)
