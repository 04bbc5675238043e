"""CSV by RFC 4180 that no spreadsheet takes for a formula.

A text that a spreadsheet might run (it begins with ``= + - @``, their full-width forms, a tab or a
line break, blanks before them left aside) gets an apostrophe in front. So does one that begins
with an apostrophe, hence whoever takes one apostrophe away has the text again. Amounts are left as
they are: a posting's is above zero, and its side stands in a column of its own.

Source: OWASP, "CSV Injection".
"""

import csv
import io
from collections.abc import Iterable
from typing import Final

from services.ledger.exports.journal import About, Tally, Told
from services.ledger.exports.table import (
    COLUMNS,
    TEXTS,
    Cell,
    Row,
    posting_rows,
    seal_row,
    trailer_rows,
)

_DANGEROUS: Final = frozenset("=+-@\uff1d\uff0b\uff0d\uff20\t\r\n'")
_TEXT_PLACES: Final = tuple(COLUMNS.index(name) for name in TEXTS)


class Csv:
    """Writes CSV in UTF-8, lines ended by CR LF."""

    def begin(self, about: About) -> str:
        """The names of the columns; of the export itself a table has no place to tell."""
        del about
        return _text([COLUMNS])

    def entry(self, told: Told) -> str:
        """The rows of an entry."""
        return _text(_safe(row) for row in posting_rows(told))

    def end(self, tally: Tally) -> str:
        """What was told, in rows of their own kinds."""
        return _text(trailer_rows(tally))

    def seal(self, sha256: str) -> str:
        """The last row."""
        return _text([seal_row(sha256)])


def neutral(text: str) -> str:
    """A text that is a text to every spreadsheet."""
    if text[:1] in _DANGEROUS or text.lstrip()[:1] in _DANGEROUS:
        return f"'{text}" if text else text
    return text


def _safe(row: Row) -> Row:
    cells: list[Cell] = list(row)
    for place in _TEXT_PLACES:
        cell = cells[place]
        if isinstance(cell, str):
            cells[place] = neutral(cell)
    return tuple(cells)


def _text(rows: Iterable[Row]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerows(rows)
    return out.getvalue()
