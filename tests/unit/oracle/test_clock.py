"""What the oracle says of clock ticks, each made once more by itself."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import pytest

from oracle.clock import left_unearned, tick_differences
from oracle.invoices import REVENUE, UNEARNED
from oracle.journal import Booked, Books
from oracle.values import Fact, Leg, Model, Name, Position, Service, Taken, Tick, Told

BEGAN: Final = datetime(2026, 1, 1, tzinfo=UTC)
DAY: Final = 86_400
# 365.00 over a year: a hundred a day.
YEAR: Final = Service(
    "il_1", "usd", 36_500, int(BEGAN.timestamp()), int(BEGAN.timestamp()) + 365 * DAY
)
DEFERRED: Final = Fact(
    Name("main", "stripe:invoice_line:il_1"),
    (Leg(UNEARNED, "il_1", "usd", -36_500), Leg(REVENUE, "", "usd", 36_500)),
    serves=YEAR,
)
NOTED: Final = Fact(
    Name("main", "stripe:credit_note:cn_1"),
    (Leg(REVENUE, "", "usd", 100), Leg("assets:receivable", "in_1", "usd", -100)),
    takes=(Taken("il_1", 10_000, YEAR.since + 40 * DAY),),
)
EVENTS: Final = Position("stripe.events", 0, 0)


def booked(fact: Fact, at: Position, sequence: int, effective: str = "") -> Booked:
    return Booked(
        name=fact.name,
        kind="fact",
        legs=fact.legs,
        effective_at=effective,
        recorded_at="",
        rules_version=1,
        caused_by=at,
        message_id="m",
        sequence=sequence,
        digest="",
        chain="",
    )


def released(offset: int, number: int, before: date, minor: int) -> Booked:
    legs = (Leg(UNEARNED, "il_1", "usd", minor), Leg(REVENUE, "", "usd", -minor))
    at = datetime(before.year, before.month, before.day, tzinfo=UTC) - timedelta(seconds=1)
    told = Fact(Name("main", f"release:tick-{offset}:{number}"), legs)
    return booked(told, tick_at(offset), number, at.isoformat())


def tick_at(offset: int) -> Position:
    return Position("ledger.commands", 0, offset)


def said(
    entries: list[Booked],
    *days: date,
    closed: str = "",
    expected: tuple[Fact, ...] = (DEFERRED,),
    tellings: tuple[Told, ...] = (),
    lost: tuple[Position, ...] = (),
) -> list[tuple[str, str, str]]:
    """Kind, what was expected and what was found, of the differences over ticks until these days."""
    model, ticked = Model(), dict[Position, str]()
    for told in tellings:
        model.tellings.setdefault(told.fact.name, []).append(told)
    for offset, day in enumerate(days):
        model.ticks[tick_at(offset)] = Tick("main", f"{day}T11:00:00Z", "UTC")
        ticked[tick_at(offset)] = f"{day}T00:00:00Z"
    if closed:
        model.closings[Position("ledger.commands", 1, 0)] = ("main", closed)
    books = Books(tuple(entries), {}, {}, {}, {}, (), ticked=ticked)
    return [
        (each.kind, each.expected, each.found)
        for each in tick_differences(model, books, {fact.name: fact for fact in expected}, lost)
    ]


DEFERRAL: Final = booked(DEFERRED, EVENTS, 1)
BY_FEBRUARY: Final = released(0, 1, date(2026, 2, 1), 3_100)


def test_tick_that_releases_each_month_in_it_and_the_days_after_is_right() -> None:
    entries = [DEFERRAL, BY_FEBRUARY, released(0, 2, date(2026, 2, 11), 1_000)]
    assert said(entries, date(2026, 2, 11)) == []


def test_tick_that_releases_a_cent_more_is_named_with_both_sums() -> None:
    entries = [DEFERRAL, BY_FEBRUARY, released(0, 2, date(2026, 2, 11), 1_001)]
    assert said(entries, date(2026, 2, 11)) == [("release_differs", "1000", "1001")]


def test_tick_that_passes_over_a_month_is_named_unless_the_month_is_closed() -> None:
    entries = [DEFERRAL, released(0, 1, date(2026, 2, 11), 4_100)]
    assert said(entries, date(2026, 2, 11)) == [("release_differs", "3100", "0")]
    assert said(entries, date(2026, 2, 11), closed="2026-01-31") == []


def test_tick_that_had_not_heard_of_a_line_makes_up_for_it_the_next_time() -> None:
    entries = [DEFERRAL, released(1, 1, date(2026, 2, 12), 4_200)]
    assert said(entries, date(2026, 2, 11), date(2026, 2, 12)) == []


def test_tick_that_releases_of_one_line_knows_the_lines_told_before_it() -> None:
    other = replace(
        DEFERRED,
        name=Name("main", "stripe:invoice_line:il_2"),
        legs=(Leg(UNEARNED, "il_2", "usd", -36_500), Leg(REVENUE, "", "usd", 36_500)),
        serves=YEAR._replace(line="il_2"),
    )
    entries = [booked(other, EVENTS, 1), booked(DEFERRED, EVENTS, 2), BY_FEBRUARY]
    assert said(entries, date(2026, 2, 1), expected=(DEFERRED, other)) == [
        ("release_differs", "3100", "0")
    ]


@pytest.mark.parametrize(
    ("minor", "differences"),
    [(100, []), (10_038, []), (5_000, [("release_differs", "100 or 10038", "5000")])],
    ids=["not heard", "heard", "neither"],
)
def test_tick_releases_what_a_credit_note_took_back_or_has_not_heard_of_it(
    minor: int, differences: list[tuple[str, str, str]]
) -> None:
    first = [released(0, 1, date(2026, 2, 1), 3_100), released(0, 2, date(2026, 2, 11), 1_000)]
    noted = booked(NOTED, Position("stripe.events", 1, 0), 1)
    entries = [DEFERRAL, noted, *first, released(1, 1, date(2026, 2, 12), minor)]
    found = said(entries, date(2026, 2, 11), date(2026, 2, 12), expected=(DEFERRED, NOTED))
    assert found == differences


OBJECTS: Final = Position("stripe.objects", 0, 7)
# As an event shows it: without this line, of which the note takes back all the same.
CUT: Final = replace(NOTED, takes=())
IN_PART: Final = Told(CUT, Position("stripe.events", 1, 0), "m")
OTHER: Final = replace(
    DEFERRED,
    name=Name("main", "stripe:invoice_line:il_2"),
    legs=(Leg(UNEARNED, "il_2", "usd", -36_500), Leg(REVENUE, "", "usd", 36_500)),
    serves=YEAR._replace(line="il_2"),
)


def after_the_note(minor: int, *told: Told, lost: tuple[Position, ...] = ()) -> list[str]:
    """What is found where a line releases so much on the day after a note that shows another."""
    first = [released(0, 1, date(2026, 2, 1), 3_100), released(0, 2, date(2026, 2, 11), 1_000)]
    noted = booked(CUT, IN_PART.position, 1)
    entries = [DEFERRAL, noted, *first, released(1, 1, date(2026, 2, 12), minor)]
    days = (date(2026, 2, 11), date(2026, 2, 12))
    found = said(entries, *days, expected=(DEFERRED, CUT), tellings=(IN_PART, *told), lost=lost)
    return [kind for kind, _, _ in found]


def test_credit_note_told_again_with_more_lines_takes_back_of_them_once_it_is_heard() -> None:
    whole = Told(NOTED, OBJECTS, "m")
    assert after_the_note(10_038, whole) == after_the_note(100, whole) == []
    assert after_the_note(10_038, whole, replace(whole, position=OBJECTS._replace(offset=8))) == []
    assert after_the_note(5_000, whole) == ["release_differs"]


def test_credit_note_told_again_with_other_money_or_not_listened_to_takes_nothing_back() -> None:
    other = replace(NOTED, legs=(Leg(REVENUE, "", "usd", 99), Leg(REVENUE, "x", "usd", -99)))
    assert after_the_note(10_038) == ["release_differs"]
    assert after_the_note(10_038, Told(other, OBJECTS, "m")) == ["release_differs"]
    whole = Told(NOTED, OBJECTS, "m")
    assert after_the_note(10_038, whole, lost=(OBJECTS,)) == ["release_differs"]


def of_two_lines(number: int, before: date, minor: int) -> Booked:
    """What one tick releases of both lines, the same of each."""
    of_each = [Leg(UNEARNED, line, "usd", minor) for line in ("il_1", "il_2")]
    legs = (*of_each, Leg(REVENUE, "", "usd", -2 * minor))
    return replace(released(0, number, before, minor), legs=legs)


@pytest.mark.parametrize(("offset", "kinds"), [(7, ["release_differs"]), (9, [])])
def test_tick_that_knows_a_later_record_knows_the_credit_note_told_again_before_it(
    offset: int, kinds: list[str]
) -> None:
    later = booked(OTHER, OBJECTS._replace(offset=8), 1)
    months = [of_two_lines(1, date(2026, 2, 1), 3_100), of_two_lines(2, date(2026, 2, 12), 1_100)]
    found = said(
        [DEFERRAL, later, booked(CUT, IN_PART.position, 1), *months],
        date(2026, 2, 12),
        expected=(DEFERRED, OTHER, CUT),
        tellings=(IN_PART, Told(NOTED, OBJECTS._replace(offset=offset), "m")),
    )
    assert [kind for kind, _, _ in found] == kinds


def test_release_on_a_day_of_no_tick_is_odd() -> None:
    entries = [DEFERRAL, BY_FEBRUARY, released(0, 2, date(2026, 2, 9), 800)]
    assert ("release_odd", "", "a day of no tick") in said(entries, date(2026, 2, 11))


def test_release_of_a_tick_that_did_not_move_the_clock_is_odd() -> None:
    entries = [DEFERRAL, BY_FEBRUARY]
    model = Model()
    model.ticks[tick_at(0)] = Tick("main", "2026-02-01T11:00:00Z", "UTC")
    books = Books(tuple(entries), {}, {}, {}, {}, (), ticked={tick_at(0): "2026-03-01T00:00:00Z"})
    kinds = [each.kind for each in tick_differences(model, books, {DEFERRED.name: DEFERRED})]
    assert kinds == ["release_odd"]


def test_what_is_left_is_earned_evenly_and_ends_with_nothing() -> None:
    odd = YEAR._replace(net=-100)
    left = [
        left_unearned(odd, (), date(2026, 1, 1) + timedelta(days=n), ZoneInfo("UTC"))
        for n in (0, 1, 364, 365)
    ]
    assert left == [-100, -100, -1, 0]
