"""`tallystick dead-letters`: records that a service could not read, looked at and dealt with."""

import asyncio
import base64
import getpass
import json
import sys
from collections.abc import Coroutine, Iterable, Sequence
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Annotated, Any, Final, TypeVar

import typer

from shared.contracts.dead_letters import Letter, Letters, written
from shared.contracts.errors import Unavailable
from shared.contracts.messages import LetterState
from shared.runtime import log
from shared.runtime.kafka_exact import RawRecord
from tallystick.cli.problems import ExitCode, Problem
from tallystick.cli.reach import kafka_away, settings_here
from tallystick.cli.talk import Talk, columns_here
from tallystick.dead_letters import (
    LOOKED_AT_MAX,
    letters_about,
    letters_on,
    park,
    redrive,
    require_redrivable,
)
from tallystick.events.moments import duration_of
from tallystick.events.show import aligned
from tallystick.records_again import position_of, records_at
from tallystick.verdicts import printable

app = typer.Typer(
    help="Records that could not be read.", no_args_is_help=True, add_completion=False
)
SHOWN_BYTES_MAX: Final = 64 * 1024
LIST_LIMIT: Final = 100
WHY_LENGTH_MIN: Final = 20
_Result = TypeVar("_Result")

Json = Annotated[bool, typer.Option("--json", help="Data for programs on stdout.")]
Reason = Annotated[str, typer.Option("--reason", help="One reason: unreadable, unfit, ….")]
OlderThan = Annotated[str, typer.Option("--older-than", help="Parked longer ago: 2h, 7d.")]
TopicOf = Annotated[str, typer.Option("--topic", help="One dead-letter topic, or a source's.")]
Places = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[POSITION]…", help="A letter's, ledger.dead-letters/3@17, or its record's."
    ),
]
By = Annotated[str, typer.Option("--by", help="Who does it; your login name when left out.")]


@app.command("list")
def list_(
    *,
    reason: Reason = "",
    older_than: OlderThan = "",
    topic: TopicOf = "",
    state: Annotated[LetterState | None, typer.Option("--state", help="One state.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Redriven ones as well.")] = False,
    limit: Annotated[
        int, typer.Option("--limit", min=0, help="The newest so many; 0: all.")
    ] = LIST_LIMIT,
    as_json: Json = False,
) -> None:
    """Show the letters that are open or laid aside, the oldest first.

    Of the dead-letter topics the newest 20,000 letters and notes are looked at, with --limit 0
    all. Whatever is left out is said.
    """
    before = _before(older_than)
    looked = _run(
        letters_on(
            settings_here().kafka,
            records_max=LOOKED_AT_MAX if limit else 0,
            parked_until=before,
        )
    )
    found = [
        letter
        for letter in _selected(looked.letters.all(), reason, before, topic)
        if (letter.state is state if state else everything or not _is_done(letter))
    ]
    shown = found[-limit:] if limit else found
    if as_json:
        for letter in shown:
            print(json.dumps(_told(letter)))
    elif shown:
        print("\n".join(_table(shown, width=columns_here())))
    else:
        Talk().done("no letters")
    _say_what_is_left_out(shown=len(shown), found=found, unread=looked.unread)


def _say_what_is_left_out(*, shown: int, found: Sequence[Letter], unread: int) -> None:
    records = len({letter.source for letter in found})
    if records != len(found):
        Talk().done(f"{_count(len(found), 'letter')} about {_count(records, 'record')}")
    if shown < len(found):
        Talk().done(f"the newest {shown} of {len(found)}; --limit 0 shows all")
    if unread:
        Talk().done(
            f"{unread} older letters and notes were not looked at; --limit 0 looks at all of them"
        )


@app.command()
def show(
    position: Annotated[str, typer.Argument(metavar="POSITION", help="A letter's position.")],
    *,
    raw: Annotated[bool, typer.Option("--raw", help="The bytes exactly, nothing else.")] = False,
    as_json: Json = False,
) -> None:
    """Show a letter: why it could not be read, where it stands, its headers and its bytes."""
    letter = _chosen([position])[1][0]
    at = _run(records_at(settings_here().kafka, [letter.places[0], letter.said.position]))
    copy = at[letter.places[0]]
    # The record itself where the broker has it: a letter keeps no more than fits beside its words.
    record = at.get(letter.said.position, copy)
    value = record.value or b""
    if raw:
        sys.stdout.buffer.write(value)
        sys.stdout.buffer.flush()
        return
    is_own = letter.said.position in at
    headers = _headers(record) if is_own else _kept_headers(copy)
    if as_json:
        told = _told(letter) | {"headers": headers, "body_b64": base64.b64encode(value).decode()}
        print(json.dumps(told))
        return
    for name, text in _told(letter).items():
        print(f"{name:12} {printable(str(text))}")
    print("headers" if is_own else "headers, as far as the letter has them")
    for name, text in headers.items():
        print(f"  {printable(name)}: {printable(text)}")
    print("bytes")
    print(_pretty(value))


