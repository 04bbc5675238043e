"""A discrepancy's life: opened, changed, resolved, opened again; each step in full state."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from services.reconciler.findings import Discrepancy
from shared.contracts.discrepancies import DiscrepancyState
from shared.contracts.messages import DiscrepancyReported
from shared.contracts.money import MoneyOnWire


def reports(
    *,
    book: str,
    wanted: Iterable[Discrepancy],
    known: Mapping[str, DiscrepancyReported],
    at: datetime,
) -> list[DiscrepancyReported]:
    """The records that turn what is known into what is wanted, by id.

    ``known`` has the last record of each id that is unresolved or wanted. What is unresolved and
    no longer wanted is resolved; what stands as it was told is not told again.
    """
    wants = {discrepancy.id: discrepancy for discrepancy in wanted}
    told = [_told(book, known.get(key), wants[key], at) for key in sorted(wants)]
    gone = [
        _resolved(last, at)
        for key, last in sorted(known.items())
        if key not in wants and last.state is not DiscrepancyState.RESOLVED
    ]
    return [record for record in told if record is not None] + gone


def _told(
    book: str, last: DiscrepancyReported | None, found: Discrepancy, at: datetime
) -> DiscrepancyReported | None:
    is_new = last is None or last.state is DiscrepancyState.RESOLVED
    if not is_new and _says(last) == _says_now(found):
        return None
    return DiscrepancyReported(
        id=found.id,
        revision=1 if last is None else last.revision + 1,
        book=book,
        discrepancy=found.kind,
        state=DiscrepancyState.OPEN if last is None or is_new else last.state,
        subject=found.subject,
        amount=None if found.amount is None else MoneyOnWire.of(found.amount),
        expected=found.expected,
        found=found.found,
        explanation=found.explanation,
        next_step=found.next_step,
        opened_at=at if last is None or is_new else last.opened_at,
        changed_at=at,
        evidence=found.evidence,
    )


def _resolved(last: DiscrepancyReported, at: datetime) -> DiscrepancyReported:
    return last.model_copy(
        update={
            "revision": last.revision + 1,
            "state": DiscrepancyState.RESOLVED,
            "changed_at": at,
            "resolved_at": at,
        }
    )


_Said = tuple[MoneyOnWire | None, str, str, tuple[str, ...]]


def _says(last: DiscrepancyReported | None) -> _Said | None:
    """What makes a record another one.

    ``found`` is not in it: it may name the moment of the last look, which is no news.
    """
    if last is None:
        return None
    return (last.amount, last.expected, last.explanation, last.evidence)


def _says_now(found: Discrepancy) -> _Said:
    amount = None if found.amount is None else MoneyOnWire.of(found.amount)
    return (amount, found.expected, found.explanation, found.evidence)
