"""Bank holidays of every calendar, held against the days that the banks publish."""

from datetime import date, timedelta

import pytest

from services.reconciler.rules.bank_calendars import calendars, calendars_of, easter
from shared.contracts.errors import Unreadable

OF_2026 = {
    "weekends": "",
    "target": "01-01 04-03 04-06 05-01 12-25 12-26",
    "fed": "01-01 01-19 02-16 05-25 06-19 07-04 09-07 10-12 11-11 11-26 12-25",
    "uk": "01-01 04-03 04-06 05-04 05-25 08-31 12-25 12-26 12-28",
    "canada": "01-01 04-03 05-18 07-01 09-07 09-30 10-12 11-11 12-25 12-26 12-28",
    "switzerland": "01-01 01-02 04-03 04-06 05-01 05-14 05-25 08-01 12-25 12-26",
    "japan": "01-01 01-02 01-03 01-12 02-11 02-23 03-20 04-29 05-03 05-04 05-05 05-06 07-20 08-11"
    " 09-21 09-22 09-23 10-12 11-03 11-23 12-31",
}


@pytest.mark.parametrize("name", sorted(OF_2026))
def test_holidays_of_2026_are_those_that_the_banks_publish(name: str) -> None:
    told = {date.fromisoformat(f"2026-{day}") for day in OF_2026[name].split()}
    assert calendars()[name].closed_in(2026) == told


def test_every_shipped_calendar_is_held_against_a_list_and_names_its_source() -> None:
    assert set(calendars()) == set(OF_2026)
    assert all(calendar.source for calendar in calendars().values())


@pytest.mark.parametrize(
    "sunday",
    ["1961-04-02", "1981-04-19", "2000-04-23", "2008-03-23", "2024-03-31", "2026-04-05",
     "2038-04-25", "2049-04-18"],
)  # fmt: skip
def test_easter_is_the_sunday_of_the_tables(sunday: str) -> None:
    assert easter(int(sunday[:4])) == date.fromisoformat(sunday)


@pytest.mark.parametrize(
    ("name", "day", "is_open"),
    [
        # The Federal Reserve makes up for a Sunday and not for a Saturday.
        ("fed", "2021-07-05", False),
        ("fed", "2020-07-03", True),
        ("fed", "2021-06-18", True),
        ("fed", "2022-06-20", False),
        # Christmas on a Sunday, Boxing Day on the Monday: the Tuesday is made up.
        ("uk", "2022-12-26", False),
        ("uk", "2022-12-27", False),
        ("uk", "2027-12-28", False),
        ("uk", "2022-01-03", False),
        ("uk", "2022-09-19", False),
        ("uk", "2020-05-04", True),
        ("uk", "2020-05-08", False),
        # TARGET makes up for nothing.
        ("target", "2027-12-27", True),
        ("target", "2027-03-26", False),
        # A day between two holidays, and a Sunday in Golden Week.
        ("japan", "2026-09-22", False),
        ("japan", "2026-05-06", False),
        ("japan", "2025-05-06", False),
        ("weekends", "2026-12-25", True),
        ("weekends", "2026-12-26", False),
    ],
)
def test_business_days_are_told_where_holidays_move(name: str, day: str, *, is_open: bool) -> None:
    assert calendars()[name].is_business_day(date.fromisoformat(day)) is is_open


def test_business_days_are_counted_over_holidays_both_ways() -> None:
    fed = calendars()["fed"]
    wednesday = date(2026, 11, 25)
    assert fed.after(wednesday, 1) == date(2026, 11, 27)
    assert fed.after(date(2026, 11, 27), -1) == wednesday
    assert fed.after(wednesday, 0) == wednesday
    assert fed.between_days(wednesday, date(2026, 11, 30)) == 2
    assert fed.between_days(date(2026, 11, 30), wednesday) == -2
    assert fed.after(date.max, 3) == date.max
    assert fed.after(date.min, -3) == date.min


def test_no_calendar_is_closed_for_eight_days_but_japans_at_most_for_ten() -> None:
    for calendar in calendars().values():
        day, closed, longest = date(2019, 1, 1), 0, 0
        while day < date(2035, 1, 1):
            closed = 0 if calendar.is_business_day(day) else closed + 1
            longest = max(longest, closed)
            day += timedelta(days=1)
        assert longest <= (10 if calendar.name == "japan" else 5), calendar.name


@pytest.mark.parametrize(
    "text",
    [
        "version = 2",
        "version = 1\n[calendar.x]\nsource = ''\nholidays = []",
        "version = 1\n[calendar.x]\nsource = 's'\nholidays = [{ name = 'n', on = '13-01' }]",
        "version = 1\n[calendar.x]\nsource = 's'\nholidays = [{ name = 'n', on = 'some day' }]",
        "not toml",
    ],
)
def test_calendars_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(Unreadable):
        calendars_of(text)
