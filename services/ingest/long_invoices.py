"""Invoices and credit notes that an event shows in part: which they are, how they are told whole.

An event shows the first ten lines of either. What else there is of it, the API lists. Since
2025-03-31 it does not say how an invoice was paid, either: the API does, where that is expanded.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Final, cast

from services.ingest.catch_up import Fields
from services.ingest.endpoint_status import Trouble
from shared.contracts.discrepancies import DiscrepancyKind

# A line takes about a kilobyte, and a record must stay below what a topic takes.
LINES_IN_A_RECORD_MAX: Final = 400
SHOWN_MAX: Final = 500
_FOLDERS: Final[Mapping[str, str]] = MappingProxyType(
    {"invoice": "/v1/invoices", "credit_note": "/v1/credit_notes"}
)
# Old shapes have the first two, if only as null; where the last is told, nothing is left to ask.
_HOW_PAID: Final = ("charge", "payment_intent", "amount_paid_off_stripe")


@dataclass(frozen=True, slots=True)
class Unfetched:
    """An invoice or a credit note that is still to be fetched, and why that failed the last time.

    ``is_long`` where lines of it are untold; else it is how an invoice was paid.
    """

    object_id: str
    noted_at: datetime
    reason: str = ""
    is_long: bool = True
    kind: str = "invoice"


def invoice_in(event: Fields) -> str:
    """The id of the long invoice that an event shows; empty: it shows none.

    A draft changes until it is finalized, and then there is another event.
    """
    shown = _object(_object(event.get("data")).get("object"))
    if shown.get("object") != "invoice" or shown.get("status") == "draft" or not is_cut(shown):
        return ""
    return _id(shown)


def credit_note_in(event: Fields) -> str:
    """The id of the long credit note that an event shows; empty: it shows none."""
    shown = _object(_object(event.get("data")).get("object"))
    return _id(shown) if shown.get("object") == "credit_note" and is_cut(shown) else ""


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


def is_cut(value: Fields) -> bool:
    """Whether an invoice or a credit note has more lines than it shows."""
    return value.get("object") in _FOLDERS and _object(value.get("lines")).get("has_more") is True


def path_of(kind: str, object_id: str) -> str:
    """Where the API tells an invoice or a credit note."""
    return f"{_FOLDERS[kind]}/{object_id}"


def lines_path(value: Fields) -> str:
    """Where the API lists the lines of an invoice or a credit note."""
    return f"{path_of(str(value.get('object')), str(value.get('id')))}/lines"


def told_whole(value: Fields, lines: Sequence[Fields]) -> Iterator[Fields]:
    """The invoice or credit note with all of its lines, some hundreds in each telling."""
    shown = _object(value.get("lines"))
    for start in range(0, max(len(lines), 1), LINES_IN_A_RECORD_MAX):
        part = list(lines[start : start + LINES_IN_A_RECORD_MAX])
        yield {
            **value,
            "lines": {**shown, "data": part, "has_more": False, "total_count": len(lines)},
        }


def expected(unfetched: Iterable[Unfetched]) -> tuple[Trouble, ...]:
    """What is still to be told, as an open expectation of each object."""
    found = sorted(unfetched, key=lambda each: (each.noted_at, each.object_id))
    return tuple(_lines(each) if each.is_long else _payment(each) for each in found[:SHOWN_MAX])


def _lines(each: Unfetched) -> Trouble:
    noun = each.kind.replace("_", " ")
    until = (
        "what of them is served over time counts as earned"
        if each.kind == "invoice"
        else "what it takes back of them goes on being earned"
    )
    return Trouble(
        DiscrepancyKind.EVENT_MISSING,
        each.object_id,
        expected=f"every line of the {noun} on the log",
        found="the first ten, which its events show",
        explanation=(
            f"The {noun} {each.object_id} has more lines than its events show. Until the others"
            f" are fetched, {until}{_failed(each)}"
        ),
        evidence=(f"{each.kind}.lines",),
    )


def _payment(each: Unfetched) -> Trouble:
    return Trouble(
        DiscrepancyKind.EVENT_MISSING,
        each.object_id,
        expected="how the invoice was paid, on the log",
        found="that it is paid, which its events show",
        explanation=(
            f"The events of the invoice {each.object_id} do not say what of it was paid outside of"
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
