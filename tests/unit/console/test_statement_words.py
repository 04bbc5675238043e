"""What is asked of the statements in words, and how they are written: tables, CSV, JSON."""

import csv
import io
from datetime import UTC, date, datetime
from fractions import Fraction

import pytest

from services.console.openapi import document
from services.console.statements.account import Movement, Place, account_statement
from services.console.statements.as_json import account_json, rate_text, report_json
from services.console.statements.balance_sheet import balance_sheets, trial_balances
from services.console.statements.figures import MissingRate
from services.console.statements.layout import (
    account_csv,
    account_lines,
    csv_text,
    report_csv,
    report_lines,
)
from services.console.statements.moments import EVER, Period, moment
from services.console.statements.query import OF_A_PERIOD, STANDING, asked_of, depth_of
from services.console.statements.report import Basis, Kind, Position, Report
from services.console.views import BadRequest
from shared.contracts.books import BookData
from tests.support.statements import EUR, USD, booked, turned_over

BERLIN = BookData(time_zone="Europe/Berlin", reporting_currency="usd")
AT = datetime(2026, 1, 15, 8, tzinfo=UTC)
BASIS = Basis("main", "Europe/Berlin", EVER, Period(), AT, (Position("stripe.events", 0, 7),))
FOOT = (
    "effective: all that is booked · recorded: all that was recorded · read at"
    " 2026-01-15T08:00:00Z · days in Europe/Berlin"
)
LEGS = booked(date(2026, 1, 15), "assets:bank:main", "equity:owner", 1_234_567)


def test_day_ends_at_midnight_of_the_book_and_a_time_counts_itself() -> None:
    day = moment("2026-03-29", BERLIN.zone, name="as_of")
    assert day is not None
    assert (day.through, day.before) == (date(2026, 3, 29), datetime(2026, 3, 29, 22, tzinfo=UTC))
    at = moment("2026-03-29T23:30:00+02:00", BERLIN.zone, name="as_of")
    assert at is not None
    assert (at.through, at.day) == (date(2026, 3, 28), date(2026, 3, 29))
    assert at.rest_from == at.midnight == datetime(2026, 3, 28, 23, tzinfo=UTC)
    assert at.before == datetime(2026, 3, 29, 21, 30, 0, 1, tzinfo=UTC)
    assert moment("", BERLIN.zone, name="as_of") is None


@pytest.mark.parametrize(
    "words",
    [
        {"as_of": "yesterday"},
        {"as_of": "2026-02-30"},
        {"as_of": "2026-02-20T10:00:00"},
        {"as_of": "0001-01-01"},
        {"recorded_as_of": "9999-12-31T23:59:59Z"},
        {"from": "2026-03-01", "to": "2026-02-01"},
        {"from": "2026-03-01", "as_of": "2026-02-01"},
        {"from": "20260301"},
        {"currency": "xxx"},
        {"reporting": "doge"},
        {"colour": "red"},
    ],
)
def test_words_that_mean_nothing_are_refused_by_name(words: dict[str, str]) -> None:
    with pytest.raises(BadRequest) as refused:
        asked_of(BERLIN, words, OF_A_PERIOD)
    assert str(refused.value).partition(":")[0] in {*words, "to", "from"}


def test_words_left_out_ask_for_all_in_the_book_s_own_currency() -> None:
    asked = asked_of(BERLIN, {}, STANDING)
    assert (asked.as_of, asked.reporting) == (EVER, USD)
    assert asked_of(BERLIN, {"reporting": ""}, STANDING).reporting is None
    with pytest.raises(BadRequest):
        asked_of(BERLIN, {"from": "2026-01-01"}, STANDING)
    ended = asked_of(BERLIN, {"to": "2026-01-31", "as_of": "2026-03-01"}, OF_A_PERIOD).end
    assert ended.effective is not None
    assert ended.effective.day == date(2026, 1, 31)
    assert [depth_of(text) for text in ("", "1", "8")] == [8, 1, 8]
    for odd in ("0", "9", "-1", "one", "١"):  # noqa: RUF001 - a digit that is not ours
        with pytest.raises(BadRequest):
            depth_of(odd)


def test_table_aligns_amounts_and_says_as_of_when_and_where() -> None:
    made = Report(Kind.TRIAL_BALANCE, BASIS, tuple(trial_balances(turned_over(LEGS))))
    assert [line.text for line in report_lines(made)] == [
        "Trial balance, USD",
        "                     debit USD   credit USD",
        "  assets:bank:main   12,345.67",
        "  equity:owner                    12,345.67",
        "                     =========   ==========",
        "Total                12,345.67    12,345.67",
        "debits = credits          0.00",
        "",
        FOOT,
        "as of position: stripe.events/0@7",
    ]


