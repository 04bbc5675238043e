"""``tallystick expectations``: what is expected at the bank, how it stands, and until when."""

import json as json_text
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Final

import typer

from tallystick.cli.problems import ExitCode

if TYPE_CHECKING:
    from datetime import datetime

    from services.reconciler.breaks.waits import Wait
    from services.reconciler.facts.known import Facts
    from shared.contracts.look_ups import LookUp, LookUpAsked
    from tallystick.look_ups.answers import Answer
    from tallystick.look_ups.asked import Asked

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

    What was asked last, and what was said to it, stands beside each.

    Only the last three states alarm; the command ends with 1 where there is one of them.
    """
    from tallystick.cli.history import known_here  # noqa: PLC0415  # help answers at once

    found = list(waited_for(known_here(files or [], config, as_of)))
    shown = [(book, wait) for book, wait in found if wait.state.alarms or not alarms]
    wanted = {(book, wait.subject) for book, wait in shown}
    asked, answers = (None, None) if files else _looked_up_here(wanted)
    if json:
        told = [
            told_of(book, wait, (asked or {}).get((book, wait.subject)), answers)
            for book, wait in shown
        ]
        sys.stdout.write(json_text.dumps(told, indent=2) + "\n")
    else:
        show(shown, asked, answers)
    if any(wait.state.alarms for _, wait in found):
        raise typer.Exit(ExitCode.FOUND_A_PROBLEM)


def _looked_up_here(
    wanted: "Collection[tuple[str, str]]",
) -> "tuple[dict[tuple[str, str], Asked], dict[str, Answer] | None]":
    """What was asked for of these, and what was said to it; ``None`` where that cannot be read."""
    import asyncio  # noqa: PLC0415  # help answers at once

    from shared.contracts.errors import Unavailable  # noqa: PLC0415
    from tallystick.cli.reach import kafka_away, settings_here  # noqa: PLC0415
    from tallystick.look_ups.answers import answers_from_views  # noqa: PLC0415
    from tallystick.look_ups.asked import asked_from_topic  # noqa: PLC0415

    settings = settings_here()
    try:
        told = asyncio.run(asked_from_topic(settings))
    except Unavailable as error:
        raise kafka_away(settings.kafka_bootstrap, error) from None
    asked = {key: each for key, each in told.items() if key in wanted}
    ids: dict[LookUp, list[str]] = {}
    for each in asked.values():
        for (look_up, _), last in each.last.items():
            ids.setdefault(look_up, []).append(last.id)
    try:
        dsn = settings.postgres_dsn.get_secret_value()
        return asked, asyncio.run(answers_from_views(dsn, ids))
    except Unavailable as error:
        # What is waited for is known without it.
        sys.stderr.write(f"what the look-ups said cannot be read: {error}\n")
        return asked, None


def waited_for(known: "Sequence[tuple[Facts, datetime]]") -> "Iterator[tuple[str, Wait]]":
    """What is waited for by book, after what people matched, took back and wrote off."""
    from services.reconciler.breaks.clearing import (  # noqa: PLC0415
        open_settling,
        settling_waits,
    )
    from services.reconciler.breaks.exchange import exchange_matches  # noqa: PLC0415
    from services.reconciler.breaks.waits import waits_of  # noqa: PLC0415
    from services.reconciler.matching.by_hand import by_hand, for_rules  # noqa: PLC0415
    from services.reconciler.matching.passes import matched  # noqa: PLC0415

    for facts, at in known:
        hand = by_hand(facts)
        table = matched(for_rules(hand), at=at)
        settling = open_settling(hand.facts.bookings, exchange_matches(hand.facts))
        waits = [*waits_of(hand.facts, table, at=at), *settling_waits(settling, at=at)]
        for wait in sorted(waits, key=lambda each: (each.deadline, each.subject)):
            yield facts.book.name, wait


def told_of(
    book: str,
    wait: "Wait",
    asked: "Asked | None",
    answers: "Mapping[str, Answer] | None" = None,
) -> dict[str, object]:
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
        "look_up_answers": [_told_answer(each, answers) for each in _last_asked(asked)],
    }


def _last_asked(asked: "Asked | None") -> "list[LookUpAsked]":
    """The last look-up at each place, the newest first; Stripe before the banks where equal."""
    rows = asked.last.values() if asked else ()
    newest = sorted(rows, key=lambda each: (each.look_up, each.where), reverse=True)
    return sorted(newest, key=lambda each: each.asked_at, reverse=True)


def _told_answer(asked: "LookUpAsked", answers: "Mapping[str, Answer] | None") -> dict[str, object]:
    answer = (answers or {}).get(asked.id)
    settled = answer.settled_at if answer else None
    return {
        "look_up": asked.look_up.value,
        "where": asked.where or "any",
        "asked_at": asked.asked_at.isoformat(),
        "state": answer.state if answer else None,
        "reason": answer.reason if answer else "",
        "tries": answer.tries if answer else 0,
        "answered_at": settled.isoformat() if settled else None,
        "try_at": answer.try_at.isoformat() if answer and not settled else None,
    }


def show(
    waits: "Sequence[tuple[str, Wait]]",
    asked: "Mapping[tuple[str, str], Asked] | None",
    answers: "Mapping[str, Answer] | None" = None,
) -> None:
    """Write them as a table: how each stands, until when, and what was said when it was looked up.

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
    answered: list[str] = []
    for book, wait in waits:
        looked_up = (asked or {}).get((book, wait.subject))
        deadline = f"{wait.deadline:%Y-%m-%d %H:%M}"
        place = ", ".join(_place(wait, each) for each in wait.next_look_ups) or "-"
        before = [] if asked is None else [_before(looked_up)]
        table.add_row(wait.subject, wait.state.value, str(wait.amount), deadline, place, *before)
        for each in _last_asked(looked_up):
            said = _said(each, answers)
            answered.append(f"{wait.subject}  {said}")
    console.print(table if waits else "Nothing is waited for.")
    for line in answered:
        console.print(line, soft_wrap=True)


def _place(wait: "Wait", look_up: "LookUp") -> str:
    where = wait.place(look_up)
    if where == wait.subject:
        return "Stripe"
    return f"bank {where}" if where else "any bank"


def _said(asked: "LookUpAsked", answers: "Mapping[str, Answer] | None") -> str:
    """What the last look-up at a place said, and when."""
    at_bank = asked.look_up.value == "bank_lines"
    where = (f"bank {asked.where}" if asked.where else "any bank") if at_bank else "Stripe"
    answer = (answers or {}).get(asked.id)
    if answers is None:
        said = "what was said is not known"
    else:
        said = "not answered yet" if answer is None else answer.said
    settled = answer.settled_at if answer else None
    when = f"{settled:%Y-%m-%d %H:%M}, " if settled else ""
    return f"{where}, asked {asked.asked_at:%Y-%m-%d %H:%M}: {when}{said}"


def _before(asked: "Asked | None") -> str:
    if asked is None or asked.last_asked is None:
        return "not yet"
    times = "once" if asked.times == 1 else f"{asked.times} times, last"
    return f"{times} {asked.last_asked:%Y-%m-%d %H:%M}"
