"""`up`, `status`, `doctor`, `logs`, `down` as a person types them."""

import json
import os
import shlex
import socket
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import pytest

from sandbox.stack import Stack, StackSettings, probe
from sandbox.stack.ports import free_ports, is_free
from tests.support.stack import scratch_folder

pytestmark = pytest.mark.stack

ROOT = Path(__file__).parents[2]


class Shell:
    """A shell in a folder with a stack of its own on ports of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        kafka, postgres = free_ports(2)
        # The controller takes the port after the broker's; pick one whose next is free too.
        while not is_free(kafka + 1) or kafka + 1 == postgres:
            (kafka,) = free_ports(1)
        self.variables = {
            name: value for name, value in os.environ.items() if not name.startswith("TALLYSTICK_")
        } | {
            "TALLYSTICK_STACK_DIR": str(folder),
            "TALLYSTICK_STACK_KAFKA_PORT": str(kafka),
            "TALLYSTICK_STACK_POSTGRES_PORT": str(postgres),
            "TALLYSTICK_STACK_KAFKA_HEAP_MB": "256",
        }
        self.kafka = f"127.0.0.1:{kafka}"

    def run(self, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "tallystick", *words],
            check=False,
            capture_output=True,
            text=True,
            cwd=ROOT,
            env=self.variables | variables,
        )


@pytest.fixture(scope="module")
def shell() -> Generator[Shell]:
    with scratch_folder() as folder:
        yield Shell(folder)
        Stack(StackSettings(dir=folder)).wipe()


@pytest.fixture(scope="module")
def shell_with_stack(shell: Shell) -> Shell:
    started = shell.run("up")
    assert started.returncode == 0, started.stderr
    assert shell.kafka in started.stdout
    return shell


def test_status_before_the_first_start_says_stopped_and_ends_with_1(tmp_path: Path) -> None:
    said = Shell(tmp_path).run("status")
    assert said.returncode == 1
    assert "kafka       stopped" in said.stdout


def test_what_up_started_goes_on_and_status_tells_where(shell_with_stack: Shell) -> None:
    said = shell_with_stack.run("status", "--json")
    assert said.returncode == 0
    rows = {row["name"]: row for row in json.loads(said.stdout)["processes"]}
    assert rows["kafka"]["state"] == rows["postgres"]["state"] == "running"
    assert rows["kafka"]["address"] == shell_with_stack.kafka
    assert rows["door"]["state"] == "stopped"
    # No password but where it is asked for.
    password = (shell_with_stack.folder / "postgres.password").read_text()
    assert password not in said.stdout


def test_status_env_gives_a_shell_addresses_that_work(shell_with_stack: Shell) -> None:
    said = shell_with_stack.run("status", "--env")
    lines = [shlex.split(line.removeprefix("export "))[0] for line in said.stdout.splitlines()]
    variables = dict(line.split("=", 1) for line in lines)
    assert probe.kafka_facts(variables["TALLYSTICK_KAFKA_BOOTSTRAP"]).brokers == 1
    assert probe.postgres_facts(variables["TALLYSTICK_POSTGRES_DSN"]).version.startswith("18")


def test_doctor_finds_nothing_bad_on_a_stack_that_is_up(shell_with_stack: Shell) -> None:
    said = shell_with_stack.run("doctor", "--json")
    findings = json.loads(said.stdout)["findings"]
    assert [finding for finding in findings if finding["verdict"] == "bad"] == []
    assert said.returncode == 0
    subjects = {finding["subject"] for finding in findings}
    assert {"Python", "disk", "Java", "jars", "settings", "Kafka", "replication"} <= subjects
    assert {"Postgres", "clock"} <= subjects


def test_doctor_calls_one_broker_bad_for_live_money_with_its_way_out(
    shell_with_stack: Shell,
) -> None:
    said = shell_with_stack.run("doctor", "--live", "--json")
    findings = {row["subject"]: row for row in json.loads(said.stdout)["findings"]}
    assert said.returncode == 1
    assert findings["replication"]["verdict"] == "bad"
    assert "default.replication.factor=3" in findings["replication"]["fix"]


def test_doctor_names_an_unknown_variable(shell_with_stack: Shell) -> None:
    said = shell_with_stack.run("doctor", TALLYSTICK_KAFKA_BOOTSTRAPS="typing error")
    assert said.returncode == 1
    assert "TALLYSTICK_KAFKA_BOOTSTRAPS: no such setting" in said.stdout


def test_doctor_names_what_a_service_would_refuse_to_start_with(shell_with_stack: Shell) -> None:
    said = shell_with_stack.run("doctor", TALLYSTICK_LEDGER_GROOP="typing error")
    assert said.returncode == 1
    assert "TALLYSTICK_LEDGER_GROOP: no such setting" in said.stdout


def test_doctor_looks_at_outside_addresses_and_says_when_they_do_not_answer(
    shell: Shell,
) -> None:
    said = shell.run(
        "doctor",
        "--json",
        TALLYSTICK_KAFKA_BOOTSTRAP="127.0.0.1:1",
        TALLYSTICK_POSTGRES_DSN="postgresql://a:hush@127.0.0.1:1/x",
    )
    findings = {row["subject"]: row for row in json.loads(said.stdout)["findings"]}
    assert findings["Kafka"]["verdict"] == findings["Postgres"]["verdict"] == "bad"
    assert "Java" not in findings
    assert "hush" not in said.stdout


def test_status_calls_what_runs_elsewhere_outside_and_not_stopped(tmp_path: Path) -> None:
    said = Shell(tmp_path).run(
        "status",
        TALLYSTICK_KAFKA_BOOTSTRAP="127.0.0.1:1",
        TALLYSTICK_POSTGRES_DSN="postgresql://a:hush@127.0.0.1:1/x",
    )
    assert said.returncode == 0
    assert [line.split() for line in said.stdout.splitlines()[:2]] == [
        ["postgres", "outside"],
        ["kafka", "outside"],
    ]


def test_doctor_names_the_holder_of_a_taken_port(tmp_path: Path) -> None:
    shell = Shell(tmp_path)
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = str(holder.getsockname()[1])
        said = shell.run("doctor", TALLYSTICK_STACK_POSTGRES_PORT=port)
    assert said.returncode == 1
    assert f"port {port} is taken: process {os.getpid()}" in said.stdout


def test_up_on_a_taken_port_ends_with_3_and_the_way_out(tmp_path: Path) -> None:
    shell = Shell(tmp_path)
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        said = shell.run("up", TALLYSTICK_STACK_POSTGRES_PORT=str(holder.getsockname()[1]))
    assert said.returncode == 3
    assert "  why: process" in said.stderr
    assert "  do:  stop that process, or choose another port" in said.stderr


def test_logs_are_listed_and_shown(shell_with_stack: Shell) -> None:
    assert shell_with_stack.run("logs").stdout.split() == ["kafka", "postgres"]
    assert "ready to accept connections" in shell_with_stack.run("logs", "postgres").stdout
    unknown = shell_with_stack.run("logs", "nobody")
    assert unknown.returncode == 2
    assert "kafka, postgres" in unknown.stderr


def test_wipe_asks_first_and_without_anybody_to_ask_deletes_nothing(
    shell_with_stack: Shell,
) -> None:
    said = shell_with_stack.run("down", "--wipe")
    assert said.returncode == 4
    assert "--yes" in said.stderr
    assert shell_with_stack.run("status").returncode == 0


def test_down_stops_both_and_the_data_is_there_at_the_next_up(shell_with_stack: Shell) -> None:
    assert shell_with_stack.run("down").returncode == 0
    assert shell_with_stack.run("status").returncode == 1
    assert (shell_with_stack.folder / "kafka" / "data" / "meta.properties").exists()
    again = shell_with_stack.run("up")
    assert again.returncode == 0
    assert "preparing" not in again.stderr
    assert shell_with_stack.run("down", "--wipe", "--yes").returncode == 0
    assert not (shell_with_stack.folder / "kafka").exists()
    assert not (shell_with_stack.folder / "postgres").exists()
