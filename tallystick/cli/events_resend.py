"""The asking and the telling of `tallystick events resend`."""

import asyncio
import json
import sys
from collections import Counter
from contextlib import aclosing
from datetime import UTC, datetime

import typer

from services.ingest.endpoints import Endpoint
from shared.runtime.kafka import Record
from tallystick.cli.problems import ExitCode, Problem
from tallystick.cli.talk import Talk
from tallystick.events.resend import Sent, resent
from tallystick.events.topic import event_of
from tallystick.local_door import LocalDoor


def resend_all(
    records: list[Record], door: LocalDoor, *, endpoint: str, yes: bool, as_json: bool
) -> None:
    """Say how many will be sent, ask, send them, and say what the door answered.

    Raises:
        Problem: There is no secret to sign with, nobody to ask, or the door refused some.
    """
    talk = Talk()
    if not records:
        talk.done("no such delivery; nothing was sent")
        return
    planned = [(record, _endpoint_for(record, door, endpoint)) for record in records]
    types = Counter(_type_of(record) for record in records)
    talk.done(
        f"{_deliveries(len(records))} through {door.url} once more: "
        + ", ".join(f"{count} of {name}" for name, count in sorted(types.items()))
    )
    _require_yes(yes=yes)
    refused = asyncio.run(_send([(r, e, door.url_of(e)) for r, e in planned], as_json=as_json))
    talk.done(f"{len(records) - len(refused)} accepted, {len(refused)} refused")
    if refused:
        first = refused[0]
        raise Problem(
            f"{len(refused)} of {len(records)} deliveries were not accepted",
            why=f"{first.record.position}: {first.status or 'no answer'} {first.detail}",
            fix="`tallystick ingest verdicts` says what the door says of each",
        )


def _type_of(record: Record) -> str:
    event = event_of(record)
    return (event.event_type if event is not None else "") or "of unknown type"


async def _send(deliveries: list[tuple[Record, Endpoint, str]], *, as_json: bool) -> list[Sent]:
    refused: list[Sent] = []
    async with aclosing(resent(deliveries)) as answers:
        async for sent in answers:
            if not sent.is_accepted:
                refused.append(sent)
            told = {
                "id": sent.record.envelope().id,
                "resent_from": sent.record.position,
                "endpoint": sent.endpoint,
                "status": sent.status,
                "detail": "" if sent.is_accepted else sent.detail,
            }
            if as_json:
                print(json.dumps(told), flush=True)
            else:
                said = f"{told['id']}  {told['resent_from']}  {sent.status}  {told['detail']}"
                print(said.rstrip())
    return refused


def _deliveries(count: int) -> str:
    return "1 delivery goes" if count == 1 else f"{count} deliveries go"


def _endpoint_for(record: Record, door: LocalDoor, name: str) -> Endpoint:
    """The endpoint that a delivery came through, or the one that is named.

    Raises:
        Problem: There is none here with a secret in force.
    """
    now = datetime.now(UTC)
    usable = {n: each for n, each in door.endpoints.items() if each.secrets_in_force(now)}
    came = name or record.envelope().extension("endpoint")
    if came in usable:
        return usable[came]
    # What was fetched came through none; where there is only one, it is that.
    if not name and record.envelope().extension("via") == "fetched" and len(usable) == 1:
        return next(iter(usable.values()))
    raise Problem(
        "Nothing was sent",
        why=door.lacking
        or f"{record.position} came through {came!r}, and no secret in force is known here for it",
        fix=f"--endpoint names another: {', '.join(sorted(usable)) or 'there is none here'}",
        code=ExitCode.USAGE,
    )


def _require_yes(*, yes: bool) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        raise Problem(
            "Nothing was sent",
            why="there is nobody to ask",
            fix="give --yes as well",
            code=ExitCode.REFUSED,
        )
    typer.confirm("Send them?", abort=True, err=True)
