"""`tallystick run`: everything on this machine, kept running until it is told to stop."""

import os
import signal
import threading
import time
from types import FrameType

from tallystick.cli.talk import Talk
from tallystick.installation import Installation, health_url
from tallystick.processes import SERVICES
from tallystick.supervisor import Happening, ProcessEvent


def run() -> None:
    """Kafka, Postgres and all services, started again when they end, until Ctrl-C.

    With TALLYSTICK_KAFKA_BOOTSTRAP and TALLYSTICK_POSTGRES_DSN set, it uses those and starts
    neither. Ready for Stripe's webhooks at the door's address. A service that lacks what it must
    be told, such as the door its signing secret, is left out and named.
    """
    talk = Talk()
    stopping = _StopOnSignals()
    started = time.monotonic()
    installation = Installation(
        progress=talk, on_event=lambda event: _tell(talk, event, stopping.event)
    )
    try:
        installation.start()
        stopping.wait_for_it()
        talk.done(f"everything is ready ({time.monotonic() - started:.1f} s)")
        left_out = installation.left_out()
        for service in SERVICES:
            if service.name in left_out:
                ways = " and ".join(" or ".join(group) for group in left_out[service.name])
                talk.done(f"{service.name} is left out: it needs {ways} (or the same with _FILE)")
                continue
            print(f"{service.name:11} {health_url(service, os.environ, ''):28} {service.about}")
        talk.done("stop: Ctrl-C. Logs: tallystick logs NAME. How it is: tallystick status")
        installation.watch(stopping.event)
    finally:
        # From here on a second signal must not leave things half stopped.
        stopping.event.set()
        if installation.stop():
            talk.done("stopped; the data stays")


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
