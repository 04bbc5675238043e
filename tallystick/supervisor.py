"""Starts processes, watches them, starts them again when they end, and stops them in order.

A child never outlives us: on Linux the system ends it when we die, however we die; elsewhere the
next start finds it by its record and ends it then.
"""

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Final

from sandbox.stack.process import ProcessRecord, last_lines, send, spawn, stop, wait_until_gone
from shared.contracts.errors import TallystickError, Unavailable
from tallystick.answers import answers_ok, reasons_at
from tallystick.environment import merged_environment

EXIT_CONFIGURATION: Final = 78  # what a service ends with whose settings are wrong
WATCH_INTERVAL_SECONDS: Final = 0.05
SAID: Final = 3  # lines of each log that an error shows


class State(StrEnum):
    """Where a process stands."""

    STOPPED = "stopped"
    RUNNING = "running"
    WAITING = "waiting"  # it ended, and is started again when its delay is over


class Happening(StrEnum):
    """What the supervisor tells."""

    STARTED = "started"
    ENDED = "ended"
    STOPPED = "stopped"
    KILLED = "killed"


class ProcessUnknown(TallystickError):
    """A name that no process has."""

    def __init__(self, name: str, known: Sequence[str]) -> None:
        self.name = name
        super().__init__(f"no process is named {name!r}; there are {', '.join(known)}")


class NotReady(Unavailable):
    """Processes that did not become ready in time; ``why`` is what they logged since they began.

    Args:
        said: What each of them said, by name.
        seconds: How long they were waited for; 0 when no waiting would have helped.
        are_up: Whether each of them runs and says itself why it cannot work yet.
    """

    def __init__(self, said: Mapping[str, str], seconds: float, *, are_up: bool = False) -> None:
        self.said, self.are_up = dict(said), are_up
        self.names = tuple(said)
        names = ", ".join(said)
        late = f"Not ready after {seconds:.0f} s: {names}"
        self.what = late if seconds else f"Cannot start as it is set up: {names}"
        self.why = "\n".join(text or f"{name} said nothing" for name, text in said.items())
        self.fix = (
            f"`tallystick logs {self.names[0]}` has the whole log"
            if seconds
            else "correct these settings; docs/reference/settings.md has every name"
        )
        super().__init__(f"{self.what}\n{self.why}")


@dataclass(frozen=True, slots=True)
class ProcessSpec:
    """A process to keep running.

    Attributes:
        env: Variables in addition to those of the supervisor, or instead of them; one given here
            replaces a file that was to hold its value (``NAME_FILE``).
        health_url: Answers 200 when the process is ready; empty: running is ready.
    """

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict[str, str])
    health_url: str = ""
    stop_grace_seconds: float = 15.0


@dataclass(frozen=True, slots=True)
class RestartPolicy:
    """How long a process waits until it is started again.

    The delay doubles with each end and never passes ``delay_max_seconds``; a process that has
    run for ``healthy_seconds`` begins anew. It is tried for ever: an outage that ends by itself
    must not need a person to start us again.
    """

    delay_min_seconds: float = 0.25
    delay_max_seconds: float = 10.0
    healthy_seconds: float = 20.0

    def delay(self, ends_in_a_row: int) -> float:
        """The delay before the next start, in seconds."""
        doublings = min(max(ends_in_a_row - 1, 0), 16)
        return min(self.delay_min_seconds * 2.0**doublings, self.delay_max_seconds)


@dataclass(frozen=True, slots=True)
class ProcessEvent:
    """One thing that happened to one process."""

    name: str
    happening: Happening
    pid: int
    exit_code: int | None = None
    next_start_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class ProcessStatus:
    """How one process stands."""

    name: str
    state: State
    pid: int
    restarts: int
    last_exit_code: int | None
    is_ready: bool
    log: Path


@dataclass(slots=True)
class _Child:
    spec: ProcessSpec
    log: Path
    record_file: Path
    popen: subprocess.Popen[bytes] | None = None
    record: ProcessRecord | None = None
    started_at: float = 0.0
    starts: int = 0
    log_began: int = 0
    ends_in_a_row: int = 0
    next_start_at: float | None = None
    last_exit_code: int | None = None


def _ignore(_: ProcessEvent) -> None:
    """Tell nobody."""


