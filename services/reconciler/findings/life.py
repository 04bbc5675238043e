"""A discrepancy's life: opened, changed, resolved, opened again; each step in full state.

What the facts say and what people did meet here. What a person resolved while it stands stays
resolved as long as it says the same; when it has healed, that word has lapsed.
"""

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from zoneinfo import ZoneInfo

from services.reconciler.findings.classes import (
    ONE_SHOT,
    ages_at,
    bucket_of,
    class_of,
    days_open,
    severity_of,
)
from services.reconciler.findings.explain import sentence_of
from services.reconciler.findings.found import Discrepancy
from shared.contracts.discrepancies import DiscrepancyState, Resolution
from shared.contracts.messages import DiscrepancyReported
from shared.contracts.money import MoneyOnWire

State = DiscrepancyState
_UTC = ZoneInfo("UTC")


def reports(
    *,
    book: str,
    wanted: Iterable[Discrepancy],
    known: Mapping[str, DiscrepancyReported],
    at: datetime,
    zone: ZoneInfo = _UTC,
) -> list[DiscrepancyReported]:
    """The records that turn what is known into what is wanted, by id.

    ``known`` has the last record of each id that is unresolved, wanted, or resolved by hand. What
    is unresolved and no longer wanted is resolved; what stands as it was told is not told again.
    """
    wants = {discrepancy.id: discrepancy for discrepancy in wanted}
    told = [_told(book, known.get(key), wants[key], at, zone) for key in sorted(wants)]
    gone = [_gone(last, at) for key, last in sorted(known.items()) if key not in wants]
    return [record for record in (*told, *gone) if record is not None]


def is_in_hand(report: DiscrepancyReported) -> bool:
    """Whether a record has to be known when the book is judged again.

    What is resolved by hand has, to see when it heals; but for what can never heal.
    """
    if report.state is not State.RESOLVED:
        return True
    return report.resolution is Resolution.BY_HAND and report.discrepancy not in ONE_SHOT


def is_accepted(report: DiscrepancyReported) -> bool:
    """Whether a person closed for good what can never heal by itself."""
    is_by_hand = report.resolution is Resolution.BY_HAND
    return is_by_hand and report.state is State.RESOLVED and report.discrepancy in ONE_SHOT


def ages_next(
    reports: Iterable[DiscrepancyReported], *, at: datetime, zone: ZoneInfo
) -> datetime | None:
    """When the first of these comes into another aging bucket."""
    times = (
        ages_at(report.discrepancy, _begun(report.since, report.opened_at, zone), at, zone)
        for report in reports
        if report.state is not State.RESOLVED
    )
    return min((time for time in times if time is not None and time > at), default=None)


def _told(
    book: str,
    last: DiscrepancyReported | None,
    found: Discrepancy,
    at: datetime,
    zone: ZoneInfo,
) -> DiscrepancyReported | None:
    if last is None or last.state is State.RESOLVED:
        if last is not None and last.resolution is Resolution.BY_HAND and _is_same(last, found):
            return None
        return _opened(book, last, found, at, zone)
    return _standing(last, found, at, zone)


def _opened(
    book: str,
    last: DiscrepancyReported | None,
    found: Discrepancy,
    at: datetime,
    zone: ZoneInfo,
) -> DiscrepancyReported:
    break_class = found.break_class or class_of(found.kind)
    days = days_open(found.kind, _begun(found.since, at, zone), at, zone)
    return DiscrepancyReported(
        id=found.id,
        revision=1 if last is None else last.revision + 1,
        book=book,
        discrepancy=found.kind,
        state=State.OPEN,
        subject=found.subject,
        amount=None if found.amount is None else MoneyOnWire.of(found.amount),
        expected=found.expected,
        found=found.found,
        explanation=found.explanation,
        next_step=found.next_step,
        opened_at=at,
        changed_at=at,
        evidence=found.evidence,
        break_class=break_class,
        severity=severity_of(break_class, found.amount, days),
        age=bucket_of(days),
        cause=found.cause or break_class,
        probable_cause=found.probable_cause,
        sentence=sentence_of(found),
        # Who looked after it, and what was said, is of use when it comes back.
        owner="" if last is None else last.owner,
        comments=() if last is None else last.comments,
        since=found.since,
    )


def _begun(since: date | None, opened_at: datetime, zone: ZoneInfo) -> date:
    """The day that an age counts from: the fact's own, or that of the opening."""
    return since or opened_at.astimezone(zone).date()


def _standing(
    last: DiscrepancyReported, found: Discrepancy, at: datetime, zone: ZoneInfo
) -> DiscrepancyReported | None:
    """What stands told anew, where it says something else or has come to matter more or less."""
    break_class = found.break_class or class_of(found.kind)
    days = days_open(found.kind, _begun(found.since, last.opened_at, zone), at, zone)
    severity = severity_of(break_class, found.amount, days, last=last.severity)
    age, cause = bucket_of(days), found.cause or break_class
    same = _is_same(last, found)
    now = (break_class, severity, age, cause, found.probable_cause, found.since)
    if same and now == (
        last.break_class,
        last.severity,
        last.age,
        last.cause,
        last.probable_cause,
        last.since,
    ):
        return None
    # An explanation was of what it said then.
    is_explained = last.state is State.EXPLAINED and not same
    return last.model_copy(
        update={
            "revision": last.revision + 1,
            "state": State.OPEN if is_explained else last.state,
            "code": None if is_explained else last.code,
            "amount": None if found.amount is None else MoneyOnWire.of(found.amount),
            "expected": found.expected,
            "found": found.found,
            "explanation": found.explanation,
            "next_step": found.next_step,
            "changed_at": at,
            "evidence": found.evidence,
            "break_class": break_class,
            "severity": severity,
            "age": age,
            "cause": cause,
            "probable_cause": found.probable_cause,
            "sentence": sentence_of(found),
            "since": found.since,
        }
    )


def _gone(last: DiscrepancyReported, at: datetime) -> DiscrepancyReported | None:
    """What no longer stands: resolved, or a person's word on it has lapsed."""
    healed = {"revision": last.revision + 1, "changed_at": at, "resolution": Resolution.HEALED}
    if last.state is not State.RESOLVED:
        return last.model_copy(update=healed | {"state": State.RESOLVED, "resolved_at": at})
    if last.resolution is Resolution.BY_HAND and last.discrepancy not in ONE_SHOT:
        return last.model_copy(update=healed)
    return None


def _is_same(last: DiscrepancyReported, found: Discrepancy) -> bool:
    """Whether it says what it said.

    ``found`` is not compared: it may name the moment of the last look, which is no news.
    """
    amount = None if found.amount is None else MoneyOnWire.of(found.amount)
    return (last.amount, last.expected, last.explanation, last.evidence) == (
        amount,
        found.expected,
        found.explanation,
        found.evidence,
    )
