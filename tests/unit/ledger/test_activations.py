"""What is in force where: a function of the activations and of where a message stands."""

import json
from types import MappingProxyType
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from services.ledger.activation.activating import activation, differences, genesis
from services.ledger.activation.activations import (
    Activation,
    ActivationRecord,
    ActivationRefused,
    Activations,
    Place,
    Since,
    book_map_value,
    genesis_value,
    value_of,
)
from services.ledger.activation.in_force import InForce
from services.ledger.chart import DEFAULT_CHART, chart_of
from shared.contracts.books import BankAccount, Basis, BookData, BookMap
from shared.contracts.commands import Activate, Activated
from shared.contracts.journal import Book
from tests.support.later_rules import LATER_RULES

MAIN: Final = Book("main")
EVENTS: Final[Place] = ("stripe.events", 0)
LINES: Final[Place] = ("bank.observations", 1)
BOOKED: Final[Since] = MappingProxyType({EVENTS: 10, LINES: 0})
CHART_TEXT: Final = DEFAULT_CHART.read_text("utf-8")
OTHER_CHART: Final = CHART_TEXT + '\n[[account]]\nname = "expenses:rent"\ndisplay = "Rent"\n'
TWO_BOOKS: Final = BookMap(books=(BookData(), BookData(name="other")))
BEGUN: Final = InForce(rules_version=1)
NOTHING: Final = Activations(BEGUN)


def asked(what: Activated, value: JsonValue, *positions: tuple[str, int, int]) -> Activate:
    said = {
        "idempotency_key": "k",
        "what": what,
        "value": value,
        "positions": [{"topic": t, "partition": p, "offset": o} for t, p, o in positions],
    }
    return Activate.model_validate_json(json.dumps(said))


def made(
    known: Activations, what: Activated, value: JsonValue, *positions: tuple[str, int, int]
) -> Activations:
    one = activation(asked(what, value, *positions), known, BOOKED, LATER_RULES)
    return Activations(known.first, (*known.made, one))


def refusal(
    known: Activations, what: Activated, value: JsonValue, *positions: tuple[str, int, int]
) -> str:
    with pytest.raises(ActivationRefused) as refused:
        made(known, what, value, *positions)
    return str(refused.value)


def test_before_any_activation_holds_what_the_books_began_with() -> None:
    assert NOTHING.number == 0
    assert NOTHING.at(*EVENTS, 5) == BEGUN


def test_activation_without_positions_holds_from_where_each_input_stands() -> None:
    known = made(NOTHING, Activated.RULES_VERSION, 2)
    versions = [known.at(*EVENTS, offset).rules_version for offset in (0, 9, 10, 11)]
    assert versions == [1, 1, 2, 2]
    assert known.at(*LINES, 0).rules_version == 2


def test_activation_with_a_position_holds_there_from_it_and_elsewhere_from_now() -> None:
    known = made(NOTHING, Activated.RULES_VERSION, 2, (*EVENTS, 50))
    assert [known.at(*EVENTS, offset).rules_version for offset in (49, 50)] == [1, 2]
    assert known.at(*LINES, 0).rules_version == 2


def test_partition_that_came_later_has_what_was_put_in_force_before() -> None:
    known = made(NOTHING, Activated.RULES_VERSION, 2)
    assert known.at("chain.observations", 3, 0).rules_version == 2


def test_of_two_activations_that_cover_a_position_the_later_decided_holds() -> None:
    far = made(NOTHING, Activated.RULES_VERSION, 2, (*EVENTS, 100))
    near = made(far, Activated.RULES_VERSION, 3, (*EVENTS, 50))
    versions = [near.at(*EVENTS, offset).rules_version for offset in (49, 50, 99, 100, 500)]
    assert versions == [1, 3, 3, 3, 3]


def test_basis_and_chart_are_of_one_book() -> None:
    known = made(Activations(InForce(TWO_BOOKS)), Activated.BASIS, "accrual")
    known = made(known, Activated.CHART, OTHER_CHART)
    now = known.last()
    assert now.named("main").basis is Basis.ACCRUAL
    assert now.named("other").basis is Basis.CASH
    assert now.named("main").chart.find("expenses:rent") is not None
    assert now.named("other").chart.find("expenses:rent") is None


