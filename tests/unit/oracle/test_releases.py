"""What the oracle says of revenue that clock ticks released."""

from dataclasses import replace

import pytest

from oracle.compare import compare
from oracle.journal import Booked, Books
from oracle.model import Books as BookMap
from oracle.model import model_of
from oracle.releases import fact_of, is_release, release_differences
from oracle.values import Fact, Leg, Model, Name, Position, Tick
from tests.unit.oracle.world import records

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


def test_line_earns_what_a_command_has_moved_of_it_besides() -> None:
    by_hand = Fact(Name("main", "command:anna:1"), (Leg(UNEARNED, "il_1", "usd", -50),))
    known = [(DEFERRED.name, DEFERRED), (by_hand.name, by_hand)]
    assert not list(release_differences([earned(150)], known))
    assert [each.kind for each in release_differences([earned(151)], known)] == [
        "released_too_much"
    ]


@pytest.mark.parametrize(("minor", "extra"), [(30, []), (29, ["extra"])])
def test_reversal_of_a_release_is_what_was_asked_for_and_nothing_else(
    minor: int, extra: list[str]
) -> None:
    asked = {
        "kind": "reverse_entry",
        "idempotency_key": "anna:1",
        "reference": "release:tick:1",
        "reason": "as it was possible once",
    }
    model = model_of(records("ledger.commands", [asked]), BookMap())
    model.ticks[AT] = Tick("main", "2026-02-01T00:00:00Z", "UTC")
    made = earned(30)
    undone = replace(
        earned(-minor),
        name=Name("main", "command:anna:1"),
        kind="reverse_entry",
        reverses="release:tick:1",
        caused_by=Position("ledger.commands", 0, 0),
    )
    books = Books((made, undone), {}, {}, {}, {}, ())
    found = compare(model, books).differences
    assert [each.kind for each in found if each.kind in ("extra", "missing")] == extra
