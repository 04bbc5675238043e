"""What would be in force under suppositions, and how books that differ are told."""

from datetime import UTC, datetime
from typing import Final

from services.ledger.accounts import UNEARNED
from services.ledger.activation.activations import Activation, Activations, Place
from services.ledger.activation.in_force import InForce
from services.ledger.what_if.suppositions import (
    Apart,
    BalanceDifference,
    EntryDifference,
    Supposed,
    balances_apart,
    supposed,
)
from shared.contracts.books import Basis, BookData, BookMap
from shared.contracts.commands import Activated
from shared.contracts.journal import Account, Book, Entry, Reference, credit, debit, entry
from shared.contracts.money import Money, currency_of

MAIN: Final = Book("main")
EVENTS: Final[Place] = ("stripe.events", 0)
USD: Final = currency_of("usd")


def made(number: int, what: Activated, said: int | str, since: int) -> Activation:
    """Something that was put in force."""
    asked = supposed(what, said, book=MAIN, since={EVENTS: since})
    return Activation(number, asked.what, asked.book, asked.said, asked.value, asked.since)


def booked(account: str, minor: int, kind: str = "charge") -> Entry:
    """An entry that takes money in."""
    found = entry(
        book=MAIN,
        reference=Reference("stripe:payment:ch_1"),
        kind=kind,
        effective_at=datetime(2026, 1, 1, tzinfo=UTC),
        lines=(
            debit(Account("assets:stripe:balance"), Money(minor, USD)),
            credit(Account(account), Money(minor, USD)),
        ),
        rules_version=1,
        description="",
    )
    assert found is not None
    return found


def test_supposition_from_the_beginning_holds_over_what_was_put_in_force_later() -> None:
    history = Activations(InForce(rules_version=1), (made(1, Activated.RULES_VERSION, 2, 10),))
    asked = Supposed.on(history, [supposed(Activated.RULES_VERSION, 3, book=MAIN)])
    assert [asked.at(*EVENTS, at).rules_version for at in (0, 9, 10, 99)] == [3, 3, 3, 3]
    assert asked.number == history.number


def test_supposition_from_a_position_on_leaves_what_was_before_it() -> None:
    history = Activations(InForce(rules_version=1), (made(1, Activated.RULES_VERSION, 2, 10),))
    later = supposed(Activated.RULES_VERSION, 3, book=MAIN, since={EVENTS: 20})
    asked = Supposed.on(history, [later])
    assert [asked.at(*EVENTS, at).rules_version for at in (9, 10, 19, 20)] == [1, 2, 2, 3]
    assert asked.at("bank.observations", 3, 0).rules_version == 3


def test_suppositions_hold_together() -> None:
    both = BookMap(books=(BookData(), BookData(name="other")))
    value = both.model_dump(mode="json", exclude={"books": {"__all__": {"chart"}}})
    asked = Supposed.on(
        Activations(InForce()),
        [
            supposed(Activated.BOOK_MAP, value, book=MAIN),
            supposed(Activated.BASIS, "accrual", book=MAIN),
        ],
    )
    there = asked.at(*EVENTS, 0)
    assert there.named("main").basis is Basis.ACCRUAL
    assert there.named("other").basis is Basis.CASH
    assert asked.book_maps() == (BookMap(), both)


def test_balances_that_are_equal_are_no_difference() -> None:
    here = {
        ("main", "a", "usd"): (5, 3),
        ("main", "b", "usd"): (0, 2),
        ("main", "c", "jpy"): (9, 8),
    }
    there = {
        ("main", "a", "usd"): (7, 5),
        ("main", "d", "usd"): (0, 2),
        ("main", "c", "jpy"): (9, 9),
    }
    assert balances_apart(here, there, {"usd": 2, "jpy": 0}) == (
        BalanceDifference("main", "b", "usd", 2, -2, 0),
        BalanceDifference("main", "c", "jpy", 0, 1, 0),
        BalanceDifference("main", "d", "usd", 2, 0, -2),
    )


def test_entry_that_would_be_booked_otherwise_says_what_would_move() -> None:
    told = EntryDifference(booked("revenue:stripe", 100), booked("revenue:refunds", 100))
    assert (told.apart, told.reference) == (Apart.OTHERWISE, "stripe:payment:ch_1")
    assert [(leg.account, leg.before, leg.after, leg.difference) for leg in told.legs()] == [
        ("revenue:refunds", 0, -100, -100),
        ("revenue:stripe", -100, 0, 100),
    ]


def test_entry_on_one_side_alone_moves_all_of_it() -> None:
    gone = EntryDifference(booked("revenue:stripe", 100), None)
    new = EntryDifference(None, booked("revenue:stripe", 100))
    assert (gone.apart, new.apart) == (Apart.NOT_BOOKED, Apart.BOOKED)
    assert [leg.difference for leg in gone.legs()] == [-100, 100]
    assert [leg.difference for leg in new.legs()] == [100, -100]


def test_keys_under_which_an_entry_differs_are_those_that_move_something_else() -> None:
    def released(*lines: tuple[str, int]) -> Entry:
        found = entry(
            book=MAIN,
            reference=Reference("release:t1:1"),
            kind="revenue_released",
            effective_at=datetime(2026, 1, 1, tzinfo=UTC),
            lines=[
                *(debit(UNEARNED, Money(minor, USD), key=line) for line, minor in lines),
                credit(Account("revenue:stripe"), Money(sum(m for _, m in lines), USD)),
            ],
            rules_version=1,
            description="",
        )
        assert found is not None
        return found

    here, there = released(("il_1", 5), ("il_2", 7)), released(("il_1", 5), ("il_3", 7))
    assert EntryDifference(here, there).keys(UNEARNED) == ("il_2", "il_3")
    assert EntryDifference(here, None).keys(UNEARNED) == ("il_1", "il_2")
