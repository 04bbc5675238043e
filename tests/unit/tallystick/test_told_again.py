"""Lines that name a message to tell again, written, counted and read."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import orjson
import pytest

from shared.contracts.journal import Account, Book, Entry, Reference, credit, debit, entry
from shared.contracts.messages import Position
from shared.contracts.money import Money, currency_of
from tallystick.cli.book_again import lines_told_again
from tallystick.cli.problems import Problem
from tallystick.what_if.told_again import Facts, ToldAgain

FILE: Final = Path("corrections.jsonl")
AT: Final = Position(topic="stripe.events", partition=3, offset=17)


def fact(kind: str, *amounts: tuple[int, str]) -> Entry:
    made = entry(
        book=Book("main"),
        reference=Reference("stripe:invoice:in_1"),
        kind=kind,
        effective_at=datetime(2026, 1, 1, tzinfo=UTC),
        lines=[
            side(Account(account), Money(minor, currency_of(currency)))
            for minor, currency in amounts
            for side, account in ((debit, "assets:receivable"), (credit, "revenue:stripe"))
        ],
        rules_version=1,
        description="",
    )
    assert made is not None
    return made


def test_line_says_what_is_booked_from_which_message_and_is_read_again() -> None:
    told = fact("invoice", (36_500, "usd"), (5, "jpy"))
    line = ToldAgain.of(told, AT)
    said = orjson.loads(orjson.dumps(line.model_dump(mode="json")))
    assert said == {
        "kind": "tell_again",
        "fact": "invoice",
        "reference": "stripe:invoice:in_1",
        "effective_at": "2026-01-01T00:00:00Z",
        "amounts": [
            {"minor": "5", "currency": "jpy", "exponent": 0},
            {"minor": "36500", "currency": "usd", "exponent": 2},
        ],
        "message": "stripe.events/3@17",
        "digest": told.digest().hex(),
        "also": "",
    }
    assert ToldAgain.of(told, AT, AT).also == "stripe.events/3@17"
    command: dict[str, object] = {"kind": "manual_entry"}
    assert lines_told_again(FILE, [(1, command), (2, said)]) == [line]


def test_facts_are_added_up_by_kind_and_currency() -> None:
    told = [
        fact("invoice", (36_500, "usd")),
        fact("invoice", (100, "usd"), (7, "jpy")),
        fact("invoice_paid", (36_500, "usd")),
    ]
    found = Facts.of(ToldAgain.of(each, AT) for each in told)
    assert found.count == 3
    assert found.rows() == [
        "invoice       1       7 JPY",
        "invoice       2  366.00 USD",
        "invoice_paid  1  365.00 USD",
    ]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"message": None}, "message: Input should be a valid string"),
        ({"amounts": [{"minor": "1.5", "currency": "usd", "exponent": 2}]}, "amounts.0.minor"),
        ({"mood": "good"}, "mood: Extra inputs are not permitted"),
    ],
)
def test_line_that_names_no_message_is_refused_by_its_number(
    change: dict[str, object], said: str
) -> None:
    line = ToldAgain.of(fact("invoice", (1, "usd")), AT).model_dump(mode="json") | change
    with pytest.raises(Problem, match=r"Line 7 of corrections.jsonl names no message") as found:
        lines_told_again(FILE, [(7, line)])
    assert said in found.value.why
