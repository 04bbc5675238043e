"""The demo from start to verdict: start everything, watch the month pass, prove the books."""

import asyncio
import os
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Final

from rich.console import Console

from sandbox.stack import Stack, StackSettings
from shared.contracts.errors import Unavailable
from shared.runtime.postgres import Database
from tallystick.cli.talk import Talk
from tallystick.demo import pipeline, show, simulated
from tallystick.demo.environment import (
    BOOKS_NAME,
    environment_of,
    write_books,
    write_shell_file,
)
from tallystick.demo.proof import Proof, prove
from tallystick.demo.record import DemoRecord
from tallystick.installation import Installation, health_url
from tallystick.processes import SERVICES

LOOK_SECONDS: Final = 0.5
REST_SECONDS: Final = 3.0
SETTLE_SECONDS_MAX: Final = 180.0
SILENCE_SECONDS_MAX: Final = 60.0
AUDIT_SECONDS_MAX: Final = 300


class DemoStuck(Unavailable):
    """The simulated month does not come to its end."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a person asked for; ``None`` leaves it to the scenario."""

    scenario: str
    seed: int | None
    payments: int | None
    speed: float | None
    ends_on: str
    keep: bool
    folder: Path


def run(asked: Asked) -> bool:
    """Play the month, print the books and the proof; whether everything is equal."""
    talk = Talk()
    started = time.monotonic()
    record, goes_on = _record_for(asked)
    if goes_on:
        talk.done("a demo was cut off here: going on with it (its data is intact)")
    settings = StackSettings(dir=asked.folder, kafka_port=0, postgres_port=0)
    if not goes_on:
        Stack(settings).wipe()
        shutil.rmtree(asked.folder / "processes", ignore_errors=True)
        (asked.folder / "world.json").unlink(missing_ok=True)
    write_books(record, asked.folder)
    record.save(asked.folder)
    installation = Installation(
        settings,
        environment=environment_of(record, asked.folder),
        extra=[simulated.spec_of(record, asked.folder)],
        progress=talk,
    )
    try:
        installation.start()
        talk.done(f"everything runs ({time.monotonic() - started:.1f} s); the month begins")
        holds = asyncio.run(
            _watch_and_prove(record, asked.folder, installation.environment(), talk)
        )
        record.over().save(asked.folder)
        Console().print(f"{time.monotonic() - started:.0f} s in all", highlight=False)
        if asked.keep:
            _stay(installation, record, asked.folder, talk)
    finally:
        installation.stop()
    return holds


def _record_for(asked: Asked) -> tuple[DemoRecord, bool]:
    """The demo to play, and whether it goes on with one that was cut off."""
    new = DemoRecord.new(
        scenario=asked.scenario,
        seed=asked.seed,
        payments=asked.payments,
        speed=asked.speed,
        ends_on=asked.ends_on,
    )
    old = DemoRecord.load(asked.folder)
    if old is not None and not old.is_over and old.asks_the_same(new):
        return old, True
    return new, False


async def _watch_and_prove(
    record: DemoRecord, folder: Path, variables: Mapping[str, str], talk: Talk
) -> bool:
    dsn, bootstrap = variables["TALLYSTICK_POSTGRES_DSN"], variables["TALLYSTICK_KAFKA_BOOTSTRAP"]
    database = await Database.open(dsn, search_path="public", connections_max=2)
    try:
        await _until_over(record, database, bootstrap, talk)
        proof = await _until_at_rest(record, database, bootstrap, talk)
        stories = await pipeline.stories(database)
    finally:
        await database.close()
    talk.done("at rest; the independent audit reads the raw topics again")
    audit_holds, audit = _audited(record, folder, variables)
    out = Console()
    show.trial_balance(out, proof)
    show.discrepancies(out, stories)
    show.verdict(out, proof, audit=audit, audit_holds=audit_holds)
    return proof.holds and audit_holds