def test_book_map_keeps_the_basis_of_known_books_and_says_that_of_new_ones() -> None:
    known = made(NOTHING, Activated.BASIS, "accrual")
    later = BookMap(books=(BookData(), BookData(name="new", basis=Basis.ACCRUAL)))
    known = made(known, Activated.BOOK_MAP, book_map_value(later))
    assert known.last().named("main").basis is Basis.ACCRUAL
    assert known.last().named("new").basis is Basis.ACCRUAL
    assert [book.name for book in known.last().book_map.books] == ["main", "new"]
    assert [len(each.books) for each in known.book_maps()] == [1, 2]


def test_first_activation_of_all_says_everything_from_the_beginning() -> None:
    files = InForce(TWO_BOOKS, {MAIN: chart_of(OTHER_CHART)}, {MAIN: Basis.ACCRUAL}, 2)
    began = genesis(genesis_value(files, {MAIN: OTHER_CHART}, CHART_TEXT), MAIN)
    known = Activations(InForce(), (began,))
    assert known.at(*EVENTS, 0) == known.last()
    assert differences(known.last(), files) == []
    assert known.last().rules_version == 2


def test_book_without_a_chart_keeps_the_default_that_it_began_with() -> None:
    # OTHER_CHART stands for the default chart of the program that began the books.
    began = genesis(genesis_value(InForce(TWO_BOOKS), {}, OTHER_CHART), MAIN)
    known = Activations(InForce(TWO_BOOKS), (began,))
    assert known.last().named("main").chart == chart_of(OTHER_CHART)
    assert known.last().named("a book of later").chart == chart_of(OTHER_CHART)
    assert known.chart_text(MAIN) == OTHER_CHART
    # The upgraded program has another; its files name none, so nothing differs.
    assert differences(known.last(), InForce(TWO_BOOKS)) == []
    # A file that names one says something.
    named = InForce(TWO_BOOKS, {MAIN: chart_of(CHART_TEXT)})
    assert [each.book for each in differences(known.last(), named)] == [MAIN]


def test_file_that_names_no_chart_leaves_the_one_that_was_put_in_force() -> None:
    known = made(NOTHING, Activated.CHART, OTHER_CHART).last()
    assert differences(known, InForce()) == []
    (found,) = differences(known, InForce(charts={MAIN: chart_of(CHART_TEXT)}))
    assert found.detail == "expenses:rent is in force and not in the file"


def test_books_that_began_before_the_default_chart_was_told_have_that_of_the_program() -> None:
    told = genesis_value(InForce(TWO_BOOKS), {}, CHART_TEXT)
    assert isinstance(told, dict)
    began = genesis({name: each for name, each in told.items() if name != "default_chart"}, MAIN)
    known = Activations(InForce(TWO_BOOKS), (began,))
    assert known.last().named("main").chart == chart_of(CHART_TEXT)
    assert known.chart_text(MAIN) is None


@pytest.mark.parametrize("what", list(Activated))
def test_activation_read_from_its_record_is_the_same(what: Activated) -> None:
    values: dict[Activated, JsonValue] = {
        Activated.GENESIS: genesis_value(InForce(), {}, CHART_TEXT),
        Activated.RULES_VERSION: 2,
        Activated.CHART: OTHER_CHART,
        Activated.BASIS: "accrual",
        Activated.BOOK_MAP: book_map_value(TWO_BOOKS),
    }
    value = values[what]
    one = Activation(3, what, MAIN, value, value_of(what, value), BOOKED)
    told = ActivationRecord.of(one, actor="ana", reason="new year").model_dump_json()
    assert ActivationRecord.model_validate_json(told).activation() == one


