"""What the ledger's database remembers, in memory: ids seen, references booked, balances.

Of two messages with one id, and of two tellings of one fact, the first that is taken stands.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime

from services.ledger.activation.activations import Activations
from services.ledger.activation.in_force import BookInForce, InForce
from services.ledger.activation.rule_versions import RULES
from services.ledger.passed_on import PassedOn
from services.ledger.passing_on import contradiction, passed_on, places_of
from services.ledger.posting_rules import Decision, Remark, difference, subject_of
from services.ledger.rulings.activations import KIND, PuttingInForce
from services.ledger.rulings.asking import Asked
from services.ledger.rulings.clock import CLOCK
from services.ledger.rulings.judging import judge
from services.ledger.rulings.standing import PeriodFigures, Standing
from services.ledger.unearned import Clock, Cut
from shared.contracts.commands import ClosePeriod, Command, LockPeriod
from shared.contracts.discrepancies import DiscrepancyKind
from shared.contracts.journal import Account, Book, Entry
from shared.contracts.messages import OutcomeKind
from shared.contracts.money import Currency

COMMAND_PREFIX = "command:"


@dataclass(frozen=True, slots=True)
class Recorded:
    """An entry and when the message that told it reached us."""

    entry: Entry
    recorded_at: datetime


@dataclass(frozen=True, slots=True, order=True)
class Balance:
    """What an account holds under a key, debit positive."""

    book: str
    account: str
    key: str
    currency: Currency
    minor: int


@dataclass(slots=True)
class Books:
    """The books of one run."""

    _seen: dict[tuple[Book, str], bytes] = field(default_factory=dict[tuple[Book, str], bytes])
    _booked: dict[tuple[Book, str], Recorded] = field(
        default_factory=dict[tuple[Book, str], Recorded]
    )
    _answers: dict[tuple[Book, str], Remark] = field(default_factory=dict[tuple[Book, str], Remark])
    putting: PuttingInForce = field(default_factory=lambda: putting(InForce()))
    _kept: dict[Book, Standing] = field(default_factory=dict[Book, Standing])
    _clocks: dict[Book, Clock] = field(default_factory=dict[Book, Clock])
    _goes_on: dict[tuple[Book, Account, str], PassedOn] = field(
        default_factory=dict[tuple[Book, Account, str], PassedOn]
    )
    _on_key: dict[tuple[Book, Account, str], list[str]] = field(
        default_factory=dict[tuple[Book, Account, str], list[str]]
    )

    def take(self, decision: Decision, recorded_at: datetime) -> tuple[Remark, ...]:
        """Book a decision; gives its remarks, and those of what contradicts the books."""
        if not self._is_first_or_same(decision):
            return (_contradiction(decision),)
        if decision.asked is not None:
            return self._judge(decision, decision.asked, recorded_at)
        self._tell_clock(decision)
        told = [self._book(entry, recorded_at) for entry in decision.entries]
        moved, otherwise = self._passed_on(decision.book, decision.entries, decision.passed_on)
        told += [self._book(each, recorded_at) for each in moved]
        conflicts = [remark for remark in told if remark is not None]
        return (*decision.remarks, *conflicts, *otherwise)

    def entries(self) -> tuple[Recorded, ...]:
        """All entries, in the order in which they took effect."""
        return tuple(sorted(self._booked.values(), key=_order))

    def balances(self) -> tuple[Balance, ...]:
        """What every account holds under every key, in order, zero left out."""
        sums: dict[tuple[str, str, str, Currency], int] = {}
        for recorded in self._booked.values():
            entry = recorded.entry
            for p in entry.postings:
                at = (entry.book, p.account, p.key, p.amount.currency)
                sums[at] = sums.get(at, 0) + p.signed_minor
        return tuple(sorted(Balance(*at, minor) for at, minor in sums.items() if minor))

    def held(self, book: Book, accounts: Iterable[Account]) -> dict[tuple[Account, str], int]:
        """What some accounts of a book hold over all keys, by account and currency."""
        wanted = frozenset(accounts)
        sums: dict[tuple[Account, str], int] = {}
        for recorded in self._booked.values():
            for p in recorded.entry.postings if recorded.entry.book == book else ():
                if p.account in wanted:
                    at = (p.account, p.amount.currency.code)
                    sums[at] = sums.get(at, 0) + p.signed_minor
        return sums

    def _judge(self, decision: Decision, asked: Asked, recorded_at: datetime) -> tuple[Remark, ...]:
        """What comes of a command where its book stands by now; asked again, the same."""
        key = (decision.book, decision.identity or "")
        known = self._answers.get(key)
        if known is not None:
            return (known,)
        standing = self._standing(asked.book, asked.command)
        judged = judge(asked, standing, recorded_at=recorded_at)
        self._answers[key] = judged.remark
        self._kept[asked.book.name] = standing
        for entry in judged.entries:
            self._book(entry, recorded_at)
        moved, _ = self._passed_on(asked.book.name, judged.entries)
        for entry in moved:
            self._book(entry, recorded_at)
        return (judged.remark,)

    def _standing(self, book: BookInForce, command: Command) -> Standing:
        """The book as it stands, from all that is booked, with what commands had left beside it."""
        kept = self._kept.get(book.name, Standing(book.name))
        standing = Standing(book.name, kept.closings, kept.changes, holds=kept.holds)
        standing.extra[KIND] = self.putting
        standing.extra[CLOCK] = self._clocks.setdefault(book.name, Clock())
        if isinstance(command, ClosePeriod | LockPeriod):
            standing.figures[command.through] = PeriodFigures()
        for (named, _), recorded in self._booked.items():
            if named == book.name:
                standing.take(recorded.entry, book, recorded_at=recorded.recorded_at)
        return standing

    def _passed_on(
        self, book: Book, entries: Iterable[Entry], told: Iterable[PassedOn] = ()
    ) -> tuple[list[Entry], list[Remark]]:
        """What goes on from one key to another now, and what was told to go elsewhere before."""
        newly, remarks = list[PassedOn](), list[Remark]()
        for on in told:
            first = self._goes_on.setdefault((book, on.account, on.key), on)
            if first is on:
                newly.append(on)
            elif (remark := contradiction(first, on)) is not None:
                remarks.append(remark)
        pairs = [
            (self._booked[book, reference].entry, on)
            for on in newly
            for reference in self._on_key.get((book, on.account, on.key), ())
        ]
        pairs += [
            # What contradicts the books is not in them.
            (self._booked[book, entry.reference].entry, self._goes_on[book, *place])
            for entry in entries
            for place in places_of(entry)
            if (book, *place) in self._goes_on
        ]
        return [passed_on(entry, on) for entry, on in pairs], remarks

    def _tell_clock(self, decision: Decision) -> None:
        """Know what of a decision's entries is to be released by the clock.

        Of a credit note that is booked already, and told again with the same money, more lines.
        """
        clock = self._clocks.setdefault(decision.book, Clock())
        digests = {each.reference: each.digest() for each in decision.entries}
        for reference, change in decision.unearned:
            standing = self._booked.get((decision.book, reference))
            is_more = isinstance(change, Cut) and not change.is_void
            if standing is None or (is_more and standing.entry.digest() == digests.get(reference)):
                clock.take(change, reference)

    def _is_first_or_same(self, decision: Decision) -> bool:
        if decision.identity is None or decision.identity_digest is None:
            return True
        seen = self._seen.setdefault((decision.book, decision.identity), decision.identity_digest)
        return seen == decision.identity_digest

    def _book(self, entry: Entry, recorded_at: datetime) -> Remark | None:
        at = (entry.book, entry.reference)
        told = Recorded(entry, recorded_at)
        first = self._booked.setdefault(at, told)
        if first is told:
            for place in places_of(entry):
                self._on_key.setdefault((entry.book, *place), []).append(entry.reference)
            return None
        if first.entry.digest() == entry.digest():
            # Tellings of one fact may differ in their times. The least is kept, so that the
            # report does not depend on which of them stands first in the file.
            least = min(first, told, key=_order)
            self._booked[at] = replace(least, recorded_at=min(first.recorded_at, told.recorded_at))
            return None
        return Remark(
            OutcomeKind.CONFLICT,
            DiscrepancyKind.REFERENCE_CONFLICT,
            subject_of(entry.reference),
            "told again with other money; the first telling stands",
            entry.reference,
            difference(first.entry, entry),
        )


def _contradiction(decision: Decision) -> Remark:
    identity = decision.identity or ""
    if identity.startswith(COMMAND_PREFIX):
        return Remark(
            OutcomeKind.REFUSED,
            "command",
            identity.removeprefix(COMMAND_PREFIX),
            "this key was used for something else: send it under a key of its own",
        )
    return Remark(
        OutcomeKind.CONFLICT,
        DiscrepancyKind.EVENT_CONFLICT,
        identity,
        "told again with other content; the first stands and nothing of this one is booked",
    )


def _order(recorded: Recorded) -> tuple[datetime, str, str, str]:
    entry = recorded.entry
    return (entry.effective_at, entry.book, entry.reference, entry.description)


def putting(in_force: InForce) -> PuttingInForce:
    """What a command that puts something in force is judged by here: it holds for the lines behind.

    Lines have no positions, so a command that names some is refused.
    """
    return PuttingInForce(Activations(in_force), {}, RULES)
