"""Child processes that are found again after a crash and never outlive us by accident.

A process is known by its id *and* its birth: an id alone may belong to somebody else after a
while. Both stand in a small file next to the data, so that the next run finds what the last
one left behind.
"""

import ctypes
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import asdict, dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import IO, Any, Final, Self

import psutil

LOG_BYTES_MAX: Final = 10_000_000
_PR_SET_PDEATHSIG: Final = 1
_COMPLAINT: Final = re.compile(r"\b(ERROR|FATAL|PANIC)\b|Exception: ")
_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")
_LIBC: Final = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def birth(pid: int) -> str:
    """What tells a process from an earlier one with its id; empty when none runs.

    A zombie does not run, unless threads of it still do: a Java process may lose its first
    thread long before its last, and holds its ports until then. On Linux it is the boot and the
    clock tick of the start, because a start time in seconds moves when the wall clock is set.
    """
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE and process.num_threads() <= 1:
            return ""
        if _BOOT_ID.exists():
            boot = _BOOT_ID.read_text(encoding="ascii").strip()
            stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
            # The name in parentheses may hold blanks; the start is field 22, 20 after it.
            return f"{boot}:{stat.rpartition(')')[2].split()[19]}"
        return f"{process.create_time():.2f}"
    except (psutil.Error, OSError, ValueError):
        return ""


@dataclass(frozen=True, slots=True)
class ProcessRecord:
    """What we need to know to recognise a process that we started.

    Attributes:
        settings: Digest of what it was started with; another digest means start it anew.
        owner: Process id of the one that it should not outlive, or 0.
    """

    pid: int
    birth: str
    settings: str = ""
    ports: tuple[int, ...] = ()
    owner: int = 0
    owner_birth: str = ""

    @classmethod
    def of(
        cls, pid: int, *, settings: str = "", ports: tuple[int, ...] = (), tied: bool = False
    ) -> Self:
        """The record of a process that runs now; of one that has ended, its birth is empty."""
        owner = os.getpid() if tied else 0
        return cls(pid, birth(pid), settings, ports, owner, birth(owner) if tied else "")

    @property
    def is_alive(self) -> bool:
        """Whether that very process still runs."""
        return bool(self.birth) and birth(self.pid) == self.birth

    @property
    def is_orphan(self) -> bool:
        """Whether the owner that it was tied to is gone."""
        return self.owner != 0 and birth(self.owner) != self.owner_birth

    def save(self, path: Path) -> None:
        """Write it so that a reader sees all of it or nothing."""
        partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
        partial.write_text(json.dumps(asdict(self)), encoding="utf-8")
        partial.replace(path)

    @classmethod
    def load(cls, path: Path) -> Self | None:
        """The record in a file; None when there is none or it cannot be read."""
        try:
            # Written by ``save`` alone; what is not of that shape is as good as nothing.
            fields: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            return cls(**{**fields, "ports": tuple(fields["ports"])})  # pyright: ignore[reportArgumentType] - see above
        except (OSError, ValueError, TypeError, KeyError):
            return None


def _tie_to_parent(signum: int) -> Callable[[], None] | None:
    """What a child does before it becomes the program: ask to be told of our death."""
    libc = _LIBC
    if libc is None:
        return None
    parent = os.getpid()

    def tie() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, signum, 0, 0, 0)
        # The parent may have died before the request was made.
        if os.getppid() != parent:
            os._exit(1)

    return tie


class _Spawner:
    """One thread that lives as long as we do and starts every tied child.

    Linux sends the parent-death signal when the *thread* that forked ends: a child started
    from a short-lived worker thread would be stopped with it.
    """

    def __init__(self) -> None:
        self._jobs: SimpleQueue[
            tuple[Callable[[], subprocess.Popen[bytes]], Future[subprocess.Popen[bytes]]]
        ] = SimpleQueue()
        self._lock = threading.Lock()
        self._owner = 0

    def start(self, job: Callable[[], subprocess.Popen[bytes]]) -> subprocess.Popen[bytes]:
        """Run a job on the thread and give back what it gave."""
        with self._lock:
            if self._owner != os.getpid():
                self._owner = os.getpid()
                threading.Thread(target=self._run, name="spawner", daemon=True).start()
        future: Future[subprocess.Popen[bytes]] = Future()
        self._jobs.put((job, future))
        return future.result()

    def _run(self) -> None:
        while True:
            job, future = self._jobs.get()
            try:
                future.set_result(job())
            except BaseException as error:  # noqa: BLE001 - handed on to the caller, who raises it
                future.set_exception(error)


