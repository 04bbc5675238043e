"""`tallystick run`: everything on this machine, kept running until it is told to stop."""

import os
import signal
import threading
import time
from types import FrameType
from typing import Annotated

import typer

from services.ingest.config import DEFAULT_ENDPOINT
from services.ingest.endpoints import ROUTE
from tallystick.cli.problems import ExitCode, Problem
from tallystick.cli.talk import Talk
from tallystick.installation import Installation, health_url
from tallystick.local_books import sandbox_folder
from tallystick.local_stripe import LocalStripe, write_books
from tallystick.preflight import stack_settings
from tallystick.processes import SERVICES
from tallystick.supervisor import Happening, ProcessEvent, ProcessSpec


def run(
    sandbox: Annotated[
        bool,
        typer.Option(
            "--sandbox", help="With a simulated Stripe and bank beside it, to try things out."
        ),
    ] = False,
) -> None:
    """Kafka, Postgres and all services, started again when they end, until Ctrl-C.

    With TALLYSTICK_KAFKA_BOOTSTRAP and TALLYSTICK_POSTGRES_DSN set, it uses those and starts
    neither. Ready for Stripe's webhooks at the door's address. A service that lacks what it must
    be told, such as the door its signing secret, is left out and named.

    With --sandbox a simulated Stripe and a simulated bank run as well, and nothing is left out:
    `tallystick trigger payment_intent.succeeded` makes a payment there, `tallystick events list`
    shows its events, and the books follow.
    """
    talk = Talk()
    stripe = _sandbox() if sandbox else None
    stopping = _StopOnSignals()
    started = time.monotonic()
    installation = Installation(
        environment={} if stripe is None else stripe.environment(sandbox_folder(stack_settings())),
        extra=() if stripe is None else (_world(stripe),),
        progress=talk,
        on_event=lambda event: _tell(talk, event, stopping.event),
    )
    try:
        waiting = installation.start(is_patient=True)
        stopping.wait_for_it()
        ready = "everything runs" if waiting else "everything is ready"
        talk.done(f"{ready} ({time.monotonic() - started:.1f} s)")
        for name, why in waiting.items():
            talk.done(f"{name} is not ready yet, and goes on trying: {why}")
        left_out, curtailed = installation.left_out(), installation.curtailed()
        for service in SERVICES:
            if service.name in left_out:
                talk.done(f"{service.name} is left out: it needs {_ways(left_out[service.name])}")
                continue
            about = service.at_least if service.name in curtailed else service.about
            print(f"{service.name:11} {health_url(service, os.environ, ''):28} {about}")
        for name, lacking in curtailed.items():
            talk.done(f"{name} would do all of its work with {_ways(lacking)}")
        if stripe is not None:
            print(f"{'sandbox':11} {stripe.url:28} simulated Stripe; its bank: {stripe.bank_url}")
            talk.done("try it: `tallystick trigger payment_intent.succeeded` in another shell")
        elif "door" in left_out:
            talk.done("without a Stripe to listen to: `tallystick run --sandbox` simulates one")
        talk.done("stop: Ctrl-C. Logs: tallystick logs NAME. How it is: tallystick status")
        installation.watch(stopping.event)
    finally:
        # From here on a second signal must not leave things half stopped.
        stopping.event.set()
        if installation.stop():
            talk.done("stopped; the data stays")


def _ways(lacking: tuple[tuple[str, ...], ...]) -> str:
    said = " and ".join(" or ".join(group) for group in lacking)
    return f"{said} (or the same with _FILE)"


def _sandbox() -> LocalStripe:
    """The simulated Stripe of this folder.

    Raises:
        Problem: The environment tells of another Stripe or of other books.
    """
    folder = sandbox_folder(stack_settings())
    stripe = LocalStripe.of(folder)
    told = sorted(
        name
        for variable in (*stripe.environment(folder), "TALLYSTICK_INGEST_ENDPOINTS_FILE")
        for name in (variable, f"{variable}_FILE")
        if os.environ.get(name)
    )
    if told:
        raise Problem(
            "A sandbox has a Stripe, a bank and books of its own",
            why=f"the environment tells of others: {', '.join(told)}",
            fix="unset them, or run without --sandbox",
            code=ExitCode.USAGE,
        )
    write_books(folder)
    return stripe


def _world(stripe: LocalStripe) -> ProcessSpec:
    door = next(service for service in SERVICES if service.name == "door")
    url = f"{health_url(door, os.environ, '')}{ROUTE}{DEFAULT_ENDPOINT}"
    return stripe.spec(sandbox_folder(stack_settings()), webhook_url=url)


class _StopOnSignals:
    """Turns signals into an interruption while we start, and into an event once we run."""

    def __init__(self) -> None:
        self.event = threading.Event()
        self._interrupts = True
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._on_signal)

    def wait_for_it(self) -> None:
        """From now on a signal sets the event and interrupts nothing."""
        self._interrupts = False

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        if self.event.is_set():
            return
        self.event.set()
        if self._interrupts:
            raise KeyboardInterrupt


def _tell(talk: Talk, event: ProcessEvent, stopping: threading.Event) -> None:
    if event.happening is Happening.ENDED and not stopping.is_set():
        talk.done(
            f"{event.name} ended with {event.exit_code}; "
            f"starting again in {event.next_start_seconds or 0:.1f} s"
        )
