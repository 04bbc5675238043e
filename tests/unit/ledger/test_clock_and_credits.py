"""Clock ticks and customers' credits before their judge."""

from datetime import UTC, datetime, timedelta
from textwrap import dedent

from services.ledger.rulings.effects import ClockTicked
from services.ledger.unearned import Clock, Cut, Schedule
from shared.contracts.journal import render
from shared.contracts.money import Money
from tests.unit.ledger.judged import Desk, usd

BEGAN = datetime(2024, 3, 1, tzinfo=UTC)
YEAR = Schedule("il_1", Money.of(36_500, "usd"), BEGAN, BEGAN + timedelta(days=365))


def desk(*schedules: Schedule, zone: str = "UTC") -> Desk:
    """A book on the 12th of June with lines of which nothing is earned yet."""
    made = Desk.of(zone=zone)
    clock = Clock(schedules={each.line: each for each in schedules})
    made.standing.extra["clock"] = clock
    for each in schedules:
        name = ("liabilities:unearned", each.line, each.net.currency.code)
        made.standing.posted[name] = -each.net.minor
    return made


def until(month: int, day: int, hour: int = 0) -> str:
    return datetime(2024, month, day, hour, tzinfo=UTC).isoformat()


def test_tick_books_what_was_served_in_the_months_it_was_served_in() -> None:
    books = desk(YEAR)
    judged = books.does("tick_clock", named="tick:1", until=until(5, 2, 7))
    assert [(str(e.effective_at), e.postings[0].amount.minor) for e in judged.entries] == [
        ("2024-03-31 23:59:59+00:00", 3_100),
        ("2024-04-30 23:59:59+00:00", 3_000),
        ("2024-05-01 23:59:59+00:00", 100),
    ]
    assert judged.entries[0].reference == "release:tick:1:1"
    assert judged.effects == (ClockTicked(datetime(2024, 5, 2, tzinfo=UTC)),)
    assert judged.remark.decided == {
        "ticked_until": "2024-05-02T00:00:00Z",
        "lines": 1,
        "earned": [usd(6_200)],
    }


def test_tick_that_is_older_or_told_again_books_nothing() -> None:
    books = desk(YEAR)
    books.does("tick_clock", until=until(5, 2))
    for again in (until(5, 2), until(5, 2, 23), until(4, 1)):
        judged = books.does("tick_clock", until=again)
        assert judged.entries == ()
        assert judged.effects == (ClockTicked(datetime(2024, 5, 2, tzinfo=UTC)),)
    assert books.does("tick_clock", until=until(5, 3)).entries[0].postings[0].amount.minor == 100


def test_ticks_sum_to_one_tick() -> None:
    many, one = desk(YEAR), desk(YEAR)
    for day in range(1, 13):
        many.does("tick_clock", until=until(6, day))
    one.does("tick_clock", until=until(6, 12))
    assert many.standing.posted == one.standing.posted


def test_clock_does_not_go_ahead_of_its_time() -> None:
    said = desk(YEAR).refuses("clock_not_ahead", "tick_clock", until=until(6, 13))
    assert "2024-06-13" in said


def test_tick_of_closed_months_is_booked_in_the_first_open_one() -> None:
    books = desk(YEAR)
    books.does("close_period", through="2024-04-30")
    books.refuses("period_open", "tick_clock", until=until(5, 1))
    judged = books.does("tick_clock", until=until(6, 2))
    assert [(str(e.effective_at)[:10], e.postings[0].amount.minor) for e in judged.entries] == [
        ("2024-05-31", 9_200),
        ("2024-06-01", 100),
    ]


def test_tick_after_years_goes_back_two_of_them_month_by_month() -> None:
    old = Schedule("il_1", Money.of(300_000, "usd"), datetime(2014, 1, 1, tzinfo=UTC), YEAR.until)
    judged = desk(old).does("tick_clock", until=until(6, 2))
    assert len(judged.entries) == 26
    assert str(judged.entries[0].effective_at)[:7] == "2022-05"


