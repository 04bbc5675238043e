"""Laws of money for any amount."""

from hypothesis import given
from hypothesis import strategies as st

from shared.contracts.money import (
    CURRENCIES,
    MINOR_MAX,
    Currency,
    Money,
    MoneyOnWire,
    allocate,
    decimal_text,
)

currencies = st.sampled_from(sorted(CURRENCIES.values()))
minors = st.integers(-MINOR_MAX, MINOR_MAX)
amounts = st.builds(Money, minors, currencies)
weights = st.lists(st.integers(0, 10**20), min_size=1, max_size=12).filter(any)


@given(amounts, weights)
def test_allocation_loses_not_one_minor_unit(total: Money, shares: list[int]) -> None:
    parts = allocate(total, shares)
    assert sum(part.minor for part in parts) == total.minor
    assert all(part.currency == total.currency for part in parts)


@given(amounts, weights)
def test_allocation_is_within_one_unit_of_the_exact_share_and_of_its_sign(
    total: Money, shares: list[int]
) -> None:
    whole = sum(shares)
    for part, weight in zip(allocate(total, shares), shares, strict=True):
        assert abs(part.minor * whole - total.minor * weight) < whole
        assert part.minor * total.minor >= 0
        assert weight or not part.minor


@given(amounts, weights)
def test_allocation_of_the_opposite_is_the_opposite(total: Money, shares: list[int]) -> None:
    assert [-p for p in allocate(total, shares)] == list(allocate(-total, shares))


@given(amounts)
def test_money_comes_back_from_the_wire_as_it_was(amount: Money) -> None:
    wire = MoneyOnWire.of(amount)
    assert MoneyOnWire.model_validate_json(wire.model_dump_json()).money() == amount


@given(minors, st.integers(0, 18))
def test_decimal_text_holds_every_digit(minor: int, exponent: int) -> None:
    text = decimal_text(minor, exponent)
    assert int(text.replace(".", "")) == minor
    assert len(text.partition(".")[2]) == exponent


@given(st.integers(-(10**29), 10**29), st.integers(-(10**29), 10**29), currencies)
def test_adding_and_taking_away_gives_the_same_money(a: int, b: int, currency: Currency) -> None:
    one, other = Money(a, currency), Money(b, currency)
    assert one + other - other == one
    assert one - other == -(other - one)
