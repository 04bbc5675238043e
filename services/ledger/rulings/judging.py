"""Commands before the books: accepted or refused, by where the book stands, once and for ever.

    judge(asked, …)        the ruling: entries, what was decided, or the refusal with the way out
    followed(asked, …)     the same from the record of an earlier decision, which is not made again

    manual_entry, book_expense, owner_capital    an entry, when its day is open and floors hold
    reverse_entry                                the entry turned round, once
    exchange_rate                                a rate, of an open day
    close_period, lock_period, reopen_period     ``period_rulings``
    open_account, close_account, rename_account  ``account_rulings``
    place_hold, settle_hold, release_hold        ``hold_rulings``
    grant_credits, spend_credits                 ``credit_rulings``
    tick_clock                                   ``clock_rulings``
    activate                                     ``activation_rulings``

Commands of one batch are judged one after another, in the order in which they stand, each by what
the one before has left. Matches that name an account which somebody chose go before them, see
``matches``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import assert_never

from pydantic import JsonValue

from services.ledger.decisions import COMMAND, REPLAYED, Remark
from services.ledger.rules import commands
from services.ledger.rules.refusals import CommandRefused, refusal_of
from services.ledger.rules.revenue_release import RELEASED
from services.ledger.rulings.accounts import change_account
from services.ledger.rulings.activations import put_in_force
from services.ledger.rulings.asking import Asked
from services.ledger.rulings.bank_accounts import first_postings, require_bank_accounts
from services.ledger.rulings.cases import Case, Ruling
from services.ledger.rulings.clock import tick
from services.ledger.rulings.credits import change_credits
from services.ledger.rulings.effects import Effect, effects_of
from services.ledger.rulings.holds import change_hold
from services.ledger.rulings.periods import change_period
from services.ledger.rulings.standing import Standing
from shared.contracts.commands import (
    Activate,
    BookExpense,
    BookManualEntry,
    CloseAccount,
    ClosePeriod,
    Command,
    GrantCredits,
    LockPeriod,
    OpenAccount,
    OwnerCapital,
    PlaceHold,
    ReleaseHold,
    RenameAccount,
    ReopenPeriod,
    ReverseEntry,
    SetExchangeRate,
    SettleHold,
    SpendCredits,
    TickClock,
)
from shared.contracts.errors import Refused
from shared.contracts.journal import Entry
from shared.contracts.messages import OutcomeKind
from shared.contracts.references import followed_by, passes_on


@dataclass(frozen=True, slots=True)
class Judged:
    """What became of a command: the remark that answers it, its entries, and what else changes."""

    remark: Remark
    entries: tuple[Entry, ...] = ()
    effects: tuple[Effect, ...] = ()


@dataclass(frozen=True, slots=True)
class Recorded:
    """The record of a decision: its outcome as published, and its entries where they were."""

    outcome: OutcomeKind
    reason: str
    detail: str
    reference: str | None
    decided: Mapping[str, JsonValue] | None
    entries: tuple[Entry, ...]

    @property
    def is_first(self) -> bool:
        """Whether it decided something, rather than answered a key that was used before."""
        return self.outcome is not OutcomeKind.CONFLICT and self.detail != REPLAYED


def judge(asked: Asked, standing: Standing, *, recorded_at: datetime) -> Judged:
    """Decide a command by where its book stands; the standing moves along with the decision."""
    case = Case(asked.book, standing, recorded_at)
    key, kind = asked.command.idempotency_key, asked.command.kind
    try:
        ruling = _ruling(asked.command, case)
    except Refused as refused:
        return Judged(refusal_of(refused, key))
    judged = Judged(
        Remark(
            OutcomeKind.ACCEPTED,
            COMMAND,
            key,
            ruling.said,
            _reference(ruling.entries),
            decided=ruling.decided,
        ),
        ruling.entries,
        effects_of(kind, ruling.decided),
    )
    _move_along(judged, case)
    return judged


def followed(
    asked: Asked, standing: Standing, record: Recorded, *, recorded_at: datetime
) -> Judged:
    """The decision on a command as its record has it.

    A record whose entries, or whose outcome, had not been published when its database was lost has
    the missing half made again; nothing can refuse it any more.
    """
    case = Case(asked.book, standing, recorded_at, follows=True)
    detail, decided, entries = record.detail, record.decided, record.entries
    is_accepted = record.outcome is OutcomeKind.ACCEPTED and record.is_first
    if is_accepted and (not detail or (record.reference is not None and not entries)):
        ruling = _ruling(asked.command, case)
        detail, decided = detail or ruling.said, decided or ruling.decided
        entries = entries or ruling.entries
    judged = Judged(
        Remark(
            record.outcome,
            record.reason,
            asked.command.idempotency_key,
            detail,
            record.reference or _reference(entries),
            decided=decided,
        ),
        entries,
        effects_of(asked.command.kind, decided) if is_accepted else (),
    )
    _move_along(judged, case)
    return judged


def _move_along(judged: Judged, case: Case) -> None:
    for effect in judged.effects:
        case.standing.apply(effect)
    for booked in judged.entries:
        case.standing.take(booked, case.book, recorded_at=case.recorded_at)


def _reference(entries: Sequence[Entry]) -> str | None:
    return entries[0].reference if entries else None


def _ruling(command: Command, case: Case) -> Ruling:
    match command:
        case BookManualEntry() | BookExpense() | OwnerCapital():
            return _booked(command, case)
        case ReverseEntry():
            return _reversed(command, case)
        case SetExchangeRate():
            said = commands.exchange_rate(command)
            case.require_open(command.on)
            return Ruling(said)
        case ClosePeriod() | LockPeriod() | ReopenPeriod():
            return change_period(command, case)
        case OpenAccount() | CloseAccount() | RenameAccount():
            return change_account(command, case)
        case PlaceHold() | SettleHold() | ReleaseHold():
            return change_hold(command, case)
        case GrantCredits() | SpendCredits():
            return change_credits(command, case)
        case TickClock():
            return tick(command, case)
        case Activate():
            return put_in_force(command, case)
        case _:
            assert_never(command)


def _booked(command: BookManualEntry | BookExpense | OwnerCapital, case: Case) -> Ruling:
    at = case.effective(command.effective_at)
    match command:
        case BookManualEntry():
            made = commands.manual_entry(command, case.book, case.find, effective_at=at)
        case BookExpense():
            made = commands.book_expense(command, case.book, case.find, effective_at=at)
        case OwnerCapital():
            made = commands.owner_capital(command, case.book, case.find, effective_at=at)
    require_bank_accounts(case, made)
    case.require_memo_apart(made)
    case.require_floors(made, is_asked=command.floor)
    return Ruling("booked", (made,), first_postings(case, made))


def _reversed(command: ReverseEntry, case: Case) -> Ruling:
    original = case.standing.entries.get(command.reference)
    if original is None:
        raise CommandRefused(
            f"there is no entry {command.reference[:120]!r} in this book",
            rule="entry_known",
            values={"reference": command.reference},
            way_out="name the reference of an entry that is booked",
        )
    by = case.standing.reversed_by.get(command.reference)
    if by is not None:
        case.refuse(
            CommandRefused(
                f"{command.reference} was reversed by {by}",
                rule="reversed_once",
                values={"reference": command.reference, "reversed_by": by},
                way_out="book anew what should stand instead",
            )
        )
    effective_at = case.effective(command.effective_at)
    if original.kind == RELEASED:
        case.refuse(
            CommandRefused(
                f"{command.reference} is what a clock tick released",
                rule="releases_are_the_clocks",
                values={"reference": command.reference, "kind": original.kind},
                way_out="the next tick would release it again: what is yet to be earned of a line"
                " follows from its invoice, and a credit note or its voiding takes it back",
            )
        )
    if passes_on(command.reference):
        followed = followed_by(command.reference)
        case.refuse(
            CommandRefused(
                f"{command.reference} passes {followed} on, and follows it in all that it does",
                rule="follows_another_entry",
                values={"reference": command.reference, "follows": followed},
                way_out=f"reverse {followed}, which is passed on as well",
            )
        )
    made = commands.reverse_entry(
        command, case.book, case.find, original, effective_at=effective_at
    )
    case.require_floors(made)
    return Ruling("booked", (made,), {"reverses": command.reference})
