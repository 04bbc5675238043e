"""A posted line of Plaid's says which pending line it has come in the place of."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from services.feeds.plaid import exact_json, line_of
from services.feeds.revisions import Form, line_observation, successor

POSTED = b"""{"transaction_id": "t2", "account_id": "a", "amount": -98.50, "date": "2026-11-12",
    "iso_currency_code": "USD", "pending": false, "pending_transaction_id": "t1"}"""


def told(**changed: object) -> dict[str, object]:
    value = exact_json(POSTED)
    assert isinstance(value, dict)
    return {**value, **changed}


def test_posted_line_tells_the_pending_one_that_it_replaces() -> None:
    line = line_of(told())
    assert line.replaces == "t1"
    at = datetime(2026, 11, 12, tzinfo=UTC)
    message = line_observation(Form(line, 1), account="ops", provider="plaid", observed_at=at)
    assert (message.id, message.replaces) == ("t2", "t1")


@pytest.mark.parametrize("name", [None, "", 7, "x" * 500, "a\nb"])
def test_what_is_no_id_replaces_nothing(name: object) -> None:
    assert line_of(told(pending_transaction_id=name)).replaces == ""


def test_line_that_was_known_before_this_was_told_is_no_news() -> None:
    line = line_of(told())
    assert successor(Form(replace(line, replaces=""), 1), line) is None
