"""What the demo prints: live progress on stderr, the books and the proof on stdout."""

from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from shared.contracts.money import decimal_text
from tallystick.demo.pipeline import Story
from tallystick.demo.proof import Found, Proof

TITLE = "bold"
PADDING = 3


def trial_balance(out: Console, proof: Proof) -> None:
    """The trial balance: debits, credits, and what the simulators' own books say."""
    table = Table(
        title="Trial balance, against the simulators' own books",
        title_style=TITLE,
        box=box.SIMPLE_HEAD,
        pad_edge=False,
    )
    table.add_column("account", no_wrap=True)
    table.add_column("", no_wrap=True)
    for name in ("debit", "credit", "simulator"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    totals: dict[str, tuple[int, int, int]] = {}
    for row in proof.rows:
        side = max(row.booked, 0), max(-row.booked, 0)
        debits, credits_, _ = totals.get(row.currency, (0, 0, 0))
        totals[row.currency] = (debits + side[0], credits_ + side[1], row.exponent)
        table.add_row(
            # Names as they are: an account's colons would be read as an emoji's.
            Text(row.account),
            row.currency.upper(),
            _text(side[0], row.exponent),
            _text(side[1], row.exponent),
            decimal_text(row.true, row.exponent),
            "[green]equal[/green]" if row.is_equal else "[red]DIFFERS[/red]",
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
    # On a narrow terminal a line may break; a currency or an amount that is cut says nothing.
    widths = [max(_width(cell) for cell in (c.header, *c.cells)) for c in table.columns]
    needed = sum(widths) + PADDING * len(widths)
    width, out.width = out.width, max(out.width, needed)
    out.print(table)
    out.width = width


def _width(cell: object) -> int:
    return (cell if isinstance(cell, Text) else Text.from_markup(str(cell))).cell_len


def _text(minor: int, exponent: int) -> str:
    return decimal_text(minor, exponent) if minor else ""


def discrepancies(out: Console, stories: Sequence[Story]) -> None:
    """Every open discrepancy: what was expected, what was found, what to do."""
    out.print(Text("Discrepancies", style=TITLE) if stories else "Discrepancies: none")
    for story in stories:
        out.print(Text(f"\n{story.kind}  {story.subject}  {story.amount}", style="yellow"))
        for name, said_ in (
            ("expected", story.expected),
            ("found", story.found),
            ("next step", story.next_step),
        ):
            # Text from banks is shown as it is, never read as markup.
            out.print(Padding(Text(f"{name}: {said_}"), (0, 0, 0, 2)))
    out.print()


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
            out.print(Text(f"    {name}: {said(each)}"))


def said(found: Found) -> str:
    """A discrepancy in one line."""
    amount = "" if found.minor is None else f" {found.minor} minor units of {found.currency}"
    return f"{found.kind} {found.subject}{amount}"


def _line(out: Console, *, holds: bool, text: str) -> None:
    mark = Text("PROVED ", style="green") if holds else Text("FAILED ", style="red")
    out.print(mark.append(text, style="default"))
