"""Closing, locking and opening periods: how far a book is closed is one day, and every day before.

Closing is one step, and a guided one: the decision says what the books sum to through that day and
what is still open, so that whoever closes sees it; none of it refuses the close.
"""

from datetime import date

from pydantic import JsonValue

from services.ledger.periods import FIRST_DAY, LAST_DAY, Closing, first_open_day
from services.ledger.rules.refusals import CommandRefused
from services.ledger.rulings.cases import Case, Ruling
from services.ledger.rulings.standing import PeriodFigures
from shared.contracts.commands import ClosePeriod, LockPeriod, ReopenPeriod
from shared.contracts.envelope import rfc3339
from shared.contracts.money import Currency, currency_of, decimal_text


def change_period(command: ClosePeriod | LockPeriod | ReopenPeriod, case: Case) -> Ruling:
    """The ruling on a command about a period.

    Raises:
        CommandRefused: It breaks a rule, which the refusal names.
    """
    match command:
        case ClosePeriod():
            return _close_period(command, case)
        case LockPeriod():
            return _lock_period(command, case)
        case ReopenPeriod():
            return _reopen_period(command, case)


def _close_period(command: ClosePeriod, case: Case) -> Ruling:
    """Close all days through one; they must be over, and not closed already.

    Raises:
        CommandRefused: They are not over yet, or closed.
    """
    _require_over(command.through, case)
    closings = case.standing.closings
    if closings.closed_through is not None and command.through <= closings.closed_through:
        case.refuse(_closed_already(command.through, closings.closed_through, "closed"))
    return _changed(case, command.through, closings.locked_through, closes=command.through)


def _lock_period(command: LockPeriod, case: Case) -> Ruling:
    """Close all days through one for good; they must be over, and not locked already.

    Raises:
        CommandRefused: They are not over yet, or locked.
    """
    _require_over(command.through, case)
    closings = case.standing.closings
    if closings.locked_through is not None and command.through <= closings.locked_through:
        case.refuse(_closed_already(command.through, closings.locked_through, "locked"))
    closed = max(command.through, closings.closed_through or command.through)
    return _changed(case, closed, command.through, closes=command.through)


def _reopen_period(command: ReopenPeriod, case: Case) -> Ruling:
    """Open the days from one on; they must be closed, and not locked.

    What was reported on a later day while they were closed stays there.

    Raises:
        CommandRefused: They are open, or locked.
    """
    _require_in_our_time(command.since)
    closings = case.standing.closings
    closed, locked = closings.closed_through, closings.locked_through
    if closed is None or command.since > closed:
        case.refuse(
            CommandRefused(
                f"{command.since} is not closed",
                rule="period_closed",
                values={"since": str(command.since), "closed_through": str(closed or "")},
                way_out="book on it as it is",
            )
        )
    if locked is not None and command.since <= locked:
        case.refuse(
            CommandRefused(
                f"{command.since} is locked: what is through {locked} was closed for good",
                rule="period_not_locked",
                values={"since": str(command.since), "locked_through": str(locked)},
                way_out=f"open from {first_open_day(locked)} on, or book on the first open day",
            )
        )
    return _changed(case, date.fromordinal(command.since.toordinal() - 1), locked)


def _require_in_our_time(day: date) -> None:
    """Refuse days that no calendar of a time zone reaches."""
    if day < FIRST_DAY or day > LAST_DAY:
        raise CommandRefused(
            f"{day} is no day that books are kept in",
            rule="period_in_our_time",
            values={"day": str(day), "first": str(FIRST_DAY), "last": str(LAST_DAY)},
            way_out="name a day of our time",
        )


def _require_over(through: date, case: Case) -> None:
    _require_in_our_time(through)
    today = case.day(case.recorded_at)
    if through >= today:
        case.refuse(
            CommandRefused(
                f"{through} is not over: the book has {today}",
                rule="period_over",
                values={"through": str(through), "today": str(today)},
                way_out="close through a day that is over",
            )
        )


def _closed_already(through: date, closed: date, how: str) -> CommandRefused:
    return CommandRefused(
        f"{through} is {how}: the books are {how} through {closed}",
        rule=f"period_not_{how}",
        values={"through": str(through), f"{how}_through": str(closed)},
        way_out=f"name a day after {closed}",
    )


def _changed(
    case: Case, closed: date, locked: date | None, *, closes: date | None = None
) -> Ruling:
    last = case.standing.closings.last
    # Decided after the one before, so never in force before it, whatever stands earlier in the log.
    since = max(case.recorded_at, last.since) if last is not None else case.recorded_at
    closing = Closing(last.number + 1 if last is not None else 1, since, closed, locked)
    decided: dict[str, JsonValue] = {
        "number": closing.number,
        "since": rfc3339(closing.since),
        "closed_through": str(closed),
        "locked_through": str(locked) if locked is not None else None,
        "first_open_day": str(first_open_day(closed)),
    }
    if closes is not None:
        decided |= _told(closes, case.standing.figures.get(closes, PeriodFigures()))
    return Ruling(f"closed through {closed}", decided=decided)


def _told(through: date, figures: PeriodFigures) -> dict[str, JsonValue]:
    """What whoever closes should see: the sums through that day, and what is still open."""
    warnings: list[JsonValue] = []
    balance: list[JsonValue] = []
    for code, (debits, credits_) in sorted(figures.totals.items()):
        currency = currency_of(code)
        balance.append(
            {
                "currency": code,
                "debits": _sum(debits, currency),
                "credits": _sum(credits_, currency),
            }
        )
        if debits != credits_:
            sides = [decimal_text(minor, currency.exponent) for minor in (debits, credits_)]
            warnings.append(
                f"debits {sides[0]} {currency} and credits {sides[1]} {currency} differ through"
                f" {through}"
            )
    if figures.open_count:
        warnings.append(
            f"keys of clearing accounts that wait for their other half: {figures.open_count}"
        )
    return {
        "trial_balance": balance,
        "open_keys": [
            {
                "account": each.account,
                "key": each.key,
                "amount": _sum(each.minor, currency_of(each.currency)),
            }
            for each in figures.open_keys
        ],
        "open_keys_count": figures.open_count,
        "warnings": warnings,
    }


def _sum(minor: int, currency: Currency) -> dict[str, JsonValue]:
    """A sum as amounts are told; what amounts add up to may be more than one of them can be."""
    return {"minor": str(minor), "currency": currency.code, "exponent": currency.exponent}
