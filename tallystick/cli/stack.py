"""Kafka and Postgres on this machine: `up`, `down`, `status`, `logs`."""

import asyncio
import json
import os
import shlex
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from sandbox.stack import Stack, StackSettings
from sandbox.stack.process import ProcessRecord, stop
from shared.contracts.errors import Unavailable
from shared.runtime import log
from shared.runtime.settings import SettingsInvalid
from tallystick.answers import answers_ok
from tallystick.cli.problems import ExitCode, Problem
from tallystick.cli.reach import settings_here
from tallystick.cli.talk import Talk
from tallystick.dead_letters import OpenNow, open_now, sentence
from tallystick.installation import (
    health_url,
    log_dir,
    missing_parts,
    process_state_dir,
    run_record_file,
)
from tallystick.preflight import stack_settings
from tallystick.processes import SERVICES

RUN_STOP_SECONDS: Final = 120.0
LETTERS_SECONDS_MAX: Final = 5.0
FOLLOW_INTERVAL_SECONDS: Final = 0.2
Json = Annotated[bool, typer.Option("--json", help="Data for programs on stdout.")]


def up() -> None:
    """Start Kafka and Postgres and leave them running."""
    talk = Talk()
    stack = Stack(stack_settings(), progress=talk)
    started = time.monotonic()
    stack.start()
    talk.done(f"Kafka and Postgres are up ({time.monotonic() - started:.1f} s)")
    for part in stack.status():
        print(f"{part.name:10} {part.address}")
    talk.done('addresses for a shell: eval "$(tallystick status --env)"; stop: tallystick down')


def down(
    wipe: Annotated[bool, typer.Option("--wipe", help="Delete the data as well.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Delete without asking.")] = False,
) -> None:
    """Stop the services and the stack. The data stays, unless --wipe is given."""
    settings = stack_settings()
    talk = Talk()
    if wipe and not yes:
        folder = settings.dir.absolute()
        if not sys.stdin.isatty():
            raise Problem(
                "Nothing was deleted",
                why="there is nobody to ask",
                fix="give --yes as well",
                code=ExitCode.REFUSED,
            )
        typer.confirm(f"Delete all data in {folder}?", abort=True)
    run = ProcessRecord.load(run_record_file(settings))
    if run is not None and run.is_alive:
        talk(f"stopping `tallystick run` (process {run.pid})")
        stop(run, grace_seconds=RUN_STOP_SECONDS)
    stack = Stack(settings, progress=talk)
    if wipe:
        stack.wipe()
        talk.done("stopped; the data is deleted")
    else:
        stack.stop()
        talk.done("stopped; the data stays in " + str(settings.dir))


def status(
    as_json: Json = False,
    env: Annotated[
        bool, typer.Option("--env", help="Shell lines with the addresses, password included.")
    ] = False,
) -> None:
    """What runs, where, and how it is. Ends with 1 when Kafka or Postgres does not run."""
    settings = stack_settings()
    stack = Stack(settings)
    if env:
        for name, value in stack.environment().items():
            if value:
                print(f"export {name}={shlex.quote(value)}")
        return
    rows = [*_stack_rows(stack), *_service_rows(settings)]
    letters = _open_letters(rows)
    if as_json:
        told: dict[str, object] = {"processes": rows}
        if letters is not None:
            told["dead_letters_open"] = letters.letters
            told["dead_letters_records_open"] = letters.records
            told["dead_letters_unread"] = letters.unread
        print(json.dumps(told, indent=2))
    else:
        for row in rows:
            place = f"process {row['pid']:<8} {row['address']}" if row["pid"] else ""
            print(f"{row['name']:11} {row['state']:10} {place}".rstrip())
        if letters is not None and (letters.found or letters.unread):
            print(f"dead letters: {sentence(letters)}; tallystick dead-letters list")
    if any(row["state"] == "stopped" for row in rows[: len(stack.status())]):
        raise typer.Exit(ExitCode.FOUND_A_PROBLEM)


def _open_letters(rows: list[dict[str, Any]]) -> OpenNow | None:
    """The open dead letters, where Kafka is there to be asked and answers soon."""
    if any(row["name"] == "kafka" and row["state"] == "stopped" for row in rows):
        return None
    log.set_up(level="critical")
    try:
        return asyncio.run(open_now(settings_here().kafka, seconds_max=LETTERS_SECONDS_MAX))
    except (Unavailable, SettingsInvalid):
        return None


def _stack_rows(stack: Stack) -> Iterator[dict[str, Any]]:
    ours = missing_parts(os.environ)
    for part in stack.status():
        # Its address was given to us: how it is, `tallystick doctor` asks it.
        absent = "stopped" if part.name in ours else "outside"
        yield {
            "name": part.name,
            "state": "running" if part.is_running else absent,
            "pid": part.pid,
            "address": part.address,
            "log": str(part.log),
        }


def _service_rows(settings: StackSettings) -> Iterator[dict[str, Any]]:
    for service in SERVICES:
        record = ProcessRecord.load(process_state_dir(settings) / f"{service.name}.pid")
        is_alive = record is not None and record.is_alive
        url = health_url(service, os.environ, "/readyz")
        state = "stopped"
        if is_alive:
            state = "ready" if answers_ok(url) else "not ready"
        yield {
            "name": service.name,
            "state": state,
            "pid": record.pid if record is not None and is_alive else 0,
            "address": url.removesuffix("/readyz"),
            "log": str(log_dir(settings) / f"{service.name}.log"),
        }


def logs(
    name: Annotated[str, typer.Argument(help="Whose log; without it, the list of logs.")] = "",
    lines: Annotated[int, typer.Option("-n", "--lines", min=0, help="How many of the last.")] = 50,
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on as it grows.")] = False,
) -> None:
    """Show the end of a log, or follow it."""
    folder = log_dir(stack_settings())
    known = sorted(path.stem for path in folder.glob("*.log"))
    if not name:
        for each in known:
            print(each)
        return
    path = folder / f"{name}.log"
    if name not in known:
        raise Problem(
            f"There is no log of {name!r}",
            why=f"{folder} has {', '.join(known) or 'no logs yet'}",
            fix="`tallystick logs` lists them",
            code=ExitCode.USAGE,
        )
    _show_log(path, lines, follow=follow)


def _show_log(path: Path, lines: int, *, follow: bool) -> None:
    # The reader leaving early (`| head`) is no error.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    with path.open("r", encoding="utf-8", errors="replace") as file:
        ended = file.readlines()
        sys.stdout.writelines(ended[-lines:] if lines else [])
        sys.stdout.flush()
        while follow:
            more = file.read()
            if not more:
                time.sleep(FOLLOW_INTERVAL_SECONDS)  # follows until Ctrl-C
            sys.stdout.write(more)
            sys.stdout.flush()
