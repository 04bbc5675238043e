"""`tallystick listen`: where webhooks go, what signs them here, and the door's verdicts live."""

import asyncio
import json
import sys
from collections.abc import Callable
from contextlib import aclosing
from typing import Annotated

import typer
from pydantic import ValidationError

from services.ingest.endpoints import Endpoint
from shared.contracts.books import Mode
from shared.contracts.errors import Unavailable
from shared.contracts.messages import Verdict, VerdictReason
from shared.contracts.topics import INGEST_VERDICTS
from shared.runtime import log
from shared.runtime.kafka import Record, end_offsets
from shared.runtime.kafka_live import follow
from tallystick.cli.problems import ExitCode, Problem
from tallystick.cli.reach import kafka_away
from tallystick.cli.talk import Talk
from tallystick.events.show import instant
from tallystick.local_door import LocalDoor, local_door


def listen(
    print_secret: Annotated[
        bool,
        typer.Option("--print-secret", help="Only the sandbox's signing secret, for a program."),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="A verdict a line.")] = False,
) -> None:
    """Show where the door takes webhooks and follow its verdicts, until Ctrl-C.

    The signing secret is shown for the sandbox alone, where it guards nothing; of any other it is
    said where it comes from.
    """
    door = local_door()
    if print_secret:
        print(_sandbox_secret(door))
        return
    _introduce(door, Talk().done if as_json else print)
    log.set_up(level="critical")
    try:
        asyncio.run(_follow(door, as_json=as_json))
    except Unavailable as error:
        raise kafka_away(door.settings.kafka_bootstrap, error) from error


def _sandbox_secret(door: LocalDoor) -> str:
    if door.sandbox is None or door.is_live:
        raise Problem(
            "The signing secret is not shown",
            why="only that of a sandbox is, and these endpoints are not a sandbox's",
            fix=f"it comes from {door.secret_source}"
            if door.endpoints
            else "`tallystick run --sandbox` has one of its own",
            code=ExitCode.REFUSED,
        )
    return door.sandbox.webhook_secret


def _introduce(door: LocalDoor, say: Callable[[str], None]) -> None:
    if not door.is_open():
        say(f"the door does not answer at {door.url}: `tallystick run` starts it")
    if not door.endpoints:
        say(f"no endpoints are known here: {door.lacking}")
    for endpoint in door.endpoints.values():
        say(f"{door.url_of(endpoint)}  {_about(endpoint)}")
    if door.sandbox is not None and not door.is_live:
        say(f"signing secret of the sandbox: {door.sandbox.webhook_secret}")
        say("make an event: `tallystick trigger payment_intent.succeeded`")
    elif door.endpoints:
        say(f"signing secrets come from {door.secret_source}; they are not shown")
    say("following the door's verdicts; stop: Ctrl-C")
    sys.stdout.flush()


def _about(endpoint: Endpoint) -> str:
    mode = "live" if endpoint.mode is Mode.LIVE else endpoint.mode or "mode not said"
    return f"endpoint {endpoint.name}: {endpoint.kind}, {endpoint.payload}, {mode}"


async def _follow(door: LocalDoor, *, as_json: bool) -> None:
    kafka = door.settings.kafka
    ends = await end_offsets(kafka, [INGEST_VERDICTS])
    async with aclosing(follow(kafka, ends)) as batches:
        async for batch in batches:
            for record in batch:
                verdict = _verdict(record)
                if verdict is not None:
                    said = verdict.model_dump_json() if as_json else _line(verdict)
                    print(said, flush=True)


def _verdict(record: Record) -> Verdict | None:
    try:
        return Verdict.model_validate(json.loads(record.value))
    except (ValueError, ValidationError):
        # A later version may say more; its own listener understands it.
        return None


def _line(verdict: Verdict) -> str:
    is_accepted = verdict.reason is VerdictReason.ACCEPTED
    mark = "accepted" if is_accepted else f"refused: {verdict.reason}"
    if sys.stdout.isatty():
        mark = f"\033[{32 if is_accepted else 31}m{mark}\033[0m"
    what = f"{verdict.event_type} {verdict.event_id}".strip() or f"{verdict.body_bytes} bytes"
    detail = f"  ({verdict.detail})" if verdict.detail else ""
    where = verdict.endpoint or "no endpoint"
    return f"{instant(verdict.received_at)}  {verdict.status}  {where}  {mark}  {what}{detail}"
