"""What commands have decided, as lines that a person reads."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Final

from tallystick.cli.decided import account_lines, closing_lines, hold_lines, late_lines

AT: Final = datetime(2026, 11, 21, 9, 30, 7, tzinfo=UTC)
Row = dict[str, Any]  # Any: a column's value


def test_book_that_was_opened_again_says_how_far_it_is_closed_now() -> None:
    october = date(2026, 10, 31)
    rows: list[Row] = [
        {"since": AT, "closed_through": date(2026, 10, 14), "locked_through": None},
        {"since": AT, "closed_through": october, "locked_through": None},
    ]
    assert closing_lines(rows) == [
        "closed through 2026-10-14; none is locked",
        "  2026-11-21 09:30Z  closed through 2026-10-14, locked through no day",
        "  2026-11-21 09:30Z  closed through 2026-10-31, locked through no day",
    ]
    assert closing_lines([]) == ["no day was ever closed"]


def test_late_fact_has_its_own_day_and_the_one_it_is_reported_on() -> None:
    row: Row = {
        "reference": "stripe:payment:ch_1",
        "kind": "payment",
        "effective_at": datetime(2026, 10, 20, tzinfo=UTC),
        "recorded_at": AT,
        "reported_day": date(2026, 11, 1),
    }
    assert late_lines([row]) == [
        (
            "2026-10-20  reported on 2026-11-01  stripe:payment:ch_1"
            " (payment, recorded 2026-11-21 09:30Z)"
        )
    ]
    assert late_lines([]) == ["no fact came late for a closed day"]


def test_account_and_hold_say_how_they_stand() -> None:
    account: Row = {
        "account": "expenses:office",
        "display": "Office",
        "is_open": False,
        "key": "room",
        "has_floor": True,
        "recorded_at": AT,
    }
    assert account_lines([account]) == [
        (
            "2026-11-21 09:30Z  expenses:office  'Office'  closed, kept by room,"
            " never below zero by command"
        )
    ]
    hold: Row = {
        "hold": "root@cli:rent",
        "account": "liabilities:connect",
        "key": "acct_1",
        "currency": "kwd",
        "exponent": 3,
        "minor": Decimal("1E+3"),
        "ended": None,
        "expires_at": AT,
    }
    assert hold_lines([hold]) == [
        "root@cli:rent  liabilities:connect[acct_1]  1.000 KWD  open, until 2026-11-21 09:30Z"
    ]
    assert account_lines([]) == ["no command has opened, closed or renamed an account"]
    assert hold_lines([]) == ["nothing was ever held"]
