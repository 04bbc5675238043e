"""A report on paper: sections of rows, shown as a table, as CSV, as JSON, as a page of HTML."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from html import escape
from typing import Final

from services.console.statements.layout import Styled, csv_text
from services.console.views import Json
from shared.contracts.envelope import rfc3339
from shared.contracts.money import Money, decimal_text

Cell = str | int | Money | date | datetime | None
# The page loads nothing and runs nothing; its few rules of style stand in it.
CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none';"
    " frame-ancestors 'none'"
)
_STYLE: Final = (
    "body{font:14px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:70rem;padding:0 1rem;"
    "color:#1b1f24;background:#fff}h1{font-size:1.5rem;margin:0 0 .25rem}"
    "h2{font-size:1.05rem;margin:2rem 0 .5rem}"
    "table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}"
    "th,td{text-align:left;padding:.25rem .75rem .25rem 0;border-bottom:1px solid #e3e6ea;"
    "vertical-align:top;overflow-wrap:anywhere}"
    "th{font-weight:600;color:#57606a;overflow-wrap:normal}td.d{white-space:nowrap}"
    "td.n,th.n{text-align:right;white-space:nowrap;padding-right:1.25rem}"
    "th:last-child,td:last-child{padding-right:0}div{overflow-x:auto}"
    ".v{display:inline-block;padding:.15rem .6rem;border-radius:1rem;font-weight:600}"
    ".sound{background:#dafbe1;color:#116329}.wrong{background:#ffebe9;color:#a40e26}"
    ".waits{background:#fff8c5;color:#7d4e00}p{margin:.25rem 0;color:#57606a}"
    "footer{margin-top:2rem;font-size:.85rem;color:#57606a;overflow-wrap:anywhere}"
    "summary{cursor:pointer}@media print{body{margin:0;max-width:none}}"
)
_DAY: Final = ' class="d"'
SOUND, WRONG, WAITS = "sound", "wrong", "waits"


@dataclass(frozen=True, slots=True)
class ReadUpTo:
    """Until where a side has been read: topic, partition, and the offset that comes next."""

    places: tuple[tuple[str, int, int], ...]

    @property
    def brief(self) -> str:
        """By topic, as a person reads it."""
        sums: defaultdict[str, int] = defaultdict(int)
        for topic, _, offset in self.places:
            sums[topic] += offset
        return ", ".join(f"{topic} {offset:,}" for topic, offset in sums.items()) or "nothing"

    @property
    def full(self) -> str:
        """By partition."""
        return " ".join(f"{topic}/{part}@{at}" for topic, part, at in self.places) or "nothing"


Clock = str | ReadUpTo
Clocks = tuple[tuple[str, Clock], ...]


@dataclass(frozen=True, slots=True)
class Section:
    """Rows under columns, with notes behind them; ``style`` is ``sound``, ``wrong``, ``waits``.

    ``amounts`` are the columns for money, whether or not a row has any.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    notes: tuple[str, ...] = ()
    style: str = ""
    amounts: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Columns that CSV and JSON could not tell apart, or would not expect, are no section."""
        if len(set(self.columns)) < len(self.columns):
            raise ValueError(f"two columns of {self.title!r} have one name: {self.columns}")
        if not set(self.amounts) <= set(self.columns):
            raise ValueError(f"{self.title!r} has no column for some of {self.amounts}")
        for n, column in enumerate(self.columns):
            if column not in self.amounts and any(isinstance(r[n], Money) for r in self.rows):
                raise ValueError(f"{self.title!r} has amounts in a column for none: {column!r}")


@dataclass(frozen=True, slots=True)
class Paper:
    """A report: what it is of, the clocks of both sides, its sections, and whether it holds.

    ``style`` is as a section's, ``verdict`` says it in words.
    """

    title: str
    book: str
    clocks: Clocks
    sections: tuple[Section, ...]
    verdict: str = ""
    style: str = ""
    facts: tuple[tuple[str, Cell], ...] = field(default=())

    @property
    def is_wrong(self) -> bool:
        """Whether something in it does not hold."""
        return self.style == WRONG


def paper_lines(paper: Paper) -> list[Styled]:
    """A report as text, for a terminal."""
    lines = [Styled(f"{paper.title}, book {paper.book}", "heading")]
    if paper.verdict:
        lines.append(Styled(paper.verdict, _shown(paper.style)))
    width = max((len(name) for name, _ in paper.facts), default=0)
    lines += [Styled(f"{name:<{width}}  {_text(value)}") for name, value in paper.facts]
    for section in paper.sections:
        lines += [Styled(""), Styled(section.title, "heading"), *_table(section)]
        lines += [Styled(f"  {note}", _shown(section.style)) for note in section.notes]
    lines.append(Styled(""))
    return [*lines, *(Styled(f"{name}: {_brief(told)}") for name, told in paper.clocks)]


def _brief(told: Clock) -> str:
    """A clock in few words; each partition's is in the JSON, and folded up in the page."""
    return told.brief if isinstance(told, ReadUpTo) else told


def _full(told: Clock) -> str:
    return told.full if isinstance(told, ReadUpTo) else told


def paper_csv(paper: Paper) -> str:
    """A report as CSV: a row for each row, under the columns of all sections.

    An amount has two columns, the figure and its currency: the same headings whatever the rows.
    """
    columns = list(dict.fromkeys(c for section in paper.sections for c in section.columns))
    amounts = {column for section in paper.sections for column in section.amounts}
    head = [name for c in columns for name in ((c, f"{c} currency") if c in amounts else (c,))]
    rows: list[Sequence[object]] = []
    for section in paper.sections:
        for row in section.rows:
            told = dict(zip(section.columns, row, strict=True))
            cells = (_figures(told.get(c), is_amount=c in amounts) for c in columns)
            rows.append((section.title, *(cell for pair in cells for cell in pair)))
    return csv_text(("section", *head), rows)


