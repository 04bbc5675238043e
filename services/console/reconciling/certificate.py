"""A payout's certificate: what it is made of, what the ledger booked, what the bank shows.

Three sums have to agree: Stripe's balance transactions, the ledger's postings of them, the bank's
lines. Green only then.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from itertools import groupby
from typing import Final

from services.console.reconciling.allocation import Allocated
from services.console.reconciling.paper import (
    SOUND,
    WAITS,
    WRONG,
    Cell,
    Clocks,
    Paper,
    Section,
    shown,
)
from shared.contracts.money import Money, currency_of

_OVER: Final = frozenset({"failed", "canceled"})
TAKEN_BACK: Final = "returned"


@dataclass(frozen=True, slots=True)
class Payout:
    """A payout as Stripe tells it."""

    id: str
    stage: str
    amount: Money
    created: datetime
    arrival: date
    method: str
    destination: str
    failure: str
    traces: tuple[str, ...]
    told_at: datetime


@dataclass(frozen=True, slots=True)
class Movement:
    """A balance transaction; ``currency`` is empty where its amounts were not kept."""

    id: str
    type: str
    category: str
    source: str
    amount_minor: int
    fee_minor: int
    net_minor: int
    currency: str
    created: datetime | None
    balance_type: str = ""
    available_on: date | None = None


@dataclass(frozen=True, slots=True)
class Posted:
    """A journal entry's posting."""

    reference: str
    account: str
    key: str
    minor: int
    effective_at: datetime


@dataclass(frozen=True, slots=True)
class Settlement:
    """A bank line that settles the payout, or a part of it."""

    match: str
    rule: str
    account: str
    line: str
    booked_on: date | None
    share: Money
    evidence: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Said:
    """A discrepancy about the payout that is not resolved."""

    what: str
    severity: str
    state: str
    expected: str
    found: str
    next_step: str


@dataclass(frozen=True, slots=True)
class Certified:
    """All that is known of one payout.

    ``named`` are the ids that Stripe says it pays out, its own too; empty and not ``is_complete``
    where it has not told. ``written_off`` people took off its key, ``fee_minor`` Stripe beside it.
    """

    book: str
    payout: Payout
    movements: tuple[Movement, ...]
    named: int
    is_complete: bool
    postings: tuple[Posted, ...]
    settlements: tuple[Settlement, ...]
    open_minor: int
    allocated: Allocated | None = None
    written_off: int = 0
    fee_minor: int = 0
    clocks: Clocks = field(default=())
    said: tuple[Said, ...] = ()


@dataclass(frozen=True, slots=True)
class Sum:
    """One of the three sums against the payout."""

    name: str
    minor: int | None
    style: str
    says: str


def sums_of(told: Certified) -> tuple[Sum, Sum, Sum]:
    """Stripe's, the ledger's and the bank's sum, each held against the payout's amount."""
    return (_stripe_sum(told), _ledger_sum(told), _bank_sum(told))


def _is_over(told: Certified) -> bool:
    return told.payout.stage in _OVER


def _due(told: Certified) -> Money:
    """What ledger and bank have to come to: of a payout that is over, all went back."""
    return Money(0, told.payout.amount.currency) if _is_over(told) else told.payout.amount


def status_of(told: Certified, sums: Iterable[Sum]) -> tuple[str, str]:
    """Whether the certificate is green, and in words."""
    styles = {each.style for each in sums}
    if _is_over(told):
        if told.open_minor:
            return WRONG, f"{told.payout.stage}, and its key in transit is open"
        if WRONG in styles:
            return WRONG, f"{told.payout.stage}, and the sums do not agree"
        return WAITS, f"{told.payout.stage}: the funds went back to the Stripe balance"
    if any(each.what == TAKEN_BACK for each in told.said):
        return WRONG, "the bank took it back"
    if WRONG in styles:
        return WRONG, "the sums do not agree"
    if WAITS in styles:
        return WAITS, "not all sums are there yet"
    return SOUND, "all three sums agree"


