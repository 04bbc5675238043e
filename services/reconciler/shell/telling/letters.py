"""What is published, as letters for the outbox: ids are functions of what is told."""

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from services.reconciler.shell.telling.outbox import Letter
from shared.contracts.acts import ActDecided
from shared.contracts.discrepancies import DiscrepancyState
from shared.contracts.look_ups import LookUpAsked
from shared.contracts.messages import DiscrepancyReported, MatchMade, MatchUndone
from shared.contracts.schemas import type_of
from shared.contracts.topics import (
    DECISIONS,
    DISCREPANCIES,
    DISCREPANCIES_CURRENT,
    LOOK_UPS,
    MATCHES,
    RECONCILER_DEAD_LETTERS,
)
from shared.runtime.dead_letters import dead_letter
from shared.runtime.kafka import Record

DEAD_LETTER_LANE: Final = "dead-letters"


def of_matches(records: Iterable[MatchMade | MatchUndone], *, at: datetime) -> list[Letter]:
    """The letters that tell of matches, in the order given: the undoing before the making."""
    return [
        Letter(
            lane=f"book {record.book}",
            topic=MATCHES,
            key=record.id.encode(),
            id=f"{record.id}/{record.revision}/{record.kind.removeprefix('match_')}",
            type=type_of(type(record)),
            subject=record.id,
            book=record.book,
            time=at,
            value=record.model_dump_json().encode(),
        )
        for record in records
    ]


def of_discrepancies(reports: Iterable[DiscrepancyReported], *, at: datetime) -> list[Letter]:
    """The letters that tell of discrepancies: what happened, and how each now stands."""
    return [
        letter
        for report in reports
        for letter in (_report(report, DISCREPANCIES, at), _current(report, at))
    ]


def _report(report: DiscrepancyReported, topic: str, at: datetime) -> Letter:
    return Letter(
        lane=f"book {report.book}",
        topic=topic,
        key=report.id.encode(),
        id=f"{report.id}/{report.revision}",
        type=type_of(DiscrepancyReported),
        subject=report.id,
        book=report.book,
        time=at,
        value=report.model_dump_json().encode(),
    )


def _current(report: DiscrepancyReported, at: datetime) -> Letter:
    letter = _report(report, DISCREPANCIES_CURRENT, at)
    if report.state is not DiscrepancyState.RESOLVED:
        return letter
    return Letter(
        lane=letter.lane,
        topic=letter.topic,
        key=letter.key,
        id=letter.id,
        type=letter.type,
        subject=letter.subject,
        book=letter.book,
        time=at,
        value=None,
    )


def of_decisions(decisions: Iterable[ActDecided]) -> list[Letter]:
    """The letters that tell what became of acts."""
    return [
        Letter(
            lane=f"book {decided.book}",
            topic=DECISIONS,
            key=f"{decided.book}|{decided.idempotency_key}".encode(),
            id=f"{decided.message_id}/{decided.number}",
            type=type_of(ActDecided),
            subject=decided.idempotency_key,
            book=decided.book,
            time=decided.decided_at,
            value=decided.model_dump_json().encode(),
        )
        for decided in decisions
    ]


def of_look_ups(asked: Iterable[LookUpAsked]) -> list[Letter]:
    """The letters that ask for something by name."""
    return [
        Letter(
            lane=f"book {each.book}",
            topic=LOOK_UPS,
            key=f"{each.book}|{each.subject}".encode(),
            id=each.id,
            type=type_of(LookUpAsked),
            subject=each.subject,
            book=each.book,
            time=each.asked_at,
            value=each.model_dump_json().encode(),
        )
        for each in asked
    ]


def of_unreadable(record: Record, *, reason: str, detail: str, at: datetime) -> Letter:
    """The letter that carries a record which could not be read."""
    said = dead_letter(record, reason=reason, detail=detail, at=at)
    return Letter(
        lane=DEAD_LETTER_LANE,
        topic=RECONCILER_DEAD_LETTERS,
        key=record.key or b"",
        id=said.id,
        type=said.type,
        subject="",
        book="",
        time=at,
        value=said.data,
        extensions=dict(said.extensions),
    )
