from typing import Any

import pytest
from pydantic import ValidationError

from shared.contracts.books import BookData, BookMap, Mode

LIVE: dict[str, Any] = {  # Any: TOML
    "name": "live",
    "mode": "live",
    "stripe_accounts": ("acct_1",),
    "bank_accounts": (
        {"name": "main", "currency": "USD", "destinations": ("ba_1", "card_1")},
        {"name": "euro", "currency": "eur"},
    ),
    "time_zone": "Europe/Berlin",
}
TEST: dict[str, Any] = {"name": "test", "mode": "test", "stripe_accounts": ("acct_1",)}  # Any: TOML
BOOKS = BookMap.model_validate({"books": (LIVE, TEST)})


def test_book_map_of_nothing_is_one_book_named_main() -> None:
    assert [book.name for book in BookMap().books] == ["main"]


def test_stripe_account_in_a_mode_belongs_to_one_book() -> None:
    assert BOOKS.of_stripe("acct_1", Mode.LIVE) == BOOKS.named("live")
    assert BOOKS.of_stripe("acct_1", Mode.TEST) == BOOKS.named("test")
    assert BOOKS.of_stripe("acct_2", Mode.LIVE) is None


def test_bank_account_belongs_to_the_book_that_names_it() -> None:
    assert BOOKS.of_bank("main") == BOOKS.named("live")
    assert BOOKS.of_bank("nobody") is None
    assert BookMap().of_bank("nobody") == BookMap().books[0]


def test_destination_is_the_account_that_names_it_or_the_only_one_in_its_currency() -> None:
    live = BOOKS.books[0]
    assert live.bank_account_of("ba_1", "eur") == "main"
    assert live.bank_account_of("ba_9", "eur") == "euro"
    assert live.bank_account_of("", "usd") == "main"
    assert live.bank_account_of("ba_9", "jpy") is None
    assert BookData().bank_account_of("ba_1", "usd") is None


def test_event_without_account_is_our_own() -> None:
    assert BookData().is_own("")
    assert not BookData().is_own("acct_1")
    assert not BookData().is_own("acct_1", "acct_1")
    assert BOOKS.books[0].is_own("acct_1")


@pytest.mark.parametrize(
    "second",
    [
        TEST | {"name": "live"},
        TEST | {"mode": "live"},
        {name: value for name, value in TEST.items() if name != "mode"},
        TEST | {"bank_accounts": ({"name": "main", "currency": "usd"},)},
        TEST | {"bank_accounts": ({"name": "x", "currency": "usd", "destinations": ("ba_1",)},)},
    ],
)
def test_what_belongs_to_two_books_is_refused(second: dict[str, Any]) -> None:  # Any: TOML
    with pytest.raises(ValidationError, match="named twice"):
        BookMap.model_validate({"books": (LIVE, second)})


@pytest.mark.parametrize(
    "wrong",
    [
        {"time_zone": "Mars/Olympus"},
        {"mode": "demo"},
        {"colour": "blue"},
        {"bank_accounts": ({"name": "a b", "currency": "usd"},)},
    ],
)
def test_book_that_cannot_be_right_is_refused(wrong: dict[str, Any]) -> None:  # Any: TOML
    with pytest.raises(ValidationError):
        BookData.model_validate(LIVE | wrong)


def test_bank_account_in_an_unknown_currency_is_refused() -> None:
    with pytest.raises(Exception, match="unknown currency"):
        BookData.model_validate(LIVE | {"bank_accounts": ({"name": "a", "currency": "zzz"},)})


def test_mode_is_what_livemode_says() -> None:
    assert Mode.of(livemode=True) is Mode.LIVE
    assert Mode.of(livemode=False) is Mode.TEST


@pytest.mark.parametrize(
    ("account", "context", "is_own"),
    [
        ("", "acct_1", True),
        ("acct_1", "acct_1", True),
        ("", "acct_0/acct_1", True),
        ("", "acct_1/acct_else", False),
        ("acct_1", "acct_else", False),
        ("acct_else", "acct_1", False),
        ("acct_else", "", False),
    ],
)
def test_own_account_is_told_by_account_and_context_together(
    *, account: str, context: str, is_own: bool
) -> None:
    assert BOOKS.books[0].is_own(account, context) is is_own


def test_context_alone_is_own_where_the_book_names_no_account() -> None:
    assert BookData().is_own("", "acct_1")