def paper_json(paper: Paper) -> Json:
    """A report as JSON."""
    return {
        "title": paper.title,
        "book": paper.book,
        "verdict": paper.verdict,
        "status": paper.style,
        "facts": {name: _json(value) for name, value in paper.facts},
        "clocks": {name: _full(told) for name, told in paper.clocks},
        "sections": [
            {
                "title": section.title,
                "status": section.style,
                "notes": list(section.notes),
                "rows": [
                    {c: _json(v) for c, v in zip(section.columns, row, strict=True)}
                    for row in section.rows
                ],
            }
            for section in paper.sections
        ],
    }


def paper_html(paper: Paper) -> str:
    """A report as a page that stands by itself and prints well."""
    parts = [
        "<!doctype html>",
        '<html lang="en">',
        '<meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{escape(paper.title)}</title>",
        f"<style>{_STYLE}</style>",
        f"<h1>{escape(paper.title)}</h1>",
        f"<p>Book {escape(paper.book)}</p>",
    ]
    if paper.verdict:
        parts.append(f'<p><span class="v {paper.style}">{escape(paper.verdict)}</span></p>')
    if paper.facts:
        rows = tuple((name, value) for name, value in paper.facts)
        parts += _html_table(Section("", ("", " "), rows, amounts=(" ",)))
    for section in paper.sections:
        parts += [f"<h2>{escape(section.title)}</h2>", *_html_table(section)]
        parts += [
            f'<p><span class="v {section.style}">{escape(note)}</span></p>'
            if section.style
            else f"<p>{escape(note)}</p>"
            for note in section.notes
        ]
    parts += ["<footer>", *(_html_clock(*clock) for clock in paper.clocks), "</footer>"]
    return "\n".join([*parts, "</html>", ""])


def _html_clock(name: str, told: Clock) -> str:
    brief, full = _brief(told), _full(told)
    if brief == full:
        return f"<p>{escape(name)}: {escape(full)}</p>"
    return (
        f"<details><summary>{escape(name)}: {escape(brief)}</summary>"
        f"<p>{escape(full)}</p></details>"
    )


def _html_table(section: Section) -> list[str]:
    if not section.rows:
        return ["<p>none</p>"]
    numeric = [_is_numeric(section, n) for n in range(len(section.columns))]
    marks = [' class="n"' if is_number else "" for is_number in numeric]
    head = "".join(
        f"<th{mark}>{escape(name)}</th>" for name, mark in zip(section.columns, marks, strict=True)
    )
    rows = [
        "<tr>"
        + "".join(
            f"<td{_DAY if isinstance(cell, date) else mark}>{escape(_text(cell))}</td>"
            for cell, mark in zip(row, marks, strict=True)
        )
        + "</tr>"
        for row in section.rows
    ]
    is_headed = any(name.strip() for name in section.columns)
    headed = [f"<tr>{head}</tr>"] if is_headed else []
    return ["<div><table>", *headed, *rows, "</table></div>"]


def _table(section: Section) -> list[Styled]:
    if not section.rows:
        return [Styled("  none")]
    cells = [[_text(cell) for cell in row] for row in section.rows]
    count = len(section.columns)
    widths = [max(len(section.columns[n]), *(len(row[n]) for row in cells)) for n in range(count)]
    numeric = [_is_numeric(section, n) for n in range(count)]

    def line(row: Sequence[str]) -> str:
        padded = (
            text.rjust(width) if is_number else text.ljust(width)
            for text, width, is_number in zip(row, widths, numeric, strict=True)
        )
        return f"  {'   '.join(padded)}".rstrip()

    return [Styled(line(section.columns)), *(Styled(line(row)) for row in cells)]


def _is_numeric(section: Section, n: int) -> bool:
    told = [row[n] for row in section.rows if row[n] is not None]
    return bool(told) and all(isinstance(cell, Money | int) for cell in told)


def shown(amount: Money) -> str:
    """An amount as people read it."""
    whole = decimal_text(amount.minor, amount.currency.exponent)
    integer, dot, rest = whole.partition(".")
    sign = "-" if integer.startswith("-") else ""
    return f"{sign}{int(integer.lstrip('-')):,}{dot}{rest} {amount.currency}"


def _text(cell: Cell) -> str:
    match cell:
        case None:
            return ""
        case Money():
            return shown(cell)
        case datetime():
            return rfc3339(cell)
        case _:
            # What the outside wrote may hold anything; a terminal gets no control characters.
            return "".join(c if c.isprintable() else " " for c in str(cell))


def _figures(cell: Cell, *, is_amount: bool) -> tuple[object, ...]:
    if isinstance(cell, Money):
        whole = Decimal(decimal_text(cell.minor, cell.currency.exponent))
        return (whole, cell.currency.code)
    told: object = cell if isinstance(cell, int) else _text(cell)
    return (told, "") if is_amount else (told,)


def _json(cell: Cell) -> object:
    match cell:
        case Money():
            return {
                "minor": str(cell.minor),
                "currency": cell.currency.code,
                "exponent": cell.currency.exponent,
            }
        case datetime():
            return rfc3339(cell)
        case date():
            return cell.isoformat()
        case _:
            return cell


def _shown(style: str) -> str:
    return style if style in {SOUND, WRONG} else ""
