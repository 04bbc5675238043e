"""Laws of matching in made worlds of all hard cases: no false match, no order, nothing twice."""

from collections import Counter, defaultdict
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.reconbench.generate import world_of
from sandbox.reconbench.model import World
from services.reconciler.facts.known import Facts
from services.reconciler.findings.found import difference
from services.reconciler.reconcile import reconcile
from shared.contracts.messages import MatchMade
from tallystick.reconbench.answers import answers_of, facts_of
from tallystick.reconbench.scores import ClassScore, scores_of

SEEDS = st.integers(min_value=0, max_value=2**32)


def shuffled(facts: Facts, random: Random) -> Facts:
    lines, payouts = list(facts.lines), list(facts.expectations)
    random.shuffle(lines)
    random.shuffle(payouts)
    return Facts(book=facts.book, lines=tuple(lines), expectations=tuple(payouts))


def part(world: World, records: int) -> Facts:
    told = list(world.records())[:records]
    ids = {each.id for each in told}
    some = World(
        world.seed,
        world.at,
        world.accounts,
        payouts=[p for p in world.payouts if p.id in ids],
        lines=[each for each in told if each.id.startswith("bl_")],  # type: ignore[misc]  # ids tell them
    )
    return facts_of(some)


@given(SEEDS)
@settings(max_examples=12, deadline=None)
def test_no_match_of_a_hard_world_is_false_and_nearly_all_that_can_be_decided_is(seed: int) -> None:
    world = world_of(seed, 300)
    scores = scores_of(world, answers_of(reconcile(facts_of(world), at=world.at)))
    assert scores.overall.false == 0
    assert scores.overall.auto_match_rate >= 0.97


def test_breaks_planted_in_hard_worlds_are_told_by_their_class() -> None:
    # Of worlds together: in one of a few hundred lines two payouts may come to fit by accident.
    told: defaultdict[str, ClassScore] = defaultdict(lambda: ClassScore(0, 0, 0))
    for seed in range(12):
        world = world_of(seed, 300)
        scores = scores_of(world, answers_of(reconcile(facts_of(world), at=world.at)))
        for name, each in scores.by_class.items():
            known = told[name]
            told[name] = ClassScore(
                known.true + each.true, known.found + each.found, known.right + each.right
            )
    assert all(each.f1 >= 0.98 for each in told.values()), told


@given(SEEDS, st.randoms(use_true_random=False))
@settings(max_examples=8, deadline=None)
def test_order_of_a_hard_world_changes_no_match_no_score_and_no_runner_up(
    seed: int, random: Random
) -> None:
    world = world_of(seed, 200)
    facts = facts_of(world)
    assert reconcile(shuffled(facts, random), at=world.at) == reconcile(facts, at=world.at)


@given(SEEDS, st.integers(min_value=2, max_value=4))
@settings(max_examples=8, deadline=None)
def test_hard_world_told_in_batches_ends_where_it_ends_told_at_once(
    seed: int, batches: int
) -> None:
    # Before any window closes, so that what stands decides nothing.
    world = world_of(seed, 150)
    total = len(list(world.records()))
    early = min(payout.created for payout in world.payouts)
    standing: dict[str, MatchMade] = {}
    revisions: dict[str, int] = {}
    for batch in range(1, batches + 1):
        facts = part(world, total * batch // batches)
        known = Facts(
            book=facts.book,
            lines=facts.lines,
            expectations=facts.expectations,
            standing=tuple(standing.values()),
        )
        wanted = reconcile(known, at=early)
        for record in difference(standing.values(), wanted.matches, revisions=revisions):
            revisions[record.id] = record.revision
            if isinstance(record, MatchMade):
                assert record.id not in standing
                standing[record.id] = record
            else:
                del standing[record.id]
        lines = Counter(m.line.id for m in standing.values() if m.line is not None)
        assert set(lines.values()) <= {1}
    whole = reconcile(facts_of(world), at=early)
    assert set(standing) == {match.id for match in whole.matches}


@given(SEEDS)
@settings(max_examples=12, deadline=None)
def test_lines_that_name_twins_are_never_crossed(seed: int) -> None:
    world = world_of(seed, 300)
    settled = answers_of(reconcile(facts_of(world), at=world.at)).settled
    for line, truth in world.of_lines.items():
        if truth.is_exact and line in settled:
            assert settled[line] == truth.settles
