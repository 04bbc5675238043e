"""What a look from outside finds wrong, as reports: told once, changed, and taken back."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Final

from services.ingest.endpoint_status import Trouble
from services.ingest.gaps import BALANCE_TRANSACTIONS, Looked, Missing
from services.ingest.rhythm import Silence
from shared.contracts.audits import AuditReport
from shared.contracts.discrepancies import DiscrepancyKind, discrepancy_id

ENDPOINT_KINDS: Final = frozenset(
    {
        DiscrepancyKind.WEBHOOK_ENDPOINT_MISSING,
        DiscrepancyKind.WEBHOOK_ENDPOINT_DISABLED,
        DiscrepancyKind.WEBHOOK_ENDPOINT_MISCONFIGURED,
    }
)
AUDITED_KINDS: Final = ENDPOINT_KINDS | {
    DiscrepancyKind.EVENT_MISSING,
    DiscrepancyKind.BALANCE_TRANSACTION_MISSING,
    DiscrepancyKind.EVENTS_SILENT,
    DiscrepancyKind.EVENT_LIST_EMPTY,
}
SHOWN_MAX: Final = 500


def lacking(resource: str, missing: Iterable[Missing]) -> tuple[Trouble, ...]:
    """What cannot be fetched; what is only late is given its time and is no trouble yet.

    Of very many only the oldest are told one by one: the metrics count them all.
    """
    refused = sorted((m for m in missing if m.reason), key=lambda m: (m.since, m.id))
    is_money = resource == BALANCE_TRANSACTIONS
    kind = (
        DiscrepancyKind.BALANCE_TRANSACTION_MISSING if is_money else DiscrepancyKind.EVENT_MISSING
    )
    what = "balance transaction" if is_money else "event"
    return tuple(
        Trouble(
            kind,
            m.id,
            expected=f"the {what} on the log",
            found=f"listed at Stripe, created {_second(m.created)}, and not on the log",
            explanation=f"Stripe lists the {what} {m.id}, and it cannot be fetched: {m.reason}.",
            evidence=(m.kind,) if m.kind else (),
        )
        for m in refused[:SHOWN_MAX]
    )


def silent(account: str, book: str, silence: Silence | None) -> tuple[Trouble, ...]:
    """No webhook for longer than usual."""
    if silence is None or not silence.is_unusual:
        return ()
    since = silence.since.isoformat(timespec="seconds").replace("+00:00", "Z")
    return (
        Trouble(
            DiscrepancyKind.EVENTS_SILENT,
            account or book,
            expected=f"webhooks as in the {silence.weeks} weeks before",
            found=f"none since {since}",
            explanation=(
                f"No webhook has come since {since}, longer than is usual for these hours of the"
                " week: look at the endpoint at Stripe, and at what stands before the door."
            ),
        ),
    )


def empty(looked: Iterable[Looked], book: str) -> tuple[Trouble, ...]:
    """Lists that told nothing of a time of which the log has something."""
    return tuple(
        Trouble(
            DiscrepancyKind.EVENT_LIST_EMPTY,
            f"{one.account or book}/{one.resource}",
            expected="what the log has of that time, and more",
            found="an empty list",
            explanation=(
                f"Stripe's list of {one.resource.partition('/')[0].replace('_', ' ')} is empty for"
                " a time of which the log has something: the key may be another account's, or may"
                " not read it."
            ),
        )
        for one in looked
        if one.is_suspiciously_empty
    )


def reports(
    standing: Mapping[str, AuditReport],
    wanted: Iterable[Trouble],
    *,
    unknown: frozenset[DiscrepancyKind] = frozenset(),
    book: str,
    account: str,
    at: datetime,
) -> tuple[AuditReport, ...]:
    """The records that turn what was told into what is wanted; ``standing`` is by id.

    What stands as it was told is not told again. Of a kind that could not be looked at, nothing is
    taken back.
    """
    wants = {discrepancy_id(book, each.kind, each.subject): each for each in wanted}
    told: list[AuditReport] = []
    for key, each in sorted(wants.items()):
        last = standing.get(key)
        said = (each.expected, each.explanation, each.evidence)
        if last is not None and said == (last.expected, last.explanation, last.evidence):
            continue
        told.append(
            AuditReport(
                id=key,
                book=book,
                account=account,
                discrepancy=each.kind,
                subject=each.subject,
                stands=True,
                since=at if last is None else last.since,
                told_at=at,
                expected=each.expected,
                found=each.found,
                explanation=each.explanation,
                evidence=each.evidence,
            )
        )
    told.extend(
        last.model_copy(update={"stands": False, "told_at": at})
        for key, last in sorted(standing.items())
        if key not in wants and last.discrepancy not in unknown
    )
    return tuple(told)


def _second(created: int) -> str:
    return datetime.fromtimestamp(created, UTC).isoformat().replace("+00:00", "Z")
