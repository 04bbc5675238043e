"""What the poller says of Stripe's balance: its sums, and which movements are in it."""

import json
from datetime import UTC, datetime

from services.ingest.balance_reading import Newest, reading, shown_types, totals
from services.ingest.catch_up import Fields, Speaker, Telling, telling
from shared.contracts.books import Mode

AT = datetime(2026, 11, 20, 12, tzinfo=UTC)
SPEAKER = Speaker("acct_1", Mode.TEST, "main", "2026-10-28.endive")
BALANCE: Fields = {
    "object": "balance",
    "available": [{"amount": -40, "currency": "usd"}, {"amount": 7, "currency": "eur"}],
    "pending": [{"amount": 100, "currency": "usd"}],
    "connect_reserved": [{"amount": 900, "currency": "usd"}],
    "refund_and_dispute_prefunding": {
        "available": [{"amount": 3, "currency": "usd"}],
        "pending": [],
    },
}


def listed(name: str, created: int) -> Telling:
    value = {"id": name, "object": "balance_transaction", "created": created}
    return telling(value, SPEAKER, told_at=AT)


def test_available_and_pending_are_one_sum_and_reserves_are_none_of_it() -> None:
    assert totals(BALANCE) == {
        ("payments", "usd"): 60,
        ("payments", "eur"): 7,
        ("refund_and_dispute_prefunding", "usd"): 3,
    }


def test_type_that_the_balance_does_not_tell_of_is_not_shown() -> None:
    assert shown_types(BALANCE) == ("payments", "refund_and_dispute_prefunding")
    assert shown_types({"available": [], "pending": [], "issuing": None}) == ("payments",)


def test_newest_second_of_a_list_has_all_that_was_made_in_it() -> None:
    pages = ([listed("a", 5), listed("b", 9)], [listed("c", 9), listed("d", 4)])
    newest = Newest()
    for page in pages:
        newest = newest.with_page(page)
    assert newest == Newest(9, frozenset({"b", "c"}))


def test_reading_is_the_same_when_nothing_moved_and_another_when_something_did() -> None:
    newest = Newest(9, frozenset({"b", "c"}))
    one = reading(1, BALANCE, newest, SPEAKER, told_at=AT)
    again = reading(1, {**BALANCE, "livemode": False}, newest, SPEAKER, told_at=AT)
    assert one.digest == again.digest
    other = reading(1, BALANCE, Newest(9, frozenset({"b"})), SPEAKER, told_at=AT)
    assert other.digest != one.digest
    assert reading(2, BALANCE, newest, SPEAKER, told_at=AT).key == one.key
    said = json.loads(one.envelope.data)
    assert (said["created_to"], said["last"]) == (9, ["b", "c"])