class Supervisor:
    """Keeps a list of processes running, from ``start`` to ``stop``.

    Args:
        specs: In the order in which they are started; they are stopped in the opposite one.
        log_dir: A log file ``NAME.log`` for each process.
        state_dir: A record ``NAME.pid`` for each process, so that the next run knows them.
        on_event: Told what happens, from the supervisor's own thread.
    """

    def __init__(
        self,
        specs: Sequence[ProcessSpec],
        *,
        log_dir: Path,
        state_dir: Path,
        on_event: Callable[[ProcessEvent], None] = _ignore,
        policy: RestartPolicy | None = None,
    ) -> None:
        self._children = {
            spec.name: _Child(spec, log_dir / f"{spec.name}.log", state_dir / f"{spec.name}.pid")
            for spec in specs
        }
        if len(self._children) != len(specs):
            raise ValueError("two processes have one name")
        self._state_dir = state_dir
        self._on_event = on_event
        self._policy = policy or RestartPolicy()
        self._lock = threading.RLock()
        self._stopping = threading.Event()
        self._watcher: threading.Thread | None = None

    # -------------------------------------------------------------- all of them

    def start(self) -> None:
        """Start all processes and the watch over them; end what an earlier run left behind."""
        self.end_left_overs()
        with self._lock:
            for child in self._children.values():
                self._start(child)
            self._stopping.clear()
            self._watcher = threading.Thread(target=self._watch, name="supervisor", daemon=True)
            self._watcher.start()

    def end_left_overs(self) -> None:
        """End every process that an earlier run of this folder left behind."""
        self._state_dir.mkdir(parents=True, exist_ok=True)
        for record_file in sorted(self._state_dir.glob("*.pid")):
            found = ProcessRecord.load(record_file)
            if found is not None and found.is_orphan:
                stop(found)
            if found is None or not found.is_alive:
                record_file.unlink(missing_ok=True)

    def stop(self) -> None:
        """Stop the watch, then all processes, the last started first."""
        self._stopping.set()
        watcher, self._watcher = self._watcher, None
        if watcher is not None and watcher is not threading.current_thread():
            watcher.join()
        with self._lock:
            for child in reversed(self._children.values()):
                self._stop(child)

    def wait_ready(self, timeout_seconds: float = 60.0) -> None:
        """Wait until every process answers that it is ready.

        A process that ended because its settings are wrong is not waited for: the next start
        would end in the same way.

        Raises:
            NotReady: Some did not in time; the message ends with their logs.
        """
        began = time.monotonic()
        waiting = list(self._children)
        while waiting:
            waiting = [name for name in waiting if not self.is_ready(name)]
            hopeless = [
                name
                for name in waiting
                if self._children[name].last_exit_code == EXIT_CONFIGURATION
            ]
            waited = time.monotonic() - began
            if hopeless or (waiting and waited >= timeout_seconds):
                late = [self._children[name] for name in hopeless or waiting]
                said = {c.spec.name: _said_by(c) for c in late}
                are_up = not hopeless and all(reasons_at(c.spec.health_url) for c in late)
                raise NotReady(said, 0 if hopeless else waited, are_up=are_up)
            if waiting:
                self._stopping.wait(0.1)

    def status(self) -> tuple[ProcessStatus, ...]:
        """How each process stands, in starting order."""
        return tuple(self._status(child) for child in self._children.values())

    def pids(self) -> dict[str, int]:
        """The process ids of those that run."""
        with self._lock:
            return {
                name: child.popen.pid
                for name, child in self._children.items()
                if child.popen is not None and child.popen.poll() is None
            }

    # -------------------------------------------------------------- one of them

    def kill(self, name: str) -> int:
        """End a process at once, as a crash would; its id. It is started again by the watch."""
        child = self._child(name)
        with self._lock:
            popen, record = child.popen, child.record
            if popen is None or record is None:
                return 0
            send(popen.pid, signal.SIGKILL)
            wait_until_gone(record, 10)
            self._tell(child, Happening.KILLED)
            return popen.pid

    def restart(self, name: str) -> int:
        """Stop a process as it should be stopped, and start it again at once; its new id."""
        child = self._child(name)
        with self._lock:
            self._stop(child)
            child.ends_in_a_row = 0
            return self._start(child)

    def stop_one(self, name: str) -> None:
        """Stop a process and leave it stopped until ``restart``."""
        child = self._child(name)
        with self._lock:
            self._stop(child)

    def is_ready(self, name: str) -> bool:
        """Whether a process runs and says that it is ready."""
        child = self._child(name)
        popen = child.popen
        if popen is None or popen.poll() is not None:
            return False
        return not child.spec.health_url or answers_ok(child.spec.health_url)

    def log(self, name: str) -> Path:
        """The log file of a process."""
        return self._child(name).log

    def _child(self, name: str) -> _Child:
        try:
            return self._children[name]
        except KeyError:
            raise ProcessUnknown(name, tuple(self._children)) from None

    # -------------------------------------------------------------- the watch

    def _watch(self) -> None:
        while not self._stopping.wait(WATCH_INTERVAL_SECONDS):
            with self._lock:
                for child in self._children.values():
                    self._look_after(child)

    def _look_after(self, child: _Child) -> None:
        now = time.monotonic()
        if child.popen is not None:
            exit_code = child.popen.poll()
            if exit_code is None:
                return
            if now - child.started_at >= self._policy.healthy_seconds:
                child.ends_in_a_row = 0
            child.ends_in_a_row += 1
            child.last_exit_code = exit_code
            delay = self._policy.delay(child.ends_in_a_row)
            child.next_start_at = now + delay
            self._tell(child, Happening.ENDED, exit_code=exit_code, next_start_seconds=delay)
            self._forget(child)
        elif child.next_start_at is not None and now >= child.next_start_at:
            self._start(child)

    def _start(self, child: _Child) -> int:
        child.next_start_at = None
        if not child.starts and child.log.exists():
            child.log_began = child.log.stat().st_size
        child.popen = spawn(
            child.spec.argv,
            log=child.log,
            env=merged_environment(child.spec.env),
            # Nothing softer: a child that hangs on its way out would be an orphan. What it does
            # is safe to be cut off at any moment, or it is not safe at all.
            death_signal=signal.SIGKILL,
        )
        child.started_at = time.monotonic()
        child.starts += 1
        child.record = ProcessRecord.of(child.popen.pid, tied=True)
        child.record.save(child.record_file)
        self._tell(child, Happening.STARTED)
        return child.popen.pid

    def _stop(self, child: _Child) -> None:
        child.next_start_at = None
        if child.popen is None or child.record is None:
            return
        stop(child.record, grace_seconds=child.spec.stop_grace_seconds)
        child.last_exit_code = child.popen.poll()
        self._tell(child, Happening.STOPPED, exit_code=child.last_exit_code)
        self._forget(child)

    def _forget(self, child: _Child) -> None:
        """Leave nothing of an ended process: not its own children, not its record."""
        if child.popen is not None:
            # It led a session of its own; what it started and left is in there.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(child.popen.pid, signal.SIGKILL)
        child.popen = child.record = None
        child.record_file.unlink(missing_ok=True)

    def _status(self, child: _Child) -> ProcessStatus:
        with self._lock:
            popen = child.popen
            is_running = popen is not None and popen.poll() is None
            waits = not is_running and (popen is not None or child.next_start_at is not None)
            state = State.RUNNING if is_running else State.WAITING if waits else State.STOPPED
            pid = popen.pid if popen is not None and is_running else 0
            restarts, exit_code = max(child.starts - 1, 0), child.last_exit_code
        name = child.spec.name
        return ProcessStatus(
            name, state, pid, restarts, exit_code, is_running and self.is_ready(name), child.log
        )

    def _tell(
        self,
        child: _Child,
        happening: Happening,
        *,
        exit_code: int | None = None,
        next_start_seconds: float | None = None,
    ) -> None:
        pid = child.popen.pid if child.popen is not None else 0
        self._on_event(ProcessEvent(child.spec.name, happening, pid, exit_code, next_start_seconds))


def _said_by(child: _Child) -> str:
    """Why a process is not ready: what it says when it is asked, else the end of its log."""
    told = reasons_at(child.spec.health_url) if child.spec.health_url else ""
    return told or last_lines(child.log, SAID, since=child.log_began)
