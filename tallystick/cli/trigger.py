"""`tallystick trigger`: something happens at the simulated Stripe, and its webhooks come."""

import fcntl
import json
import secrets
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Final, cast

import typer

from shared.contracts.errors import CurrencyUnknown
from shared.contracts.money import currency_of
from tallystick.amounts import AmountInvalid
from tallystick.cli.problems import ExitCode, Problem
from tallystick.cli.talk import Talk
from tallystick.events.moments import duration_of
from tallystick.local_books import sandbox_folder
from tallystick.local_door import LocalDoor, local_door
from tallystick.local_stripe import LocalStripe, SandboxRefused
from tallystick.preflight import stack_settings
from tallystick.supervisor import Supervisor
from tallystick.trigger_endpoint import EndpointUnfit, endpoint_for
from tallystick.triggers import (
    AMOUNT_DEFAULT,
    BANK_CURRENCIES,
    TRIGGERS,
    Trigger,
    command_of,
    minor_of,
    told_object,
    trigger_named,
)

TIMES_MAX: Final = 100
START_SECONDS_MAX: Final = 30.0
# An event is sent one to three seconds after it happened; the door may be busy.
ANSWER_SECONDS_MAX: Final = 20.0
LOOK_SECONDS: Final = 0.2


@dataclass(frozen=True, slots=True)
class _Asked:
    trigger: Trigger
    minor: int
    currency: str
    times: int
    late_seconds: int


