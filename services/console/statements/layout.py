"""Reports as tables for people and as CSV for spreadsheets."""

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from services.console.statements.account import AccountStatement, Movement
from services.console.statements.as_json import rate_text
from services.console.statements.moments import Moment
from services.console.statements.names import Names, itself
from services.console.statements.report import Basis, Report
from services.console.statements.roll_up import RollUpLine
from services.console.statements.sheet import RowKind, Sheet, SheetRow
from shared.contracts.envelope import rfc3339
from shared.contracts.money import Currency, decimal_text

INDENT: Final = "  "
GAP: Final = "   "
# A spreadsheet takes a cell that begins with one of these for a formula, after quotes and blanks.
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "|", "%")


@dataclass(frozen=True, slots=True)
class Styled:
    """A line and how it is shown: plain, ``heading``, ``total``, ``sound`` or ``wrong``."""

    text: str
    style: str = ""


def report_lines(report: Report, names: Names = itself) -> list[Styled]:
    """A report as a person signs it: as of when, each currency, all in one, where it was read."""
    lines: list[Styled] = []
    for statement in report.statements:
        lines += [*sheet_lines(statement.sheet(), _when(report.basis), names), Styled("")]
    if not report.statements:
        lines += [Styled(f"Nothing is booked in {report.basis.book}{_when(report.basis)}")]
    if report.reporting is not None:
        if report.translated is not None:
            translated = report.translated.sheet()
            title = Sheet(
                f"{translated.title}, all currencies", translated.currency, translated.columns,
                translated.rows, translated.is_sound,
            )  # fmt: skip
            lines += sheet_lines(title, _when(report.basis), names)
            lines += [
                Styled(f"1 {rate.base} = {rate_text(rate.value)} {report.reporting} of {rate.on}")
                for rate in report.rates
            ]
        for missing in report.missing:
            lines.append(Styled(f"No figure in {report.reporting}: {missing}", "wrong"))
        lines.append(Styled(""))
    return [*lines, *foot(report.basis)]


def foot(basis: Basis) -> list[Styled]:
    """The lines under every table: both times, and the positions that it holds for."""
    places = " ".join(
        f"{p.topic}/{p.partition}@{p.next_offset}" for p in basis.positions if p.next_offset
    )
    recorded = _moment(basis.as_of.recorded, "all that was recorded")
    lines = [
        Styled(
            f"effective: {_moment(basis.as_of.effective, 'all that is booked')} · recorded: "
            f"{recorded} · read at {rfc3339(basis.read_at)} · days in {basis.time_zone}"
        ),
        Styled(f"as of position: {places or 'nothing read yet'}"),
    ]
    if basis.is_provisional:
        lines.append(
            Styled(
                f"provisional: {len(basis.unpassed)} of {len(basis.positions)} inputs have booked"
                " nothing behind that recorded time yet"
            )
        )
    return lines


def sheet_lines(sheet: Sheet, when: str, names: Names) -> list[Styled]:
    """One statement: a title, its rows with right-aligned amounts, rules over the sums."""
    exponent, count = sheet.currency.exponent, len(sheet.columns)
    cells = [
        [
            "" if a is None else _grouped(a, exponent)
            for a in (*row.amounts, *([None] * (count - len(row.amounts))))
        ]
        for row in sheet.rows
    ]
    for row, cell in zip(sheet.rows, cells, strict=True):
        if row.text:
            cell[-1] = row.text
    widths = [
        max([len(sheet.columns[n]) + 4, *(len(cell[n]) for cell in cells)]) for n in range(count)
    ]
    labels = [_label(row, names) for row in sheet.rows]
    width = max((len(label) for label in labels), default=0)
    header = [f"{column} {sheet.currency}" for column in sheet.columns]
    lines = [
        Styled(f"{sheet.title}, {sheet.currency}{when}", "heading"),
        Styled(_row("", header, width, widths).rstrip()),
    ]
    for row, label, cell in zip(sheet.rows, labels, cells, strict=True):
        if row.kind in (RowKind.TOTAL, RowKind.GRAND_TOTAL):
            rule = "-" if row.kind is RowKind.TOTAL else "="
            lines.append(Styled(_row("", [rule * w for w in widths], width, widths)))
        lines.append(Styled(_row(label, cell, width, widths).rstrip(), _style(row, sheet)))
    return lines


