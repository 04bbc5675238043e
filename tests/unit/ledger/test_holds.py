"""Holds: what is set aside is not set aside again."""

from datetime import timedelta
from textwrap import dedent

import pytest

from tests.unit.ledger.judged import Desk, Json, books_of, usd

OWED = "liabilities:connect"
SETTLE: Json = {"to": "assets:bank:main"}


def owing(desk: Desk, minor: int, key: str = "acct_1") -> None:
    desk.does(
        "manual_entry",
        effective_at=desk.now,
        postings=[
            {"account": "revenue:stripe", "side": "debit", "amount": usd(minor)},
            {"account": OWED, "side": "credit", "amount": usd(minor), "key": key},
        ],
    )


def hold(minor: int, **fields: object) -> Json:
    return {"account": OWED, "key": "acct_1", "amount": usd(minor)} | fields


@pytest.mark.parametrize("unit", [1000, 2**53 + 1, 2**63 + 1, 10**28 + 3])
def test_sixth_hold_of_a_fifth_is_refused(unit: int) -> None:
    desk = Desk()
    owing(desk, 5 * unit)
    for _ in range(5):
        desk.does("place_hold", **hold(unit))
    assert desk.available(OWED, "acct_1") == 0
    desk.refuses("available", "place_hold", **hold(unit))
    desk.refuses("available", "place_hold", **hold(1))


def test_hold_says_what_is_left() -> None:
    desk = Desk()
    owing(desk, 5000)
    placed = desk.does("place_hold", named="anna:h1", **hold(1200))
    assert placed.remark.decided == {
        "hold": "anna:h1",
        "account": OWED,
        "key": "acct_1",
        "amount": usd(1200),
        "expires_at": None,
        "available": usd(3800),
    }
    assert placed.entries == ()


def test_hold_of_one_key_leaves_the_others_alone() -> None:
    desk = Desk()
    owing(desk, 100)
    owing(desk, 100, "acct_2")
    desk.does("place_hold", **hold(100))
    desk.does("place_hold", **hold(100, key="acct_2"))
    desk.refuses("available", "place_hold", **hold(1, key="acct_3"))


def test_hold_is_released_and_available_again() -> None:
    desk = Desk()
    owing(desk, 100)
    desk.does("place_hold", named="h1", **hold(100))
    assert (desk.does("release_hold", hold="h1").remark.decided or {})["released"] == usd(100)
    desk.refuses("hold_open", "release_hold", hold="h1")
    desk.does("place_hold", **hold(100))


def test_hold_is_settled_in_part_and_the_rest_is_released() -> None:
    desk = Desk()
    owing(desk, 100)
    desk.does("place_hold", named="h1", **hold(80))
    settled = desk.does("settle_hold", hold="h1", amount=usd(50), **SETTLE)
    assert books_of(settled) == dedent("""\
        Dr liabilities:connect[acct_1]  0.50 USD
        Cr assets:bank:main             0.50 USD""")
    assert settled.remark.decided == {"hold": "h1", "settled": usd(50), "released": usd(30)}
    assert desk.available(OWED, "acct_1") == 50


def test_hold_on_what_grows_by_debit_is_settled_by_a_credit() -> None:
    desk = Desk()
    desk.receives(100)
    desk.does("place_hold", named="h1", account="assets:bank:main", amount=usd(100))
    settled = desk.does("settle_hold", hold="h1", to="expenses:compute")
    assert books_of(settled) == dedent("""\
        Cr assets:bank:main  1.00 USD
        Dr expenses:compute  1.00 USD""")


def test_hold_is_settled_for_no_more_than_it_holds() -> None:
    desk = Desk()
    owing(desk, 100)
    desk.does("place_hold", named="h1", **hold(80))
    desk.refuses("within_hold", "settle_hold", hold="h1", amount=usd(81), **SETTLE)


def test_hold_that_is_settled_is_settled_once() -> None:
    desk = Desk()
    owing(desk, 100)
    desk.does("place_hold", named="h1", **hold(80))
    desk.does("settle_hold", hold="h1", **SETTLE)
    desk.refuses("hold_open", "settle_hold", hold="h1", **SETTLE)
    desk.refuses("hold_open", "release_hold", hold="h1")


def test_hold_that_is_over_holds_nothing_and_is_not_settled() -> None:
    desk = Desk()
    owing(desk, 100)
    desk.does("place_hold", named="h1", **hold(100, expires_at=desk.now + timedelta(minutes=3)))
    desk.refuses("available", "place_hold", **hold(1))
    desk.now += timedelta(minutes=3)
    desk.refuses("hold_open", "settle_hold", hold="h1", **SETTLE)
    desk.does("place_hold", **hold(100))


def test_hold_that_is_over_already_is_refused() -> None:
    desk = Desk()
    owing(desk, 100)
    desk.refuses("expires_later", "place_hold", **hold(1, expires_at=desk.now))


def test_hold_needs_the_key_that_its_account_is_kept_by() -> None:
    desk = Desk()
    desk.refuses("account_key", "place_hold", **hold(1, key=""))
    desk.refuses("account_key", "place_hold", account="assets:bank:main", key="x", amount=usd(1))


@pytest.mark.parametrize("account", ["revenue:stripe", "equity:owner", "assets:nowhere:at-all:x"])
def test_hold_is_on_accounts_that_hold_money(account: str) -> None:
    Desk().refuses("account_holds_money", "place_hold", account=account, amount=usd(1))


def test_hold_keeps_commands_with_a_floor_off_what_it_holds() -> None:
    desk = Desk()
    desk.receives(100)
    desk.does("place_hold", account="assets:bank:main", amount=usd(60))
    spend: Json = {
        "category": "compute",
        "paid_from": "assets:bank:main",
        "effective_at": desk.now,
        "floor": True,
    }
    desk.refuses("available", "book_expense", amount=usd(41), **spend)
    desk.does("book_expense", amount=usd(40), **spend)


def test_hold_that_nobody_placed_is_neither_settled_nor_released() -> None:
    Desk().refuses("hold_known", "settle_hold", hold="h9", **SETTLE)
    Desk().refuses("hold_known", "release_hold", hold="h9")


def test_held_money_is_not_taken_by_a_posting_that_names_no_key() -> None:
    desk = Desk()
    owing(desk, 5000)
    desk.does("place_hold", **hold(5000))

    def taken(key: str) -> Json:
        return {
            "floor": True,
            "effective_at": desk.now,
            "postings": [
                {"account": OWED, "side": "debit", "amount": usd(5000), "key": key},
                {"account": "assets:bank:main", "side": "credit", "amount": usd(5000)},
            ],
        }

    desk.receives(9000)
    desk.refuses("available", "manual_entry", **taken("acct_1"))
    said = desk.refuses("account_key", "manual_entry", **taken(""))
    assert said.startswith("liabilities:connect is kept by")
