"""The memory of a run: what was seen, what was booked, what contradicts it."""

from datetime import timedelta

import pytest

from services.ledger.activation.in_force import InForce
from services.ledger.posting_rules import Decision, decide
from shared.contracts import topics
from shared.contracts.journal import Book
from tallystick.preview.books import Books
from tests.unit.ledger.telling import NOW, Json, charge, event, of_event, of_object, refund, told


def take(books: Books, *decisions: Decision) -> list[tuple[str, str, str, str]]:
    return [
        (r.outcome.value, r.reason, r.subject, str(r.amount))
        for decision in decisions
        for r in books.take(decision, NOW)
    ]


def holds(books: Books) -> dict[tuple[str, str], int]:
    return {(b.account, b.key): b.minor for b in books.balances()}


ONE = {("assets:stripe:settling", "ch_1"): 10_000, ("revenue:stripe", ""): -10_000}


def test_event_told_twice_books_once() -> None:
    books = Books()
    assert take(books, of_event(charge()), of_event(charge())) == []
    assert holds(books) == ONE


def test_fact_told_by_two_events_books_once() -> None:
    books = Books()
    assert take(books, of_event(charge()), of_event(charge(disputed=True), id="evt_2")) == []
    assert holds(books) == ONE


def test_event_that_contradicts_itself_books_nothing_the_second_time() -> None:
    books = Books()
    other = of_event(charge(id="ch_2"))
    assert take(books, of_event(charge()), other) == [
        ("conflict", "event_conflict", "evt_1", "None")
    ]
    assert holds(books) == ONE


def test_same_event_id_in_two_books_is_two_events() -> None:
    books = Books()
    message = told(topics.STRIPE_EVENTS, event("x", charge(id="ch_2")), book="other")
    assert take(books, of_event(charge()), decide(message, InForce())) == []


def test_fact_told_with_other_money_is_a_conflict_and_the_first_stands() -> None:
    books = Books()
    more = of_event(charge(amount_captured=12_500), id="evt_2")
    assert take(books, of_event(charge()), more) == [
        ("conflict", "reference_conflict", "ch_1", "25.00 USD")
    ]
    assert holds(books) == ONE


def test_of_several_facts_in_a_message_only_the_contradicting_one_is_left_out() -> None:
    books = Books()
    decision = of_object({"object": "list", "data": [charge(amount_captured=1), refund()]})
    assert len(take(books, of_event(charge()), decision)) == 1
    assert ("assets:stripe:settling", "re_1") in holds(books)


def test_command_under_a_used_key_is_refused_and_the_first_stands() -> None:
    def command(minor: int) -> Decision:
        amount: Json = {"minor": str(minor), "currency": "usd", "exponent": 2}
        value: Json = {
            "kind": "manual_entry",
            "idempotency_key": "key_1",
            "effective_at": "2026-11-20T12:00:00Z",
            "postings": [
                {"account": "expenses:compute", "side": "debit", "amount": amount},
                {"account": "assets:bank:main", "side": "credit", "amount": amount},
            ],
        }
        return decide(told(topics.LEDGER_COMMANDS, value), InForce())

    books = Books()
    assert take(books, command(1), command(1), command(2))[-1][:3] == (
        "refused",
        "command",
        "key_1",
    )
    assert holds(books) == {("expenses:compute", ""): 1, ("assets:bank:main", ""): -1}


def test_tellings_that_differ_in_time_give_the_same_report_in_any_order() -> None:
    early = of_event(refund(status="failed"), id="evt_1", created=1_793_000_100)
    late = of_event(refund(status="failed"), id="evt_2", created=1_793_999_999)
    one, other = Books(), Books()
    for decision in (early, late):
        one.take(decision, NOW)
    other.take(late, NOW)
    other.take(early, NOW + timedelta(days=1))
    assert one.entries() == other.entries()


def test_keys_that_return_to_zero_are_left_out() -> None:
    books = Books()
    take(books, of_event(refund(status="failed")))
    assert books.balances() == ()
    assert len(books.entries()) == 2


@pytest.mark.parametrize("name", ["main", "other"])
def test_books_are_held_apart(name: str) -> None:
    books = Books()
    take(
        books,
        *(
            decide(told(topics.STRIPE_OBJECTS, charge(), book=book), InForce())
            for book in ("main", "other")
        ),
    )
    assert [b.minor for b in books.balances() if b.book == Book(name)] == [10_000, -10_000]
