"""The supervisor over real processes: crash, back-off, order, and no orphan."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Generator
from pathlib import Path

import psutil
import pytest

from sandbox.stack.ports import free_ports
from sandbox.stack.process import ProcessRecord
from tallystick.answers import reasons_at
from tallystick.supervisor import (
    Happening,
    NotReady,
    ProcessEvent,
    ProcessSpec,
    ProcessUnknown,
    RestartPolicy,
    State,
    Supervisor,
)

ROOT = Path(__file__).parents[2]
QUICK = RestartPolicy(delay_min_seconds=0.05, delay_max_seconds=0.2, healthy_seconds=60)

SLEEPER = "import time; print('up', flush=True); time.sleep(600)"  # stays until it is killed
STUBBORN = "import signal, time; signal.signal(15, signal.SIG_IGN); print('up', flush=True); time.sleep(600)"  # stays until it is killed
PARENT = (
    "import subprocess, sys, time;"
    "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']);"  # stays until it is killed
    "print(child.pid, flush=True); time.sleep(600)"  # stays until it is killed
)


def spec(name: str, code: str, **more: object) -> ProcessSpec:
    return ProcessSpec(name=name, argv=(sys.executable, "-c", code), **more)  # type: ignore[arg-type]  # a test's shorthand


def until(fact: Callable[[], bool], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not fact():
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.02)  # bounded poll: the deadline above


class Watched:
    """A supervisor whose events are kept."""

    def __init__(self, folder: Path, *specs: ProcessSpec, policy: RestartPolicy = QUICK) -> None:
        self.events: list[ProcessEvent] = []
        self.supervisor = Supervisor(
            specs,
            log_dir=folder / "logs",
            state_dir=folder / "state",
            on_event=self.events.append,
            policy=policy,
        )

    def names(self, happening: Happening) -> list[str]:
        return [event.name for event in self.events if event.happening is happening]


@pytest.fixture
def supervise(tmp_path: Path) -> Generator[Callable[..., Watched]]:
    made: list[Watched] = []

    def make(*specs: ProcessSpec, policy: RestartPolicy = QUICK) -> Watched:
        made.append(Watched(tmp_path, *specs, policy=policy))
        return made[-1]

    yield make
    for each in made:
        each.supervisor.stop()


def test_killed_process_is_started_again_under_a_new_id(
    supervise: Callable[..., Watched],
) -> None:
    watched = supervise(spec("one", SLEEPER), spec("two", SLEEPER))
    watched.supervisor.start()
    before = watched.supervisor.pids()
    assert watched.supervisor.kill("one") == before["one"]
    until(lambda: watched.supervisor.pids().get("one", before["one"]) != before["one"])
    assert watched.supervisor.pids()["two"] == before["two"]
    status = watched.supervisor.status()[0]
    assert (status.restarts, status.last_exit_code) == (1, -signal.SIGKILL)


def test_process_that_always_fails_waits_longer_each_time_but_never_longer_than_the_bound(
    supervise: Callable[..., Watched],
) -> None:
    watched = supervise(spec("broken", "import sys; sys.exit(75)"))
    watched.supervisor.start()
    until(lambda: len(watched.names(Happening.ENDED)) >= 5)
    delays = [event.next_start_seconds for event in watched.events if event.next_start_seconds]
    assert delays[:5] == [0.05, 0.1, 0.2, 0.2, 0.2]


def test_process_that_was_healthy_begins_with_the_shortest_delay_again(
    supervise: Callable[..., Watched],
) -> None:
    policy = RestartPolicy(delay_min_seconds=0.05, delay_max_seconds=5, healthy_seconds=0.01)
    code = "import time; time.sleep(0.05)"  # a child that ends by itself
    watched = supervise(spec("one", code), policy=policy)
    watched.supervisor.start()
    until(lambda: len(watched.names(Happening.ENDED)) >= 4)
    assert {event.next_start_seconds for event in watched.events if event.next_start_seconds} == {
        0.05
    }


def test_stop_goes_backwards_and_leaves_nothing(supervise: Callable[..., Watched]) -> None:
    watched = supervise(spec("first", SLEEPER), spec("second", SLEEPER), spec("third", SLEEPER))
    watched.supervisor.start()
    pids = watched.supervisor.pids()
    watched.supervisor.stop()
    assert watched.names(Happening.STOPPED) == ["third", "second", "first"]
    assert not any(psutil.pid_exists(pid) for pid in pids.values())
    assert {status.state for status in watched.supervisor.status()} == {State.STOPPED}


def test_process_that_ignores_sigterm_is_killed_after_its_grace(
    supervise: Callable[..., Watched],
) -> None:
    watched = supervise(spec("stubborn", STUBBORN, stop_grace_seconds=0.3))
    watched.supervisor.start()
    until(lambda: "up" in watched.supervisor.log("stubborn").read_text())
    watched.supervisor.stop()
    assert watched.supervisor.status()[0].last_exit_code == -signal.SIGKILL


def test_child_of_a_killed_process_does_not_live_on(supervise: Callable[..., Watched]) -> None:
    watched = supervise(spec("parent", PARENT))
    watched.supervisor.start()
    until(lambda: watched.supervisor.log("parent").read_text().strip().isdigit())
    grandchild = int(watched.supervisor.log("parent").read_text())
    watched.supervisor.kill("parent")
    until(lambda: not ProcessRecord.of(grandchild).is_alive)


def test_restart_and_stop_of_one_leave_the_others_alone(
    supervise: Callable[..., Watched],
) -> None:
    watched = supervise(spec("one", SLEEPER), spec("two", SLEEPER))
    watched.supervisor.start()
    before = watched.supervisor.pids()
    assert watched.supervisor.restart("one") != before["one"]
    watched.supervisor.stop_one("one")
    assert watched.supervisor.pids() == {"two": before["two"]}


def test_wait_ready_waits_for_the_health_address(supervise: Callable[..., Watched]) -> None:
    (port,) = free_ports(1)
    server = textwrap.dedent(f"""
        from http.server import BaseHTTPRequestHandler, HTTPServer
        answers = iter([503, 503, 200])
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(next(answers, 200)); self.end_headers()
            def log_message(self, *_): pass
        HTTPServer(("127.0.0.1", {port}), Handler).serve_forever()
    """)
    watched = supervise(spec("web", server, health_url=f"http://127.0.0.1:{port}/readyz"))
    watched.supervisor.start()
    watched.supervisor.wait_ready(20)
    assert watched.supervisor.status()[0].is_ready


def test_wait_ready_names_who_is_not_and_shows_the_end_of_the_log(
    supervise: Callable[..., Watched],
) -> None:
    code = "import time; print('no key was given', flush=True); time.sleep(600)"  # stays until it is killed
    watched = supervise(
        spec("fine", SLEEPER), spec("deaf", code, health_url="http://127.0.0.1:1/readyz")
    )
    watched.supervisor.start()
    until(lambda: "key" in watched.supervisor.log("deaf").read_text())
    with pytest.raises(NotReady, match="no key was given") as caught:
        watched.supervisor.wait_ready(0.2)
    assert caught.value.names == ("deaf",)
    assert not caught.value.are_up


def test_wait_ready_tells_the_reasons_of_one_that_answers_and_is_not_ready(
    supervise: Callable[..., Watched],
) -> None:
    (port,) = free_ports(1)
    server = textwrap.dedent(f"""
        from http.server import BaseHTTPRequestHandler, HTTPServer
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(503); self.end_headers()
                self.wfile.write(b'{{"ready": false, "reasons": {{"ledger": "it has no views"}}}}')
            def log_message(self, *_): pass
        HTTPServer(("127.0.0.1", {port}), Handler).serve_forever()
    """)
    watched = supervise(spec("web", server, health_url=f"http://127.0.0.1:{port}/readyz"))
    watched.supervisor.start()
    until(lambda: reasons_at(f"http://127.0.0.1:{port}/readyz") != "")
    with pytest.raises(NotReady) as caught:
        watched.supervisor.wait_ready(0.2)
    assert caught.value.why == "ledger: it has no views"
    assert caught.value.are_up
    assert caught.value.said == {"web": "ledger: it has no views"}


def test_wait_ready_does_not_wait_for_wrong_settings(supervise: Callable[..., Watched]) -> None:
    watched = supervise(spec("lost", "import sys; sys.exit(78)", health_url="http://127.0.0.1:1"))
    watched.supervisor.start()
    with pytest.raises(NotReady) as caught:
        # An hour: only the exit code can end the wait within the test's time.
        watched.supervisor.wait_ready(3600)
    assert caught.value.what == "Cannot start as it is set up: lost"


def test_wait_ready_tells_what_was_said_since_the_start_and_nothing_older(
    supervise: Callable[..., Watched],
) -> None:
    code = "import sys; print('no such setting', flush=True); sys.exit(78)"
    watched = supervise(spec("lost", code, health_url="http://127.0.0.1:1"))
    log = watched.supervisor.log("lost")
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text("yesterday's news\n")
    watched.supervisor.start()
    with pytest.raises(NotReady) as caught:
        watched.supervisor.wait_ready(3600)
    assert caught.value.why == "no such setting"


def test_killed_supervisor_leaves_no_orphan(tmp_path: Path) -> None:
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(tmp_path)], stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    assert owner.stdout is not None
    children = [int(pid) for pid in owner.stdout.readline().split()]
    records = [ProcessRecord.of(pid) for pid in children]
    assert all(record.is_alive for record in records)
    owner.send_signal(signal.SIGKILL)
    owner.wait()
    owner.stdout.close()
    until(lambda: not any(record.is_alive for record in records))


OWNER = f"""
import sys, time
from pathlib import Path
from tallystick.supervisor import ProcessSpec, Supervisor
folder = Path(sys.argv[1])
specs = [ProcessSpec(name, (sys.executable, "-c", {STUBBORN!r})) for name in ("a", "b")]
supervisor = Supervisor(specs, log_dir=folder / "logs", state_dir=folder / "state")
supervisor.start()
print(*supervisor.pids().values(), flush=True)
time.sleep(600)  # stays until it is killed
"""


def test_left_over_of_a_dead_supervisor_is_ended_by_the_next(
    tmp_path: Path, supervise: Callable[..., Watched]
) -> None:
    # Where the system does not end children with their parent, this is what is left.
    left_over = subprocess.Popen([sys.executable, "-c", SLEEPER], stdout=subprocess.DEVNULL)
    state = tmp_path / "state"
    state.mkdir()
    own = ProcessRecord.of(left_over.pid)
    dead_owner = ProcessRecord(own.pid, own.birth, owner=2**22 + 1, owner_birth="gone")
    dead_owner.save(state / "one.pid")

    watched = supervise(spec("one", SLEEPER))
    watched.supervisor.start()
    assert left_over.wait(timeout=10) == -signal.SIGTERM
    assert watched.supervisor.pids()["one"] != left_over.pid


def test_children_started_from_a_thread_that_ends_live_on(
    supervise: Callable[..., Watched],
) -> None:
    import threading  # noqa: PLC0415 - this test alone

    watched = supervise(spec("one", SLEEPER))
    starter = threading.Thread(target=watched.supervisor.start)
    starter.start()
    starter.join()
    until(lambda: "up" in watched.supervisor.log("one").read_text())
    assert watched.names(Happening.ENDED) == []
    assert watched.supervisor.status()[0].restarts == 0


def test_unknown_name_is_told_with_those_that_exist(supervise: Callable[..., Watched]) -> None:
    watched = supervise(spec("one", SLEEPER))
    with pytest.raises(ProcessUnknown, match="one"):
        watched.supervisor.kill("two")


def test_variables_reach_the_process_and_ours_too(supervise: Callable[..., Watched]) -> None:
    code = "import os; print(os.environ['GIVEN'], os.environ['PATH'] != '', flush=True); import time; time.sleep(600)"  # stays until it is killed
    watched = supervise(spec("one", code, env={"GIVEN": "so"}))
    watched.supervisor.start()
    until(lambda: "so True" in watched.supervisor.log("one").read_text())
    assert os.environ.get("GIVEN") is None