def test_release_is_not_reversed_by_hand_because_the_next_tick_would_make_it_again() -> None:
    books = desk(YEAR)
    books.does("tick_clock", named="tick:1", until=until(4, 1))
    said = books.refuses(
        "releases_are_the_clocks", "reverse_entry", reference="release:tick:1:1", reason="too early"
    )
    assert said.startswith("release:tick:1:1 is what a clock tick released; the next tick")


def test_tick_without_anything_to_release_is_accepted() -> None:
    judged = desk().does("tick_clock", until=until(6, 1))
    assert judged.entries == ()
    assert (judged.remark.decided or {})["earned"] == []


def test_midnight_is_that_of_the_books_time_zone() -> None:
    judged = desk(YEAR, zone="Asia/Tokyo").does("tick_clock", until=until(5, 1, 15))
    assert judged.effects == (ClockTicked(datetime(2024, 5, 1, 15, tzinfo=UTC)),)
    assert str(judged.entries[-1].effective_at) == "2024-05-01 14:59:59+00:00"


def test_tick_makes_good_what_was_taken_back() -> None:
    books = desk(YEAR)
    books.does("tick_clock", until=until(4, 1))
    clock = books.standing.extra["clock"]
    assert isinstance(clock, Clock)
    cut = Cut("il_1", Money.of(33_400, "usd"), datetime(2024, 4, 1, 9, tzinfo=UTC))
    clock.take(cut, "stripe:credit_note:cn_1")
    clock.take(cut, "stripe:credit_note:cn_1")
    judged = books.does("tick_clock", until=until(4, 3))
    assert render(judged.entries[0]) == dedent("""\
        Dr liabilities:unearned[il_1]  334.00 USD
        Cr revenue:stripe              334.00 USD""")


def test_credits_are_granted_and_spent_as_far_as_there_are_any() -> None:
    books = Desk()
    granted = books.does("grant_credits", customer="cus_1", amount=usd(500))
    assert render(granted.entries[0]) == dedent("""\
        Dr memo:credits[cus_1]  5.00 USD
        Cr memo:credits-issued  5.00 USD""")
    assert granted.remark.decided == {
        "customer": "cus_1",
        "granted": usd(500),
        "balance": usd(500),
        "available": usd(500),
    }
    spent = books.does("spend_credits", customer="cus_1", amount=usd(200))
    assert render(spent.entries[0]) == dedent("""\
        Dr memo:credits-issued  2.00 USD
        Cr memo:credits[cus_1]  2.00 USD""")
    assert (spent.remark.decided or {})["balance"] == usd(300)
    said = books.refuses("available", "spend_credits", customer="cus_1", amount=usd(301))
    assert said == (
        "memo:credits[cus_1] has 3.00 USD available, not 3.01 USD;"
        " spend less, grant more, or allow it to go below zero"
    )


def test_credits_of_another_customer_or_currency_do_not_count() -> None:
    books = Desk()
    books.does("grant_credits", customer="cus_1", amount=usd(500))
    books.refuses("available", "spend_credits", customer="cus_2", amount=usd(1))
    euros = {"minor": "1", "currency": "eur", "exponent": 2}
    books.refuses("available", "spend_credits", customer="cus_1", amount=euros)


def test_credits_that_are_held_are_not_spent() -> None:
    books = Desk()
    books.does("grant_credits", customer="cus_1", amount=usd(500))
    books.does("place_hold", account="memo:credits", key="cus_1", amount=usd(400))
    books.refuses("available", "spend_credits", customer="cus_1", amount=usd(101))
    assert (
        books.does("spend_credits", customer="cus_1", amount=usd(100)).remark.decided or {}
    ) == {"customer": "cus_1", "spent": usd(100), "balance": usd(400), "available": usd(0)}


def test_credits_go_below_zero_where_that_is_allowed() -> None:
    judged = Desk().does("spend_credits", customer="cus_1", amount=usd(100), allow_below_zero=True)
    assert (judged.remark.decided or {})["balance"] == usd(-100)


def test_no_credits_are_not_granted() -> None:
    Desk().refuses("positive", "grant_credits", customer="cus_1", amount=usd(0))
