"""The whole on one machine: real Kafka and Postgres, the real topics, and a stand-in service."""

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator
from dataclasses import replace
from pathlib import Path

import pytest

from sandbox.stack import Stack, StackProblem, StackSettings, probe
from sandbox.stack.ports import free_ports
from sandbox.stack.process import ProcessRecord
from tallystick.answers import answers_ok
from tallystick.installation import Installation, RunningAlready, health_url
from tallystick.processes import KAFKA_VARIABLE, POSTGRES_VARIABLE, ServiceProcess
from tallystick.supervisor import NotReady
from tests.support.stack import embedded_stack, scratch_folder

pytestmark = pytest.mark.stack

ROOT = Path(__file__).parents[2]

# It answers what it was told, so that a test sees which variables a service gets.
WEB = """
import os
from http.server import BaseHTTPRequestHandler, HTTPServer
class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        told = all(os.environ.get(n) for n in ("TALLYSTICK_KAFKA_BOOTSTRAP", "TALLYSTICK_POSTGRES_DSN"))
        self.send_response(200 if told else 503); self.end_headers()
    def log_message(self, *_): pass
HTTPServer(("127.0.0.1", int(os.environ["WEB_PORT"])), Handler).serve_forever()
"""


def web(**more: object) -> ServiceProcess:
    return ServiceProcess(
        name="web",
        about="a stand-in",
        arguments=("-c", WEB),
        prefix="WEB",
        port=1,
        **more,  # type: ignore[arg-type]  # a test's shorthand
    )


def settings_in(folder: Path) -> StackSettings:
    return StackSettings(dir=folder, kafka_port=0, postgres_port=0, kafka_heap_mb=256)


def until(fact: Callable[[], bool], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not fact():
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.05)  # bounded poll: the deadline above


@pytest.fixture
def folder() -> Generator[Path]:
    with scratch_folder() as made:
        yield made
        Stack(settings_in(made)).wipe()


@pytest.fixture
def port() -> str:
    return str(free_ports(1)[0])


def test_everything_starts_survives_a_killed_broker_and_stops_without_a_trace(
    folder: Path, port: str
) -> None:
    said: list[str] = []
    lonely = ServiceProcess("lonely", "lacks its key", ("-c", ""), needs=(("SOME_KEY",),))
    some, web_and_more = (("A_KEY", "KEYS_FILE"),), replace(web(), wants=(("A_KEY", "KEYS_FILE"),))
    installation = Installation(
        settings_in(folder),
        environment={"WEB_PORT": port},
        services=(web_and_more, lonely),
        progress=said.append,
    )
    stopping = threading.Event()
    watch = threading.Thread(target=installation.watch, args=(stopping,))
    try:
        installation.start()
        assert installation.left_out() == {"lonely": (("SOME_KEY",),)}
        assert installation.curtailed() == {web().name: some}
        url = health_url(web(), {"WEB_PORT": port}, "/readyz")
        assert answers_ok(url)
        second = Installation(settings_in(folder), services=())
        with pytest.raises(RunningAlready) as refused:
            second.start()
        assert "tallystick down" in refused.value.fix
        assert not second.stop(), "what never ran is not said to have stopped"

        stack = installation.stack
        assert stack is not None
        before = installation.environment()
        watch.start()
        stack.kill("kafka")
        until(lambda: all(part.is_running for part in Stack(settings_in(folder)).status()))
        until(lambda: _answers(before[KAFKA_VARIABLE]))
        assert installation.environment() == before
        assert answers_ok(url)
    finally:
        stopping.set()
        watch.join()
        installation.stop()
    assert not answers_ok(url)
    assert not any(part.is_running for part in Stack(settings_in(folder)).status())
    assert any("kafka ended" in line for line in said)


def _answers(bootstrap: str) -> bool:
    try:
        probe.kafka_facts(bootstrap)
    except OSError:
        return False
    return True


def test_outside_addresses_are_used_and_neither_part_is_started(folder: Path, port: str) -> None:
    with embedded_stack() as outside:
        dsn_file = folder / "dsn"
        dsn_file.write_text(outside.postgres_dsn + "\n")
        installation = Installation(
            settings_in(folder / "own"),
            environment={
                KAFKA_VARIABLE: outside.kafka_bootstrap,
                f"{POSTGRES_VARIABLE}_FILE": str(dsn_file),
                "WEB_PORT": port,
            },
            services=(web(),),
        )
        try:
            installation.start()
            assert installation.stack is None
            assert installation.environment()[POSTGRES_VARIABLE] == outside.postgres_dsn
        finally:
            installation.stop()
        assert all(part.is_running for part in outside.status())
    assert not (folder / "own" / "kafka").exists()


