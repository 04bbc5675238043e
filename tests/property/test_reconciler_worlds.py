"""Laws of matching, held against worlds whose truth is known before anything is told."""

from collections import Counter
from datetime import UTC, datetime
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from services.reconciler.findings.found import Match, Reconciliation, difference
from services.reconciler.reconcile import reconcile
from services.reconciler.scope import hooks, meeting
from shared.contracts.messages import MatchMade
from tests.support.reconciler_facts import LATER, facts_of
from tests.support.reconciler_worlds import World, world_from

AT = datetime(2026, 11, 30, 12, tzinfo=UTC)
WORLDS = st.builds(
    world_from,
    st.integers(min_value=0, max_value=2**32),
    st.integers(min_value=1, max_value=14),
)


def told(world: World, random: Random | None = None) -> Reconciliation:
    facts = world.facts
    if random is not None:
        facts += random.choices(facts, k=len(facts) // 2)
        random.shuffle(facts)
    return reconcile(facts_of(facts), at=AT)


def kinds_of(world: World, ids: tuple[str, ...]) -> list[tuple[object, ...]]:
    """What payouts are to a bank: interchangeable ones are the same."""
    by_id = world.by_id
    return sorted((by_id[i].minor, by_id[i].arrival) for i in ids)


def lines_of(result: Reconciliation) -> dict[str, Match]:
    return {m.line.id: m for m in result.matches if m.line is not None}


@given(WORLDS)
@settings(max_examples=300, deadline=None)
def test_a_match_is_never_false_whatever_banks_make_of_references(world: World) -> None:
    for line_id, match in lines_of(told(world)).items():
        settled = tuple(s.object for s in match.settles)
        assert kinds_of(world, settled) == kinds_of(world, world.truth[line_id]), match


@given(WORLDS)
@settings(max_examples=150, deadline=None)
def test_every_line_is_matched_or_named_in_exactly_one_discrepancy(world: World) -> None:
    result = told(world)
    matched = lines_of(result)
    named = Counter(d.subject for d in result.discrepancies)
    for line in world.lines:
        assert (line.id in matched) + named[line.id] == 1, line


@given(WORLDS)
@settings(max_examples=150, deadline=None)
def test_every_payout_is_matched_overdue_or_a_candidate_of_what_is_left_to_a_person(
    world: World,
) -> None:
    result = reconcile(facts_of(world.facts), at=LATER)
    settled = {s.object for m in result.matches for s in m.settles}
    overdue = {d.subject for d in result.discrepancies if d.kind == "payout_overdue"}
    assert settled | overdue == {p.id for p in world.payouts}
    assert not settled & overdue


@given(WORLDS)
@settings(max_examples=150, deadline=None)
def test_no_line_is_used_twice_and_no_payout_beyond_what_its_lines_paid(world: World) -> None:
    result = told(world)
    assert len(lines_of(result)) == len(result.matches)
    for match in result.matches:
        assert match.line is not None
        assert sum(leg.minor for leg in match.clears) == 0
        assert match.delta_minor == match.line.minor - sum(s.share.minor for s in match.settles)
    for payout in world.payouts:
        own = [m for m in result.matches if payout.id in {s.object for s in m.settles}]
        shares = [s.share.minor for m in own for s in m.settles if s.object == payout.id]
        assert not shares or sum(shares) == payout.minor


@given(WORLDS, st.randoms(use_true_random=False))
@settings(max_examples=150, deadline=None)
def test_any_order_and_any_doubling_of_what_is_told_gives_the_same_result(
    world: World, random: Random
) -> None:
    assert told(world, random) == told(world)


@given(WORLDS, st.randoms(use_true_random=False))
@settings(max_examples=80, deadline=None)
def test_what_is_told_piece_by_piece_ends_where_all_at_once_ends(
    world: World, random: Random
) -> None:
    facts = world.facts
    random.shuffle(facts)
    standing: dict[str, MatchMade] = {}
    revisions: dict[str, int] = {}
    for end in range(1, len(facts) + 1):
        # No window is closed yet: what stands never decides.
        known = facts_of(facts[:end], standing=standing.values())
        wanted = reconcile(known, at=datetime(2026, 10, 1, tzinfo=UTC))
        records = difference(standing.values(), wanted.matches, revisions=revisions)
        for record in records:
            revisions[record.id] = record.revision
            if isinstance(record, MatchMade):
                assert record.id not in standing
                standing[record.id] = record
            else:
                assert standing.pop(record.id).revision == record.revision
    whole = reconcile(facts_of(facts), at=datetime(2026, 10, 1, tzinfo=UTC))
    assert set(standing) == {m.id for m in whole.matches}


@given(WORLDS)
@settings(max_examples=80, deadline=None)
def test_what_is_dormant_can_be_left_out_without_changing_what_is_open(world: World) -> None:
    facts = world.facts
    whole = reconcile(facts_of(facts), at=LATER)
    left = [fact for fact in facts if fact.key not in whole.dormant]
    again = reconcile(facts_of(left, standing=[m.made(1) for m in whole.matches]), at=LATER)
    assert [d.id for d in again.discrepancies] == [d.id for d in whole.discrepancies]


@given(WORLDS)
@settings(max_examples=80, deadline=None)
def test_a_line_that_names_a_payout_meets_it(world: World) -> None:
    lines = {line.id: line for line in world.lines}
    payouts = world.by_id
    for line_id, match in lines_of(told(world)).items():
        if not match.rule.startswith("reference") or "garbled" in " ".join(match.evidence):
            continue
        for settled in match.settles:
            met = {meeting(hook) for hook in hooks(lines[line_id])}
            assert met & hooks(payouts[settled.object]), match.evidence
