"""A process that is told to stop while it still waits for what it needs stops at once."""

import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sandbox.stack.ports import free_ports
from tallystick.processes import (
    ARCHIVE_VARIABLE,
    KAFKA_VARIABLE,
    POSTGRES_VARIABLE,
    SERVICES,
    ServiceProcess,
)

START_SECONDS_MAX = 30.0
STOP_SECONDS_MAX = 3.0
SETTINGS = {
    "TALLYSTICK_INGEST_WEBHOOK_SECRET": "whsec_of_nobody",
    "TALLYSTICK_INGEST_STRIPE_API_KEY": "rk_test_of_nobody",
    "TALLYSTICK_FEEDS_BANK_BASE_URL": "http://127.0.0.1:9",
    "TALLYSTICK_FEEDS_BANK_API_KEY": "none",
}


@contextmanager
def started(
    process: ServiceProcess, kafka: int, postgres: int, folder: Path
) -> Generator[subprocess.Popen[bytes]]:
    """A service whose Kafka and Postgres are said to be at these ports."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith("TALLYSTICK_")}
    (port,) = free_ports(1)
    told = {
        KAFKA_VARIABLE: f"127.0.0.1:{kafka}",
        POSTGRES_VARIABLE: f"postgresql://nobody@127.0.0.1:{postgres}/none",
        ARCHIVE_VARIABLE: str(folder),
        process.port_variable: str(port),
        **SETTINGS,
    }
    with (folder / "log").open("wb") as out:
        child = subprocess.Popen(
            [sys.executable, *process.arguments],
            env=clean | told,
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    try:
        yield child
    finally:
        child.kill()
        child.wait()


def ends_at_a_sigterm(child: subprocess.Popen[bytes]) -> tuple[int, float]:
    """Its exit code, and how long it took to leave."""
    began = time.monotonic()
    child.send_signal(signal.SIGTERM)
    return child.wait(START_SECONDS_MAX), time.monotonic() - began


@pytest.mark.parametrize("process", SERVICES, ids=lambda process: process.name)
def test_service_that_waits_for_servers_that_never_speak_stops_at_the_first_signal(
    process: ServiceProcess, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        with started(process, port, port, tmp_path) as child:
            # It has begun to wait once somebody knocks who will get no answer.
            knocked, _, _ = select.select([silent], [], [], START_SECONDS_MAX)
            assert knocked, (tmp_path / "log").read_text()
            code, seconds = ends_at_a_sigterm(child)
    said = (tmp_path / "log").read_text()
    assert code == 0, said
    assert seconds < STOP_SECONDS_MAX, said
    assert "Traceback" not in said


def test_poller_between_two_tries_to_reach_postgres_stops_at_the_first_signal(
    tmp_path: Path,
) -> None:
    (poller,) = [each for each in SERVICES if each.name == "poller"]
    kafka, postgres = free_ports(2)
    with started(poller, kafka, postgres, tmp_path) as child:
        deadline = time.monotonic() + START_SECONDS_MAX
        # Growing pauses: by its fifth try it waits for longer than it may take to stop.
        while (tmp_path / "log").read_text().count("waiting") < 5:
            assert time.monotonic() < deadline, (tmp_path / "log").read_text()
            assert child.poll() is None, (tmp_path / "log").read_text()
            select.select([], [], [], 0.05)
        code, seconds = ends_at_a_sigterm(child)
    said = (tmp_path / "log").read_text()
    assert code == 0, said
    assert seconds < STOP_SECONDS_MAX, said
    assert "service.stopped_at_start" in said
