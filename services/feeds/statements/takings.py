"""What a statement file changes: new lines, announced ones that posted or went, balances."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time

from services.feeds.revisions import Form, ToldLine, in_order, removed, successor
from services.feeds.statements.accounts import InterimIs, Owned
from services.feeds.statements.values import Balance, Format, StatementRefused
from shared.contracts.money import Money, MoneyOnWire
from shared.contracts.observations import BankBalance, LineState

_NOON = time(12)


@dataclass(frozen=True, slots=True)
class ClosingBalance:
    """A closing balance; ``is_checked`` where opening and lines gave it."""

    balance: Balance
    available: Money | None
    is_checked: bool


def require_one_teller(name: str, told_by: str, form: Format) -> None:
    """An account is told by one kind of file, since each words its lines in its own way.

    Raises:
        StatementRefused: It is told by another.
    """
    if told_by and told_by != form.value:
        raise StatementRefused(
            f"account {name} is told by {told_by} files, and this one is {form.value}: its lines"
            " would be told a second time in other words",
            fix=f"import the {told_by} file of those days, or give this account another name",
        )


def require_one_kind(owned: Owned) -> None:
    """An account whose interim reports are posted at once has no use for statements.

    Raises:
        StatementRefused: This is one.
    """
    if owned.account.interim is InterimIs.POSTED and not owned.statement.is_interim:
        if owned.statement.opening is None:
            return
        raise StatementRefused(
            f"account {owned.account.name} takes interim reports as posted, and this is"
            f" {owned.statement.name}: its lines would be told a second time",
            fix='take interim = "posted" away before its first file, or import no statements',
        )


def settled_until(owned: Iterable[Owned]) -> date | None:
    """Up to which day the bank stands by what these tell, so that nothing is pending any more."""
    days = [
        statement.closing.on
        for statement in (each.statement for each in owned)
        if statement.closing is not None and not statement.is_interim
    ]
    return max(days, default=None)


def new_forms(
    told: Iterable[ToldLine],
    known: Mapping[str, Form],
    pending: Mapping[str, Form],
    *,
    settled: date | None,
) -> tuple[Form, ...]:
    """The forms to tell of an account; ``pending`` are its announced lines up to ``settled``.

    What is posted stays as it was told first: another file may word it otherwise. An announced
    line of a day that is settled was posted in other words, or went.
    """
    lines: dict[str, ToldLine] = {}
    for line in told:
        if line.state is LineState.PENDING and settled is not None and line.booked_on <= settled:
            continue
        if line.id not in lines or lines[line.id].state is LineState.PENDING:
            lines[line.id] = line
    forms = [
        form
        for line in lines.values()
        if not _is_posted(known.get(line.id))
        if (form := successor(known.get(line.id), line)) is not None
    ]
    gone = [removed(form) for line_id, form in sorted(pending.items()) if line_id not in lines]
    return in_order([*forms, *gone])


def _is_posted(form: Form | None) -> bool:
    return form is not None and form.line.state is LineState.POSTED


def closing_balance(owned: Owned) -> ClosingBalance | None:
    """What a statement closes with; an interim report has none that its lines add up to."""
    statement = owned.statement
    if statement.is_interim or statement.closing is None:
        return None
    return ClosingBalance(
        statement.closing, statement.available, is_checked=statement.opening is not None
    )


def balance_message(
    closing: ClosingBalance, owned: Owned, *, agreed: bool, reading: str, form: Format
) -> BankBalance:
    """The message that tells a closing balance, as of its day in the book's time zone."""
    # Noon is of the same day in UTC, wherever the book is.
    as_of = datetime.combine(closing.balance.on, _NOON, tzinfo=owned.book.zone)
    return BankBalance(
        account=owned.account.name,
        amount=MoneyOnWire.of(closing.balance.amount),
        available=None if closing.available is None else MoneyOnWire.of(closing.available),
        as_of=as_of.astimezone(UTC),
        agreed=agreed,
        reading=reading,
        provider=form.value,
        source_sha256=reading.partition(":")[0],
    )
