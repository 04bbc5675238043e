"""``tallystick expectations``: what is expected at the bank, how it stands, and until when."""

import json as json_text
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Final

import typer

from tallystick.cli.problems import ExitCode

if TYPE_CHECKING:
    from datetime import datetime

    from services.reconciler.breaks.waits import Wait
    from services.reconciler.facts.known import Facts
    from shared.contracts.look_ups import LookUp
    from tallystick.look_ups_here import Asked

_WIDTH: Final = 120


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

    When a deadline passes, what is waited for is looked up by name, at Stripe or at its bank: by
    the poller and the feeds, as the topic reconciliation.look-ups asks. From files nobody is asked.

    Only the last three states alarm; the command ends with 1 where there is one of them.
    """
    from tallystick.cli.history import known_here  # noqa: PLC0415  # help answers at once

    found = list(waited_for(known_here(files or [], config, as_of)))
    asked = None if files else _asked_here()
    shown = [(book, wait) for book, wait in found if wait.state.alarms or not alarms]
    if json:
        told = [
            told_of(book, wait, (asked or {}).get((book, wait.subject))) for book, wait in shown
        ]
        sys.stdout.write(json_text.dumps(told, indent=2) + "\n")
    else:
        show(shown, asked)
    if any(wait.state.alarms for _, wait in found):
        raise typer.Exit(ExitCode.FOUND_A_PROBLEM)


def _asked_here() -> "dict[tuple[str, str], Asked]":
    import asyncio  # noqa: PLC0415  # help answers at once

    from shared.contracts.errors import Unavailable  # noqa: PLC0415
    from tallystick.cli.reach import kafka_away, settings_here  # noqa: PLC0415
    from tallystick.look_ups_here import asked_from_topic  # noqa: PLC0415

    settings = settings_here()
    try:
        return asyncio.run(asked_from_topic(settings))
    except Unavailable as error:
        raise kafka_away(settings.kafka_bootstrap, error) from None


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


def told_of(book: str, wait: "Wait", asked: "Asked | None") -> dict[str, object]:
    """One of them as JSON tells it."""
    last = asked.last_asked if asked else None
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
        "look_ups": [
            {"look_up": each.value, "where": wait.place(each) or "any"}
            for each in wait.next_look_ups
        ],
        "looked_up_times": asked.times if asked else 0,
        "last_looked_up_at": last.isoformat() if last else None,
    }


def show(
    waits: "Sequence[tuple[str, Wait]]", asked: "Mapping[tuple[str, str], Asked] | None"
) -> None:
    """Write them as a table: how each stands, until when, and whether it was looked up.

    ``asked`` is ``None`` of what files tell: nobody looks anything up for them.
    """
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415

    console = Console(file=sys.stdout, width=_WIDTH, highlight=False)
    table = Table()
    for name in ("subject", "state", "amount", "until"):
        # An id is there to be copied: it is never cut short.
        table.add_column(name, no_wrap=True, overflow="ignore")
    table.add_column("then look at")
    if asked is not None:
        table.add_column("looked up")
    for book, wait in waits:
        deadline = f"{wait.deadline:%Y-%m-%d %H:%M}"
        place = ", ".join(_place(wait, each) for each in wait.next_look_ups) or "-"
        before = [] if asked is None else [_before(asked.get((book, wait.subject)))]
        table.add_row(wait.subject, wait.state.value, str(wait.amount), deadline, place, *before)
    console.print(table if waits else "Nothing is waited for.")


def _place(wait: "Wait", look_up: "LookUp") -> str:
    where = wait.place(look_up)
    if where == wait.subject:
        return "Stripe"
    return f"bank {where}" if where else "any bank"


def _before(asked: "Asked | None") -> str:
    if asked is None or asked.last_asked is None:
        return "not yet"
    times = "once" if asked.times == 1 else f"{asked.times} times, last"
    return f"{times} {asked.last_asked:%Y-%m-%d %H:%M}"