def trigger(
    event_type: Annotated[
        str, typer.Argument(metavar="TYPE", help="Such as payment_intent.succeeded.")
    ] = "",
    show_list: Annotated[bool, typer.Option("--list", help="Every type there is.")] = False,
    dup: Annotated[
        int, typer.Option("--dup", min=1, max=TIMES_MAX, help="How often its webhook is sent.")
    ] = 1,
    late: Annotated[
        str, typer.Option("--late", help="How long its webhook is kept back: 90, 90s, 15m, 2h.")
    ] = "0",
    amount: Annotated[
        str, typer.Option("--amount", help="In the currency's own units: 12.34.")
    ] = AMOUNT_DEFAULT,
    currency: Annotated[str, typer.Option("--currency", help="Such as usd, eur, jpy.")] = "usd",
    endpoint: Annotated[
        str,
        typer.Option(
            "--endpoint",
            help="Which endpoint takes it, of several: one of our own account with whole objects."
            " Without `run --sandbox` nobody could be asked for what a thin event names.",
        ),
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Data for programs on stdout.")] = False,
) -> None:
    """Make something happen at the simulated Stripe: complete, signed events come to our door.

    Beside `tallystick run --sandbox` it happens in the Stripe that runs there, and the books
    follow. Beside another installation in test mode a simulated Stripe is started for this one
    command; its webhooks come, but nobody polls its API.
    """
    if show_list:
        _list(as_json=as_json)
        return
    if not event_type:
        raise typer.BadParameter("say a TYPE, or --list")
    asked = _asked(trigger_named(event_type), amount, currency.lower(), dup, late)
    door = local_door()
    _refuse_live(door)
    talk = Talk()
    with _stripe_for(door, endpoint, talk) as stripe:
        made, events = _played(stripe, asked)
        is_kept_back = asked.late_seconds > 0 and stripe.is_running_elsewhere
        answered = _answers(stripe.stripe, asked, events, talk, is_kept_back=is_kept_back)
    _tell(asked, made, events, answered, as_json=as_json)
    lacking = [e for e in events if len(answered[e["id"]]) < _expected(asked, e, is_kept_back)]
    if lacking:
        raise Problem(
            f"{len(lacking)} of {len(events)} events were not answered 2xx in time",
            why=f"{lacking[0]['type']} {lacking[0]['id']} is still being sent to {door.url}",
            fix="`tallystick ingest verdicts` and `tallystick logs door` say what the door says",
        )
    if is_kept_back:
        talk.done(f"{asked.trigger.type} comes in {asked.late_seconds} s, if all goes on running")


@dataclass(frozen=True, slots=True)
class _Stripe:
    stripe: LocalStripe
    is_running_elsewhere: bool


def _asked(found: Trigger, amount: str, currency: str, times: int, late: str) -> _Asked:
    try:
        currency_of(currency)
        minor = minor_of(amount, currency)
        late_seconds = int(duration_of(late).total_seconds())
    except (AmountInvalid, CurrencyUnknown, ValueError) as error:
        raise typer.BadParameter(str(error)) from None
    if found.needs_bank and currency not in BANK_CURRENCIES:
        raise typer.BadParameter(
            f"the sandbox has bank accounts in {' and '.join(BANK_CURRENCIES)} only"
        )
    return _Asked(found, minor, currency, times, late_seconds)


def _refuse_live(door: LocalDoor) -> None:
    if door.is_live:
        raise Problem(
            "Nothing was triggered",
            why="this installation is in live mode, and invented events have no business there",
            fix="do it in an installation of its own: TALLYSTICK_STACK_DIR=… tallystick run"
            " --sandbox",
            code=ExitCode.REFUSED,
        )
    if not door.endpoints:
        raise Problem(
            "There is nothing to sign an event with",
            why=door.lacking,
            fix="`tallystick run --sandbox` has a simulated Stripe and its secret; or give the"
            " running door's TALLYSTICK_INGEST_WEBHOOK_SECRET here too",
            code=ExitCode.USAGE,
        )
    if not door.is_open():
        raise Problem(
            f"The door does not answer at {door.url}",
            why="nothing listens there",
            fix="start it with `tallystick run --sandbox`",
            code=ExitCode.UNREACHABLE,
        )


@contextmanager
def _stripe_for(door: LocalDoor, endpoint: str, talk: Talk) -> Generator[_Stripe]:
    """The simulated Stripe that runs here, or one for this command alone."""
    if door.sandbox is not None:
        if not door.sandbox.is_running():
            raise Problem(
                "The simulated Stripe of this folder does not run",
                why=f"nothing answers at {door.sandbox.url}",
                fix="start it with `tallystick run --sandbox`, or give the running door's"
                " TALLYSTICK_INGEST_WEBHOOK_SECRET here too",
                code=ExitCode.UNREACHABLE,
            )
        if endpoint:
            raise typer.BadParameter(
                "--endpoint: the simulated Stripe that runs here sends to the door's own endpoint;"
                " leave it out"
            )
        yield _Stripe(door.sandbox, is_running_elsewhere=True)
        return
    try:
        target = endpoint_for(door.endpoints, endpoint, datetime.now(UTC))
    except EndpointUnfit as error:
        raise typer.BadParameter(f"--endpoint: {error}") from None
    (secret, *_) = target.secrets_in_force(datetime.now(UTC))
    folder = sandbox_folder(stack_settings()).with_name("trigger")
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise Problem(
                "Another `tallystick trigger` is at work",
                why="both would play the same simulated Stripe",
                fix="wait for it",
                code=ExitCode.UNREACHABLE,
            ) from None
        stripe = LocalStripe.of(folder)
        spec = stripe.spec(folder, webhook_url=door.url_of(target), webhook_secret=secret.text)
        supervisor = Supervisor([spec], log_dir=folder, state_dir=folder / "processes")
        talk("a simulated Stripe is started for this event")
        supervisor.start()
        try:
            supervisor.wait_ready(START_SECONDS_MAX)
            yield _Stripe(stripe, is_running_elsewhere=False)
        finally:
            supervisor.stop()


def _played(stripe: _Stripe, asked: _Asked) -> tuple[dict[str, str], list[dict[str, str]]]:
    """What the steps made, and the events that were told of it."""
    made: dict[str, str] = {}
    events: list[dict[str, str]] = []
    order = {
        "type": asked.trigger.type,
        "times": asked.times,
        "late_seconds": asked.late_seconds,
    }
    for step in asked.trigger.steps:
        command = command_of(
            step,
            minor=asked.minor,
            currency=asked.currency,
            made=made,
            tell=lambda step: told_object(step, token=secrets.token_hex(12), at=int(time.time())),
        )
        if step.do == "tell":
            command["type"] = asked.trigger.type
        try:
            told = dict(stripe.stripe.do(command | {"webhook": order}))
        except SandboxRefused as refusal:
            raise Problem(
                "The simulated Stripe does not do that",
                why=f"{step.do}: {refusal}",
                fix="try another amount or currency",
                code=ExitCode.REFUSED,
            ) from refusal
        events += cast("list[dict[str, str]]", told.pop("events"))
        made |= {name: str(value) for name, value in told.items() if value is not None}
    return made, events


def _expected(asked: _Asked, event: dict[str, str], is_kept_back: bool) -> int:
    if event["type"] != asked.trigger.type:
        return 1
    return 0 if is_kept_back else asked.times


def _answers(
    stripe: LocalStripe,
    asked: _Asked,
    events: list[dict[str, str]],
    talk: Talk,
    *,
    is_kept_back: bool,
) -> dict[str, list[dict[str, Any]]]:  # Any: JSON
    """What was answered for each event, once all are or the time is up."""
    waits = ANSWER_SECONDS_MAX + (0 if is_kept_back else asked.late_seconds)
    deadline = time.monotonic() + waits
    expected = {event["id"]: _expected(asked, event, is_kept_back) for event in events}
    while True:
        told = cast("list[dict[str, Any]]", stripe.deliveries()["answered"])  # Any: as above
        found: dict[str, list[dict[str, Any]]] = {name: [] for name in expected}  # Any: as above
        for answer in told:
            if answer["event"] in found:
                found[answer["event"]].append(answer)
        done = sum(len(found[name]) >= count for name, count in expected.items())
        if done == len(expected) or time.monotonic() > deadline:
            return found
        talk(f"{done} of {len(expected)} events answered")
        time.sleep(LOOK_SECONDS)  # bounded poll: the deadline above


def _tell(
    asked: _Asked,
    made: dict[str, str],
    events: list[dict[str, str]],
    answered: dict[str, list[dict[str, Any]]],  # Any: JSON
    *,
    as_json: bool,
) -> None:
    if as_json:
        told = {
            "type": asked.trigger.type,
            "amount_minor": asked.minor,
            "currency": asked.currency,
            "made": made,
            "events": [{**event, "answered": answered[event["id"]]} for event in events],
        }
        print(json.dumps(told))
        return
    sys.stderr.write("\r\033[K" if sys.stderr.isatty() else "")
    width = max(len(event["type"]) for event in events)
    for event in events:
        statuses = [str(answer["status"]) for answer in answered[event["id"]]]
        print(f"{event['type']:{width}}  {event['id']}  {' '.join(statuses) or 'on its way'}")
    for name, value in made.items():
        print(f"  {name:20} {value}")
    wanted = [event for event in events if event["type"] == asked.trigger.type]
    if wanted:
        print(f"look at it: tallystick events show {wanted[-1]['id']}")


def _list(*, as_json: bool) -> None:
    width = max(map(len, TRIGGERS))
    for each in TRIGGERS.values():
        if as_json:
            print(json.dumps({"type": each.type, "about": each.about, "also": each.also}))
            continue
        also = f" (also: {', '.join(each.also)})" if each.also else ""
        print(f"{each.type:{width}}  {each.about}{also}")