@app.command("redrive")
def redrive_(
    positions: Places = None,
    *,
    reason: Reason = "",
    older_than: OlderThan = "",
    topic: TopicOf = "",
    again: Annotated[
        bool, typer.Option("--again", help="Also what has been redriven already.")
    ] = False,
    by: By = "",
    yes: Annotated[bool, typer.Option("--yes", help="Send without asking.")] = False,
    as_json: Json = False,
) -> None:
    """Send the records of letters to their topics again, byte for byte, each once.

    Do it when what could not read them has been mended. What is booked already is not booked
    twice; what still cannot be read comes back as a new letter, its attempts counted.
    """
    if bool(positions) == bool(reason):
        raise typer.BadParameter("say POSITIONs, or --reason")
    if positions:
        letters, chosen = _chosen(positions)
    else:
        before = _before(older_than)
        # All that are open are meant, so all are looked at.
        letters = _run(letters_on(settings_here().kafka, records_max=0)).letters
        chosen = [
            letter for letter in _selected(letters.all(), reason, before, topic) if letter.is_open
        ]
    done = [letter for letter in chosen if _is_done(letter)]
    if done and not again:
        raise Problem(
            "Nothing was sent",
            why=f"redriven already: {', '.join(letter.place for letter in done[:10])}",
            fix="leave these out, or give --again",
            code=ExitCode.REFUSED,
        )
    require_redrivable(chosen)
    # Who else could not read a record reads it again as well, so its letter is dealt with too.
    sources = _sources(chosen)
    whole = [each for source in sources for each in letters.of_source(source)]
    if not sources:
        Talk().done("no such letter is open")
        return
    topics = sorted({letter.said.position.topic for letter in whole})
    _ask(f"send {_count(len(sources), 'record')} to {', '.join(topics)} again?", yes=yes)
    _run(_redrive(whole, by or getpass.getuser(), as_json=as_json))
    Talk().done(f"{_count(len(sources), 'record')} sent again")


@app.command("park")
def park_(
    positions: Places,
    *,
    note: Annotated[str, typer.Option("--note", help="What was found, for the next who looks.")],
    by: By = "",
) -> None:
    """Say that somebody has looked at letters and that they stay as they are.

    All letters about the same records are meant.
    """
    if not note.strip():
        raise typer.BadParameter("--note: say what was found")
    letters, named = _chosen(positions or [])
    # Who has looked at a record has looked at it for everybody who could not read it.
    chosen = [each for source in _sources(named) for each in letters.of_source(source)]
    now, who = datetime.now(UTC), by or getpass.getuser()
    _run(park(settings_here().kafka, chosen, by=who, at=now, note=note))
    Talk().done(f"{_count(len(chosen), 'letter')} parked")


async def _redrive(letters: Sequence[Letter], by: str, *, as_json: bool) -> None:
    sending = redrive(settings_here().kafka, letters, by=by, at=datetime.now(UTC))
    async with aclosing(sending) as sent:
        async for each in sent:
            places = [letter.place for letter in each.letters]
            if as_json:
                told = {"letters": places, "record": each.letters[0].source}
                print(json.dumps(told | {"redriven_to": written(each.to)}), flush=True)
            else:
                print(f"{each.letters[0].source} -> {written(each.to)}", flush=True)


def _sources(letters: Iterable[Letter]) -> list[str]:
    """The records that letters are about, each once."""
    return list(dict.fromkeys(letter.source for letter in letters))


def _before(older_than: str) -> datetime | None:
    try:
        return datetime.now(UTC) - duration_of(older_than) if older_than else None
    except (ValueError, OverflowError) as error:
        raise typer.BadParameter(str(error)) from None


def _selected(
    letters: Iterable[Letter], reason: str, before: datetime | None, topic: str
) -> list[Letter]:
    return [
        letter
        for letter in letters
        if reason in ("", letter.said.reason)
        and topic in ("", letter.topic, letter.said.position.topic)
        and (before is None or letter.said.parked_at <= before)
    ]