def test_broken_statement_is_shown_in_the_style_of_what_is_wrong() -> None:
    made = Report(Kind.BALANCE_SHEET, BASIS, tuple(balance_sheets(turned_over(LEGS[:1]))))
    assert not made.is_sound
    (wrong,) = [line.text for line in report_lines(made) if line.style == "wrong"]
    assert wrong.startswith("ASSETS ARE NOT LIABILITIES + EQUITY: off by")
    assert report_json(made)["is_sound"] is False


def test_missing_rate_stands_where_the_figure_would() -> None:
    missing = (MissingRate("eur", "usd", date(2026, 1, 2)),)
    made = Report(Kind.BALANCE_SHEET, BASIS, (), USD, None, missing)
    assert "No figure in USD: no rate of EUR in USD on or before 2026-01-02" in [
        line.text for line in report_lines(made)
    ]
    told = report_json(made)["reporting"]
    assert told["statement"] is None
    assert told["missing_rates"] == [{"base": "eur", "quote": "usd", "on_or_before": "2026-01-02"}]


def test_json_writes_amounts_as_integers_in_text() -> None:
    huge = booked(date(2026, 1, 1), "assets:bank:main", "equity:owner", 2**70, EUR)
    made = Report(Kind.BALANCE_SHEET, BASIS, tuple(balance_sheets(turned_over(huge))))
    (sheet,) = report_json(made)["statements"]
    total = {"minor": str(2**70), "currency": "eur", "exponent": 2}
    assert sheet["assets"]["total"] == sheet["liabilities_and_equity"] == total
    assert report_json(made)["as_of"] == [
        {"topic": "stripe.events", "partition": 0, "next_offset": 7}
    ]


def movement(reference: str, description: str) -> Movement:
    place = Place(AT, "stripe.events", 0, 1, 1)
    return Movement(place, AT, reference, "k", description, "assets:bank:main", "", USD, -5)


def test_csv_lets_no_text_be_taken_for_a_formula_and_leaves_figures_alone() -> None:
    statement = account_statement("assets:bank:main", [], [movement("=1+1", "\t@cmd|x")])
    (row,) = csv.DictReader(io.StringIO(account_csv([statement])))
    assert (row["reference"], row["description"]) == ("'=1+1", "'\t@cmd|x")
    assert (row["amount"], row["minor"]) == ("-0.05", "-5")
    cells = ["-5", "-0.05", "-x", " =x", '"=x', "+1", "1.2.3", "-1.2.3"]
    written = next(csv.reader(io.StringIO(csv_text(cells, []))))
    assert written == cells  # the head is ours
    (safe,) = list(csv.reader(io.StringIO(csv_text(["h"], [cells]))))[1:]
    assert safe == ["-5", "-0.05", "'-x", "' =x", "'\"=x", "'+1", "1.2.3", "'-1.2.3"]
    made = Report(Kind.TRIAL_BALANCE, BASIS, tuple(trial_balances(turned_over(LEGS))))
    rows = list(csv.DictReader(io.StringIO(report_csv(made))))
    assert [(r["label"], r["column"], r["minor"]) for r in rows[:2]] == [
        ("assets:bank:main", "debit", "1234567"),
        ("equity:owner", "credit", "1234567"),
    ]


def test_table_shows_no_control_characters_of_the_outside() -> None:
    statement = account_statement("assets:bank:main", [], [movement("a\x1b[2Jb", "")])
    lines = [line.text for line in account_lines([statement], BASIS)]
    assert not any("\x1b" in line for line in lines)
    assert account_json(statement)["lines"][0]["balance"]["minor"] == "-5"


def test_rate_is_written_as_the_decimal_that_it_is() -> None:
    assert [rate_text(Fraction(t)) for t in ("1.10", "150", "0.0066445182724252")] == [
        "1.1", "150", "0.0066445182724252",
    ]  # fmt: skip


def test_openapi_names_every_statement_with_its_etag() -> None:
    paths = document()["paths"]
    for kind in Kind:
        answers = paths[f"/v1/books/{{book}}/statements/{kind}"]["get"]["responses"]
        assert "ETag" in answers["200"]["headers"]
        assert "304" in answers