def paper_of(told: Certified) -> Paper:
    """The certificate as a paper."""
    payout, sums = told.payout, sums_of(told)
    style, verdict = status_of(told, sums)
    currency = payout.amount.currency
    facts: tuple[tuple[str, Cell], ...] = (
        ("payout", payout.id),
        ("amount", payout.amount),
        ("state at Stripe", payout.stage + (f" ({payout.failure})" if payout.failure else "")),
        ("created", payout.created),
        ("expected at the bank", payout.arrival),
        ("method", payout.method or "not told"),
        ("destination", payout.destination or "not told"),
        ("trace id", ", ".join(payout.traces) or "not told"),
        *((("fee beside it", Money(told.fee_minor, currency)),) if told.fee_minor else ()),
    )
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (s.name, None if s.minor is None else Money(s.minor, currency), _mark(s.style), s.says)
        for s in sums
    )
    return Paper(
        title=f"Payout certificate {payout.id}",
        book=told.book,
        clocks=told.clocks,
        sections=(
            Section("Three sums", ("side", "sum", "holds", "says"), rows, amounts=("sum",)),
            *_said_sections(told.said),
            *_content_sections(told),
            _bank_section(told),
            _journal_section(told),
        ),
        verdict=verdict,
        style=style,
        facts=facts,
    )


def _said_sections(said: Sequence[Said]) -> tuple[Section, ...]:
    """What is not resolved about it and what to do; nothing where nothing is."""
    columns = ("what", "severity", "state", "expected", "found", "next step")
    rows = tuple((s.what, s.severity, s.state, s.expected, s.found, s.next_step) for s in said)
    return (Section("Not resolved", columns, rows),) if rows else ()


def _stripe_sum(told: Certified) -> Sum:
    name, due = "Stripe: balance transactions", told.payout.amount.minor
    if told.allocated is not None:
        minor = sum(part.minor for part in told.allocated.parts)
        if minor == due:
            return Sum(name, minor, SOUND, "allocated, oldest available first: Stripe tells none")
        return Sum(name, minor, WAITS, "Stripe tells no contents, and too little is known to allot")
    if _is_over(told) and not told.is_complete:
        return Sum(name, None, "", f"{told.payout.stage}: nothing was paid out by it")
    if not told.is_complete:
        return Sum(name, None, WAITS, "Stripe has not told all of its contents yet")
    inside = [m for m in told.movements if m.source != told.payout.id]
    bare = [m.id for m in told.movements if not m.currency]
    known = len(told.movements)
    if bare or known < told.named:
        return Sum(name, None, WAITS, f"{told.named - known + len(bare)} of its movements lack")
    minor = sum(m.net_minor for m in inside)
    return _held(name, minor, told.payout.amount, f"{len(inside)} balance transactions")


def _ledger_sum(told: Certified) -> Sum:
    name = "Ledger: what was booked of them"
    own = [p for p in told.postings if _is_own(told, p)]
    if not own:
        return Sum(name, None, WAITS, "its own balance transaction is not booked yet")
    booked = sum(p.minor for p in own)
    if _is_over(told):
        return _held(name, booked, _due(told), "to assets:stripe:in-transit and back")
    if told.allocated is not None or not told.is_complete:
        return _held(name, booked, _due(told), "to assets:stripe:in-transit")
    if len(told.movements) < told.named:
        return Sum(name, None, WAITS, "not all of its movements are known yet")
    references = {_reference(m.id) for m in told.movements if m.source != told.payout.id}
    inside = sum(
        p.minor
        for p in told.postings
        if p.reference in references and p.account.startswith("assets:stripe:")
        and not p.key
    )  # fmt: skip
    there = {p.reference for p in told.postings} & references
    if len(there) < len(references):
        return Sum(name, inside, WAITS, f"{len(references) - len(there)} are not booked yet")
    if booked != inside:
        currency = told.payout.amount.currency
        apart = f"in transit {Money(booked, currency)}, contents {Money(inside, currency)}"
        return Sum(name, inside, WRONG, apart)
    return _held(name, inside, _due(told), f"{len(references)} entries, and its own")


def _bank_sum(told: Certified) -> Sum:
    name = "Bank: its lines"
    if not told.settlements:
        if _is_over(told):
            return Sum(name, None, SOUND, "no bank line is expected any more")
        return Sum(name, None, WAITS, "no bank line settles it yet")
    minor = sum(s.share.minor for s in told.settlements) + told.written_off
    many = f"{len(told.settlements)} bank lines" if len(told.settlements) > 1 else "one bank line"
    off = Money(told.written_off, told.payout.amount.currency)
    found = _held(name, minor, _due(told), many + (f", {off} written off" if off else ""))
    if found.style == SOUND and told.open_minor:
        return Sum(name, minor, WAITS, f"{many}; the ledger's key in transit is still open")
    return found


