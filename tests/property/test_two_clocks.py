"""The ledger's clock and the oracle's, each written by itself, leave the same unearned."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from oracle.clock import left_unearned
from oracle.values import Service, Taken
from services.ledger.unearned import Cut, Schedule, unearned_on
from shared.contracts.money import Money

BEGAN = datetime(2026, 1, 1, 9, 30, tzinfo=UTC)
hours = st.integers(min_value=-100 * 24, max_value=500 * 24)


@given(
    net=st.integers(min_value=-(10**12), max_value=10**12),
    length=st.integers(min_value=1, max_value=800 * 24),
    cuts=st.lists(
        st.tuples(st.integers(-(10**12), 10**12), hours, st.sampled_from([False] * 9 + [True])),
        max_size=4,
    ),
    day=st.integers(min_value=-40, max_value=900),
    zone=st.sampled_from(["UTC", "Pacific/Auckland", "America/St_Johns"]),
)
def test_both_clocks_leave_the_same_of_a_line_whatever_was_taken_back(
    net: int, length: int, cuts: list[tuple[int, int, bool]], day: int, zone: str
) -> None:
    until = BEGAN + timedelta(hours=length)
    on, there = date(2026, 1, 1) + timedelta(days=day), ZoneInfo(zone)
    taken = [(minor, BEGAN + timedelta(hours=at), is_void) for minor, at, is_void in cuts]
    ours = unearned_on(
        Schedule("il_1", Money.of(net, "usd"), BEGAN, until),
        [Cut("il_1", Money.of(minor, "usd"), at, is_void) for minor, at, is_void in taken],
        *(on, there),
    )
    theirs = left_unearned(
        Service("il_1", "usd", net, int(BEGAN.timestamp()), int(until.timestamp())),
        [Taken("il_1", minor, int(at.timestamp()), is_void) for minor, at, is_void in taken],
        *(on, there),
    )
    assert ours.minor == theirs
