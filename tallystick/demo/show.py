"""What the demo prints: live progress on stderr, the books and the proof on stdout."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from shared.contracts.money import decimal_text
from tallystick.demo.pipeline import Story
from tallystick.demo.proof import Found, Proof

TITLE = "bold"


def trial_balance(out: Console, proof: Proof) -> None:
    """The trial balance: debits, credits, and what the simulators' own books say."""
    table = Table(title="Trial balance, against the simulators' own books", title_style=TITLE)
    table.add_column("account")
    table.add_column("currency")
    table.add_column("debit", justify="right")
    table.add_column("credit", justify="right")
    table.add_column("simulator", justify="right")
    table.add_column("")
    totals: dict[str, tuple[int, int, int]] = {}
    for row in proof.rows:
        side = max(row.booked, 0), max(-row.booked, 0)
        debits, credits_, _ = totals.get(row.currency, (0, 0, 0))
        totals[row.currency] = (debits + side[0], credits_ + side[1], row.exponent)
        table.add_row(
            row.account,
            row.currency.upper(),
            _text(side[0], row.exponent),
            _text(side[1], row.exponent),
            decimal_text(row.true, row.exponent),
            "equal" if row.is_equal else "[red]DIFFERS[/red]",
        )
    table.add_section()
    for currency, (debits, credits_, exponent) in sorted(totals.items()):
        table.add_row(
            "total",
            currency.upper(),
            decimal_text(debits, exponent),
            decimal_text(credits_, exponent),
            "",
            "balanced" if debits == credits_ else "[red]UNBALANCED[/red]",
        )
    out.print(table)


def _text(minor: int, exponent: int) -> str:
    return decimal_text(minor, exponent) if minor else ""


def discrepancies(out: Console, stories: Sequence[Story]) -> None:
    """Every open discrepancy: what was expected, what was found, what to do."""
    table = Table(title="Discrepancies", title_style=TITLE, show_lines=True)
    for name in ("what", "subject", "amount", "expected", "found", "next step"):
        table.add_column(
            name,
            justify="right" if name == "amount" else "left",
            no_wrap=name in {"what", "amount"},
            overflow="fold",
        )
    for story in stories:
        table.add_row(
            story.kind,
            story.subject,
            story.amount,
            story.expected,
            story.found,
            story.next_step,
        )
    if stories:
        out.print(table)
    else:
        out.print("Discrepancies: none")


def verdict(out: Console, proof: Proof, *, audit: str, audit_holds: bool) -> None:
    """In three lines: the books, the discrepancies, the audit; and what is not as it must be."""
    differing = [row for row in proof.rows if not row.is_equal]
    _line(
        out,
        holds=not differing and bool(proof.rows),
        text=f"{len(proof.rows)} balances equal the simulators' own"
        if not differing
        else f"{len(differing)} of {len(proof.rows)} balances differ from the simulators' own",
    )
    unexplained = [*proof.missing, *proof.unexpected]
    _line(
        out,
        holds=not unexplained,
        text=f"{len(proof.found)} discrepancies: just those that were planted, each once"
        if not unexplained
        else f"{len(proof.missing)} planted not found, {len(proof.unexpected)} found not planted",
    )
    _line(out, holds=audit_holds, text=audit)
    for name, some in (("not found", proof.missing), ("not planted", proof.unexpected)):
        for each in some:
            out.print(f"    {name}: {said(each)}")


def said(found: Found) -> str:
    """A discrepancy in one line."""
    amount = "" if found.minor is None else f" {found.minor} minor units of {found.currency}"
    return f"{found.kind} {found.subject}{amount}"


def _line(out: Console, *, holds: bool, text: str) -> None:
    mark = "[green]PROVED[/green] " if holds else "[red]FAILED[/red] "
    out.print(mark + text, highlight=False)
