"""The books once more from the topics: `rebuild`, and the generations that come of it."""

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Final

import typer

from services.ledger.shell.proof.verify import Verified, verify_journal
from services.ledger.shell.rebuilding.comparing import Comparison
from services.ledger.shell.rebuilding.generations import (
    Generation,
    drop_generation,
    generations,
    hold_generations,
    owner_at,
)
from services.ledger.shell.rebuilding.rebuild import Swapped, rebuild_and_compare, rebuild_and_swap
from services.ledger.shell.rebuilding.standing_check import last_report, publish_report, report_of
from services.ledger.shell.store import SCHEMA, open_journal
from shared.contracts.audits import AuditReport
from shared.runtime import log
from shared.runtime.settings import Settings
from tallystick.cli.problems import ExitCode, Problem
from tallystick.cli.reach import require_database, settings_here
from tallystick.cli.talk import Talk
from tallystick.journal_here import require_journal

DIGEST_SHOWN: Final = 16
_SHOWN_BYTES: Final = 1_000_000
_LINE: Final = "{:>10}  {:12} {:10} {:>12} {:>12} {:>10}  {}"

AsJson = Annotated[bool, typer.Option("--json", help="Data for programs on stdout.")]
app = typer.Typer(invoke_without_command=True)


@dataclass(slots=True)
class Pace:
    """Progress with its rate and how long the rest takes at it; ``clock`` tells seconds."""

    talk: Talk
    began: float = field(default_factory=time.monotonic)
    clock: Callable[[], float] = time.monotonic
    _total: int = 0
    _last: int = 0
    _most: int = 0
    _seconds: float = 0

    def __call__(self, read: int, total: int) -> None:
        """Say how far it is."""
        now = self.clock()
        if read < self._last or (self._total and total != self._total):
            self.began = now
        self._total = total
        self._last = read
        if read >= self._most:
            self._most, self._seconds = read, now - self.began
        self.talk(told_pace(read, total, now - self.began))

    def told(self) -> str:
        """How fast the longest stretch went."""
        return f"{self._most / self._seconds:,.0f}/s" if self._seconds else "at once"


def told_pace(read: int, total: int, seconds: float) -> str:
    """How far a replay is, how fast it goes, and how long the rest takes at that rate."""
    text = f"read {read:,} of {total:,} messages"
    if seconds < 1 or not read:
        return text
    rate = read / seconds
    return f"{text}, {rate:,.0f}/s, {(total - read) / rate:,.0f} s left"


