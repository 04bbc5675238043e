"""Invoices that an event shows in part: which they are, and how they are told whole.

An event shows the first ten lines of an invoice. What else there is of it, the API lists. Since
2025-03-31 it does not say how an invoice was paid, either: the API does, where that is expanded.
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
# Old shapes have the first two, if only as null; where the last is told, nothing is left to ask.
_HOW_PAID: Final = ("charge", "payment_intent", "amount_paid_off_stripe")


@dataclass(frozen=True, slots=True)
class Unfetched:
    """An invoice that is still to be fetched, and why that failed the last time.

    ``is_long`` where lines of it are untold; else it is how it was paid.
    """

    invoice: str
    noted_at: datetime
    reason: str = ""
    is_long: bool = True


def invoice_in(event: Fields) -> str:
    """The id of the long invoice that an event shows; empty: it shows none.

    A draft changes until it is finalized, and then there is another event.
    """
    shown = _object(_object(event.get("data")).get("object"))
    if shown.get("object") != "invoice" or shown.get("status") == "draft" or not is_cut(shown):
        return ""
    return _id(shown)


def paid_invoice_in(event: Fields) -> str:
    """The id of the invoice that an event shows paid without saying how; empty: there is none.

    Source: Stripe API reference, "The Invoice object", ``amount_paid_off_stripe`` and ``payments``,
    which are included only where they are expanded, and so in no event.
    """
    shown = _object(_object(event.get("data")).get("object"))
    if shown.get("object") != "invoice" or shown.get("status") != "paid":
        return ""
    # Whether what was paid elsewhere is a part of what was paid depends on the version.
    amounts = [shown.get(name) for name in ("amount_paid", "amount_due")]
    is_something = any(type(amount) is int and amount > 0 for amount in amounts)
    return _id(shown) if is_something and not any(name in shown for name in _HOW_PAID) else ""


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
    """What is still to be told, as an open expectation of each invoice."""
    found = sorted(unfetched, key=lambda each: (each.noted_at, each.invoice))
    return tuple(_lines(each) if each.is_long else _payment(each) for each in found[:SHOWN_MAX])


def _lines(each: Unfetched) -> Trouble:
    return Trouble(
        DiscrepancyKind.EVENT_MISSING,
        each.invoice,
        expected="every line of the invoice on the log",
        found="the first ten, which its events show",
        explanation=(
            f"The invoice {each.invoice} has more lines than its events show. Until the others"
            f" are fetched, what of them is served over time counts as earned{_failed(each)}"
        ),
        evidence=("invoice.lines",),
    )


def _payment(each: Unfetched) -> Trouble:
    return Trouble(
        DiscrepancyKind.EVENT_MISSING,
        each.invoice,
        expected="how the invoice was paid, on the log",
        found="that it is paid, which its events show",
        explanation=(
            f"The events of the invoice {each.invoice} do not say what of it was paid outside of"
            f" Stripe. Until that is fetched, as much stands as a receivable{_failed(each)}"
        ),
        evidence=("invoice.amount_paid_off_stripe",),
    )


def _failed(each: Unfetched) -> str:
    return f"; the last try failed: {each.reason}." if each.reason else "."


def _id(shown: Fields) -> str:
    found = shown.get("id")
    return found if isinstance(found, str) else ""


def _object(value: object) -> Mapping[str, object]:
    return cast("dict[str, object]", value) if isinstance(value, dict) else {}
