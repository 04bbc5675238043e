"""Clock ticks: what was served up to a day is earned, in the months that it was served in."""

from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from typing import Final

from pydantic import JsonValue

from services.ledger import accounts
from services.ledger.periods import FIRST_DAY, day_of, first_open_day, midnight
from services.ledger.rules.refusals import CommandRefused
from services.ledger.rules.revenue_release import released
from services.ledger.rules.usable import in_utc
from services.ledger.rulings.cases import Case, Ruling, no_day
from services.ledger.unearned import Clock
from shared.contracts.commands import TickClock
from shared.contracts.envelope import rfc3339
from shared.contracts.journal import Entry
from shared.contracts.money import Money, MoneyOnWire

CLOCK: Final = "clock"
# The name under which a decision tells how far the clock has ticked.
TICKED_UNTIL: Final = "ticked_until"
MONTHS_MAX: Final = 24
_DAY: Final = timedelta(days=1)


def tick(command: TickClock, case: Case) -> Ruling:
    """The ruling on a clock tick: whole days are served, so it counts up to the last midnight.

    A tick that is older than another says nothing new, and is accepted.

    Raises:
        CommandRefused: The moment is still to come, its day is closed, or is none.
    """
    until = in_utc(command.until)
    if until > case.recorded_at:
        case.refuse(
            CommandRefused(
                f"it is not {rfc3339(until)} yet",
                rule="clock_not_ahead",
                values={"until": rfc3339(until), "now": rfc3339(case.recorded_at)},
                way_out="tick until a moment that has passed",
            )
        )
    clock = clock_of(case)
    before = clock.ticked_until
    day = case.day(until)
    if day < FIRST_DAY:
        case.refuse(no_day(until))
    reached = midnight(day, case.book.zone)
    if before is not None and reached <= before:
        return Ruling(
            f"it has ticked until {rfc3339(before)} already", decided=_decided(before, ())
        )
    case.require_open(day - _DAY)
    standing = {line: _standing(line, case, clock) for line in sorted(clock.schedules)}
    entries = tuple(
        released(
            clock,
            standing,
            _days(case, clock, day),
            case.book,
            command_key=command.idempotency_key,
        )
    )
    return Ruling(f"ticked until {rfc3339(reached)}", entries, _decided(reached, entries))


def clock_of(case: Case) -> Clock:
    """What the judge knows of the book's clock."""
    known = case.standing.extra.setdefault(CLOCK, Clock())
    if not isinstance(known, Clock):
        raise TypeError(f"{CLOCK} is no clock")
    return known


def _standing(line: str, case: Case, clock: Clock) -> Money:
    currency = clock.schedules[line].net.currency
    name = (str(accounts.UNEARNED), line, currency.code)
    return Money(-case.standing.posted.get(name, 0), currency)


def _days(case: Case, clock: Clock, last: date) -> Iterator[date]:
    """The first of each month that began since the last tick and is open, and the day itself."""
    zone = case.book.zone
    began = [day_of(each.since, zone) for each in clock.schedules.values()]
    since = min(began, default=last)
    if clock.ticked_until is not None:
        since = max(since, day_of(clock.ticked_until, zone))
    closed = case.standing.closings.closed_through
    if closed is not None:
        since = max(since, first_open_day(closed))
    months = range(
        max(since.year * 12 + since.month, last.year * 12 + last.month - 1 - MONTHS_MAX),
        last.year * 12 + last.month,
    )
    for month in months:
        yield date(month // 12, month % 12 + 1, 1)
    if last.day > 1 or not months:
        yield last


def _decided(until: datetime, entries: Sequence[Entry]) -> dict[str, JsonValue]:
    """How far it has ticked, and what was earned by it: of how many lines, in each currency."""
    sums: dict[str, Money] = {}
    lines: set[str] = set()
    for each in entries:
        for posting in each.postings:
            if posting.account == accounts.UNEARNED:
                currency = posting.amount.currency
                earned = Money(posting.signed_minor, currency)
                known = sums.get(currency.code)
                sums[currency.code] = earned if known is None else known + earned
                lines.add(posting.key)
    return {
        TICKED_UNTIL: rfc3339(until),
        "lines": len(lines),
        "earned": [MoneyOnWire.of(sums[code]).model_dump() for code in sorted(sums)],
    }