@app.callback()
def rebuild(
    context: typer.Context,
    swap: Annotated[
        bool,
        typer.Option("--swap", help="Put what was built in the place of the books in use."),
    ] = False,
    generation: Annotated[
        int,
        typer.Option(
            "--generation",
            metavar="N",
            min=0,
            help="With --swap: one that is there, to go back to it or to go on building it.",
        ),
    ] = 0,
    keep: Annotated[
        bool, typer.Option("--keep", help="Keep the schema that was built, to look into it.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Build the books once more from the topics and lay them beside those in use.

    Reads the input topics from their beginning into a schema of its own and publishes nothing.
    Says whether content, balances, open items, outcomes and chains are equal, or where they part;
    exit 1 when they do, or when there is no journal yet. The chain of the journal in use is
    checked on the way.

    With --swap, what was built takes the place of the books in use, when it is equal. Booking and
    reading go on meanwhile; booking waits for a moment at the end. The books from before stay
    until `tallystick rebuild drop-old`, and `--swap --generation N` goes back to them.
    """
    if context.invoked_subcommand is not None:
        return
    if generation and not swap:
        raise typer.BadParameter("goes with --swap", param_hint="--generation")
    settings, talk = settings_here(), Talk()
    # What the service would log is told here by the result; stdout is for data.
    log.set_up(level="error")
    dsn = require_database(settings)
    if swap:
        swapped = asyncio.run(_swapped(settings, dsn, talk, onto=generation, keep=keep))
        _tell_swap(swapped, talk, as_json=as_json)
        return
    compared, verified, schema = asyncio.run(_rebuilt(settings, dsn, talk, keep=keep))
    if as_json:
        print(json.dumps(_told(compared, verified, schema if keep else "")))
    else:
        _show(compared, verified)
    if keep:
        talk.done(f"what was built is in the schema {schema}")
    if not (compared.is_equal and verified.is_sound):
        raise _differ(*compared.differences, *verified.problems)


@app.command()
def status(as_json: AsJson = False) -> None:
    """The generations of the journal: which is in use, which stand beside it, how large."""
    dsn = require_database(settings_here())
    found = asyncio.run(_generations(dsn))
    if as_json:
        print(json.dumps([_told_generation(each) for each in found]))
        return
    print(_LINE.format("generation", "schema", "state", "messages", "entries", "MB", "since"))
    for each in found:
        print(
            _LINE.format(
                each.number,
                each.schema,
                _state(each),
                f"{each.messages:,}",
                f"{each.entries:,}",
                f"{each.bytes / _SHOWN_BYTES:,.1f}",
                f"{(each.in_use_until or each.in_use_since or each.made_at):%Y-%m-%d %H:%M}",
            )
        )


@app.command()
def check(as_json: AsJson = False) -> None:
    """The same, for a timer: rebuild, compare, and put on record what was found.

    Each check is a report on `ledger.audits`; books that differ open a discrepancy, which the next
    check resolves when they are the same again. Exit 1 when they differ.
    """
    settings, talk = settings_here(), Talk()
    log.set_up(level="error")
    dsn = require_database(settings)
    compared, verified, _ = asyncio.run(_checked(settings, dsn, talk))
    if as_json:
        print(json.dumps(_told(compared, verified, "")))
    else:
        _show(compared, verified)
    if not (compared.is_equal and verified.is_sound):
        raise _differ(*compared.differences, *verified.problems)


@app.command(name="drop-old")
def drop_old(
    keep: Annotated[
        int, typer.Option("--keep", metavar="N", min=0, help="Leave the N last that were in use.")
    ] = 0,
) -> None:
    """Drop the generations that are not in use: those from before, and what was never finished."""
    dsn, talk = require_database(settings_here()), Talk()
    dropped = asyncio.run(_dropped(dsn, keep))
    for each in dropped:
        talk.done(f"dropped {each.schema}, {each.bytes / _SHOWN_BYTES:,.1f} MB")
    if not dropped:
        talk.done("there is nothing to drop")


async def _rebuilt(
    settings: Settings, dsn: str, talk: Talk, *, keep: bool
) -> tuple[Comparison, Verified, str]:
    await require_journal(dsn)
    pace = Pace(talk)
    compared, schema = await rebuild_and_compare(
        settings.kafka, dsn, settings.books(), keep=keep, progress=pace
    )
    talk("checking the chain of the journal in use")
    journal = await open_journal(dsn, connections_max=2)
    try:
        verified = await verify_journal(journal)
    finally:
        await journal.close()
    talk.done(f"{compared.messages:,} messages read again, {pace.told()}")
    return compared, verified, schema


async def _checked(
    settings: Settings, dsn: str, talk: Talk
) -> tuple[Comparison, Verified, list[AuditReport]]:
    found = await _rebuilt(settings, dsn, talk, keep=False)
    books, at = [each.name for each in settings.books().books], datetime.now(UTC)
    reports: list[AuditReport] = []
    for book in books:
        before = await last_report(settings.kafka, book)
        report = report_of(
            found[0], found[1].problems, book=book, at=at, before=before, books=books
        )
        await publish_report(settings.kafka, report)
        about = f"book {book}, " if len(books) > 1 else ""
        talk.done(f"{about}on record since {report.since:%Y-%m-%d %H:%M}: {report.found}")
        reports.append(report)
    return found[0], found[1], reports


async def _swapped(settings: Settings, dsn: str, talk: Talk, *, onto: int, keep: bool) -> Swapped:
    await require_journal(dsn)
    pace = Pace(talk)
    swapped = await rebuild_and_swap(
        settings.kafka,
        dsn,
        settings.books(),
        onto=f"{SCHEMA}_g{onto}" if onto else "",
        keep=keep,
        progress=pace,
    )
    talk.done(f"{swapped.messages:,} messages read again, {pace.told()}")
    return swapped


async def _generations(dsn: str) -> list[Generation]:
    await require_journal(dsn)
    async with owner_at(dsn) as owner:
        return await generations(owner)


async def _dropped(dsn: str, keep: int) -> list[Generation]:
    await require_journal(dsn)
    async with owner_at(dsn) as owner:
        await hold_generations(owner)
        others = [each for each in await generations(owner) if not each.is_in_use]
        before = sorted(
            (each for each in others if each.was_in_use),
            key=lambda each: each.in_use_until or each.made_at,
            reverse=True,
        )
        kept = {each.schema for each in before[:keep]}
        dropped = [each for each in others if each.schema not in kept]
        for each in dropped:
            await drop_generation(owner, each.schema)
        return dropped


def _differ(*differences: str) -> Problem:
    return Problem(
        "The books in use are not what the topics say",
        why="\n".join(differences),
        fix="keep the data as it is; look closer with `tallystick rebuild --keep`",
        code=ExitCode.FOUND_A_PROBLEM,
    )


def _tell_swap(swapped: Swapped, talk: Talk, *, as_json: bool) -> None:
    compared = swapped.comparison
    if as_json:
        told = {
            "swapped": bool(swapped.kept),
            "kept": swapped.kept,
            "messages": swapped.messages,
            "booking_stopped_seconds": round(swapped.stopped_seconds, 3),
            "differences": list(compared.differences),
        }
        print(json.dumps(told))
    if not swapped.kept:
        raise _differ(*compared.differences)
    talk.done(f"{compared.used.entries:,} entries equal")
    talk.done(
        f"swapped; booking stood still for {swapped.stopped_seconds:.1f} s, the books from before"
        f" are in {swapped.kept}"
    )


def _show(compared: Comparison, verified: Verified) -> None:
    used, rebuilt = compared.used, compared.rebuilt
    print(f"{'':12} {'in use':>20} {'rebuilt':>20}")
    for name, one, other in (
        ("entries", f"{used.entries:,}", f"{rebuilt.entries:,}"),
        ("digest", used.digest[:DIGEST_SHOWN], rebuilt.digest[:DIGEST_SHOWN]),
        ("balances", f"{len(used.balances):,}", f"{len(rebuilt.balances):,}"),
        ("open items", f"{used.open_items:,}", f"{rebuilt.open_items:,}"),
        ("outcomes", f"{used.outcomes[0]:,}", f"{rebuilt.outcomes[0]:,}"),
    ):
        print(f"{name:12} {one:>20} {other:>20}")
    if compared.is_equal:
        print(f"equal, and so are the heads of {compared.chains_compared} chains")
    if verified.is_sound:
        print(f"the chains of {verified.entries:,} entries hold")


def _told(compared: Comparison, verified: Verified, schema: str) -> dict[str, object]:
    return {
        "equal": compared.is_equal,
        "sound": verified.is_sound,
        "messages": compared.messages,
        "chains_compared": compared.chains_compared,
        "in_use": {"entries": compared.used.entries, "digest": compared.used.digest},
        "rebuilt": {"entries": compared.rebuilt.entries, "digest": compared.rebuilt.digest},
        "differences": list(compared.differences),
        "problems": list(verified.problems),
        "schema": schema,
    }


def _state(each: Generation) -> str:
    if each.is_in_use:
        return "in use"
    return "before" if each.was_in_use else "unfinished"


def _told_generation(each: Generation) -> dict[str, object]:
    return {
        "number": each.number,
        "schema": each.schema,
        "state": _state(each),
        "messages": each.messages,
        "entries": each.entries,
        "bytes": each.bytes,
        "made_at": each.made_at.isoformat(),
        "in_use_since": each.in_use_since.isoformat() if each.in_use_since else None,
        "in_use_until": each.in_use_until.isoformat() if each.in_use_until else None,
    }
