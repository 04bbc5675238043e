"""What a decision changes beside the journal, read from what was decided.

``effects_of`` needs nothing but the kind of a command and the record of its decision, so a rebuild
that follows the record arrives at the same.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

from pydantic import JsonValue

from services.ledger.account_changes import AccountChange
from services.ledger.holds import Hold, HoldState
from services.ledger.periods import Closing
from shared.contracts.errors import InvariantBroken
from shared.contracts.journal import Direction
from shared.contracts.money import MoneyOnWire

Json = Mapping[str, JsonValue]
_PERIODS: Final = frozenset({"close_period", "lock_period", "reopen_period"})
_ACCOUNTS: Final = frozenset({"open_account", "close_account", "rename_account"})


@dataclass(frozen=True, slots=True)
class PeriodChanged:
    """A book is closed, locked or opened again."""

    closing: Closing


@dataclass(frozen=True, slots=True)
class AccountChanged:
    """An account is opened, closed or renamed."""

    change: AccountChange


@dataclass(frozen=True, slots=True)
class ClockTicked:
    """A book's clock has ticked until the beginning of a day."""

    until: datetime


@dataclass(frozen=True, slots=True)
class HoldPlaced:
    """An amount is set aside."""

    hold: Hold


@dataclass(frozen=True, slots=True)
class HoldEnded:
    """A hold is settled or released."""

    hold_id: str
    state: HoldState


Effect = PeriodChanged | AccountChanged | HoldPlaced | HoldEnded | ClockTicked


def effects_of(kind: str, decided: Json | None) -> tuple[Effect, ...]:
    """What an accepted command of a kind changes beside the journal.

    Raises:
        InvariantBroken: The record of the decision is not what this house writes.
    """
    if decided is None:
        return ()
    try:
        if kind in _PERIODS:
            return (PeriodChanged(_closing(decided)),)
        if kind in _ACCOUNTS:
            return (AccountChanged(_change(decided)),)
        if kind == "tick_clock":
            return (ClockTicked(datetime.fromisoformat(_text(decided, "ticked_until"))),)
        if kind == "place_hold":
            return (HoldPlaced(_hold(decided)),)
        if kind == "settle_hold":
            return (HoldEnded(_text(decided, "hold"), HoldState.SETTLED),)
        if kind == "release_hold":
            return (HoldEnded(_text(decided, "hold"), HoldState.RELEASED),)
    except (KeyError, ValueError, TypeError) as error:
        raise InvariantBroken(f"a decision on {kind} does not say what it must: {error}") from None
    return ()


def _text(decided: Json, name: str) -> str:
    return str(decided[name])


def _day(decided: Json, name: str) -> date | None:
    told = decided[name]
    return date.fromisoformat(str(told)) if told is not None else None


def _closing(decided: Json) -> Closing:
    return Closing(
        number=_number(decided),
        since=datetime.fromisoformat(_text(decided, "since")),
        closed_through=_day(decided, "closed_through"),
        locked_through=_day(decided, "locked_through"),
    )


def _number(decided: Json) -> int:
    number: Any = decided["number"]  # Any: JSON
    return int(number)


def _change(decided: Json) -> AccountChange:
    return AccountChange(
        account=_text(decided, "account"),
        number=_number(decided),
        display=_text(decided, "display"),
        is_open=bool(decided["is_open"]),
        is_of_chart=bool(decided["is_of_chart"]),
        key=_text(decided, "key"),
        normal=Direction(_text(decided, "normal")),
        has_floor=bool(decided["floor"]),
    )


def _hold(decided: Json) -> Hold:
    until = decided["expires_at"]
    return Hold(
        id=_text(decided, "hold"),
        account=_text(decided, "account"),
        key=_text(decided, "key"),
        amount=MoneyOnWire.model_validate(decided["amount"]).money(),
        expires_at=datetime.fromisoformat(str(until)) if until is not None else None,
    )
