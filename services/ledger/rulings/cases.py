"""A command before its judge, and what the judge rules."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from types import MappingProxyType
from typing import Final

from pydantic import JsonValue

from services.ledger.account_changes import KnownAccount
from services.ledger.accounts import CREDITS
from services.ledger.activation.in_force import BookInForce
from services.ledger.chart import Root
from services.ledger.holds import Name
from services.ledger.periods import day_of, first_open_day
from services.ledger.rules.refusals import CommandRefused
from services.ledger.rules.usable import Find, in_utc
from services.ledger.rulings.standing import Standing
from shared.contracts.envelope import rfc3339
from shared.contracts.journal import Entry
from shared.contracts.money import MINOR_MAX, Money, currency_of

NOTHING_FREED: Final[Mapping[Name, int]] = MappingProxyType({})
# What may not be taken from without its being there; what is earned and spent only adds up.
_HOLDS_MONEY = (Root.ASSETS, Root.LIABILITIES, Root.MEMO)
# Sums by day end before the calendar's last day, which has no day behind it.
_LAST_DAY: Final = date(9999, 12, 30)


@dataclass(frozen=True, slots=True)
class Ruling:
    """What an accepted command causes: entries, and what was decided, as JSON."""

    said: str
    entries: tuple[Entry, ...] = ()
    decided: Mapping[str, JsonValue] | None = None


@dataclass(frozen=True, slots=True)
class Case:
    """What a command is judged by: its book as in force, where it stands, when it was recorded.

    A case that ``follows`` a record of the same decision is not decided again: what would refuse it
    is passed over.
    """

    book: BookInForce
    standing: Standing
    recorded_at: datetime
    follows: bool = False

    def refuse(self, refusal: CommandRefused) -> None:
        """Refuse the command, unless it was decided before.

        Raises:
            CommandRefused: The refusal.
        """
        if not self.follows:
            raise refusal

    @property
    def find(self) -> Find:
        """How accounts are found; one that was booked on stands open for whoever books it again."""
        if self.follows:
            return self._found_open
        return lambda name: self.standing.account(name, self.book)

    def _found_open(self, name: str) -> KnownAccount | None:
        known = self.standing.account(name, self.book)
        return known if known is None else replace(known, is_open=True)

    def day(self, at: datetime) -> date:
        """The day of a moment in the book's time zone.

        Raises:
            CommandRefused: No calendar has that day there, or no statement.
        """
        try:
            day = day_of(at, self.book.zone)
        except OverflowError:
            raise no_day(at) from None
        if day > _LAST_DAY:
            self.refuse(no_day(at))
        return day

    def require_open(self, day: date) -> None:
        """Refuse what would take effect in a closed period.

        Raises:
            CommandRefused: The day is closed.
        """
        closings = self.standing.closings
        closed, locked = closings.closed_through, closings.locked_through
        if closed is None or day > closed:
            return
        first = first_open_day(closed)
        is_locked = locked is not None and day <= locked
        self.refuse(
            CommandRefused(
                f"{day} is {'locked' if is_locked else 'closed'}: the books are closed through"
                f" {closed}",
                rule="period_open",
                values={
                    "day": str(day),
                    "closed_through": str(closed),
                    "locked_through": str(locked or ""),
                    "first_open_day": str(first),
                },
                way_out=f"date it {first} or later"
                + ("" if is_locked else f", or open the period again from {day} on"),
            )
        )

    def effective(self, told: datetime | None) -> datetime:
        """When a command takes effect: as it says, else when it was recorded.

        Raises:
            CommandRefused: The day is closed, or is none.
        """
        at = in_utc(told) if told is not None else self.recorded_at
        self.require_open(self.day(at))
        return at

    def name(self, account: str, key: str, code: str) -> Name:
        """What a balance is kept under: by key only where the account is kept by one."""
        known = self.find(account)
        return (account, key if known is not None and known.key else "", code)

    def available(self, name: Name) -> Money:
        """What is posted under a name and not set aside, in the account's own sign."""
        known = self.find(name[0])
        if known is None:
            return Money(0, currency_of(name[2]))
        minor = self.standing.available(name, known.normal, self.recorded_at)
        return Money(minor, currency_of(name[2]))

    def require_floors(
        self, booked: Entry, *, is_asked: bool = False, freed: Mapping[Name, int] = NOTHING_FREED
    ) -> None:
        """Refuse an entry that takes more from an account than is available there.

        It counts for accounts that have a floor and, where the command asks for it, for all that
        hold money. ``freed`` is what a hold stops holding by this entry, under its own name.

        Raises:
            CommandRefused: An account would stand below zero, or is taken from without its key.
        """
        grown: dict[Name, int] = {}
        for posting in booked.postings:
            known = self.find(posting.account)
            if known is None or not self._has_floor(known, is_asked=is_asked):
                continue
            name = self.name(posting.account, posting.key, posting.amount.currency.code)
            sign = 1 if posting.direction is known.normal else -1
            if sign < 0 and known.key and not posting.key:
                # What is held, is held under keys: without one nobody can say what is available.
                self.refuse(_without_key(known))
            grown[name] = grown.get(name, 0) + sign * posting.amount.minor
        for name, minor in sorted(grown.items()):
            available = self.available(name)
            if minor < 0 and available.minor + freed.get(name, 0) + minor < 0:
                self.refuse(overdrawn(name, available, Money(-minor, available.currency)))

    def require_memo_apart(self, booked: Entry) -> None:
        """Refuse an entry between memo accounts, which no statement has, and others.

        Without its other side no statement's equation would hold.

        Raises:
            CommandRefused: What it moves on memo accounts does not sum to zero in a currency.
        """
        sums: dict[str, int] = {}
        for posting in booked.postings:
            if posting.account.partition(":")[0] == Root.MEMO:
                code = posting.amount.currency.code
                sums[code] = sums.get(code, 0) + posting.signed_minor
        for code, minor in sorted(sums.items()):
            if minor:
                excess = Money(max(-MINOR_MAX, min(minor, MINOR_MAX)), currency_of(code))
                self.refuse(
                    CommandRefused(
                        "memo accounts stand in no statement, so they are booked against each"
                        f" other alone: debits and credits on them differ by {abs(excess)}",
                        rule="memo_apart",
                        values={"currency": code, "excess_minor": str(minor)},
                        way_out="book the memo accounts against each other, and the others by"
                        " an entry of their own",
                    )
                )

    def _has_floor(self, known: KnownAccount, *, is_asked: bool) -> bool:
        return known.has_floor or (is_asked and known.root in _HOLDS_MONEY)


def no_day(at: datetime) -> CommandRefused:
    """The refusal of a moment on a day that books have no place for."""
    return CommandRefused(
        f"{rfc3339(at)} is on no day that statements have in the book's time zone",
        rule="year_known",
        values={"effective_at": rfc3339(at)},
        way_out="say when it took effect",
    )


def _without_key(known: KnownAccount) -> CommandRefused:
    return CommandRefused(
        f"{known.name} is kept by {known.key}",
        rule="account_key",
        values={"account": known.name, "key": ""},
        way_out=f"name the {known.key}",
    )


def overdrawn(name: Name, available: Money, wanted: Money) -> CommandRefused:
    """The refusal of what is more than is available under a name."""
    account, key, code = name
    shown = f"{account}[{key}]" if key else account
    return CommandRefused(
        f"{shown} has {available} available, not {wanted}",
        rule="available",
        values={
            "account": account,
            "key": key,
            "currency": code,
            "available_minor": str(available.minor),
            "wanted_minor": str(wanted.minor),
        },
        way_out="spend less, grant more, or allow it to go below zero"
        if account == CREDITS
        else "take less, release a hold, or wait for money to come in",
    )
