"""The difference in money, as a table, as CSV, as JSON; entries are told one after another."""

import csv
import io
import json
from collections.abc import Callable, Iterable, Mapping
from typing import Final, Protocol

from services.ledger.exports.csv_form import neutral
from services.ledger.what_if.suppositions import Apart, BalanceDifference, EntryDifference
from shared.contracts.journal import Entry
from shared.contracts.money import decimal_text

_FIRST_AMOUNT: Final = 3
Put = Callable[[str], object]
HEAD = ("what", "book", "account", "currency", "before", "after", "difference", "reference")


class Teller(Protocol):
    """Writes a what-if: the balances, then each entry that differs, then the end."""

    def balances(self, differences: Iterable[BalanceDifference]) -> None:
        """What would stand differently."""
        ...

    def entry(self, told: EntryDifference) -> None:
        """A fact that would be told differently."""
        ...

    def end(self, summary: dict[str, int]) -> None:
        """How much there was."""
        ...


class Table:
    """For people."""

    def __init__(self, put: Put) -> None:
        self._put = put

    def balances(self, differences: Iterable[BalanceDifference]) -> None:
        """A row for each account and currency."""
        rows = [
            (each.book, each.account, each.currency.upper(), *_amounts(each))
            for each in differences
        ]
        if not rows:
            self._put("no balance would differ\n")
            return
        head = ("book", "account", "", "is", "would be", "difference")
        widths = [max(len(row[n]) for row in (head, *rows)) for n in range(len(head))]
        for row in (head, *rows):
            cells = [
                cell.rjust(width) if n >= _FIRST_AMOUNT else cell.ljust(width)
                for n, (cell, width) in enumerate(zip(row, widths, strict=True))
            ]
            self._put("  ".join(cells).rstrip() + "\n")

    def entry(self, told: EntryDifference) -> None:
        """The fact, and what of it would move otherwise."""
        self._put(f"\n{told.reference} {told.apart}\n")
        for leg in told.legs():
            is_, would_be, difference = _amounts(leg)
            self._put(
                f"  {leg.account}  {is_} -> {would_be} {leg.currency.upper()} ({difference})\n"
            )

    def end(self, summary: dict[str, int]) -> None:
        """In a line."""
        self._put(
            f"\n{summary['entries']:,} entries are, {summary['entries_then']:,} would be;"
            f" {summary['messages']:,} messages read again\n"
        )


class Csv:
    """For spreadsheets: a row for each balance, and for each leg of an entry that differs."""

    def __init__(self, put: Put) -> None:
        self._put = put
        self._row(HEAD)

    def balances(self, differences: Iterable[BalanceDifference]) -> None:
        """Rows of the kind ``balance``."""
        for each in differences:
            self._leg("balance", each, "")

    def entry(self, told: EntryDifference) -> None:
        """Rows named by how the entry differs."""
        for leg in told.legs():
            self._leg(told.apart.name.lower(), leg, told.reference)

    def end(self, summary: dict[str, int]) -> None:
        """Nothing: a table has no place for it."""
        del summary

    def _leg(self, what: str, each: BalanceDifference, reference: str) -> None:
        self._row(
            (
                what,
                neutral(each.book),
                neutral(each.account),
                each.currency,
                *_amounts(each),
                neutral(reference),
            )
        )

    def _row(self, cells: Iterable[str]) -> None:
        out = io.StringIO()
        csv.writer(out, lineterminator="\r\n").writerow(cells)
        self._put(out.getvalue())


class Json:
    """For programs: one document, written as it is found; amounts are integers as text."""

    def __init__(self, put: Put) -> None:
        self._put = put
        self._separator = ""
        put('{"balances":[')

    def balances(self, differences: Iterable[BalanceDifference]) -> None:
        """An object for each."""
        self._put(",".join(json.dumps(_told(each)) for each in differences))
        self._put('],"entries":[')

    def entry(self, told: EntryDifference) -> None:
        """Both sides of it, and what would move otherwise."""
        shown = {
            "reference": told.reference,
            "book": told.entry.book,
            "apart": told.apart.name.lower(),
            "is": _entry(told.here),
            "would_be": _entry(told.there),
            "moves": [_told(leg) for leg in told.legs()],
        }
        self._put(self._separator + json.dumps(shown))
        self._separator = ","

    def end(self, summary: dict[str, int]) -> None:
        """The numbers, and the end of the document."""
        self._put(f'],"summary":{json.dumps(summary)}}}\n')


def counted(kinds: Mapping[Apart, int]) -> dict[str, int]:
    """How many entries differ in each way, as a program reads it."""
    return {each.name.lower(): count for each, count in kinds.items()}


def _amounts(each: BalanceDifference) -> tuple[str, str, str]:
    return (
        decimal_text(each.before, each.exponent),
        decimal_text(each.after, each.exponent),
        f"{'+' if each.difference > 0 else ''}{decimal_text(each.difference, each.exponent)}",
    )


def _told(each: BalanceDifference) -> dict[str, object]:
    return {
        "book": each.book,
        "account": each.account,
        "currency": each.currency,
        "exponent": each.exponent,
        "is_minor": str(each.before),
        "would_be_minor": str(each.after),
        "difference_minor": str(each.difference),
    }


def _entry(entry: Entry | None) -> dict[str, object] | None:
    if entry is None:
        return None
    return {
        "kind": entry.kind,
        "effective_at": entry.effective_at.isoformat(),
        "rules_version": entry.rules_version,
        "postings": [
            {
                "account": posting.account,
                "key": posting.key,
                "direction": posting.direction.value,
                "minor": str(posting.amount.minor),
                "currency": posting.amount.currency.code,
                "exponent": posting.amount.currency.exponent,
            }
            for posting in entry.postings
        ],
    }