_SPAWNER: Final = _Spawner()

# Our own children by id. An ended child stays a zombie until its parent asks for its exit code,
# and whoever waits for its end may be another object than the one that started it.
_CHILDREN: Final[dict[int, subprocess.Popen[bytes]]] = {}


def spawn(
    argv: Sequence[str],
    *,
    log: Path,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    user: tuple[int, int] | None = None,
    death_signal: int | None = None,
) -> subprocess.Popen[bytes]:
    """A child process in a session of its own, with its output in a log file.

    ``user`` is the user and group id to run as, when not our own. ``death_signal`` is sent to
    the child when we die, however we die (Linux); without it the child goes on alone.
    """
    uid, gid = user or (None, None)
    preexec = None if death_signal is None else _tie_to_parent(death_signal)
    with open_log(log) as out:

        def start() -> subprocess.Popen[bytes]:
            return subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                env=None if env is None else dict(env),
                cwd=cwd,
                user=uid,
                group=gid,
                extra_groups=None if user is None else [],
                start_new_session=True,
                # It calls prctl and getppid, nothing that could wait for another thread's lock.
                preexec_fn=preexec,  # noqa: PLW1509 - see above
            )

        child = _SPAWNER.start(start)
    _reap()
    _CHILDREN[child.pid] = child
    return child


def _reap() -> None:
    """Take the exit codes of children that have ended."""
    for pid, child in list(_CHILDREN.items()):
        if child.poll() is not None:
            _CHILDREN.pop(pid, None)


def open_log(path: Path) -> IO[bytes]:
    """A log file to append to; one that has grown large is put aside as ``.1`` first."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists() and path.stat().st_size > LOG_BYTES_MAX:
        path.replace(path.with_name(f"{path.name}.1"))
    return path.open("ab")


def last_lines(path: Path, count: int = 15, *, since: int = 0) -> str:
    """The end of a log file, for an error message; of what stands behind the byte ``since``."""
    try:
        with path.open("rb") as file:
            size = path.stat().st_size
            # A log that was begun anew is shorter than it was.
            file.seek(max(since if since <= size else 0, size - 64_000))
            lines = file.read().decode("utf-8", errors="replace").splitlines()
    except OSError:
        return "(no log)"
    return "\n".join(lines[-count:])


def complaints(path: Path, count: int = 4, *, since: int = 0) -> str:
    """The first lines of a log behind the byte ``since`` that tell of an error; a line each.

    A server that gives up says why, and then for a screen or two how it stops in good order.
    """
    try:
        with path.open("rb") as file:
            file.seek(since if since <= path.stat().st_size else 0)
            lines = file.read(LOG_BYTES_MAX).decode("utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    return "\n".join([line for line in lines if _COMPLAINT.search(line)][:count])


def send(pid: int, signum: int) -> None:
    """Send a signal; a process that has ended is no error."""
    try:
        os.kill(pid, signum)
    except ProcessLookupError:
        return


def wait_until_gone(record: ProcessRecord, timeout_seconds: float) -> bool:
    """Whether the process ended within the time."""
    deadline = time.monotonic() + timeout_seconds
    while True:
        _reap()
        is_gone = not record.is_alive and record.pid not in _CHILDREN
        if is_gone or time.monotonic() >= deadline:
            return is_gone
        time.sleep(0.02)  # bounded poll: the deadline above


def stop(
    record: ProcessRecord,
    *,
    signum: int = signal.SIGTERM,
    grace_seconds: float = 20.0,
) -> bool:
    """Ask a process to end, and end it when it does not; whether it ended when asked."""
    _reap()
    if not record.is_alive:
        return True
    send(record.pid, signum)
    if wait_until_gone(record, grace_seconds):
        return True
    send(record.pid, signal.SIGKILL)
    wait_until_gone(record, 10.0)
    return False
