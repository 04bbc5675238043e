"""Commands: what a person or a service asks for, booked or refused with the way out."""

from collections.abc import Iterator
from datetime import UTC, datetime

from services.ledger.chart import Chart
from services.ledger.in_force import BookInForce
from shared.contracts import references
from shared.contracts.commands import BookManualEntry, ManualPosting, SetExchangeRate, Side
from shared.contracts.errors import Refused
from shared.contracts.journal import Entry, Line, account, credit, debit, entry
from shared.contracts.money import Money, currency_of


class CommandRefused(Refused):
    """A command that breaks a rule of the books; says the rule, the values and the way out."""

    reason = "command"


def manual_entry(command: BookManualEntry, book: BookInForce) -> Entry:
    """A person's entry, as asked for, when every rule holds.

        Dr …                                    as the command says
        Cr …                                    as the command says

    Raises:
        CommandRefused: Under two postings, an amount not above zero, an account that the chart
            does not have or keeps for balance transactions, a clearing account without a key, or
            sides that differ in a currency.
    """
    if len(command.postings) < 2:
        raise CommandRefused(
            f"an entry has two or more postings, not {len(command.postings)}: name both sides"
        )
    lines = [_line(posting, book.chart) for posting in command.postings]
    for excess in _excess(lines):
        side = "debits exceed credits" if excess.minor > 0 else "credits exceed debits"
        raise CommandRefused(
            f"debits equal credits in each currency: {side} by {abs(excess)};"
            " add the missing posting"
        )
    booked = entry(
        book=book.name,
        reference=references.command(command.idempotency_key),
        kind="manual_entry",
        effective_at=_in_utc(command.effective_at),
        lines=lines,
        rules_version=book.rules_version,
        description=command.description or command.reason,
    )
    if booked is None:
        raise CommandRefused("an entry moves money: no posting is above zero")
    return booked


def exchange_rate(command: SetExchangeRate) -> str:
    """A rate for statements: it moves no money; gives what was recorded, as a sentence.

    Raises:
        CommandRefused: The two currencies are one.
        CurrencyUnknown: One of them is not registered.
    """
    base, quote = currency_of(command.base), currency_of(command.quote)
    if base == quote:
        raise CommandRefused(f"a rate is between two currencies, not {base} and {quote}")
    return f"1 {base} is {command.rate} {quote} on {command.on}"


def _in_utc(at: datetime) -> datetime:
    try:
        return at.astimezone(UTC)
    except OverflowError:
        raise CommandRefused(f"an entry takes effect in the years 1 to 9999, not at {at}") from None


def _line(posting: ManualPosting, chart: Chart) -> Line:
    known = chart.find(posting.account)
    if known is None:
        raise CommandRefused(
            f"an entry posts to accounts of the chart: {posting.account[:120]!r} is not one;"
            " choose another or add it to the chart"
        )
    if known.is_mirror:
        raise CommandRefused(
            f"{posting.account} always equals what Stripe says and takes balance transactions"
            " only; book against a key of assets:stripe:settling or liabilities:suspense"
        )
    if known.is_clearing and not posting.key:
        raise CommandRefused(
            f"{posting.account} is cleared by key: name the {known.key} that this posting is about"
        )
    amount = posting.amount.money()
    if amount.minor <= 0:
        raise CommandRefused(
            f"an amount is above zero: {posting.account} has {amount}; turn the side instead"
        )
    leg = debit if posting.side is Side.DEBIT else credit
    return leg(account(posting.account), amount, key=posting.key)


def _excess(lines: list[Line]) -> Iterator[Money]:
    sums: dict[str, Money] = {}
    for line in lines:
        code = line.amount.currency.code
        sums[code] = sums[code] + line.amount if code in sums else line.amount
    for code in sorted(sums):
        if sums[code]:
            yield sums[code]
