"""Laws of look-ups: a function of what is known at a moment, however it came to be known."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from services.reconciler.facts.kinds import IN_TRANSIT, Booking, Fact, Leg
from services.reconciler.facts.known import Facts, fold
from services.reconciler.reconcile import reconcile
from services.reconciler.rules.expectations import Expected, Stage
from shared.contracts.books import BookData
from shared.contracts.observations import LineState
from tests.support.reconciler_facts import BOOK, booking, line, payout

BEGIN = date(2026, 11, 2)
MIDNIGHT = datetime(2026, 11, 2, tzinfo=UTC)
MINORS = st.sampled_from((100, 100, 200, 300, -100))
DAYS = st.integers(min_value=0, max_value=12).map(lambda n: BEGIN + timedelta(days=n))
MOMENTS = st.integers(min_value=0, max_value=24 * 90).map(lambda n: MIDNIGHT + timedelta(hours=n))


@st.composite
def movements(draw: st.DrawFn) -> Booking:
    """A payout's balance transaction as the ledger has booked it: of its going, or its return."""
    leg = Leg(IN_TRANSIT, draw(st.sampled_from(("po_1", "po_2"))), "usd", draw(MINORS))
    on = datetime(2026, 11, draw(st.integers(3, 12)), tzinfo=UTC)
    return booking(f"stripe:balance_transaction:txn_{draw(st.integers(1, 4))}", leg, on=on)


TOLD: st.SearchStrategy[list[Fact]] = st.lists(
    st.one_of(
        st.builds(
            payout,
            st.sampled_from(("po_1", "po_2", "po_3", "tu_1")),
            MINORS,
            arrival=DAYS,
            what=st.sampled_from((Expected.PAYOUT, Expected.PAYOUT, Expected.TOPUP)),
            stage=st.sampled_from(Stage),
        ),
        st.builds(
            line,
            st.sampled_from(("", "STRIPE", "STRIPE po_1", "po_2")),
            MINORS,
            id=st.sampled_from(("l1", "l2", "l3")),
            on=DAYS,
            account=st.sampled_from(("ops", "tax")),
            state=st.sampled_from(LineState),
            revision=st.integers(min_value=1, max_value=3),
        ),
        movements(),
    ),
    max_size=16,
)


def ids(known: Facts, at: datetime) -> list[str]:
    return [due.id("main") for due in reconcile(known, at=at).look_ups]


def folded(told: list[Fact], cuts: list[int], book: BookData = BOOK) -> Facts:
    """What is known when records came in batches, each folded into what was known before."""
    known: dict[str, Fact] = {}
    edges = [0, *sorted(cut % (len(told) + 1) for cut in cuts), len(told)]
    for first, after in pairwise(edges):
        known = fold(told[first:after], known)
    return Facts.of(known.values(), book)


@given(TOLD, MOMENTS, st.lists(st.integers(0, 16), max_size=4), st.randoms(use_true_random=False))
@settings(max_examples=300, deadline=None)
def test_replay_in_any_split_and_order_asks_for_the_same(
    told: list[Fact], at: datetime, cuts: list[int], random: Random
) -> None:
    once = ids(folded(told, []), at)
    assert len(once) == len(set(once)), "one deadline is asked for once"
    random.shuffle(told)
    assert ids(folded(told, cuts), at) == once


@given(TOLD, st.lists(MOMENTS, min_size=1, max_size=8))
@settings(max_examples=200, deadline=None)
def test_whoever_was_away_asks_at_last_what_one_asks_who_never_was(
    told: list[Fact], moments: list[datetime]
) -> None:
    known, last = folded(told, []), max(moments)
    seen = {each for at in sorted(moments) for each in ids(known, at)}
    assert seen >= set(ids(known, last))
    for due in reconcile(known, at=last).look_ups:
        assert due.deadline <= last
        if due.deadline.date() > BEGIN + timedelta(days=40):
            assert last - due.deadline < timedelta(days=7), "what was passed over is not asked for"


@given(TOLD, MOMENTS)
@settings(max_examples=300, deadline=None)
def test_what_is_done_with_is_waited_for_by_nobody(told: list[Fact], at: datetime) -> None:
    whole = folded(told, [])
    found = reconcile(whole, at=at)
    facts: list[Fact] = [*whole.expectations, *whole.lines, *whole.bookings]
    left = Facts.of([fact for fact in facts if fact.key not in found.dormant], BOOK)
    assert ids(left, at) == ids(whole, at)
    subjects = {e.id for e in left.expectations} | {li.id for li in left.lines}
    assert {due.subject for due in found.look_ups} <= subjects


@given(TOLD, MOMENTS)
@settings(max_examples=200, deadline=None)
def test_book_wakes_when_something_else_becomes_due_to_be_asked(
    told: list[Fact], at: datetime
) -> None:
    known = folded(told, [])
    now = reconcile(known, at=at)
    if now.wake_at is not None:
        just_before = max(at, now.wake_at - timedelta(microseconds=1))
        assert ids(known, just_before) == [due.id("main") for due in now.look_ups]