@pytest.mark.parametrize(
    ("what", "value", "said"),
    [
        (Activated.RULES_VERSION, 7, "rules version 7 is not one that the ledger's program has"),
        (Activated.RULES_VERSION, "2", "a rules version is a number"),
        (Activated.RULES_VERSION, True, "a rules version is a number"),
        (Activated.BASIS, "hybrid", "a basis is cash or accrual"),
        (Activated.CHART, "no toml", "not TOML"),
        (Activated.CHART, 'version = 1\n[[account]]\nname = "x"\ndisplay = "X"\n', "not a chart"),
        (Activated.CHART, 7, "text of its TOML file"),
        (Activated.BOOK_MAP, {"books": []}, "not a book map"),
        (Activated.BOOK_MAP, {"books": [{"name": "other"}]}, "book main has a history"),
        (
            Activated.BOOK_MAP,
            {"books": [{"name": "main", "time_zone": "Asia/Tokyo"}]},
            "keeps its days in UTC",
        ),
        (Activated.GENESIS, {}, "these books have begun"),
    ],
)
def test_value_that_cannot_be_put_in_force_is_refused_with_the_way_out(
    what: Activated, value: JsonValue, said: str
) -> None:
    assert said in refusal(NOTHING, what, value)


def test_position_that_was_passed_is_refused_with_the_first_that_is_not() -> None:
    said = refusal(NOTHING, Activated.RULES_VERSION, 2, (*EVENTS, 9))
    assert "stripe.events/0 is booked up to 10" in said
    assert "name 10 or later" in said


def test_position_of_no_input_is_refused() -> None:
    said = refusal(NOTHING, Activated.RULES_VERSION, 2, ("ledger.entries", 0, 9))
    assert "ledger.entries/0 is no input" in said


def test_files_that_change_only_what_people_read_differ_in_nothing() -> None:
    files = BookMap(
        books=(
            BookData(
                reporting_currency="usd",
                payer_names=("ACME",),
                bank_accounts=(),
            ),
        )
    )
    text = CHART_TEXT.replace('display = "Cash"', 'display = "Bank"')
    assert differences(InForce(), InForce(files, {MAIN: chart_of(text)})) == []


def test_file_that_says_no_basis_leaves_the_one_that_was_put_in_force() -> None:
    known = made(NOTHING, Activated.BASIS, "accrual").last()
    silent = BookMap.model_validate({"books": [{"name": "main"}]})
    assert differences(known, InForce(silent)) == []
    said = BookMap.model_validate({"books": [{"name": "main", "basis": "cash"}]})
    (found,) = differences(known, InForce(said))
    assert found.detail == "in force is accrual, the books file says cash"


def test_files_that_change_bookings_are_told_apart_one_by_one() -> None:
    files = InForce(
        BookMap(
            books=(
                BookData(
                    basis=Basis.ACCRUAL,
                    stripe_accounts=("acct_1",),
                    bank_accounts=(BankAccount(name="checking", currency="usd"),),
                ),
                BookData(name="new"),
            )
        ),
        {MAIN: chart_of(OTHER_CHART)},
    )
    found = differences(InForce(), files)
    assert [(each.what, each.book) for each in found] == [
        (Activated.BOOK_MAP, ""),
        (Activated.BASIS, "main"),
        (Activated.CHART, "main"),
    ]
    assert found[0].detail == (
        "book main: stripe accounts in force none, in the file acct_1;"
        " book main: bank accounts in force none, in the file checking;"
        " book new is in the file and not in force"
    )
    assert found[2].detail == "expenses:rent is in the file and not in force"


@given(
    st.lists(
        st.tuples(st.sampled_from([1, 2, 3]), st.integers(0, 30), st.integers(0, 30)), max_size=6
    ),
    st.integers(0, 35),
)
def test_in_force_is_that_of_the_last_decided_activation_that_covers_the_position(
    told: list[tuple[int, int, int]], offset: int
) -> None:
    one = tuple(
        Activation(n, Activated.RULES_VERSION, MAIN, v, v, {EVENTS: here, LINES: there})
        for n, (v, here, there) in enumerate(told, 1)
    )
    known = Activations(BEGUN, one)
    covering = [v for v, here, _ in told if here <= offset]
    assert known.at(*EVENTS, offset).rules_version == (covering or [1])[-1]
