"""What may be written off to: accounts of the chart in force, and those that were opened."""

from typing import Any

import pytest

from services.console.reconciling.accounts import KnownAccounts, known_accounts

CHART = """
version = 1
[[account]]
name = "expenses:bank-fees"
display = "Bank fees"
[[account]]
name = "expenses:travel:WHO"
display = "Travel"
[[account]]
name = "expenses:stripe-told"
display = "As Stripe tells"
mirror = true
"""


def genesis(**charts: str) -> dict[str, Any]:  # Any: a row of a view
    value = {"charts": charts, "default_chart": CHART}
    return {"what": "genesis", "book": "main", "value": value}


def known(*changes: tuple[str, bool]) -> KnownAccounts:
    return known_accounts([genesis()], [{"account": a, "is_open": o} for a, o in changes])


@pytest.mark.parametrize("account", ["expenses:bank-fees", "expenses:travel:ada"])
def test_account_of_the_chart_may_be_written_off_to(account: str) -> None:
    assert known().refusal(account) is None


def test_account_that_the_chart_does_not_have_is_refused_with_what_is_near_and_the_way_out() -> (
    None
):
    told = known().refusal("expenses:bank-feees")
    assert told is not None
    assert told["outcome"] == "refused"
    assert told["reason"].startswith(
        "expenses:bank-feees is no account of this book; did you mean expenses:bank-fees?"
    )
    assert told["decided"]["rule"] == "account_known"
    assert told["decided"]["values"] == {"account": "expenses:bank-feees"}
    assert "tallystick accounts open expenses:bank-feees" in told["decided"]["way_out"]
    assert "did you mean" not in str(known().refusal("revenue:zzz"))


def test_account_that_was_opened_may_be_written_off_to_until_it_is_closed() -> None:
    assert known(("expenses:typo", True)).refusal("expenses:typo") is None
    closed = known(("expenses:typo", True), ("expenses:typo", False)).refusal("expenses:typo")
    assert closed is not None
    assert closed["decided"]["rule"] == "account_open"
    of_chart = known(("expenses:bank-fees", False)).refusal("expenses:bank-fees")
    assert of_chart is not None
    assert of_chart["reason"].startswith("expenses:bank-fees is closed")


def test_account_that_others_keep_is_refused() -> None:
    told = known().refusal("expenses:stripe-told")
    assert told is not None
    assert told["decided"]["rule"] == "mirror"


def test_last_chart_that_was_put_in_force_holds_and_that_of_the_book_before_the_default() -> None:
    own = 'version = 1\n[[account]]\nname = "expenses:own"\ndisplay = "Own"\n'
    assert known_accounts([genesis(main=own)], []).refusal("expenses:own") is None
    assert known_accounts([genesis(main=own)], []).refusal("expenses:bank-fees") is not None
    later = {"what": "chart", "book": "main", "value": CHART}
    assert known_accounts([genesis(main=own), later], []).refusal("expenses:bank-fees") is None


def test_books_whose_chart_is_not_on_record_take_any_account() -> None:
    before: dict[str, Any] = {"what": "genesis", "book": "main", "value": {"charts": {}}}
    assert known_accounts([before], []).refusal("expenses:anything") is None
