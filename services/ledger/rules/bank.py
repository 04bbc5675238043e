"""Bank lines: what the bank says of an account, each form of a line once."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

from services.ledger import accounts
from services.ledger.activation.in_force import BookInForce
from shared.contracts import references
from shared.contracts.errors import AmountOutOfRange, Unreadable
from shared.contracts.journal import Entry, Line, Reference, credit, debit, entry
from shared.contracts.money import Money, MoneyOnWire
from shared.contracts.observations import BankLine, LineState

_DESCRIPTION_MAX = 200


def bank_line(line: BankLine, book: BookInForce) -> Entry | None:
    """The bank has posted a line.

        Dr assets:bank:NAME                     amount
        Cr liabilities:suspense[line]           amount

    Money out turns the sides. Pending lines book nothing: banks change and drop them. What
    explains the line clears suspense later, under the same key.
    """
    if line.state is not LineState.POSTED:
        return None
    text = " ".join(f"{line.counterparty} {line.description} {line.reference}".split())
    return entry(
        book=book.name,
        reference=references.bank_line(line.account, line.id, line.revision),
        kind="bank_line",
        effective_at=midnight(line.booked_on, book.zone),
        lines=_lines(line, _money(line.amount)),
        rules_version=book.rules_version,
        description=text[:_DESCRIPTION_MAX],
    )


def bank_line_reversed(line: BankLine, book: BookInForce) -> Entry | None:
    """The bank changed or removed a line that it had posted: the form before is undone.

        Dr liabilities:suspense[line]           previous amount
        Cr assets:bank:NAME                     previous amount

    Raises:
        Unreadable: A first form names a form before it.
    """
    if line.previous is None:
        return None
    if line.revision == 1:
        raise Unreadable("the first form of a line has no form before it")
    undone = -_money(line.previous)
    return entry(
        book=book.name,
        reference=references.bank_line_reversed(line.account, line.id, line.revision - 1),
        kind="bank_line_reversed",
        effective_at=midnight(line.previous_booked_on or line.booked_on, book.zone),
        lines=_lines(line, undone),
        rules_version=book.rules_version,
        description=f"Line {line.id} changed by the bank",
        reverses=_form_before(line),
    )


def midnight(day: date, zone: ZoneInfo) -> datetime:
    """The instant at which a bank's date begins in the book's time zone.

    Raises:
        Unreadable: The date lies at the edge of what a calendar can hold.
    """
    try:
        return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)
    except OverflowError:
        raise Unreadable(f"{day} is no date of a bank") from None


def _money(told: MoneyOnWire) -> Money:
    try:
        return told.money()
    except Unreadable as other_decimals:
        raise AmountOutOfRange(told.minor, f"cannot be told: {other_decimals}") from None


def _form_before(line: BankLine) -> Reference:
    return references.bank_line(line.account, line.id, line.revision - 1)


def _lines(line: BankLine, amount: Money) -> tuple[Line, Line]:
    return (
        debit(accounts.bank(line.account), amount),
        credit(accounts.SUSPENSE, amount, key=line.id),
    )
