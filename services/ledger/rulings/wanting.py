"""What must be known of a book before a command is judged.

In two steps, since what a hold or an entry is of is known only when it has been read: first
``wanted_at_first``, then, with those at hand, ``wanted``. What is named here is what the judge
reads; what it does not name counts as nothing.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from services.ledger import accounts
from services.ledger.accounts import BANK, bank
from services.ledger.activation.in_force import BookInForce
from services.ledger.holds import Hold, Name
from services.ledger.rules.commands import OWNER_EQUITY
from services.ledger.rulings.standing import Wanted
from shared.contracts.commands import (
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
    SettleHold,
    SpendCredits,
    TickClock,
)
from shared.contracts.journal import Entry


@dataclass(frozen=True, slots=True)
class Found:
    """What the first step has found: holds and entries by their ids."""

    holds: Mapping[str, Hold]
    entries: Mapping[str, Entry]


def wanted_at_first(command: Command) -> Wanted:
    """The holds and entries that a command names, and whether it changes periods."""
    match command:
        case PlaceHold():
            return Wanted(holds=frozenset({command.idempotency_key}))
        case SettleHold() | ReleaseHold():
            return Wanted(holds=frozenset({command.hold}))
        case ReverseEntry():
            return Wanted(references=frozenset({command.reference}))
        case ClosePeriod() | LockPeriod():
            return Wanted(through=frozenset({command.through}), changes_periods=True)
        case ReopenPeriod():
            return Wanted(changes_periods=True)
        case TickClock():
            return Wanted(ticks=True)
        case _:
            return Wanted()


def wanted(command: Command, book: BookInForce, found: Found) -> Wanted:
    """The accounts that a command posts to or changes, and what stands on them."""
    match command:
        case OpenAccount() | RenameAccount():
            return Wanted(changing=frozenset({command.account}))
        case CloseAccount():
            account = frozenset({command.account})
            return Wanted(changing=account, whole=account)
        case _:
            names = frozenset(_names(_touched(command, found), book))
            touched = {name[0] for name in names}
            # In whichever currency it has moved, a bank account is one that the book knows.
            ours = {bank(each.name) for each in book.data.bank_accounts}
            strays = {name for name in touched - ours if ours and name.startswith(BANK)}
            if isinstance(command, OwnerCapital):
                touched.add(OWNER_EQUITY)
            if isinstance(command, GrantCredits | SpendCredits):
                touched.add(accounts.CREDITS_ISSUED)
            return Wanted(names=names, accounts=frozenset(touched), whole=frozenset(strays))


def _touched(command: Command, found: Found) -> Iterable[Name]:
    """Accounts, keys and currencies that a command may post to or hold on."""
    match command:
        case BookManualEntry():
            for posting in command.postings:
                yield (posting.account, posting.key, posting.amount.currency.lower())
        case BookExpense():
            code = command.amount.currency.lower()
            named = command.category if ":" in command.category else f"expenses:{command.category}"
            yield (named, command.key, code)
            yield (command.paid_from, command.paid_from_key, code)
        case OwnerCapital() | PlaceHold():
            yield (command.account, command.key, command.amount.currency.lower())
        case GrantCredits() | SpendCredits():
            yield (accounts.CREDITS, command.customer, command.amount.currency.lower())
        case SettleHold():
            hold = found.holds.get(command.hold)
            if hold is not None:
                yield hold.name
                yield (command.to, command.to_key, hold.amount.currency.code)
        case ReverseEntry():
            original = found.entries.get(command.reference)
            for leg in original.postings if original is not None else ():
                yield (leg.account, leg.key, leg.amount.currency.code)
        case _:
            return


def _names(touched: Iterable[Name], book: BookInForce) -> Iterable[Name]:
    """Each name as its balance is kept: by key, as a whole, or, where that is not known, both."""
    for account, key, code in touched:
        row = book.chart.find(account)
        if row is None:
            yield (account, key, code)
            yield (account, "", code)
        else:
            yield (account, key if row.key else "", code)
