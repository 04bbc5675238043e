"""What a book stands at while its commands are judged: loaded once, moved along by each decision.

It knows what was asked to be known and no more: balances of certain names, certain holds, certain
entries. Whoever loads it reads what ``Wanted`` says, under locks, and the entries of the same batch
are taken in before the first command is judged.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime

from services.ledger.account_changes import AccountChange, KnownAccount, known_account
from services.ledger.activation.in_force import BookInForce
from services.ledger.holds import Hold, HoldState, Name
from services.ledger.periods import NEVER_CLOSED, Closings, day_of
from services.ledger.rulings.effects import (
    AccountChanged,
    ClockTicked,
    Effect,
    HoldEnded,
    HoldPlaced,
    PeriodChanged,
)
from services.ledger.unearned import Clock
from shared.contracts.journal import Book, Direction, Entry


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a command's judge must know of its book.

    ``names`` are balances and holds by (account, key, currency), ``whole`` accounts of which every
    currency, key and hold counts, ``accounts`` those that must be there and stay as they are while
    the command is judged; of those in ``changing`` the command changes what they are.
    """

    names: frozenset[Name] = frozenset()
    accounts: frozenset[str] = frozenset()
    changing: frozenset[str] = frozenset()
    whole: frozenset[str] = frozenset()
    holds: frozenset[str] = frozenset()
    references: frozenset[str] = frozenset()
    through: frozenset[date] = frozenset()
    changes_periods: bool = False
    ticks: bool = False

    def __or__(self, other: "Wanted") -> "Wanted":
        return Wanted(
            names=self.names | other.names,
            accounts=self.accounts | other.accounts,
            changing=self.changing | other.changing,
            whole=self.whole | other.whole,
            holds=self.holds | other.holds,
            references=self.references | other.references,
            through=self.through | other.through,
            changes_periods=self.changes_periods or other.changes_periods,
            ticks=self.ticks or other.ticks,
        )


@dataclass(frozen=True, slots=True)
class OpenKey:
    """A key of a clearing account that does not stand at zero."""

    account: str
    key: str
    currency: str
    minor: int


@dataclass(slots=True)
class PeriodFigures:
    """What stands in the books through a day, for whoever closes it.

    ``totals`` are debits and credits by currency code, ``open_keys`` some of the ``open_count``
    keys of clearing accounts that are not at zero.
    """

    totals: dict[str, tuple[int, int]] = field(default_factory=dict[str, tuple[int, int]])
    open_keys: tuple[OpenKey, ...] = ()
    open_count: int = 0


@dataclass(slots=True)
class Standing:
    """One book, as it stands for the next command.

    ``posted`` is signed, debit positive, by name; a whole account's under the empty key. ``extra``
    is for what only one kind of command needs, by that kind.
    """

    book: Book
    closings: Closings = NEVER_CLOSED
    changes: dict[str, AccountChange] = field(default_factory=dict[str, AccountChange])
    posted: dict[Name, int] = field(default_factory=dict[Name, int])
    holds: dict[str, Hold] = field(default_factory=dict[str, Hold])
    entries: dict[str, Entry] = field(default_factory=dict[str, Entry])
    reversed_by: dict[str, str] = field(default_factory=dict[str, str])
    figures: dict[date, PeriodFigures] = field(default_factory=dict[date, PeriodFigures])
    extra: dict[str, object] = field(default_factory=dict[str, object])

    def take(self, booked: Entry, in_force: BookInForce, *, recorded_at: datetime) -> None:
        """Move along by an entry that is being booked."""
        self.entries[booked.reference] = booked
        if booked.reverses is not None:
            self.reversed_by[booked.reverses] = booked.reference
        for posting in booked.postings:
            code = posting.amount.currency.code
            # Where there is no key, both are the one name of the account as a whole.
            for key in {"", posting.key}:
                name = (str(posting.account), key, code)
                self.posted[name] = self.posted.get(name, 0) + posting.signed_minor
        if self.figures:
            day = day_of(booked.effective_at, in_force.zone)
            reported = self.closings.reported_day(day, recorded_at)
            self._add_to_figures(booked, reported)

    def _add_to_figures(self, booked: Entry, reported: date) -> None:
        for through, figures in self.figures.items():
            if reported > through:
                continue
            for posting in booked.postings:
                if posting.account.startswith("memo:"):
                    continue
                code, minor = posting.amount.currency.code, posting.amount.minor
                debits, credits_ = figures.totals.get(code, (0, 0))
                if posting.direction is Direction.DEBIT:
                    debits += minor
                else:
                    credits_ += minor
                figures.totals[code] = (debits, credits_)

    def apply(self, effect: Effect) -> None:
        """Move along by what a decision changes beside the journal."""
        match effect:
            case PeriodChanged():
                self.closings = self.closings.with_one(effect.closing)
            case AccountChanged():
                self.changes[effect.change.account] = effect.change
            case ClockTicked():
                clock = self.extra.get("clock")
                if isinstance(clock, Clock):
                    clock.ticked_until = effect.until
            case HoldPlaced():
                self.holds[effect.hold.id] = effect.hold
            case HoldEnded():
                known = self.holds.get(effect.hold_id)
                if known is not None:
                    self.holds[effect.hold_id] = replace(known, state=effect.state)

    def account(self, name: str, in_force: BookInForce) -> KnownAccount | None:
        """What is known of an account."""
        return known_account(name, in_force.chart, self.changes.get(name))

    def pending(self, name: Name, at: datetime) -> int:
        """What open holds set aside under a name, in minor units."""
        return sum(
            hold.amount.minor
            for hold in self.holds.values()
            if hold.name == name and hold.holds_at(at)
        )

    def available(self, name: Name, normal: Direction, at: datetime) -> int:
        """What is posted, in the account's own sign, less what is set aside."""
        posted = self.posted.get(name, 0)
        return (posted if normal is Direction.DEBIT else -posted) - self.pending(name, at)

    def open_of(self, account: str) -> Iterator[tuple[Name, int]]:
        """The names of an account that do not stand at zero."""
        for name in sorted(self.posted):
            if name[0] == account and self.posted[name]:
                yield name, self.posted[name]

    def holds_of(self, account: str) -> Iterator[Hold]:
        """The open holds of an account, those that are over by their own time too."""
        for _, hold in sorted(self.holds.items()):
            if hold.account == account and hold.state is HoldState.OPEN:
                yield hold


Standings = Mapping[Book, Standing]