def _held(name: str, minor: int, due: Money, says: str) -> Sum:
    if minor == due.minor:
        return Sum(name, minor, SOUND, says)
    return Sum(name, minor, WRONG, f"{says}: {Money(minor, due.currency) - due} against the payout")


def _content_sections(told: Certified) -> tuple[Section, ...]:
    if told.allocated is not None:
        return (_allocation_section(told, told.allocated),)
    if _is_over(told) and not told.movements:
        return ()
    inside = sorted(
        (m for m in told.movements if m.source != told.payout.id and m.currency),
        key=lambda m: (m.category or m.type, m.created is not None and m.created, m.id),
    )
    groups = [
        (category, list(group))
        for category, group in groupby(inside, key=lambda m: m.category or m.type)
    ]
    by_category = Section(
        "By kind",
        ("kind", "count", "gross", "fees", "net"),
        tuple(
            (
                category.replace("_", " "),
                len(group),
                _money(group, "amount_minor"),
                _money(group, "fee_minor"),
                _money(group, "net_minor"),
            )
            for category, group in groups
        ),
        amounts=("gross", "fees", "net"),
    )
    items = Section(
        "Balance transactions",
        ("id", "kind", "source", "gross", "fee", "net"),
        tuple(
            (
                m.id,
                (m.category or m.type).replace("_", " "),
                m.source,
                Money.of(m.amount_minor, m.currency),
                Money.of(m.fee_minor, m.currency),
                Money.of(m.net_minor, m.currency),
            )
            for m in inside
        ),
        amounts=("gross", "fee", "net"),
    )
    return (by_category, items)


def _allocation_section(told: Certified, allocated: Allocated) -> Section:
    currency = told.payout.amount.currency
    before = shown(Money(allocated.before_minor, currency))
    said = (
        "Stripe does not tell what a manual or instant payout is made of. Shown is the oldest"
        f" available balance first, behind what earlier such payouts took ({before})."
    )
    if allocated.borne_by:
        said += (
            f" The contents of {allocated.borne_by} name this payout's own transaction and bear"
            " it: it is allotted out of them."
        )
    return Section(
        "Allocation",
        ("id", "kind", "available on", "net", "of it here"),
        tuple(
            (
                part.id,
                part.type,
                part.available_on,
                Money(part.net_minor, currency),
                Money(part.minor, currency),
            )
            for part in allocated.parts
        ),
        notes=(said,),
        amounts=("net", "of it here"),
    )


def _bank_section(told: Certified) -> Section:
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (s.account, s.line, s.booked_on, s.share, s.rule, "; ".join(s.evidence))
        for s in told.settlements
    )
    columns = ("account", "line", "booked on", "share", "rule", "evidence")
    return Section("Bank lines", columns, rows, amounts=("share",))


def _journal_section(told: Certified) -> Section:
    """The entries of the payout itself; those of its contents are found by their ids."""
    about = told.payout.id
    currency = told.payout.amount.currency
    of_it = {p.reference for p in told.postings if p.key == about}
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (
            p.effective_at,
            p.reference,
            p.account + (f"[{p.key}]" if p.key else ""),
            Money(p.minor, currency),
        )
        for p in sorted(told.postings, key=lambda p: (p.effective_at, p.reference, p.account))
        if p.reference in of_it
    )
    columns = ("effective", "reference", "account", "debit (+) or credit (-)")
    return Section("Journal entries", columns, rows, amounts=columns[3:])


def _is_own(told: Certified, posted: Posted) -> bool:
    return (
        posted.account == "assets:stripe:in-transit"
        and posted.key == told.payout.id
        and posted.reference.startswith("stripe:balance_transaction:")
    )


def _reference(movement: str) -> str:
    return f"stripe:balance_transaction:{movement}"


def _money(group: Sequence[Movement], name: str) -> Money:
    return Money(sum(getattr(m, name) for m in group), currency_of(group[0].currency))


def _mark(style: str) -> str:
    return {SOUND: "agrees", WAITS: "waits", WRONG: "differs", "": ""}[style]
