"""Silence: unusual where something always came, never where it is too early to know."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from services.ingest.rhythm import HOUR, WEEK, history_from, silence

MONDAY = datetime(2026, 9, 7, tzinfo=UTC)


def arrivals(weeks: int, *, days: range = range(7), hours: range = range(24)) -> list[datetime]:
    """One arrival in the middle of each of these hours, from a Monday on."""

    def each() -> Iterator[datetime]:
        for week in range(weeks):
            for day in days:
                for hour in hours:
                    yield MONDAY + week * WEEK + timedelta(days=day, hours=hour, minutes=30)

    return sorted(each())


def judged(came: list[datetime], after: timedelta) -> bool:
    found = silence(came, first_at=came[0], last_at=came[-1], now=came[-1] + after)
    return found is not None and found.is_unusual


def test_shop_that_sells_round_the_clock_is_missed_within_hours() -> None:
    came = arrivals(4)
    assert not judged(came, timedelta(hours=3))
    assert judged(came, timedelta(hours=8))


def test_shop_of_many_weeks_is_missed_sooner_than_one_of_few() -> None:
    assert judged(arrivals(8), timedelta(hours=6))
    assert not judged(arrivals(3), timedelta(hours=6))
    assert judged(arrivals(3), timedelta(hours=12))


def test_shop_that_sells_by_day_alone_is_not_missed_at_night_or_on_sunday() -> None:
    came = arrivals(5, days=range(6), hours=range(9, 19))
    assert came[-1].weekday() == 5
    assert not judged(came, timedelta(hours=38))
    assert judged(came, timedelta(hours=38 + 9))


def test_shop_that_sells_once_a_week_is_not_missed_for_a_week() -> None:
    came = arrivals(6, days=range(1), hours=range(10, 11))
    assert not judged(came, timedelta(days=10))


def test_one_week_of_outage_in_the_past_does_not_hide_the_next_one() -> None:
    came = [a for a in arrivals(6) if not MONDAY + 2 * WEEK <= a < MONDAY + 3 * WEEK]
    assert judged(came, timedelta(hours=12))


@pytest.mark.parametrize("weeks", [0, 1])
def test_fresh_books_are_never_called_silent(weeks: int) -> None:
    came = arrivals(weeks or 1)[: None if weeks else 1]
    assert silence(came, first_at=came[0], last_at=came[-1], now=came[-1] + 52 * WEEK) is None


def test_books_without_any_webhook_are_never_called_silent() -> None:
    assert silence([], first_at=None, last_at=None, now=MONDAY) is None


def test_month_that_passed_in_seconds_is_never_called_silent() -> None:
    came = [MONDAY + timedelta(seconds=n) for n in range(30)]
    assert silence(came, first_at=came[0], last_at=came[-1], now=came[-1] + WEEK) is None


def test_clock_behind_the_last_arrival_is_no_silence() -> None:
    came = arrivals(4)
    assert silence(came, first_at=came[0], last_at=came[-1], now=came[-1] - HOUR) is None


def test_silence_of_years_is_judged_at_once() -> None:
    assert judged(arrivals(8), timedelta(days=3650))


def test_hours_asked_for_cover_all_weeks_that_are_counted() -> None:
    last = MONDAY + timedelta(hours=5, minutes=30)
    assert history_from(last) == MONDAY + timedelta(hours=6) - 8 * WEEK
