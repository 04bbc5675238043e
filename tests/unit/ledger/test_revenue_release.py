"""What clock ticks release: exact in any cut, and made good after voids and credit notes."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from textwrap import dedent
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ledger.activation.in_force import BookInForce
from services.ledger.rules.revenue_release import released
from services.ledger.unearned import Clock, Cut, Schedule, unearned_on
from shared.contracts.books import BookData
from shared.contracts.journal import render
from shared.contracts.money import Money

START = datetime(2026, 1, 15, 14, 30, tzinfo=UTC)
YEAR = Schedule("il_1", Money.of(36_500, "usd"), START, START + timedelta(days=365))


def after(days: float) -> datetime:
    return START + timedelta(days=days)


def cuts(*told: tuple[int, float]) -> tuple[Cut, ...]:
    return tuple(Cut("il_1", Money.of(minor, "usd"), after(days)) for minor, days in told)


def by_entry(taken: tuple[Cut, ...]) -> dict[str, dict[str, Cut]]:
    """What was taken back of the line, each by an entry of its own."""
    return {"il_1": {f"stripe:credit_note:cn_{n}": cut for n, cut in enumerate(taken)}}


def left(days: float, schedule: Schedule = YEAR, taken: tuple[Cut, ...] = ()) -> int:
    return unearned_on(schedule, taken, after(days).date(), UTC).minor


@pytest.mark.parametrize(
    ("days", "minor"), [(-1, 36_500), (0, 36_500), (1, 36_400), (364, 100), (365, 0), (999, 0)]
)
def test_line_is_earned_day_by_day(days: int, minor: int) -> None:
    assert left(days) == minor


def test_days_are_those_of_the_books_time_zone() -> None:
    late = Schedule("il_1", YEAR.net, START.replace(hour=20), YEAR.until)
    assert unearned_on(late, (), date(2026, 1, 16), UTC).minor == 36_400
    assert unearned_on(late, (), date(2026, 1, 16), ZoneInfo("Asia/Tokyo")).minor == 36_500


def test_odd_amount_leaves_its_remainder_to_the_last_day() -> None:
    odd = Schedule("il_1", Money.of(100, "usd"), START, after(60))
    assert [left(day, odd) for day in (1, 2, 3, 59, 60)] == [99, 97, 95, 2, 0]


def test_line_below_zero_mirrors_one_above() -> None:
    back = Schedule("il_1", Money.of(-100, "usd"), START, after(60))
    assert [left(day, back) for day in (0, 1, 2, 59, 60)] == [-100, -99, -97, -2, 0]


def test_what_a_credit_note_takes_back_comes_from_the_days_that_are_left() -> None:
    cancelled = cuts((26_500, 100))
    assert [left(day, taken=cancelled) for day in (99, 100, 101, 200)] == [26_600, 26_500, 0, 0]
    cheaper = cuts((13_250, 100))
    assert [left(day, taken=cheaper) for day in (99, 100, 101, 364, 365)] == [
        *(26_600, 26_500, 13_200, 50, 0)
    ]


@pytest.mark.parametrize("minor", [40_000, 36_500])
def test_no_more_is_taken_back_than_is_left(minor: int) -> None:
    assert [left(day, taken=cuts((minor, 100))) for day in (100, 101, 300)] == [26_500, 0, 0]


def test_credit_note_before_the_service_begins_lowers_its_price() -> None:
    early = cuts((18_250, -20))
    assert [left(day, taken=early) for day in (-19, 0, 1, 364)] == [18_250, 18_250, 18_200, 50]
    assert left(-20, taken=early) == 36_500


def test_credit_note_that_was_voided_has_never_been() -> None:
    assert left(200, taken=cuts((5_000, 100), (-5_000, 100))) == left(200)


def test_cuts_of_a_line_below_zero_mirror_those_of_one_above() -> None:
    back = Schedule("il_1", -YEAR.net, START, YEAR.until)
    assert left(150, back, cuts((-13_250, 100))) == -left(150, YEAR, cuts((13_250, 100)))


MAIN = BookInForce(data=BookData())


def ticked(standing: int, days: float, *taken: Cut) -> str:
    clock = Clock(schedules={"il_1": YEAR}, cuts=by_entry(taken))
    stands = {"il_1": Money.of(standing, "usd")}
    booked = released(clock, stands, [after(days).date()], MAIN, command_key="tick")
    return "\n".join(f"{e.reference}\n{render(e)}" for e in booked)


def test_tick_releases_what_was_served_since_the_last() -> None:
    assert ticked(36_500, 31) == dedent("""\
        release:tick:1
        Dr liabilities:unearned[il_1]  31.00 USD
        Cr revenue:stripe              31.00 USD""")
    assert ticked(33_400, 31) == ""


def test_cancelled_year_keeps_what_was_earned_of_it() -> None:
    # 100.00 of 365.00 was earned; the credit note debited revenue by the other 265.00, which the
    # next tick gives back from what stood unearned: 100.00 stays.
    assert ticked(26_500, 101, *cuts((26_500, 100))) == dedent("""\
        release:tick:1
        Dr liabilities:unearned[il_1]  265.00 USD
        Cr revenue:stripe              265.00 USD""")


def test_void_after_a_part_was_earned_is_made_good_by_the_next_tick() -> None:
    # The void took all 365.00 off what stood unearned, of which 100.00 had been earned.
    voided = replace(cuts((36_500, 100))[0], is_void=True)
    taken_back = dedent("""\
        release:tick:1
        Cr liabilities:unearned[il_1]  100.00 USD
        Dr revenue:stripe              100.00 USD""")
    # Also by a tick for days before the void, which comes late: it has taken off the whole already.
    for day in (101, 100, 40):
        assert ticked(-10_000, day, voided) == taken_back
    assert [left(day, taken=(voided,)) for day in (-1, 99, 101)] == [0, 0, 0]


def test_line_that_was_voided_before_any_tick_earns_nothing_and_gives_nothing_back() -> None:
    assert ticked(0, 40, replace(cuts((36_500, 100))[0], is_void=True)) == ""


@given(
    net=st.integers(-(10**12), 10**12),
    days=st.integers(32, 2_000),
    ticks=st.lists(st.integers(-5, 2_100), max_size=12),
    taken=st.lists(st.tuples(st.integers(0, 10**12), st.integers(-50, 2_100)), max_size=3),
)
def test_ticks_in_any_cut_sum_to_the_same(
    net: int, days: int, ticks: list[int], taken: list[tuple[int, int]]
) -> None:
    sign = 1 if net >= 0 else -1
    schedule = Schedule("il_1", Money.of(net, "usd"), START, after(days))
    told = cuts(*((sign * minor, day) for minor, day in taken))
    clock = Clock(schedules={"il_1": schedule}, cuts=by_entry(told))
    standing = {"il_1": schedule.net}
    left_over = schedule.net
    for day in [*sorted(ticks), 2_200]:
        on = after(day).date()
        for booked in released(clock, standing, [on], MAIN, command_key=f"tick {day}"):
            moved = booked.postings[0].signed_minor
            assert moved * sign > 0  # what is earned once stays so
            left_over -= Money(moved, left_over.currency)
        assert left_over == standing["il_1"] == unearned_on(schedule, told, on, UTC)
    assert not left_over


def test_many_lines_make_entries_of_a_thousand_in_each_currency() -> None:
    lines = [
        Schedule(f"il_{n}", Money.of(36_500, code), START, YEAR.until)
        for code, count in (("usd", 2_001), ("eur", 1))
        for n in range(count)
    ]
    named = [replace(each, line=f"{each.net.currency.code}_{each.line}") for each in lines]
    clock = Clock(schedules={each.line: each for each in named})
    standing = {each.line: each.net for each in named}
    entries = list(released(clock, standing, [after(1).date()], MAIN, command_key="t"))
    assert [(e.reference, len(e.postings)) for e in entries] == [
        ("release:t:1", 2), ("release:t:2", 1_001), ("release:t:3", 1_001), ("release:t:4", 2)
    ]  # fmt: skip
    assert entries[1].postings[-1].amount == Money.of(100_000, "usd")
    assert list(released(clock, standing, [after(1).date()], MAIN, command_key="u")) == []
