"""A preview for people: journal, balances, matches and discrepancies, as a bookkeeper writes."""

from collections.abc import Iterable
from typing import TextIO

from rich.console import Console
from rich.table import Table

from shared.contracts.envelope import rfc3339
from shared.contracts.journal import render
from shared.contracts.money import Money, decimal_text
from tallystick.preview.report import Report


def show(report: Report, file: TextIO) -> None:
    """Write the whole report."""
    # Account names are no emoji codes (``:bank:``), and keys in brackets no markup.
    console = Console(file=file, emoji=False, markup=False, highlight=False)
    _journal(report, console)
    _balances(report, console)
    _matches(report, console)
    _discrepancies(report, console)
    _refused(report, console)
    console.print(_summary(report), style="bold", soft_wrap=True)


def _journal(report: Report, console: Console) -> None:
    _heading(console, "Journal")
    if not report.entries:
        console.print("Nothing to book.")
    for entry in report.entries:
        head = f"{rfc3339(entry.effective_at)}  {entry.reference}  ({entry.kind})"
        console.print(head, style="bold", soft_wrap=True)
        if entry.description:
            about = f"  {entry.description}"
            console.print(about, style="dim", soft_wrap=True)
        for line in render(entry).splitlines():
            console.print(f"  {line}", soft_wrap=True)


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
        console.print(head, style="bold red", soft_wrap=True)
        for word, text in (
            ("expected", found.expected),
            ("found", found.found),
            ("why", found.explanation),
            ("do", found.next_step),
        ):
            if text:
                said = f"  {word + ':':<9} {text}"
                console.print(said, soft_wrap=True)


def _refused(report: Report, console: Console) -> None:
    if not report.refused:
        return
    _heading(console, "Refused")
    rows = ((r.topic or "?", r.id, r.reason) for r in report.refused)
    _table(console, ("topic", "id", "reason"), rows)


def _summary(report: Report) -> str:
    counts = (
        _count(len(report.entries), "entry", "entries"),
        _count(len(report.matches), "match", "matches"),
        _count(len(report.discrepancies), "discrepancy", "discrepancies"),
        f"{len(report.refused)} refused",
    )
    return f"{', '.join(counts)} ({report.mode} mode, as of {rfc3339(report.as_of)})"


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"


def _heading(console: Console, text: str) -> None:
    console.print()
    console.print(text, style="bold underline")


def _table(console: Console, heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> None:
    table = Table(box=None, pad_edge=False, show_edge=False)
    for head in heads:
        is_number = head in {"balance", "delta"}
        table.add_column(head, justify="right" if is_number else "left", overflow="fold")
    count = 0
    for count, row in enumerate(rows, start=1):  # noqa: B007 - counted for the empty case
        table.add_row(*(cell for cell in row))
    console.print(table if count else "None.")


def _without_book(report: Report, row: tuple[str, ...]) -> tuple[str, ...]:
    return row if len(report.books) > 1 else row[1:]


def _amount(amount: Money | None) -> str:
    return "" if amount is None else str(amount)
