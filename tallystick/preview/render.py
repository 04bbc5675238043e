"""A preview for people: journal, balances, matches and discrepancies, as a bookkeeper writes."""

from collections.abc import Iterable

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from shared.contracts.envelope import rfc3339
from shared.contracts.journal import render
from shared.contracts.money import Money, decimal_text
from tallystick.preview.report import Report


def show(report: Report, console: Console) -> None:
    """Write the whole report."""
    _journal(report, console)
    _balances(report, console)
    _matches(report, console)
    _discrepancies(report, console)
    _refused(report, console)
    console.print(_summary(report), style="bold", highlight=False, soft_wrap=True)


def _journal(report: Report, console: Console) -> None:
    _heading(console, "Journal")
    if not report.entries:
        console.print("Nothing to book.")
    for entry in report.entries:
        head = f"{rfc3339(entry.effective_at)}  {entry.reference}  ({entry.kind})"
        console.print(escape(head), style="bold", highlight=False, soft_wrap=True)
        if entry.description:
            about = f"  {entry.description}"
            console.print(escape(about), style="dim", highlight=False, soft_wrap=True)
        for line in render(entry).splitlines():
            console.print(escape(f"  {line}"), highlight=False, soft_wrap=True)


def _balances(report: Report, console: Console) -> None:
    _heading(console, "Balances (debit positive)")
    rows = [
        (b.book, b.account, b.key, decimal_text(b.minor, b.currency.exponent), str(b.currency))
        for b in report.balances
    ]
    heads = ("book", "account", "key", "balance", "currency")
    _table(console, _without_book(report, heads), (_without_book(report, row) for row in rows))


def _matches(report: Report, console: Console) -> None:
    _heading(console, "Matches")
    rows = [
        (m.book, m.line, m.account, ", ".join(m.settles), str(m.delta), m.rule)
        for m in report.matches
    ]
    heads = ("book", "line", "account", "settles", "delta", "rule")
    _table(console, _without_book(report, heads), (_without_book(report, row) for row in rows))


def _discrepancies(report: Report, console: Console) -> None:
    _heading(console, f"Discrepancies as of {rfc3339(report.as_of)}")
    if not report.discrepancies:
        console.print("None.", style="green")
    for found in report.discrepancies:
        where = f" [{found.book}]" if len(report.books) > 1 else ""
        head = f"{found.kind}  {found.subject}  {_amount(found.amount)}{where}".rstrip()
        console.print(escape(head), style="bold red", highlight=False, soft_wrap=True)
        for word, text in (
            ("expected", found.expected),
            ("found", found.found),
            ("why", found.explanation),
            ("do", found.next_step),
        ):
            if text:
                said = f"  {word + ':':<9} {text}"
                console.print(escape(said), highlight=False, soft_wrap=True)


def _refused(report: Report, console: Console) -> None:
    if not report.refused:
        return
    _heading(console, "Refused")
    rows = ((r.topic or "?", r.id, r.reason) for r in report.refused)
    _table(console, ("topic", "id", "reason"), rows)


def _summary(report: Report) -> str:
    return (
        f"{len(report.entries)} entries, {len(report.matches)} matches,"
        f" {len(report.discrepancies)} discrepancies, {len(report.refused)} refused"
        f" ({report.mode} mode, as of {rfc3339(report.as_of)})"
    )


def _heading(console: Console, text: str) -> None:
    console.print()
    console.print(escape(text), style="bold underline", highlight=False)


def _table(console: Console, heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> None:
    table = Table(box=None, pad_edge=False, show_edge=False)
    for head in heads:
        is_number = head in {"balance", "delta"}
        table.add_column(head, justify="right" if is_number else "left", overflow="fold")
    count = 0
    for count, row in enumerate(rows, start=1):  # noqa: B007 - counted for the empty case
        table.add_row(*(escape(cell) for cell in row))
    console.print(table if count else "None.")


def _without_book(report: Report, row: tuple[str, ...]) -> tuple[str, ...]:
    return row if len(report.books) > 1 else row[1:]


def _amount(amount: Money | None) -> str:
    return "" if amount is None else str(amount)
