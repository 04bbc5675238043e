"""Closed periods: what is reported where, and who may close, lock and open."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from services.ledger.periods import Closing, Closings, day_of, midnight
from services.ledger.rulings.judging import Judged
from services.ledger.rulings.standing import OpenKey, PeriodFigures
from tests.unit.ledger.judged import NOON, Desk, Json, usd

MAY_30, MAY_31, JUNE_1 = date(2024, 5, 30), date(2024, 5, 31), date(2024, 6, 1)
CLOSED_AT = datetime(2024, 6, 10, 9, tzinfo=UTC)
MAY = Closings((Closing(1, CLOSED_AT, MAY_31, None),))


@pytest.mark.parametrize(
    ("effective", "recorded", "reported"),
    [
        (MAY_30, CLOSED_AT - timedelta(seconds=1), MAY_30),
        (MAY_30, CLOSED_AT, MAY_30),
        (MAY_30, CLOSED_AT + timedelta(milliseconds=1), JUNE_1),
        (MAY_31, CLOSED_AT + timedelta(days=90), JUNE_1),
        (JUNE_1, CLOSED_AT + timedelta(days=90), JUNE_1),
    ],
)
def test_fact_is_reported_on_its_day_or_on_the_first_open_one_when_it_was_recorded(
    effective: date, recorded: datetime, reported: date
) -> None:
    assert MAY.reported_day(effective, recorded) == reported


def test_what_was_reported_late_stays_there_when_the_period_is_opened_again() -> None:
    later = CLOSED_AT + timedelta(days=5)
    opened = MAY.with_one(Closing(2, later, date(2024, 4, 30), None))
    assert opened.reported_day(MAY_30, CLOSED_AT + timedelta(days=1)) == JUNE_1
    assert opened.reported_day(MAY_30, later + timedelta(days=1)) == MAY_30


def test_closings_are_the_same_in_whatever_order_they_are_learned() -> None:
    second = Closing(2, CLOSED_AT + timedelta(days=30), date(2024, 6, 30), MAY_31)
    assert Closings().with_one(second).with_one(MAY.closings[0]) == MAY.with_one(second)


def test_book_that_never_closed_reports_each_fact_on_its_day() -> None:
    assert Closings().reported_day(MAY_30, NOON) == MAY_30


def test_day_begins_at_midnight_of_the_book() -> None:
    zone = ZoneInfo("Asia/Tokyo")
    assert midnight(JUNE_1, zone) == datetime(2024, 5, 31, 15, tzinfo=UTC)
    assert day_of(midnight(JUNE_1, zone), zone) == JUNE_1
    assert day_of(midnight(JUNE_1, zone) - timedelta(microseconds=1), zone) == MAY_31


def on(day: str) -> Json:
    return {
        "category": "compute",
        "amount": usd(100),
        "paid_from": "assets:bank:main",
        "effective_at": datetime.fromisoformat(f"{day}T10:00:00+00:00"),
    }


def told(judged: Judged) -> Json:
    assert judged.remark.decided is not None
    return dict(judged.remark.decided)


def test_command_into_a_closed_period_is_refused_with_the_way_out() -> None:
    desk = Desk()
    closed = told(desk.does("close_period", through=MAY_31))
    assert (closed["closed_through"], closed["first_open_day"]) == ("2024-05-31", "2024-06-01")
    said = desk.refuses("period_open", "book_expense", **on("2024-05-30"))
    assert said == (
        "2024-05-30 is closed: the books are closed through 2024-05-31;"
        " date it 2024-06-01 or later, or open the period again from 2024-05-30 on"
    )
    desk.does("book_expense", **on("2024-06-01"))


def test_command_into_a_locked_period_is_not_told_to_open_it() -> None:
    desk = Desk()
    desk.does("lock_period", through=MAY_31)
    said = desk.refuses("period_open", "book_expense", **on("2024-05-30"))
    assert said.endswith("; date it 2024-06-01 or later")


def test_rate_of_a_closed_day_is_refused() -> None:
    desk = Desk()
    desk.does("close_period", through=MAY_31)
    desk.refuses("period_open", "exchange_rate", base="eur", quote="usd", rate="1.1", on=MAY_31)
    desk.does("exchange_rate", base="eur", quote="usd", rate="1.1", on=JUNE_1)


def test_period_is_closed_only_when_it_is_over() -> None:
    desk = Desk()
    desk.refuses("period_over", "close_period", through=NOON.date())
    desk.does("close_period", through=NOON.date() - timedelta(days=1))


def test_period_is_over_by_the_clock_of_its_book() -> None:
    desk = Desk.of(zone="Pacific/Kiritimati")  # 14 hours ahead: the 13th has begun there
    desk.does("close_period", through=NOON.date())


def test_period_is_closed_once() -> None:
    desk = Desk()
    desk.does("close_period", through=MAY_31)
    desk.refuses("period_not_closed", "close_period", through=MAY_30)


def test_closed_period_is_opened_again_and_booked_in() -> None:
    desk = Desk()
    desk.does("close_period", through=MAY_31)
    opened = told(desk.does("reopen_period", since=MAY_30, reason="an invoice was found"))
    assert (opened["closed_through"], opened["number"]) == ("2024-05-29", 2)
    desk.does("book_expense", **on("2024-05-30"))
    desk.refuses("period_open", "book_expense", **on("2024-05-29"))


def test_open_period_is_not_opened() -> None:
    Desk().refuses("period_closed", "reopen_period", since=MAY_30, reason="why not")


def test_locked_period_is_never_opened_again() -> None:
    desk = Desk()
    desk.does("close_period", through=JUNE_1)
    desk.does("lock_period", through=MAY_31)
    desk.refuses("period_not_locked", "reopen_period", since=MAY_31, reason="please")
    desk.does("reopen_period", since=JUNE_1, reason="one day more")
    desk.refuses("period_not_locked", "lock_period", through=MAY_31)


def test_lock_of_what_is_closed_further_leaves_it_closed() -> None:
    desk = Desk()
    desk.does("close_period", through=JUNE_1)
    locked = told(desk.does("lock_period", through=MAY_31))
    assert (locked["closed_through"], locked["locked_through"]) == ("2024-06-01", "2024-05-31")


def test_books_that_sum_to_more_than_one_amount_can_be_are_closed_all_the_same() -> None:
    desk, much = Desk(), 3 * 10**30
    desk.standing.figures[MAY_31] = PeriodFigures(
        {"eth": (much, much - 1)}, (OpenKey("liabilities:suspense", "line_1", "eth", -much),), 1
    )
    closed = told(desk.does("close_period", through=MAY_31))
    eth = {"currency": "eth", "exponent": 18}
    assert closed["trial_balance"] == [
        {
            "currency": "eth",
            "debits": {"minor": str(much)} | eth,
            "credits": {"minor": str(much - 1)} | eth,
        }
    ]
    assert closed["open_keys"][0]["amount"] == {"minor": str(-much)} | eth
    assert closed["warnings"][0] == (
        "debits 3000000000000.000000000000000000 ETH and credits"
        " 2999999999999.999999999999999999 ETH differ through 2024-05-31"
    )


def test_close_says_what_the_books_sum_to_and_what_is_open() -> None:
    desk = Desk()
    desk.standing.figures[MAY_31] = PeriodFigures(
        {"usd": (1500, 1500)}, (OpenKey("liabilities:suspense", "line_1", "usd", -700),), 3
    )
    desk.does("book_expense", **on("2024-05-30"))
    closed = told(desk.does("close_period", through=MAY_31))
    assert closed["trial_balance"] == [
        {"currency": "usd", "debits": usd(1600), "credits": usd(1600)}
    ]
    assert closed["open_keys"] == [
        {"account": "liabilities:suspense", "key": "line_1", "amount": usd(-700)}
    ]
    assert closed["warnings"] == ["keys of clearing accounts that wait for their other half: 3"]


def test_close_decided_after_another_is_not_in_force_before_it() -> None:
    desk = Desk()
    first = told(desk.does("close_period", through=MAY_30))
    desk.now -= timedelta(minutes=30)
    second = told(desk.does("close_period", through=MAY_31))
    assert second["since"] == first["since"]