def _chosen(names: Sequence[str]) -> tuple[Letters, list[Letter]]:
    """All letters of some records, and those that are meant: each once, by either's position."""
    positions = [place for name in names if (place := position_of(name)) is not None]
    letters = _run(letters_about(settings_here().kafka, positions)) if positions else Letters()
    chosen: dict[str, Letter] = {}
    for name in names:
        at = letters.at(name)
        found = letters.of_source(name) if at is None else [at]
        if not found:
            raise Problem(
                f"There is no dead letter {printable(name)[:100]}",
                why="none stands there, and none is of a record that stands there",
                fix="`tallystick dead-letters list --all` shows what there is",
                code=ExitCode.USAGE,
            )
        chosen |= {letter.place: letter for letter in found}
    return letters, list(chosen.values())


def _is_done(letter: Letter) -> bool:
    return letter.state is LetterState.REDRIVEN


def _told(letter: Letter) -> dict[str, object]:
    told: dict[str, object] = {
        "letter": letter.place,
        "state": letter.state.value,
        "reason": letter.said.reason,
        "detail": letter.said.detail,
        "record": letter.source,
        "parked_at": letter.said.parked_at.isoformat(),
        "attempt": letter.said.attempt,
        "bytes": letter.size_bytes,
    }
    if letter.note is not None:
        told |= {"by": letter.note.by, "at": letter.note.at.isoformat(), "note": letter.note.note}
        if letter.note.redriven_to is not None:
            told["redriven_to"] = written(letter.note.redriven_to)
    return told


def _table(letters: Sequence[Letter], *, width: int) -> list[str]:
    """A line a letter; only why it is one is cut, to what the width leaves."""
    head = ["since, UTC", "state", "reason", "tried", "letter", "record"]
    rows = [head, *map(_row, letters)]
    if not any(letter.said.attempt for letter in letters):
        at = head.index("tried")
        rows = [[*row[:at], *row[at + 1 :]] for row in rows]
    lines = aligned(rows)
    room = max(width - max(map(len, lines)) - 2, WHY_LENGTH_MIN)
    whys = ["why", *(_why(letter, room) for letter in letters)]
    longest = max(map(len, lines))
    return [f"{line.ljust(longest)}  {why}" for line, why in zip(lines, whys, strict=True)]


def _why(letter: Letter, length_max: int) -> str:
    note = letter.note.note if letter.note is not None else ""
    said = printable(note or letter.said.detail)
    return said if len(said) <= length_max else f"{said[: length_max - 1]}…"


def _row(letter: Letter) -> list[str]:
    cells = (
        f"{letter.said.parked_at.astimezone(UTC):%y-%m-%d %H:%M}",
        letter.state.value,
        letter.said.reason,
        str(letter.said.attempt + 1),
        letter.place,
        letter.source,
    )
    return [printable(cell) for cell in cells]


def _headers(record: RawRecord) -> dict[str, str]:
    return {name: (value or b"").decode(errors="replace") for name, value in record.headers}


def _kept_headers(copy: RawRecord) -> dict[str, str]:
    said = _headers(copy).get("ce_sourceheaders", "{}")
    return {str(name): str(text) for name, text in json.loads(said).items()}


def _pretty(value: bytes) -> str:
    """Bytes for a person: JSON with its lines broken, or as they are, the odd ones escaped."""
    shown = value[:SHOWN_BYTES_MAX]
    more = f"\n… {len(value) - len(shown)} bytes more: --raw" if len(value) > len(shown) else ""
    if not more:
        try:
            return json.dumps(json.loads(value), indent=2)
        except (ValueError, RecursionError):
            pass
    text = shown.decode(errors="backslashreplace")
    return "".join(c if c.isprintable() or c == "\n" else ascii(c)[1:-1] for c in text) + more


def _ask(question: str, *, yes: bool) -> None:
    if yes:
        Talk().done(question.removesuffix("?"))
        return
    if not sys.stdin.isatty():
        raise Problem(
            "Nothing was sent",
            why=f"there is nobody to ask: {question}",
            fix="give --yes as well",
            code=ExitCode.REFUSED,
        )
    typer.confirm(question[0].upper() + question[1:], abort=True)


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _run(work: Coroutine[Any, Any, _Result]) -> _Result:  # Any: what a coroutine yields
    """The result of work on Kafka, its library's own words left out."""
    log.set_up(level="critical")
    try:
        return asyncio.run(work)
    except Unavailable as error:
        raise kafka_away(settings_here().kafka_bootstrap, error) from error
