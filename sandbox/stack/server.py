"""What the servers of the stack have in common: a process that is found again, kept or ended."""

import signal
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from sandbox.stack import probe
from sandbox.stack.problems import StackProblem
from sandbox.stack.process import (
    ProcessRecord,
    complaints,
    last_lines,
    send,
    stop,
    wait_until_gone,
)
from sandbox.stack.settings import StackSettings


@dataclass(slots=True)
class Server(ABC):
    """A server of one data directory, as a child process on loopback."""

    settings: StackSettings
    progress: Callable[[str], None]
    tied: bool = False
    port: int = 0
    _started: ProcessRecord | None = None
    _log_began: int = 0

    name: ClassVar[str]
    title: ClassVar[str]
    stop_signal: ClassVar[signal.Signals]
    stop_grace_seconds: ClassVar[float]

    @property
    def log(self) -> Path:
        """Where the server's log goes."""
        return self.settings.dir.absolute() / "logs" / f"{self.name}.log"

    @property
    def record_file(self) -> Path:
        """Where the running process is remembered."""
        return self.settings.dir.absolute() / f"{self.name}.pid"

    @property
    def record(self) -> ProcessRecord | None:
        """The server that runs now, whoever started it."""
        record = ProcessRecord.load(self.record_file)
        return record if record is not None and record.is_alive else None

    @property
    def is_ours(self) -> bool:
        """Whether the process that runs now was started by this object, not found running."""
        return self._started is not None and self.record == self._started

    @property
    def address(self) -> str:
        """Where clients find it; empty when the server does not run."""
        record = self.record
        port = self.port or (record.ports[0] if record else 0)
        return self._address_at(port) if port else ""

    @abstractmethod
    def start(self) -> None:
        """Start the server and wait until it answers; one that runs already is kept.

        Raises:
            StackProblem: It cannot start; the message says what to do.
        """

    def stop(self) -> None:
        """Stop the server in good order: what it has promised is on disk."""
        record = ProcessRecord.load(self.record_file)
        if record is not None:
            stop(record, signum=self.stop_signal, grace_seconds=self.stop_grace_seconds)
            self.record_file.unlink(missing_ok=True)
        self.port = 0

    def kill(self) -> None:
        """End the server at once, as a crash would (for fault tests)."""
        record = self.record
        if record is not None:
            send(record.pid, signal.SIGKILL)
            wait_until_gone(record, 10)

    @abstractmethod
    def _address_at(self, port: int) -> str: ...

    @abstractmethod
    def _digest(self) -> str:
        """What tells a server of other settings from this one."""

    @abstractmethod
    def _ask(self, port: int) -> None:
        """Ask a server that should be up; it answers, or the question raises."""

    @abstractmethod
    def _ask_new(self) -> None:
        """The same of one that comes up just now."""

    def _adopt(self) -> bool:
        """Whether a server of an earlier run could be taken over; one that cannot is stopped."""
        found = self.record
        if found is None:
            return False
        port = found.ports[0]
        # One whose owner has died was told to end as well; it may answer for a moment yet.
        if found.settings == self._digest() and not found.is_orphan:
            error = probe.wait_until(
                lambda: self._ask(port),
                timeout_seconds=30,
                is_alive=lambda: found.is_alive,
            )
            if error is None:
                self.port = port
                self.progress(f"{self.title}: found running (process {found.pid})")
                return True
        self.progress(f"{self.title}: stopping a left-over process ({found.pid})")
        stop(found, signum=self.stop_signal, grace_seconds=self.stop_grace_seconds)
        return False

    def _remember(self, child: subprocess.Popen[bytes], *ports: int) -> None:
        """Write down a process that was just started, before anything can go wrong with it."""
        record = ProcessRecord.of(child.pid, settings=self._digest(), ports=ports, tied=self.tied)
        record.save(self.record_file)
        self.port, self._started = ports[0], record
        self._log_began = self.log.stat().st_size

    def _await_ready(self, child: subprocess.Popen[bytes]) -> None:
        error = probe.wait_until(
            self._ask_new,
            timeout_seconds=self.settings.start_timeout_seconds,
            is_alive=lambda: child.poll() is None,
        )
        if error is None:
            return
        ended = child.poll()
        self.stop()
        told = complaints(self.log, since=self._log_began)
        raise StackProblem(
            f"{self.title} did not come up",
            why=f"{'it ended with code ' + str(ended) if ended is not None else error}; its log "
            + (f"complains:\n{told}\nand " if told else "")
            + f"ends with:\n{last_lines(self.log)}",
            fix=f"read {self.log}; `tallystick doctor` checks memory, disk and ports",
        )
