"""`tallystick ingest allow-list`: who may come to the door, from what Stripe publishes."""

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Final

import typer

from services.ingest.allow_list import (
    KEPT_AFTER_REMOVAL,
    PUBLISHED_URL,
    Allowed,
    AllowList,
    AllowListInvalid,
    address_of,
    networks_of,
    refreshed,
)
from services.ingest.config import IngestSettings
from services.ingest.firewall import HTTPS_PORT, RuleFormat, rules
from services.ingest.shell.allow_list_fetch import published_text
from services.ingest.shell.allow_list_file import read_allow_list, write_allow_list
from shared.contracts.envelope import rfc3339
from shared.contracts.errors import Unavailable
from tallystick.cli.problems import ExitCode, Problem

FILE_VARIABLE: Final = "TALLYSTICK_INGEST_ALLOW_LIST_FILE"
_REFRESH: Final = "tallystick ingest allow-list refresh"

app = typer.Typer(
    help="Who may come to the door: Stripe's published addresses.",
    no_args_is_help=True,
    add_completion=False,
)

File = Annotated[
    Path | None,
    typer.Option("--file", help=f"The stored list; {FILE_VARIABLE} where it is not said."),
]
Json = Annotated[bool, typer.Option("--json", help="For machines.")]


@app.callback()
def _allow_list() -> None:
    """Who may come to the door: Stripe's published addresses."""


@app.command()
def refresh(
    source: Annotated[
        str, typer.Option("--from", help="Where the published list is: an address or a file.")
    ] = PUBLISHED_URL,
    file: File = None,
    as_json: Json = False,
) -> None:
    """Take over the published list; what is gone from it still counts for seven days.

    A list that is wrong anywhere changes nothing.
    """
    path, now = _path(file), datetime.now(UTC)
    stored = _read(path) if path.exists() else None
    try:
        found, change = refreshed(stored, networks_of(published_text(source)), now)
    except AllowListInvalid as error:
        raise Problem(
            "The published list cannot be used; nothing was changed",
            why=str(error),
            fix="look at it with your own eyes, and give a file with --from FILE",
            code=ExitCode.REFUSED,
        ) from None
    except Unavailable as error:
        raise Problem(
            "The published list was not to be had; nothing was changed",
            why=str(error),
            fix="try again later, or fetch it from elsewhere and give it with --from FILE",
            code=ExitCode.UNREACHABLE,
        ) from None
    try:
        write_allow_list(path, found)
    except OSError as error:
        raise Problem(
            "The list could not be stored; nothing was changed",
            why=f"{path}: {error.strerror}",
            fix="make its folder, or let this user write to it",
        ) from None
    added, removed = ([str(n) for n in networks] for networks in (change.added, change.removed))
    if as_json:
        told = {"file": str(path), "added": added, "removed": removed} | _summary(found, now)
        print(json.dumps(told))
        return
    for sign, networks in (("+", added), ("-", removed)):
        for network in networks:
            print(f"{sign} {network}")
    if removed:
        print(f"removed ones still count until {_day(now + KEPT_AFTER_REMOVAL)}")
    print(f"{len(found.in_force(now))} in force, in {path}")


@app.command()
def show(file: File = None, as_json: Json = False) -> None:
    """The addresses in force, and until when those that are no longer published count."""
    path, now = _path(file), datetime.now(UTC)
    found = _read(path)
    if as_json:
        for entry in found.in_force(now):
            until = _until(entry)
            told = {"network": str(entry.network), "until": until and rfc3339(until)}
            print(json.dumps(told))
        return
    for entry in found.in_force(now):
        until = _until(entry)
        print(f"{entry.network}" + (f"  until {_day(until)}" if until else ""))
    days = found.age(now).days
    print(f"seen {_day(found.fetched_at)}, {days} days ago" if days else "seen within a day")
    days_max = IngestSettings.model_fields["ingest_allow_list_days_max"].default
    if found.is_older_than(days_max, now):
        print(f"that is old: a change may have been missed; {_REFRESH}")


@app.command()
def check(
    address: Annotated[str, typer.Argument(help="An address, IPv4 or IPv6.")],
    file: File = None,
    as_json: Json = False,
) -> None:
    """Whether one address may come in: exit code 0 or 1."""
    try:
        peer = str(address_of(address))
    except ValueError as error:
        raise Problem("That is no address", why=str(error), code=ExitCode.USAGE) from None
    is_allowed = _read(_path(file)).allows(peer, datetime.now(UTC))
    if as_json:
        print(json.dumps({"address": peer, "is_allowed": is_allowed}))
    else:
        print(f"{peer} may come in" if is_allowed else f"{peer} may not come in")
    raise typer.Exit(0 if is_allowed else ExitCode.FOUND_A_PROBLEM)


@app.command("rules")
def write_rules(
    form: Annotated[RuleFormat, typer.Option("--format", help="Whose rules.")],
    port: Annotated[
        int, typer.Option("--port", min=1, max=65535, help="The port that the proxy listens on.")
    ] = HTTPS_PORT,
    file: File = None,
) -> None:
    """Rules of a firewall: the addresses in force may reach the port, and nobody else."""
    print(rules(_read(_path(file)), form, port=port, at=datetime.now(UTC)), end="")


def _path(given: Path | None) -> Path:
    if given is not None:
        return given
    told = os.environ.get(FILE_VARIABLE, "")
    if told:
        return Path(told)
    raise Problem(
        "Nobody said where the list is kept",
        why=f"neither --file nor {FILE_VARIABLE} is set",
        fix="say --file PATH here, and give the door the same path in that variable",
        code=ExitCode.USAGE,
    )


def _read(path: Path) -> AllowList:
    try:
        return read_allow_list(path)
    except FileNotFoundError:
        raise Problem(
            "There is no list yet", why=f"{path} does not exist", fix=f"{_REFRESH} --file {path}"
        ) from None
    except OSError as error:
        raise Problem("The list cannot be read", why=f"{path}: {error.strerror}") from None
    except AllowListInvalid as error:
        raise Problem(
            "The stored list cannot be used",
            why=f"{path}: {error}",
            fix=f"move the file away and say: {_REFRESH}",
            code=ExitCode.REFUSED,
        ) from None


def _summary(found: AllowList, at: datetime) -> dict[str, object]:
    return {"in_force": len(found.in_force(at)), "fetched_at": rfc3339(found.fetched_at)}


def _until(entry: Allowed) -> datetime | None:
    return None if entry.removed_at is None else entry.removed_at + KEPT_AFTER_REMOVAL


def _day(at: datetime) -> str:
    return f"{at + timedelta(seconds=30):%Y-%m-%d %H:%M} UTC"