def test_taken_service_port_is_named_with_its_variable(folder: Path) -> None:
    with embedded_stack() as outside:
        taken = outside.kafka_bootstrap.rpartition(":")[2]
        installation = Installation(
            settings_in(folder),
            environment=outside.environment() | {"WEB_PORT": taken},
            services=(web(),),
        )
        with pytest.raises(StackProblem, match="WEB_PORT=") as caught:
            installation.start()
    assert caught.value.what == f"Port {taken}, which web needs, is taken"


def test_outside_database_that_does_not_answer_is_named_without_its_password(
    folder: Path,
) -> None:
    installation = Installation(
        settings_in(folder),
        environment={POSTGRES_VARIABLE: "postgresql://us:topsecret@127.0.0.1:1/books"},
        services=(),
    )
    with pytest.raises(StackProblem) as caught:
        installation.start()
    assert caught.value.what == "Postgres does not answer at 127.0.0.1:1/books"
    assert POSTGRES_VARIABLE in caught.value.fix
    assert "topsecret" not in str(caught.value)
    assert not any(part.is_running for part in Stack(settings_in(folder)).status())


def test_service_that_never_gets_ready_is_told_with_its_log_and_all_is_stopped(
    folder: Path, port: str
) -> None:
    deaf = ServiceProcess(
        "deaf", "", ("-c", "print('no such bank'); raise SystemExit(78)"), "WEB", 1
    )
    with embedded_stack() as outside:
        installation = Installation(
            settings_in(folder),
            environment=outside.environment() | {"WEB_PORT": port},
            services=(deaf,),
        )
        with pytest.raises(NotReady, match="no such bank"):
            installation.start()
        assert installation.supervisor is None


def test_service_that_waits_for_what_is_outside_stops_nobody_else(folder: Path, port: str) -> None:
    """A Stripe that is away when all is started must not keep the door shut."""
    (other,) = free_ports(1)
    waits = ServiceProcess("waits", "says why", ("-c", WAITING), "WAITS", 1)
    with embedded_stack() as outside:
        installation = Installation(
            settings_in(folder),
            environment=outside.environment() | {"WEB_PORT": port, "WAITS_PORT": str(other)},
            services=(web(), waits),
        )
        try:
            told = installation.start(ready_timeout_seconds=5, is_patient=True)
            assert told == {"waits": "stripe: does not answer"}
            assert answers_ok(health_url(web(), {"WEB_PORT": port}, "/readyz"))
        finally:
            installation.stop()
        with pytest.raises(NotReady, match="stripe: does not answer"):
            installation.start(ready_timeout_seconds=5)
        assert installation.supervisor is None


def test_killed_run_leaves_nothing_that_a_second_run_trips_over(folder: Path, port: str) -> None:
    def begun() -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-c", OWNER, str(folder), port],
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )

    first = begun()
    assert first.stdout is not None
    pids = [int(pid) for pid in first.stdout.readline().split()]
    services = [ProcessRecord.of(pid) for pid in pids]
    assert all(record.is_alive for record in services)
    first.send_signal(signal.SIGKILL)
    first.wait()
    first.stdout.close()
    until(lambda: not any(record.is_alive for record in services))

    second = begun()
    assert second.stdout is not None
    assert second.stdout.readline().split() != [str(pid) for pid in pids]
    second.terminate()
    second.wait()
    second.stdout.close()


WAITING = """
import os
from http.server import BaseHTTPRequestHandler, HTTPServer
class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(503); self.end_headers()
        self.wfile.write(b'{"ready": false, "reasons": {"stripe": "does not answer"}}')
    def log_message(self, *_): pass
HTTPServer(("127.0.0.1", int(os.environ["WAITS_PORT"])), Handler).serve_forever()
"""


OWNER = """
import signal, sys, time
from pathlib import Path
from tallystick.installation import Installation
from tests.integration.test_installation import settings_in, web
installation = Installation(
    settings_in(Path(sys.argv[1])), environment={"WEB_PORT": sys.argv[2]}, services=(web(),)
)
installation.start()
print(*installation.supervisor.pids().values(), flush=True)
time.sleep(600)  # stays until it is killed
"""
