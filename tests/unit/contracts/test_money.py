import pytest
from pydantic import ValidationError

from shared.contracts.errors import AmountOutOfRange, CurrencyUnknown, Unreadable
from shared.contracts.money import (
    CURRENCIES,
    MINOR_MAX,
    Money,
    MoneyOnWire,
    allocate,
    currency_of,
    decimal_text,
)

USD = currency_of("usd")


@pytest.mark.parametrize(
    ("code", "exponent"),
    [("usd", 2), ("jpy", 0), ("kwd", 3), ("isk", 2), ("ugx", 2), ("usdc", 6), ("eth", 18)],
)
def test_currency_has_the_exponent_of_stripes_wire(code: str, exponent: int) -> None:
    assert currency_of(code).exponent == exponent
    assert currency_of(code.upper()) is currency_of(code)


@pytest.mark.parametrize(
    "code", ["btn", "eek", "ghs", "hrk", "ltl", "lvl", "mro", "sll", "svc", "vef"]
)
def test_currency_that_old_history_may_hold_is_known_with_two_decimals(code: str) -> None:
    assert currency_of(code).exponent == 2


@pytest.mark.parametrize("code", ["", "us", "zzz", "usd ", None, 840, b"usd", "\uff35\uff33\uff24"])
def test_currency_that_is_not_registered_is_refused(code: object) -> None:
    with pytest.raises(CurrencyUnknown):
        currency_of(code)


def test_currencies_are_lower_case_and_named_once() -> None:
    assert all(code == code.lower() == currency.code for code, currency in CURRENCIES.items())


@pytest.mark.parametrize("minor", [True, False, 1.0, "100", None, 10**30 + 1, -(10**30) - 1])
def test_money_of_what_is_no_integer_in_range_is_refused(minor: object) -> None:
    with pytest.raises(AmountOutOfRange):
        Money.of(minor, "usd")
    with pytest.raises(AmountOutOfRange):
        Money(minor, USD)  # type: ignore[arg-type]  # what the outside may send


def test_money_is_exact_to_ten_to_the_thirty() -> None:
    most = Money(MINOR_MAX, USD)
    assert (most - Money(1, USD)).minor == 999_999_999_999_999_999_999_999_999_999
    assert MoneyOnWire.of(most).minor == "1" + "0" * 30
    with pytest.raises(AmountOutOfRange):
        assert most + Money(1, USD)


def test_money_of_two_currencies_is_never_added() -> None:
    with pytest.raises(ValueError, match="cannot add EUR to USD"):
        assert Money(1, USD) + Money(1, currency_of("eur"))
    with pytest.raises(ValueError, match="cannot add EUR to USD"):
        assert Money(1, USD) - Money(1, currency_of("eur"))


def test_money_is_negated_and_made_absolute() -> None:
    assert -Money(5, USD) == Money(-5, USD)
    assert abs(Money(-5, USD)) == Money(5, USD)
    assert bool(Money(-5, USD))
    assert not Money(0, USD)


@pytest.mark.parametrize(
    ("minor", "exponent", "text"),
    [
        (-105, 2, "-1.05"),
        (105, 0, "105"),
        (5, 2, "0.05"),
        (-5, 3, "-0.005"),
        (0, 2, "0.00"),
        (10**18 + 1, 18, "1.000000000000000001"),
    ],
)
def test_decimal_text_of_minor_units(minor: int, exponent: int, text: str) -> None:
    assert decimal_text(minor, exponent) == text


def test_money_as_text_has_its_decimals_and_currency() -> None:
    assert str(Money(-12_345, USD)) == "-123.45 USD"
    assert str(Money(500, currency_of("jpy"))) == "500 JPY"


def test_allocation_gives_leftover_units_to_the_largest_remainders_the_earlier_first() -> None:
    shares = allocate(Money(100, USD), (1, 1, 1))
    assert [share.minor for share in shares] == [34, 33, 33]
    assert [share.minor for share in allocate(Money(-100, USD), (1, 1, 1))] == [-34, -33, -33]
    assert [share.minor for share in allocate(Money(10, USD), (0, 3, 4))] == [0, 4, 6]


@pytest.mark.parametrize("weights", [(), (0, 0), (1, -1), (2, -1)])
def test_allocation_without_usable_weights_is_refused(weights: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="weights"):
        allocate(Money(100, USD), weights)


@pytest.mark.parametrize("minor", ["-0", "01", "1.0", "1e3", " 1", "1_0", "", "٣", "1" * 32])
def test_wire_money_whose_integer_is_written_otherwise_is_refused(minor: str) -> None:
    with pytest.raises(ValidationError):
        MoneyOnWire(minor=minor, currency="usd", exponent=2)


@pytest.mark.parametrize("minor", [1, 1.0, True, None])
def test_wire_money_whose_minor_is_no_text_is_refused(minor: object) -> None:
    with pytest.raises(ValidationError):
        MoneyOnWire.model_validate({"minor": minor, "currency": "usd", "exponent": 2})


def test_wire_money_that_counts_other_decimals_is_unreadable() -> None:
    with pytest.raises(Unreadable, match="has 0 decimals here, not 2"):
        MoneyOnWire(minor="500", currency="jpy", exponent=2).money()


def test_wire_money_past_ten_to_the_thirty_is_out_of_range() -> None:
    with pytest.raises(AmountOutOfRange):
        MoneyOnWire(minor=str(MINOR_MAX + 1), currency="usd", exponent=2).money()