async def _until_over(record: DemoRecord, database: Database, bootstrap: str, talk: Talk) -> None:
    """Show what happens until the world has told everything.

    Raises:
        DemoStuck: The world stands still, or could not do what its scenario asks.
    """
    last, last_moved = "", time.monotonic()
    while True:
        told = simulated.progress(record)
        sight = await pipeline.sight(database, bootstrap)
        _show_sight(talk, told, sight)
        if told.get("unmet"):
            raise DemoStuck(f"the scenario could not be played: {told['unmet']}")
        if told.get("finished") is True:
            return
        now = str([told.get(n) for n in ("simulated_at", "deliveries_answered", "attempts_failed")])
        if now != last:
            last, last_moved = now, time.monotonic()
        elif time.monotonic() - last_moved > SILENCE_SECONDS_MAX:
            raise DemoStuck(f"nothing has moved for {SILENCE_SECONDS_MAX:.0f} s: {told}")
        await asyncio.sleep(LOOK_SECONDS)  # bounded poll: silence ends it, above


async def _until_at_rest(
    record: DemoRecord, database: Database, bootstrap: str, talk: Talk
) -> Proof:
    """The proof, once everything told is booked and reconciled, or when the time is up.

    At rest is: for longer than every poll takes nothing new was booked, matched or found, and all
    that stood in the topics before has been read since. (Banks are asked for their balances all
    the time, so the topics themselves never rest.) As long as the proof does not hold there may
    still be a webhook that a poll has yet to find.
    """
    true = simulated.truth(record)
    deadline = time.monotonic() + SETTLE_SECONDS_MAX
    sight = await pipeline.sight(database, bootstrap)
    begun, begun_at = sight, time.monotonic()
    while True:
        _show_sight(talk, simulated.progress(record), sight)
        proof = prove(
            await pipeline.balances(database), true.balances, sight.found, true.discrepancies
        )
        if sight.happened != begun.happened:
            begun, begun_at = sight, time.monotonic()
        is_still = time.monotonic() - begun_at >= REST_SECONDS and sight.has_read(begun.ends)
        if (is_still and proof.holds) or time.monotonic() >= deadline:
            return proof
        await asyncio.sleep(LOOK_SECONDS)  # bounded poll: the deadline above
        sight = await pipeline.sight(database, bootstrap)


def _show_sight(talk: Talk, told: Mapping[str, object], sight: pipeline.Sight) -> None:
    talk(
        f"{str(told.get('simulated_at', ''))[:10]}"
        f"  webhooks answered {told.get('deliveries_answered', 0)}"
        f"  messages {sight.messages}  unread {sight.behind}  entries {sight.entries}"
        f"  matches {sight.matches}  discrepancies {len(sight.found)}"
    )


def _audited(record: DemoRecord, folder: Path, variables: Mapping[str, str]) -> tuple[bool, str]:
    """What the independent oracle says, as a process of its own."""
    done = subprocess.run(
        [
            *(sys.executable, "-m", "oracle"),
            *("--books", str(folder / BOOKS_NAME)),
            *("--truth", f"{simulated.address(record, 'stripe')}/sim/truth"),
        ],
        check=False,
        capture_output=True,
        text=True,
        timeout=AUDIT_SECONDS_MAX,
        # The addresses go by the environment: an argument shows its password to everybody.
        env=os.environ | variables,
    )
    said = (done.stdout.strip() or done.stderr.strip()).splitlines()
    if done.returncode == 0:
        return True, "the independent audit agrees. " + " ".join(said)
    return False, "the independent audit does not agree:\n" + "\n".join(said[-20:])


def _stay(installation: Installation, record: DemoRecord, folder: Path, talk: Talk) -> None:
    """Leave everything running until Ctrl-C, and say how other commands find it."""
    variables = os.environ | installation.environment()
    for service in SERVICES:
        talk.done(f"{service.name:11} {health_url(service, variables, ''):28} {service.about}")
    talk.done(
        f"simulated Stripe {simulated.address(record, 'stripe')}, bank"
        f" {simulated.address(record, 'bank')}"
    )
    file = write_shell_file(record, folder)
    talk.done(f"look into it from another shell:  . {_from_here(file)}")
    talk.done("then: tallystick status, events list, ingest audit --since 90d, report, trace")
    talk.done("it goes on running; stop it with Ctrl-C")
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _setting(stop))
    try:
        installation.watch(stop)
    finally:
        # What it tells of is over.
        file.unlink(missing_ok=True)


def _from_here(file: Path) -> str:
    """The path as a person in this folder writes it."""
    here = Path.cwd()
    return shlex.quote(str(file.relative_to(here)) if file.is_relative_to(here) else str(file))


def _setting(stop: threading.Event) -> Callable[[int, FrameType | None], None]:
    def on_signal(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    return on_signal
