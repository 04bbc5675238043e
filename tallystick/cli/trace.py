"""`tallystick trace`: from any figure down to the bytes behind it."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from services.ingest.signature import Secret
from services.ledger.activation.in_force import InForce
from services.ledger.exports.journal import Told
from services.ledger.shell.booking.activated import read_activations
from services.ledger.shell.booking.deciding import Decider
from services.ledger.shell.reading.export import journal_in
from services.ledger.shell.reading.tracing import Figure, Said, Tracer
from services.ledger.shell.service import charts_of
from shared.contracts.money import Money
from shared.runtime import log
from shared.runtime.settings import Settings
from tallystick.cli.problems import ExitCode, Problem
from tallystick.cli.reach import require_database, settings_here
from tallystick.events.proof import ANY_ENDPOINT
from tallystick.journal_here import journal_at
from tallystick.local_door import local_door
from tallystick.trace import show
from tallystick.trace.asked import Asked, Link, Message, Reference, asked
from tallystick.trace.evidence import Evidence, Prover, evidence_of
from tallystick.trace.in_trees import standings_of, with_standings

LIMIT = 5


@dataclass(frozen=True, slots=True)
class _Found:
    """What the journal has: the entries, what stands on an account, what was said of a message."""

    entries: list[Told]
    amounts: list[Money]
    said: list[Said]


def trace(
    figure: Annotated[
        str,
        typer.Argument(
            metavar="FIGURE",
            help="assets:stripe:settling[ch_1], 'revenue:stripe USD', stripe:payment:ch_1,"
            " stripe.events/3@17 (a message), stripe.events/3#12 (an entry).",
        ),
    ],
    book: Annotated[str, typer.Option("--book", help="The book; without it all.")] = "",
    limit: Annotated[
        int, typer.Option("--limit", min=1, max=1000, help="Entries of an account at most.")
    ] = LIMIT,
    secret_file: Annotated[
        Path | None,
        typer.Option("--secret-file", help="A file with an older signing secret, to try as well."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Data for programs on stdout.")] = False,
) -> None:
    """Follow a figure to its entries, their rule, the message and its bytes; prove each step.

    Each entry's digest and its link in the chain are made anew, the rules are applied to the
    message's bytes once more, and a webhook's signature is verified again with the secrets that
    this installation knows. Exit code 1 if a step does not hold.
    """
    try:
        wanted = asked(figure)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    settings, door = settings_here(), local_door()
    log.set_up(level="critical")
    book_map = settings.books()
    prover = Prover(
        Decider(InForce(book_map, charts_of(book_map))),
        _with_older(door.secrets, secret_file),
        door.settings.ingest_tolerance_seconds,
    )
    found, proved = asyncio.run(_traced(settings, prover, wanted, book, limit))
    _tell(wanted, found, proved, limit, as_json=as_json)
    if not all(each.is_sound for each in proved):
        raise typer.Exit(ExitCode.FOUND_A_PROBLEM)
    if any(each.record is None for each in proved):
        raise typer.Exit(ExitCode.UNREACHABLE)


def _with_older(
    secrets: Mapping[str, Sequence[Secret]], secret_file: Path | None
) -> Mapping[str, Sequence[Secret]]:
    """The secrets of every endpoint, and the one of a file, whichever endpoint it was of."""
    if secret_file is None:
        return secrets
    try:
        older = Secret("given", secret_file.read_text("utf-8").strip())
    except (OSError, ValueError) as error:
        raise typer.BadParameter(f"--secret-file: {error}") from None
    return {**secrets, ANY_ENDPOINT: [older]}


async def _traced(
    settings: Settings, prover: Prover, wanted: Asked, book: str, limit: int
) -> tuple[_Found, list[Evidence]]:
    async with (
        journal_at(require_database(settings)) as database,
        database.transaction("repeatable_read") as tx,
    ):
        tracer = Tracer(tx, await journal_in(tx))
        books = (book,) if book else tracer.books
        if book and book not in tracer.books:
            raise Problem(
                f"No entry is of book {book[:80]!r}",
                why=f"the books with entries are: {', '.join(tracer.books) or 'none'}",
                fix="name one of them with --book",
            )
        found = await _found(tracer, wanted, books, limit)
        prover.decider.learn(await read_activations(tx))
        standings = await standings_of(tx, found.entries)
    proved = await evidence_of(settings.kafka, prover, found.entries)
    return found, with_standings(proved, standings)


async def _found(tracer: Tracer, wanted: Asked, books: tuple[str, ...], limit: int) -> _Found:
    match wanted:
        case Reference(name):
            entries = await tracer.of_reference(name, books)
            if not entries:
                raise _not_booked(name)
            return _Found(entries, [], [])
        case Link(topic, partition, sequence):
            entries = await tracer.of_sequence(topic, partition, sequence)
            if not entries:
                raise Problem(
                    f"There is no entry {sequence} of {topic}/{partition}",
                    why="its chain is shorter, or the ledger reads nothing from there",
                    fix=f"`tallystick trace {topic}/{partition}#1` is its first",
                )
            return _Found(entries, [], [])
        case Message(topic, partition, offset):
            return await _of_message(tracer, topic, partition, offset)
        case Figure():
            return await _of_figure(tracer, wanted, books, limit)


async def _of_figure(tracer: Tracer, wanted: Figure, books: tuple[str, ...], limit: int) -> _Found:
    entries: list[Told] = []
    amounts: list[Money] = []
    for book in books:
        entries += await tracer.of_figure(book, wanted, limit)
        amounts += await tracer.amounts(book, wanted)
    if not entries:
        currency = f" in {wanted.currency.upper()}" if wanted.currency else ""
        raise Problem(
            f"Nothing was ever posted to {show.name_of(wanted)}{currency}",
            why=f"no entry of {', '.join(books) or 'any book'} touches it",
            fix="look at its name, key, currency and book",
        )
    return _Found(entries, amounts, [])


async def _of_message(tracer: Tracer, topic: str, partition: int, offset: int) -> _Found:
    entries = await tracer.of_position(topic, partition, offset)
    said = await tracer.said(topic, partition, offset)
    if entries or said:
        return _Found(entries, [], said)
    where, reached = f"{topic}/{partition}@{offset}", await tracer.next_offset(topic, partition)
    if reached is None:
        why = f"the ledger reads nothing from {topic}/{partition}"
    elif offset >= reached:
        why = f"the ledger has booked {topic}/{partition} up to offset {reached}, not so far"
    else:
        why = "it told nothing that had not been booked before"
    raise Problem(f"No entry was made of {where}", why=why, fix=_events_fix(topic, where))


def _events_fix(topic: str, where: str) -> str:
    if topic == "stripe.events":
        return f"`tallystick events show {where}` shows the message"
    return "follow what it is about by its reference"


def _not_booked(name: str) -> Problem:
    subject = name.rsplit(":", 1)[-1]
    return Problem(
        f"Nothing is booked under {name[:200]}",
        why="no message told this fact, or it was refused",
        fix=f"`tallystick events list --object {subject[:80]}` shows what came from Stripe of it;"
        " `tallystick dead-letters list` what could not be read",
    )


def _tell(
    wanted: Asked, found: _Found, proved: list[Evidence], limit: int, *, as_json: bool
) -> None:
    if as_json:
        told: dict[str, object] = {
            "balance": show.amounts_json(found.amounts),
            "entries": [show.evidence_json(each) for each in proved],
            "outcomes": [show.said_json(each) for each in found.said],
        }
        print(json.dumps(told))
        return
    parts: list[str] = []
    if isinstance(wanted, Figure):
        parts.append(show.figure(wanted, found.amounts, len(proved), limit))
    parts += [show.evidence(each) for each in proved]
    parts += [show.said(each) for each in found.said]
    print("\n\n".join(parts))
