"""What the oracle says of revenue that clock ticks released."""

import pytest

from oracle.journal import Booked
from oracle.releases import fact_of, is_release, release_differences
from oracle.values import Fact, Leg, Model, Name, Position, Tick

UNEARNED, REVENUE = "liabilities:unearned", "revenue:stripe"
AT = Position("ledger.commands", 0, 4)
DEFERRED = Fact(
    Name("main", "stripe:invoice_line:il_1"),
    (Leg(UNEARNED, "il_1", "usd", -100), Leg(REVENUE, "", "usd", 100)),
)


def release(*legs: Leg, number: int = 1) -> Booked:
    return Booked(
        name=Name("main", f"release:tick:{number}"),
        kind="revenue_released",
        legs=legs,
        effective_at="",
        recorded_at="",
        rules_version=1,
        caused_by=AT,
        message_id="m",
        sequence=1,
        digest="",
        chain="",
    )


def earned(minor: int, line: str = "il_1", number: int = 1) -> Booked:
    legs = (Leg(UNEARNED, line, "usd", minor), Leg(REVENUE, "", "usd", -minor))
    return release(*legs, number=number)


def said(*released: Booked) -> list[str]:
    known = [(DEFERRED.name, DEFERRED)]
    return [each.kind for each in release_differences(released, known)]


def test_release_is_a_ticks_alone() -> None:
    model = Model()
    assert not is_release(earned(1), model)
    model.ticks[AT] = Tick("main", "2026-02-01T00:00:00Z", "UTC")
    assert is_release(earned(1), model)
    assert fact_of(earned(1)).name.reference == "release:tick:1"


@pytest.mark.parametrize("parts", [(100,), (30, 70), (30,), ()])
def test_line_may_earn_what_was_deferred(parts: tuple[int, ...]) -> None:
    assert said(*(earned(part, number=n) for n, part in enumerate(parts))) == []


@pytest.mark.parametrize("parts", [(101,), (60, 50), (-1,)])
def test_line_that_earns_more_or_less_than_it_can_is_named(parts: tuple[int, ...]) -> None:
    assert said(*(earned(part, number=n) for n, part in enumerate(parts))) == ["released_too_much"]


def test_line_that_nobody_deferred_earns_nothing() -> None:
    assert said(earned(1, line="il_2")) == ["released_too_much"]


def test_release_to_another_account_is_named() -> None:
    odd = release(Leg(UNEARNED, "il_1", "usd", 5), Leg("assets:bank:main", "", "usd", -5))
    assert said(odd) == ["release_odd"]
