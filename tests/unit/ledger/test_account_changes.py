"""Accounts that commands open, close and rename."""

from tests.unit.ledger.judged import Desk, Json, usd

TILL = "assets:till:berlin"


def put(desk: Desk, minor: int, *, taken: bool = False) -> Json:
    sides = ("credit", "debit") if taken else ("debit", "credit")
    return {
        "effective_at": desk.now,
        "postings": [
            {"account": TILL, "side": sides[0], "amount": usd(minor)},
            {"account": "equity:owner", "side": sides[1], "amount": usd(minor)},
        ],
    }


def test_account_is_unknown_until_it_is_opened() -> None:
    desk = Desk()
    desk.refuses("account_known", "manual_entry", **put(desk, 5))
    desk.does("open_account", account=TILL, display="Till")
    desk.does("manual_entry", **put(desk, 5))


def test_account_is_opened_once() -> None:
    desk = Desk()
    desk.does("open_account", account=TILL, display="Till")
    desk.refuses("account_unknown", "open_account", account=TILL, display="Till")
    desk.refuses("account_unknown", "open_account", account="assets:bank:any", display="Bank")


def test_account_that_was_opened_with_a_floor_is_not_overdrawn() -> None:
    desk = Desk()
    desk.does("open_account", account=TILL, display="Till", floor=True)
    desk.refuses("available", "manual_entry", **put(desk, 5, taken=True))
    desk.does("manual_entry", **put(desk, 5))
    desk.does("manual_entry", **put(desk, 5, taken=True))


def test_account_with_money_on_it_is_not_closed() -> None:
    desk = Desk()
    desk.does("open_account", account=TILL, display="Till")
    desk.does("manual_entry", **put(desk, 5))
    assert "0.05 USD" in desk.refuses("account_empty", "close_account", account=TILL)
    desk.does("manual_entry", **put(desk, 5, taken=True))
    desk.does("close_account", account=TILL)
    desk.refuses("account_open", "manual_entry", **put(desk, 5))
    desk.refuses("account_open", "close_account", account=TILL)


def test_account_with_an_open_hold_is_not_closed() -> None:
    desk = Desk()
    desk.does("open_account", account=TILL, display="Till")
    desk.does("manual_entry", **put(desk, 5))
    desk.does("place_hold", named="h1", account=TILL, amount=usd(5))
    desk.does("manual_entry", **put(desk, 5, taken=True))
    desk.refuses("account_empty", "close_account", account=TILL)
    desk.does("release_hold", hold="h1")
    desk.does("close_account", account=TILL)


def test_account_whose_keys_are_open_is_not_closed_though_it_sums_to_nothing() -> None:
    desk = Desk()
    desk.does("open_account", account=TILL, display="Till", key="drawer")
    posting: Json = {"account": TILL, "amount": usd(5)}
    desk.does(
        "manual_entry",
        effective_at=desk.now,
        postings=[
            posting | {"side": "debit", "key": "left"},
            posting | {"side": "credit", "key": "right"},
        ],
    )
    desk.refuses("account_empty", "close_account", account=TILL)


def test_closed_account_is_opened_again_as_it_was() -> None:
    desk = Desk()
    desk.does("open_account", account=TILL, display="Till", key="drawer")
    desk.does("close_account", account=TILL)
    desk.refuses("account_same", "open_account", account=TILL, display="Till", key="person")
    opened = desk.does("open_account", account=TILL, display="Till, again").remark.decided or {}
    assert (opened["number"], opened["key"], opened["display"]) == (3, "drawer", "Till, again")


def test_account_of_the_chart_is_closed_and_opened() -> None:
    desk = Desk()
    desk.does("close_account", account="liabilities:payable")
    desk.refuses(
        "account_open",
        "book_expense",
        category="compute",
        amount=usd(1),
        paid_from="liabilities:payable",
        effective_at=desk.now,
    )
    desk.does("open_account", account="liabilities:payable", display="Payable")


def test_account_that_the_rules_keep_is_not_closed() -> None:
    for name in ("assets:stripe:balance", "liabilities:suspense"):
        Desk().refuses("account_of_the_rules", "close_account", account=name)


def test_account_is_renamed_and_found_by_its_own_name_only() -> None:
    desk = Desk()
    renamed = desk.does("rename_account", account="assets:bank:main", display="House bank")
    assert (renamed.remark.decided or {})["display"] == "House bank"
    assert renamed.remark.detail == "renamed from 'Cash'"
    desk.refuses(
        "account_other_name", "rename_account", account="assets:bank:main", display="House bank"
    )
    desk.refuses("account_known", "rename_account", account="House bank", display="x")