def account_lines(
    statements: Sequence[AccountStatement], basis: Basis, names: Names = itself
) -> list[Styled]:
    """Account statements with running balances, then where they were read."""
    lines: list[Styled] = []
    for statement in statements:
        rows = [("", "opening balance", "", "", _side(m, c)) for c, m in statement.opening.items()]
        for line in statement.lines:
            movement = line.movement
            amount = _grouped(abs(movement.minor), movement.currency.exponent)
            told = f"{amount} {movement.currency}"
            key = f" [{movement.key}]" if movement.key else ""
            rows.append(
                (
                    rfc3339(movement.effective_at),
                    f"{_plain(movement.reference)}{_plain(key)}{_reported(movement)}",
                    told if movement.minor > 0 else "",
                    told if movement.minor < 0 else "",
                    _side(line.balance, movement.currency),
                )
            )
        last = "closing balance" if statement.is_last else "carried forward"
        rows += [("", last, "", "", _side(m, c)) for c, m in statement.closing.items()]
        lines += [
            Styled(f"{_named(statement.account, names)}{_when(basis)}", "heading"),
            *_columns(("effective", "reference", "debit", "credit", "balance"), rows, left=2),
            Styled(""),
        ]
    return [*lines, *foot(basis)]


def roll_up_lines(
    lines: Sequence[RollUpLine], basis: Basis, title: str, names: Names = itself
) -> list[Styled]:
    """A roll-up as a table, then where it was read."""
    rows = [
        (
            line.begins.isoformat() if line.begins is not None else _plain(line.key),
            _plain(line.tag) if line.tag else _named(line.name, names),
            f"{_grouped(line.debit, line.currency.exponent)} {line.currency}",
            f"{_grouped(line.credit, line.currency.exponent)} {line.currency}",
            _side(line.net, line.currency),
        )
        for line in lines
    ]
    by = "key" if any(line.key for line in lines) else "from"
    what = "tag" if any(line.tag for line in lines) else "account"
    table = _columns((by, what, "debit", "credit", "net"), rows, left=2)
    return [
        Styled(f"{title}{_when(basis)}", "heading"),
        *(table if rows else [Styled("nothing is booked there")]),
        Styled(""),
        *foot(basis),
    ]


def report_csv(report: Report, names: Names = itself) -> str:
    """A report as CSV: a row for each row of each statement."""
    rows: list[Sequence[object]] = []
    for statement in report.all_statements():
        sheet = statement.sheet()
        is_all = statement is report.translated
        scope = "all currencies" if is_all else "alone"
        for row in sheet.rows:
            if row.kind is RowKind.HEADING:
                continue
            for column, amount in zip(sheet.columns, row.amounts, strict=True):
                if amount is None and not row.text:
                    continue
                exponent = sheet.currency.exponent
                rows.append(
                    (
                        report.kind.value, sheet.currency.code, scope, row.kind.value, row.label,
                        column, "" if amount is None else decimal_text(amount, exponent),
                        "" if amount is None else amount, exponent, row.text,
                        names(row.account) if row.account else "",
                    )
                )  # fmt: skip
    head = (
        *("statement", "currency", "scope", "row", "label", "column", "amount", "minor"),
        *("exponent", "text", "display"),
    )
    return csv_text(head, rows)


def _reported(movement: Movement) -> str:
    """What a line says of its day where that was closed before it was told."""
    day = movement.reported_day
    return f" (late, reported on {day})" if day is not None else ""


def account_csv(statements: Sequence[AccountStatement], names: Names = itself) -> str:
    """Account statements as CSV, a row for each movement."""
    head = (
        *("account", "effective_at", "recorded_at", "reference", "kind", "key", "description"),
        *("currency", "exponent", "amount", "minor", "balance", "balance_minor", "reported_day"),
        "display",
    )
    rows = [
        (
            statement.account, rfc3339(m.effective_at), rfc3339(m.recorded_at), m.reference,
            m.kind, m.key, m.description, m.currency.code, m.currency.exponent,
            decimal_text(m.minor, m.currency.exponent), m.minor,
            decimal_text(line.balance, m.currency.exponent), line.balance,
            m.reported_day or "", names(statement.account),
        )
        for statement in statements
        for line in statement.lines
        for m in (line.movement,)
    ]  # fmt: skip
    return csv_text(head, rows)


