"""A service of one's own for a test: the real process, on a free port; and deliveries to a door."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx

from sandbox.stack.ports import free_ports
from services.ingest.signature import header_of
from shared.runtime.kafka import Partition, Record, end_offsets, scan
from tests.support.plain_http import TRUSTS_NOBODY

HOOK: Final = "/webhooks/stripe/main"
SECRET: Final = "whsec_of_the_test"
PATIENCE_SECONDS: Final = 30.0


def free_port() -> int:
    """A port that nobody listens on, and that no outgoing connection is given meanwhile."""
    return free_ports(1)[0]


@dataclass
class ServiceProcess:
    """A service's process under test."""

    child: subprocess.Popen[bytes]
    port: int
    log: Path

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"

    def told(self) -> str:
        """What it has written so far."""
        return self.log.read_text("utf-8", "replace")

    def await_answer(self, path: str = "/livez", status: int = 200) -> None:
        """Wait until it answers as told.

        Raises:
            AssertionError: It did not, in time, or ended.
        """
        deadline = time.monotonic() + PATIENCE_SECONDS
        last = ""
        while time.monotonic() < deadline:
            if self.child.poll() is not None:
                raise AssertionError(f"ended with {self.child.returncode}:\n{self.told()}")
            try:
                answer = httpx.get(self.url + path, timeout=2, verify=TRUSTS_NOBODY)
            except httpx.TransportError as error:
                last = repr(error)
            else:
                if answer.status_code == status:
                    return
                last = answer.text
            time.sleep(0.05)  # bounded poll: the deadline above
        raise AssertionError(f"{path} did not answer {status}: {last}\n{self.told()}")

    def stop(self) -> int:
        """Ask it to stop and give its exit code."""
        if self.child.poll() is None:
            self.child.send_signal(signal.SIGTERM)
        return self.child.wait(PATIENCE_SECONDS)


@contextmanager
def service(*command: str, port: int, environment: Mapping[str, str]) -> Generator[ServiceProcess]:
    """A service's process: started, and gone at the end."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith("TALLYSTICK_")}
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        with log.open("wb") as out:
            child = subprocess.Popen(
                [sys.executable, "-m", *command],
                env=clean | dict(environment),
                stdout=out,
                stderr=subprocess.STDOUT,
            )
        try:
            yield ServiceProcess(child, port, log)
        finally:
            if child.poll() is None:
                child.kill()
            child.wait()


@contextmanager
def door(kafka_bootstrap: str, **settings: str) -> Generator[ServiceProcess]:
    """A door with one endpoint ``main`` in test mode; settings by their short names."""
    port = free_port()
    environment = {
        "TALLYSTICK_KAFKA_BOOTSTRAP": kafka_bootstrap,
        "TALLYSTICK_LOG_FORMAT": "json",
        "TALLYSTICK_INGEST_DOOR_PORT": str(port),
        "TALLYSTICK_INGEST_WEBHOOK_SECRET": SECRET,
        "TALLYSTICK_INGEST_MODE": "test",
    } | {f"TALLYSTICK_INGEST_{name.upper()}": value for name, value in settings.items()}
    with service("services.ingest", "door", port=port, environment=environment) as process:
        process.await_answer()
        yield process


def signed(body: bytes, *, secret: str = SECRET, at: float | None = None) -> dict[str, str]:
    """The headers of a delivery as Stripe makes them."""
    stamp = int(time.time() if at is None else at)
    return {"Stripe-Signature": header_of(body, secret, stamp)}


def event_body(event_id: str = "", **changes: object) -> bytes:
    """An event as Stripe writes it, with an id that no other has unless one is given."""
    event: dict[str, Any] = {  # JSON: values of any kind
        "id": event_id or f"evt_{uuid.uuid4().hex}",
        "object": "event",
        "type": "charge.succeeded",
        "created": int(time.time()),
        "livemode": False,
        "data": {"object": {"id": "ch_1", "object": "charge", "amount": 2**60 + 1}},
    }
    return json.dumps(event | changes, indent=2).encode()


def id_of(body: bytes) -> str:
    """The id of the event in a body."""
    return str(json.loads(body)["id"])


def by_event(records: list[Record]) -> dict[str, Record]:
    """Records by the id of their event; of several the last."""
    return {record.envelope().id: record for record in records}


async def records_since(kafka: str, topic: str, start: Mapping[Partition, int]) -> list[Record]:
    """The records of a topic from offsets on, to its end."""
    end = await end_offsets(kafka, [topic])
    spans = {p: (start.get(p, 0), end[p]) for p in end}
    return [record async for batch in scan(kafka, spans) for record in batch]
