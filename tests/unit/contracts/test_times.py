"""Whoever has no time sends an end of the calendar; it is refused wherever a database would keep it."""

import pytest
from pydantic import TypeAdapter, ValidationError

from shared.contracts.commands import LEDGER_COMMAND
from shared.contracts.times import Day, Moment

HOLD = {
    "kind": "place_hold",
    "idempotency_key": "k1",
    "account": "assets:bank:main",
    "amount": {"minor": "1", "currency": "usd", "exponent": 2},
}


@pytest.mark.parametrize(
    "at",
    [
        "0001-01-01T00:00:00Z",
        "0001-01-01T09:00:00+09:00",
        "9999-12-31T23:59:59.999999Z",
        "9999-12-31T23:59:59.999999999Z",
    ],
)
def test_moment_at_an_end_of_the_calendar_is_refused(at: str) -> None:
    with pytest.raises(ValidationError, match="means never, not a time"):
        TypeAdapter(Moment).validate_python(at)
    with pytest.raises(ValidationError, match="means never, not a time"):
        LEDGER_COMMAND.validate_python(HOLD | {"expires_at": at}, strict=False)


@pytest.mark.parametrize("at", ["0001-01-01T00:00:00.000001Z", "9999-12-31T23:59:59Z"])
def test_moment_beside_an_end_of_the_calendar_is_one(at: str) -> None:
    assert TypeAdapter(Moment).validate_python(at).tzinfo is not None


@pytest.mark.parametrize("day", ["0001-01-01", "9999-12-31"])
def test_day_at_an_end_of_the_calendar_is_refused(day: str) -> None:
    with pytest.raises(ValidationError, match="means never, not a day"):
        TypeAdapter(Day).validate_python(day)
