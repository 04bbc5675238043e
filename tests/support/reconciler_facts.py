"""Facts for the reconciler's core as a bookkeeper would name them, and what came of them in words.

Friday is 6 November 2026; the payouts of the cases arrive on Wednesday the 11th.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Final

from services.reconciler.facts.kinds import (
    Booking,
    Fact,
    Leg,
    Line,
)
from services.reconciler.facts.known import Facts, Proof, fold
from services.reconciler.findings.found import Match, Reconciliation
from services.reconciler.reconcile import reconcile
from services.reconciler.rules.expectations import Expectation, Expected, Stage
from shared.contracts.books import BankAccount, BookData
from shared.contracts.messages import MatchMade
from shared.contracts.observations import LineState

ARRIVAL: Final = date(2026, 11, 11)
SOON: Final = datetime(2026, 11, 12, 12, tzinfo=UTC)
LATER: Final = datetime(2027, 1, 31, tzinfo=UTC)
A: Final = "po_1QK7mWLkdIwHu7ixRt5vXa2B"
B: Final = "po_1QJ3nZLkdIwHu7ixPq8sYc9D"
C: Final = "po_1QF9xTLkdIwHu7ixMe4wVb6G"
BOOK: Final = BookData(bank_accounts=(BankAccount(name="ops", currency="usd"),))
ANYWHERE: Final = BookData()


def payout(
    id: str = A,  # noqa: A002 - reads as the field's own name
    minor: int = 10_000,
    *,
    arrival: date = ARRIVAL,
    what: Expected = Expected.PAYOUT,
    stage: Stage = Stage.PAID,
    currency: str = "usd",
    created: datetime | None = None,
    traces: tuple[str, ...] = (),
    destination: str = "",
    method: str = "standard",
    descriptor: str = "",
    failure: str = "",
) -> Expectation:
    made = created or datetime(arrival.year, arrival.month, arrival.day, 8, tzinfo=UTC)
    made = made if created else made - timedelta(days=2)
    return Expectation(
        id=id,
        what=what,
        stage=stage,
        minor=minor,
        currency=currency,
        created=made,
        arrival=arrival,
        told_stage=stage,
        told_at=made,
        destination=destination,
        method=method,
        descriptor=descriptor,
        failure=failure,
        traces=traces,
    )


def topup(id: str, minor: int, *, created: datetime, stage: Stage = Stage.PENDING) -> Expectation:  # noqa: A002 - as above
    day = created.date()
    return payout(id, minor, arrival=day, created=created, what=Expected.TOPUP, stage=stage)


def line(
    text: str = "",
    minor: int = 10_000,
    *,
    id: str = "l1",  # noqa: A002 - reads as the field's own name
    on: date = ARRIVAL,
    account: str = "ops",
    currency: str = "usd",
    state: LineState = LineState.POSTED,
    revision: int = 1,
    reference: str = "",
    payer: str = "",
) -> Line:
    return Line(account, id, revision, state, minor, currency, on, text, reference, payer)


def booking(reference: str, *legs: Leg, kind: str = "", on: datetime | None = None) -> Booking:
    at = on or datetime(2026, 11, 9, 8, tzinfo=UTC)
    return Booking(reference, kind or reference.split(":")[1], at, at, tuple(sorted(legs)))


def facts_of(
    facts: Iterable[Fact],
    *,
    book: BookData = BOOK,
    standing: Iterable[MatchMade] = (),
    proofs: Iterable[Proof] = (),
    ledger_stripe: Mapping[str, int] | None = None,
    proofs_needed: int = 1,
    require_readings: bool = False,
    read_until: Mapping[str, datetime] | None = None,
    heard_at: Mapping[str, datetime] | None = None,
) -> Facts:
    return replace(
        Facts.of(fold(facts).values(), book),
        proofs=tuple(proofs),
        standing=tuple(standing),
        ledger_stripe=ledger_stripe or {},
        proofs_needed=proofs_needed,
        require_readings=require_readings,
        read_until=read_until or {},
        heard_at=heard_at or {},
    )


def found(*facts: Fact, at: datetime = SOON, book: BookData = BOOK) -> Reconciliation:
    return reconcile(facts_of(facts, book=book), at=at)


def settled(result: Reconciliation) -> dict[str, tuple[str, ...]]:
    """What each line settles: line id to the ids of payouts and top-ups."""
    return {
        match.line.id: tuple(sorted(s.object for s in match.settles))
        for match in result.matches
        if match.line is not None
    }


def said(result: Reconciliation) -> list[str]:
    """The discrepancies, each as ``kind subject amount``."""
    return sorted(
        f"{d.kind} {d.subject} {'' if d.amount is None else d.amount.minor}".strip()
        for d in result.discrepancies
    )


def the_match(result: Reconciliation) -> Match:
    (match,) = result.matches
    return match
