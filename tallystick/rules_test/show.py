"""What other rules would do, as JSON and for people."""

from typing import Final, TextIO

from rich.console import Console
from rich.table import Table

from services.reconciler.findings.found import Discrepancy
from tallystick.rules_test.compare import Compared, Moved, Placed

SHOWN_MAX: Final = 50
_WIDTH: Final = 100


def as_json(compared: Compared) -> dict[str, object]:
    """All of it."""
    return {
        "before": compared.before,
        "after": compared.after,
        "lines": compared.lines,
        "matched_before": compared.matched_before,
        "matched_after": compared.matched_after,
        "moved": [_moved(each) for each in compared.moved],
        "opened": [_found(each) for each in compared.opened],
        "closed": [_found(each) for each in compared.closed],
    }


def show(compared: Compared, out: TextIO) -> None:
    """What would differ, the first of each."""
    console = Console(file=out, width=_WIDTH, highlight=False)
    console.print(
        f"{compared.lines:,} bank lines: rules {compared.before} match"
        f" {compared.matched_before:,}, rules {compared.after} match {compared.matched_after:,}"
    )
    if not compared.differs:
        console.print("Nothing would differ.")
        return
    if compared.moved:
        table = Table("line", "now", "then", title=f"{len(compared.moved)} lines matched otherwise")
        for each in compared.moved[:SHOWN_MAX]:
            table.add_row(each.line, _said(each.before), _said(each.after))
        console.print(table)
    for title, some in (("would open", compared.opened), ("would not be", compared.closed)):
        if some:
            console.print(f"{len(some)} discrepancies {title}:")
        for found in some[:SHOWN_MAX]:
            console.print(f"  {found.kind} {found.subject}: {found.explanation}")


def _said(placed: Placed | None) -> str:
    if placed is None:
        return "not matched"
    more = f", {placed.posted}" if placed.posted else ""
    return f"{' '.join(placed.settles)} ({placed.rule}, {placed.score}{more})"


def _moved(each: Moved) -> dict[str, object]:
    return {
        "book": each.book,
        "line": each.line,
        "before": _placed(each.before),
        "after": _placed(each.after),
    }


def _placed(placed: Placed | None) -> dict[str, object] | None:
    if placed is None:
        return None
    return {
        "settles": list(placed.settles),
        "rule": placed.rule,
        "score": placed.score,
        "posted": placed.posted,
    }


def _found(found: Discrepancy) -> dict[str, object]:
    return {
        "id": found.id,
        "kind": found.kind.value,
        "subject": found.subject,
        "explanation": found.explanation,
    }
