"""Commands that book: what a person or a service asks for, or the refusal with the way out.

Each rule is given the accounts as they are known where the command is judged. Whether a day is open
and whether an amount is available is no matter of a rule: see ``judging``.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from msgspec import structs

from services.ledger.accounts import SUSPENSE
from services.ledger.activation.in_force import BookInForce
from services.ledger.chart import Root
from services.ledger.holds import Hold
from services.ledger.rules.refusals import CommandRefused
from services.ledger.rules.usable import Find, in_utc, known_currency, positive, usable
from shared.contracts import references
from shared.contracts.commands import (
    BookExpense,
    BookManualEntry,
    CapitalDirection,
    Command,
    ManualPosting,
    OwnerCapital,
    ReverseEntry,
    SetExchangeRate,
    SettleHold,
    Side,
)
from shared.contracts.journal import (
    Account,
    Direction,
    Entry,
    Line,
    account,
    credit,
    debit,
    entry,
    reversal_of,
)
from shared.contracts.money import Money

OWNER_EQUITY: Final = Account("equity:owner")
# What a match has cleared is the reconciler's to undo, which would only make it again.
OF_THE_RECONCILER: Final = frozenset({"match", "match_undone"})
# A bank's correction reverses what it told before, whoever else has done so.
OF_A_BANK: Final = frozenset({"bank_line", "bank_line_reversed"})


def manual_entry(
    command: BookManualEntry, book: BookInForce, find: Find, *, effective_at: datetime
) -> Entry:
    """A person's entry, as asked for, when every rule holds.

        Dr …                                    as the command says
        Cr …                                    as the command says

    Raises:
        CommandRefused: Under two postings, an amount not above zero, an account that is not there,
            is closed, or is kept for balance transactions, a clearing account without a key, or
            sides that differ in a currency.
    """
    if len(command.postings) < 2:
        raise CommandRefused(
            f"an entry has two or more postings, not {len(command.postings)}",
            rule="two_postings",
            values={"postings": str(len(command.postings))},
            way_out="name both sides",
        )
    lines = [_manual_line(posting, find) for posting in command.postings]
    for excess in _excess(lines):
        side = "debits exceed credits" if excess.minor > 0 else "credits exceed debits"
        raise CommandRefused(
            f"debits equal credits in each currency: {side} by {abs(excess)}",
            rule="balanced",
            values={"currency": excess.currency.code, "excess_minor": str(excess.minor)},
            way_out="add the missing posting",
        )
    return _entry(command, book, lines, effective_at, said=command.description)


def book_expense(
    command: BookExpense, book: BookInForce, find: Find, *, effective_at: datetime
) -> Entry:
    """What was bought, at once or owed for.

        Dr expenses:CATEGORY                    amount
        Cr the account that it is paid from     amount

    Raises:
        CommandRefused: The category is no account of expenses, or the other is none of assets or
            liabilities.
    """
    named = command.category if ":" in command.category else f"expenses:{command.category}"
    amount = positive(command.amount, named)
    bought = usable(named, find, key=command.key, roots=(Root.EXPENSES,))
    paid = usable(
        command.paid_from,
        find,
        key=command.paid_from_key,
        roots=(Root.ASSETS, Root.LIABILITIES),
    )
    lines = [
        debit(account(bought.name), amount, key=command.key),
        credit(account(paid.name), amount, key=command.paid_from_key),
    ]
    said = ": ".join(part for part in (command.supplier, command.description) if part)
    return _entry(command, book, lines, effective_at, said=said, kind="expense")


def owner_capital(
    command: OwnerCapital, book: BookInForce, find: Find, *, effective_at: datetime
) -> Entry:
    """What an owner puts in; taken out, the sides are turned.

        Dr the account                          amount
        Cr equity:owner                         amount

    Raises:
        CommandRefused: The account is none of assets.
    """
    amount = positive(command.amount, command.account)
    known = usable(command.account, find, key=command.key, roots=(Root.ASSETS,))
    usable(OWNER_EQUITY, find)
    if command.direction is CapitalDirection.WITHDRAW:
        amount = -amount
    lines = [
        debit(account(known.name), amount, key=command.key),
        credit(OWNER_EQUITY, amount),
    ]
    return _entry(command, book, lines, effective_at, said=command.description)


def reverse_entry(
    command: ReverseEntry, book: BookInForce, find: Find, original: Entry, *, effective_at: datetime
) -> Entry:
    """The entry that undoes another: each posting on the other side.

    Raises:
        CommandRefused: It is the reconciler's or a bank's, or moves an account that repeats what
            somebody else keeps.
    """
    if original.kind in OF_THE_RECONCILER:
        raise CommandRefused(
            f"{original.reference} is what a match cleared",
            rule="matches_are_the_reconcilers",
            values={"reference": original.reference, "kind": original.kind},
            way_out=_way_out_of_match(original),
        )
    if original.kind in OF_A_BANK:
        raise CommandRefused(
            f"{original.reference} is what a bank told",
            rule="lines_are_the_banks",
            values={"reference": original.reference, "kind": original.kind},
            way_out="a line that the bank corrects is reversed by its correction; one that settles"
            " something else is taken back from it (`tallystick match undo`); for anything else"
            " book the difference by hand, against the line's key of liabilities:suspense",
        )
    for posting in original.postings:
        known = find(posting.account)
        if known is not None and known.is_mirror:
            raise CommandRefused(
                f"{original.reference} moves {posting.account}, which always equals what Stripe"
                " says and takes balance transactions only",
                rule="mirror",
                values={"reference": original.reference, "account": posting.account},
                way_out="what undoes it at Stripe tells its own movement; to book its other side"
                " otherwise, book the difference by hand, as `tallystick what-if"
                " --write-corrections` does",
            )
        usable(posting.account, find, key=posting.key)
    return structs.replace(
        reversal_of(
            original,
            reference=references.command(command.idempotency_key),
            kind=command.kind,
            effective_at=effective_at,
        ),
        rules_version=book.rules_version,
        description=command.reason,
    )


def _way_out_of_match(cleared: Entry) -> str:
    """What can be done about what a match cleared, or what its undoing gave back."""
    if cleared.reverses is not None:
        return "it is the undoing of a match: match the sides anew, or book the difference by hand"
    lines = sorted({p.key for p in cleared.postings if p.account == SUSPENSE and p.key})
    if not lines:
        return "book the difference by hand"
    return (
        f"take back the bank line {', '.join(lines)} from what it settles"
        " (`tallystick match undo`), which books the reverse and opens both sides again; or book"
        " the difference by hand"
    )


def settle_hold(
    command: SettleHold,
    book: BookInForce,
    find: Find,
    hold: Hold,
    *,
    amount: Money,
    effective_at: datetime,
) -> Entry:
    """What was set aside goes where it was meant to go.

        Dr the held account[key]                amount
        Cr the account that it goes to[key]     amount

    Where the held account grows by debit, the sides are turned.

    Raises:
        CommandRefused: One of the accounts is not there, closed, or kept for balance transactions.
    """
    held = usable(hold.account, find, key=hold.key)
    to = usable(command.to, find, key=command.to_key)
    taken = amount if held.normal is Direction.CREDIT else -amount
    lines = [
        debit(account(held.name), taken, key=hold.key),
        credit(account(to.name), taken, key=command.to_key),
    ]
    return _entry(command, book, lines, effective_at, said=command.description)


def exchange_rate(command: SetExchangeRate) -> str:
    """A rate for statements: it moves no money; gives what was recorded, as a sentence.

    Raises:
        CommandRefused: The two currencies are one, or one of them is not registered.
    """
    base, quote = known_currency(command.base), known_currency(command.quote)
    if base == quote:
        raise CommandRefused(
            f"a rate is between two currencies, not {base} and {quote}",
            rule="two_currencies",
            values={"base": base.code, "quote": quote.code},
            way_out="name the other currency",
        )
    return f"1 {base} is {command.rate} {quote} on {command.on}"


def _entry(
    command: Command,
    book: BookInForce,
    lines: list[Line],
    effective_at: datetime,
    *,
    said: str,
    kind: str = "",
) -> Entry:
    booked = entry(
        book=book.name,
        reference=references.command(command.idempotency_key),
        kind=kind or command.kind,
        effective_at=in_utc(effective_at),
        lines=lines,
        rules_version=book.rules_version,
        description=said or command.reason,
    )
    if booked is None:
        raise CommandRefused(
            "an entry moves money: no posting is above zero",
            rule="positive",
            values={"postings": str(len(lines))},
        )
    return booked


def _manual_line(posting: ManualPosting, find: Find) -> Line:
    known = usable(posting.account, find, key=posting.key)
    amount = positive(posting.amount, posting.account)
    leg = debit if posting.side is Side.DEBIT else credit
    return leg(account(known.name), amount, key=posting.key)


def _excess(lines: list[Line]) -> Iterator[Money]:
    sums: dict[str, Money] = {}
    for line in lines:
        net = line.net
        code = net.currency.code
        sums[code] = sums[code] + net if code in sums else net
    for code in sorted(sums):
        if sums[code]:
            yield sums[code]