def roll_up_csv(lines: Iterable[RollUpLine], names: Names = itself) -> str:
    """A roll-up as CSV."""
    head = (
        *("account", "begins", "key", "currency", "exponent", "debit", "credit", "net", "tag"),
        "display",
    )
    rows = [
        (
            line.name, line.begins or "", line.key, line.currency.code, line.currency.exponent,
            *(
                decimal_text(minor, line.currency.exponent)
                for minor in (line.debit, line.credit, line.net)
            ),
            line.tag, names(line.name) if line.name else "",
        )
        for line in lines
    ]  # fmt: skip
    return csv_text(head, rows)


def csv_text(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """CSV of RFC 4180, in which no text can be taken for a formula; figures stay figures."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(head)
    for row in rows:
        writer.writerow([_safe(cell) for cell in row])
    return out.getvalue()


def _safe(cell: object) -> object:
    """Text that begins like a formula gets a quote before it; a number below nought does not."""
    if not isinstance(cell, str):
        return cell
    is_number = cell.removeprefix("-").replace(".", "", 1).isdecimal() and cell.isascii()
    if is_number or not cell.lstrip(" '\"").startswith(_FORMULA):
        return cell
    return f"'{cell}"


def _plain(text: str) -> str:
    """Text from outside without what a terminal would obey."""
    return "".join(c if c.isprintable() else "\ufffd" for c in text)


def _grouped(minor: int, exponent: int) -> str:
    """An amount with its thousands apart."""
    whole, point, decimals = decimal_text(abs(minor), exponent).partition(".")
    sign = "-" if minor < 0 else ""
    return f"{sign}{int(whole):,}{point}{decimals}"


def _side(minor: int, currency: Currency) -> str:
    amount = f"{_grouped(abs(minor), currency.exponent)} {currency}"
    return f"{amount}   " if minor == 0 else f"{amount} {'Dr' if minor > 0 else 'Cr'}"


def _when(basis: Basis) -> str:
    period, effective = basis.period, basis.as_of.effective
    if period.first is not None or period.last is not None:
        first = f" from {period.first}" if period.first is not None else ""
        last = f" to {period.last}" if period.last is not None else ""
        return f"{first}{last}"
    return f" as of {_moment(effective, '')}" if effective is not None else ""


def _moment(moment: Moment | None, otherwise: str) -> str:
    if moment is None:
        return otherwise
    return moment.text if moment.rest_from is not None else f"the end of {moment.text}"


def _label(row: SheetRow, names: Names) -> str:
    if row.kind is RowKind.LINE:
        return INDENT + (_named(row.account, names) if row.account else row.label)
    return row.label


def _named(account: str, names: Names) -> str:
    shown = _plain(names(account))
    return account if shown == account else f"{shown} ({account})"


def _style(row: SheetRow, sheet: Sheet) -> str:
    if row.kind is RowKind.CHECK:
        return "sound" if sheet.is_sound else "wrong"
    return "total" if row.kind in (RowKind.TOTAL, RowKind.GRAND_TOTAL) else ""


def _row(label: str, cells: Sequence[str], width: int, widths: Sequence[int]) -> str:
    aligned = (f"{cell:>{w}}" for cell, w in zip(cells, widths, strict=True))
    return GAP.join([f"{label:<{width}}", *aligned])


def _columns(head: Sequence[str], rows: Sequence[Sequence[str]], *, left: int) -> list[Styled]:
    """Rows in columns, the first ``left`` of them aligned to the left."""
    widths = [max(len(row[n]) for row in (head, *rows)) for n in range(len(head))]

    def aligned(row: Sequence[str]) -> str:
        cells = (
            f"{cell:<{w}}" if n < left else f"{cell:>{w}}"
            for n, (cell, w) in enumerate(zip(row, widths, strict=True))
        )
        return GAP.join(cells).rstrip()

    return [Styled(aligned(head)), *(Styled(aligned(row)) for row in rows)]
