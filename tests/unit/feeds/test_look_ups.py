"""Which accounts a look-up is about, and from when on they are read."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from services.feeds.look_ups import (
    DueLookUp,
    PolledAccount,
    accounts_of,
    next_try,
    read_from,
)

DUE = DueLookUp("lku_1", "main", "ops", "usd", date(2026, 11, 10), 0)
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
POLLED = (
    PolledAccount("ops", "main", "usd"),
    PolledAccount("tax", "main", "usd"),
    PolledAccount("yen", "main", "jpy"),
    PolledAccount("sister", "other", "usd"),
)


def test_look_up_is_about_the_account_that_it_names_and_else_about_all_in_its_currency() -> None:
    assert accounts_of(DUE, POLLED) == ("ops",)
    assert accounts_of(replace(DUE, account=""), POLLED) == ("ops", "tax")
    assert accounts_of(replace(DUE, account="", currency="jpy"), POLLED) == ("yen",)
    assert accounts_of(replace(DUE, account="elsewhere"), POLLED) == ()
    assert accounts_of(replace(DUE, account="sister"), POLLED) == (), "another book's account"


@pytest.mark.parametrize(
    ("since", "begins"),
    [
        (date(2026, 11, 10), datetime(2026, 11, 7, tzinfo=UTC)),
        (date(2020, 1, 1), NOW - timedelta(days=400)),
        (date.min, NOW - timedelta(days=400)),
        (date(2027, 1, 1), NOW),
        (date.max, NOW),
    ],
)
def test_account_is_read_from_before_the_day_and_not_from_before_all_memory(
    since: date, begins: datetime
) -> None:
    assert read_from(since, now=NOW) == begins


def test_account_that_cannot_be_read_is_asked_for_again_at_growing_pauses() -> None:
    pause = timedelta(minutes=1)
    found = [next_try(NOW, tries=tries, pause=pause) - NOW for tries in (0, 1, 2, 60)]
    assert found == [pause, 2 * pause, 4 * pause, timedelta(hours=6)]
