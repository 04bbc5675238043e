"""A bank line's revisions: the form last known and the form told now give what to publish.

A posted form is never edited: its successor carries the amount of the form before, so that the
ledger can undo the one and book the other from one message. A line that a whole reading of its
window does not tell any more is removed, which is a revision too.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta

from shared.contracts.money import Money, MoneyOnWire
from shared.contracts.observations import BankBalance, BankLine, LineState, day_start

REREAD_MIN = timedelta(days=10)
_NO_TIME = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class ToldLine:
    """A line as a bank tells it once; ``created_at`` is by the bank's clock."""

    id: str
    state: LineState
    amount: Money
    created_at: datetime
    booked_on: date
    value_on: date | None = None
    description: str = ""
    reference: str = ""
    counterparty: str = ""
    source_sha256: str = ""
    replaces: str = ""

    @property
    def content(self) -> "ToldLine":
        """The line as we tell it: a bank may add a field, or an instant, that tells us nothing.

        What it replaces is told with its first form and never changes.
        """
        return replace(self, source_sha256="", created_at=_NO_TIME, replaces="")


@dataclass(frozen=True, slots=True)
class Form:
    """A line in its N-th revision, and the posted amount that it replaces, if one was."""

    line: ToldLine
    revision: int
    previous: Money | None = None
    previous_booked_on: date | None = None


@dataclass(frozen=True, slots=True)
class ToldBalance:
    """What a bank says an account holds; ``as_of`` is by the bank's clock, where it tells one."""

    ledger: Money
    available: Money | None
    as_of: datetime | None
    source_sha256: str = ""


def successor(known: Form | None, told: ToldLine) -> Form | None:
    """The next form of a line, or ``None`` when nothing new was told."""
    if known is None:
        # What was withdrawn before we saw it has nothing to undo.
        return None if told.state is LineState.REMOVED else Form(told, 1)
    if known.line.content == told.content:
        return None
    if known.line.state is LineState.REMOVED and told.state is LineState.REMOVED:
        return None
    was_posted = known.line.state is LineState.POSTED
    return Form(
        line=told,
        revision=known.revision + 1,
        previous=known.line.amount if was_posted else None,
        previous_booked_on=known.line.booked_on if was_posted else None,
    )


def successors(known: Mapping[str, Form], told: Iterable[ToldLine]) -> tuple[Form, ...]:
    """The next forms of all lines of a reading, oldest line first; a line told twice counts once.

    Told twice in two forms, the later one of the reading stands.
    """
    once = {line.id: line for line in told}
    found = (successor(known.get(line.id), line) for line in once.values())
    return in_order(form for form in found if form is not None)


def vanished(
    known: Mapping[str, Form], told: Iterable[ToldLine], *, since: datetime
) -> tuple[Form, ...]:
    """The known lines of a window that a whole reading of it does not tell any more."""
    ids = {line.id for line in told}
    return tuple(
        form
        for line_id, form in sorted(known.items())
        if line_id not in ids
        and form.line.state is not LineState.REMOVED
        and form.line.created_at >= since
    )


def removed(known: Form) -> Form:
    """The form of a line that its bank has taken back."""
    form = successor(known, replace(known.line, state=LineState.REMOVED))
    if form is None:
        raise ValueError(f"line {known.line.id} is removed already")
    return form


def in_order(forms: Iterable[Form]) -> tuple[Form, ...]:
    """Forms by the bank's time of their line."""
    return tuple(sorted(forms, key=lambda form: (form.line.created_at, form.line.id)))


def reread_from(
    watermark: datetime | None, *, now: datetime, reread: timedelta, lookback: timedelta
) -> datetime:
    """Where a reading begins: a window before the newest line known, or the first lookback."""
    if watermark is None:
        return now - lookback
    # A line that its bank dates ahead must not hide what is made until then.
    return min(watermark, now) - max(reread, REREAD_MIN)


def watermark_after(watermark: datetime | None, told: Iterable[ToldLine]) -> datetime | None:
    """The newest time, by the bank's clock, of a line that was told."""
    times = [line.created_at for line in told]
    return max([*times, *([] if watermark is None else [watermark])], default=None)


def recollected(lines: Iterable[BankLine]) -> tuple[Form, ...]:
    """The last forms that were told, from the messages: what a lost database knew.

    Raises:
        Refused: An amount is none; nobody but us writes these.
    """
    last: dict[str, BankLine] = {}
    for line in lines:
        if line.id not in last or line.revision >= last[line.id].revision:
            last[line.id] = line
    return in_order(Form(_told_by(line), line.revision) for line in last.values())


def _told_by(line: BankLine) -> ToldLine:
    return ToldLine(
        id=line.id,
        state=line.state,
        amount=line.amount.money(),
        # The bank's instant was not told; its day is near enough to find the window.
        created_at=day_start(line.booked_on),
        booked_on=line.booked_on,
        value_on=line.value_on,
        description=line.description,
        reference=line.reference,
        counterparty=line.counterparty,
        source_sha256=line.source_sha256,
    )


def line_observation(form: Form, *, account: str, provider: str, observed_at: datetime) -> BankLine:
    """The message that tells a form."""
    line = form.line
    return BankLine(
        account=account,
        id=line.id,
        revision=form.revision,
        state=line.state,
        amount=MoneyOnWire.of(line.amount),
        previous=None if form.previous is None else MoneyOnWire.of(form.previous),
        previous_booked_on=form.previous_booked_on,
        booked_on=line.booked_on,
        value_on=line.value_on,
        description=line.description,
        reference=line.reference,
        counterparty=line.counterparty,
        replaces=line.replaces,
        observed_at=observed_at,
        provider=provider,
        source_sha256=line.source_sha256,
    )


def balance_observation(
    before: ToldBalance,
    after: ToldBalance,
    *,
    account: str,
    provider: str,
    observed_at: datetime,
    reading: str,
) -> BankBalance:
    """The message that tells a balance, agreed when it stood still while the lines were read."""
    return BankBalance(
        account=account,
        amount=MoneyOnWire.of(after.ledger),
        available=None if after.available is None else MoneyOnWire.of(after.available),
        as_of=after.as_of or observed_at,
        agreed=before.ledger == after.ledger,
        reading=reading,
        provider=provider,
        source_sha256=after.source_sha256,
    )
