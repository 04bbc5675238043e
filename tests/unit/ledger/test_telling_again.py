"""Which messages, told again now, book what they would have booked where they stand."""

from typing import Final

import pytest

from services.ledger.activation.activations import Activation, Activations, Place, book_map_value
from services.ledger.activation.in_force import InForce
from services.ledger.what_if.suppositions import Supposed, supposed
from services.ledger.what_if.telling_again import NOT_IN_FORCE, UNTOLD, TellingAgain
from shared.contracts.books import BookData, BookMap
from shared.contracts.commands import Activated
from shared.contracts.journal import Book
from shared.contracts.messages import Position

MAIN: Final = Book("main")
EVENTS: Final[Place] = ("stripe.events", 0)
ACCRUAL: Final = supposed(Activated.BASIS, "accrual", book=MAIN)
EARLY: Final = Position(topic="stripe.events", partition=0, offset=3)


def made(number: int, what: Activated, said: object, since: int) -> Activation:
    """Something that was put in force, from an offset on."""
    asked = supposed(what, said, book=MAIN, since={EVENTS: since})  # type: ignore[arg-type]  # JSON
    return Activation(number, asked.what, asked.book, asked.said, asked.value, asked.since)


def again(*history: Activation, suppose: Activation = ACCRUAL, end: int = 20) -> TellingAgain:
    """What can be told again of a log that ends there."""
    now = Activations(InForce(), history)
    return TellingAgain(Supposed.on(now, [suppose]), now, {EVENTS: end})


SWITCHED: Final = made(1, Activated.BASIS, "accrual", 10)


def test_fact_of_before_the_switch_can_be_told_again_after_it() -> None:
    assert again(SWITCHED).why_not(MAIN, EARLY) == ""


def test_fact_is_not_told_again_where_the_end_of_its_partition_books_it_otherwise() -> None:
    assert again().why_not(MAIN, EARLY) == NOT_IN_FORCE
    # Put in force, and from behind the end on: a message that is sent now comes before that.
    ahead = made(1, Activated.BASIS, "accrual", 30)
    assert again(ahead).why_not(MAIN, EARLY) == NOT_IN_FORCE
    back = made(2, Activated.BASIS, "cash", 15)
    assert again(SWITCHED, back).why_not(MAIN, EARLY) == NOT_IN_FORCE
    assert again(SWITCHED).why_not(Book("other"), EARLY) == ""


def test_what_was_put_in_force_beside_it_and_books_nothing_otherwise_is_no_hindrance() -> None:
    said = book_map_value(BookMap(books=(BookData(payer_names=("Ada",)),)))
    assert again(SWITCHED, made(2, Activated.BOOK_MAP, said, 12)).why_not(MAIN, EARLY) == ""
    other = book_map_value(BookMap(books=(BookData(sells_credits=True),)))
    found = again(SWITCHED, made(2, Activated.BOOK_MAP, other, 12)).why_not(MAIN, EARLY)
    assert found == NOT_IN_FORCE


@pytest.mark.parametrize("topic", ["ledger.commands", "reconciliation.matches"])
def test_what_was_decided_is_not_told_again(topic: str) -> None:
    at = Position(topic=topic, partition=0, offset=3)
    assert again(SWITCHED).why_not(MAIN, at) == UNTOLD
    assert again(SWITCHED).why_not(MAIN, None) == UNTOLD
