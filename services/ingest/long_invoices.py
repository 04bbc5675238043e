"""Invoices with more lines than a message shows: which they are, and how they are told whole.

An event shows the first ten lines of an invoice. What else there is of it, the API lists.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, cast

from services.ingest.catch_up import Fields
from services.ingest.endpoint_status import Trouble
from shared.contracts.discrepancies import DiscrepancyKind

# A line takes about a kilobyte, and a record must stay below what a topic takes.
LINES_IN_A_RECORD_MAX: Final = 400
SHOWN_MAX: Final = 500


@dataclass(frozen=True, slots=True)
class Unfetched:
    """An invoice whose lines are still to be fetched, and why that failed the last time."""

    invoice: str
    noted_at: datetime
    reason: str = ""


def invoice_in(event: Fields) -> str:
    """The id of the long invoice that an event shows; empty: it shows none.

    A draft changes until it is finalized, and then there is another event.
    """
    shown = _object(_object(event.get("data")).get("object"))
    if shown.get("object") != "invoice" or shown.get("status") == "draft" or not is_cut(shown):
        return ""
    found = shown.get("id")
    return found if isinstance(found, str) else ""


def is_cut(invoice: Fields) -> bool:
    """Whether an invoice has more lines than it shows."""
    return _object(invoice.get("lines")).get("has_more") is True


def lines_path(invoice: Fields) -> str:
    """Where the API lists the lines of an invoice."""
    return f"/v1/invoices/{invoice.get('id')}/lines"


def told_whole(invoice: Fields, lines: Sequence[Fields]) -> Iterator[Fields]:
    """The invoice with all of its lines, some hundreds in each telling."""
    shown = _object(invoice.get("lines"))
    for start in range(0, max(len(lines), 1), LINES_IN_A_RECORD_MAX):
        part = list(lines[start : start + LINES_IN_A_RECORD_MAX])
        yield {
            **invoice,
            "lines": {**shown, "data": part, "has_more": False, "total_count": len(lines)},
        }


def expected(unfetched: Iterable[Unfetched]) -> tuple[Trouble, ...]:
    """The lines that are still to be told, as an open expectation of each invoice."""
    found = sorted(unfetched, key=lambda each: (each.noted_at, each.invoice))
    return tuple(
        Trouble(
            DiscrepancyKind.EVENT_MISSING,
            each.invoice,
            expected="every line of the invoice on the log",
            found="the first ten, which its events show",
            explanation=(
                f"The invoice {each.invoice} has more lines than its events show. Until the others"
                " are fetched, what of them is served over time counts as earned"
                + (f"; the last try failed: {each.reason}." if each.reason else ".")
            ),
            evidence=("invoice.lines",),
        )
        for each in found[:SHOWN_MAX]
    )


def _object(value: object) -> Mapping[str, object]:
    return cast("dict[str, object]", value) if isinstance(value, dict) else {}
