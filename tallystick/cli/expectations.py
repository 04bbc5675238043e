"""``tallystick expectations``: what is expected at the bank, how it stands, and until when."""

import json as json_text
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Final

import typer

from tallystick.cli.problems import ExitCode

if TYPE_CHECKING:
    from datetime import datetime

    from services.reconciler.breaks.waits import Wait
    from services.reconciler.facts.known import Facts

_WIDTH: Final = 110


def expectations(
    files: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[FILE…]",
            help="JSON Lines as preview reads them; without any, the topics are read.",
        ),
    ] = None,
    *,
    config: Annotated[
        str | None, typer.Option(metavar="FILE", help="TOML: books, as preview takes them.")
    ] = None,
    as_of: Annotated[
        str | None, typer.Option(metavar="TIME", help="The time of judgement, for files.")
    ] = None,
    alarms: Annotated[
        bool, typer.Option("--alarms", help="Only what is overdue, missing or mismatched.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Write them as JSON.")] = False,
) -> None:
    """What is waited for: expected, due, overdue, missing, mismatched; the nearest deadline first.

    Only the last three alarm; the command ends with 1 where there is one of them.
    """
    from tallystick.cli.history import known_here  # noqa: PLC0415  # help answers at once

    found = list(waited_for(known_here(files or [], config, as_of)))
    shown = [(book, wait) for book, wait in found if wait.state.alarms or not alarms]
    if json:
        sys.stdout.write(json_text.dumps([_told(*each) for each in shown], indent=2) + "\n")
    else:
        _show(shown)
    if any(wait.state.alarms for _, wait in found):
        raise typer.Exit(ExitCode.FOUND_A_PROBLEM)


def waited_for(known: "Sequence[tuple[Facts, datetime]]") -> "Iterator[tuple[str, Wait]]":
    """What is waited for by book, after what people matched, took back and wrote off."""
    from services.reconciler.breaks.waits import waits_of  # noqa: PLC0415
    from services.reconciler.matching.by_hand import by_hand, for_rules  # noqa: PLC0415
    from services.reconciler.matching.passes import matched  # noqa: PLC0415

    for facts, at in known:
        hand = by_hand(facts)
        table = matched(for_rules(hand), at=at)
        for wait in waits_of(hand.facts, table, at=at):
            yield facts.book.name, wait


def _told(book: str, wait: "Wait") -> dict[str, object]:
    return {
        "book": book,
        "subject": wait.subject,
        "state": wait.state.value,
        "alarms": wait.state.alarms,
        "minor": str(wait.amount.minor),
        "currency": wait.amount.currency.code,
        "deadline": wait.deadline.isoformat(),
        "look_up": wait.look_up.value,
        "where": wait.where,
    }


def _show(waits: "Sequence[tuple[str, Wait]]") -> None:
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415

    console = Console(file=sys.stdout, width=_WIDTH, highlight=False)
    table = Table("subject", "state", "amount", "until", "then look at")
    for _, wait in waits:
        place = f"{wait.look_up.value.replace('_', ' ')} {wait.where}"
        deadline = f"{wait.deadline:%Y-%m-%d %H:%M}"
        table.add_row(wait.subject, wait.state.value, str(wait.amount), deadline, place)
    console.print(table if waits else "Nothing is waited for.")
