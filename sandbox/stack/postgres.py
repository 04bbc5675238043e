"""One Postgres 18 server, as a child process on loopback, under our own supervision."""

import hashlib
import os
import secrets
import signal
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sandbox.stack import probe
from sandbox.stack.ports import LOOPBACK, free_ports, is_free, require_free
from sandbox.stack.postgres_home import PostgresHome, locate
from sandbox.stack.problems import StackProblem
from sandbox.stack.process import ProcessRecord, last_lines, send, spawn, stop, wait_until_gone
from sandbox.stack.settings import StackSettings

PORT_SETTING: Final = "TALLYSTICK_STACK_POSTGRES_PORT"
ROLE: Final = "tallystick"
DATABASE: Final = "tallystick"
STOP_GRACE_SECONDS: Final = 20.0
SOCKET_PATH_BYTES_MAX: Final = 90  # the system's limit is about 104, file name included

# fsync and full_page_writes stay on: a test that passes without them proves nothing.
SERVER_SETTINGS: Final = {
    "listen_addresses": LOOPBACK,
    "max_connections": "200",
    "shared_buffers": "128MB",
    "max_wal_size": "2GB",
    "fsync": "on",
    "synchronous_commit": "on",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] %q%u@%d ",
    "password_encryption": "scram-sha-256",
}


@dataclass(slots=True)
class Postgres:
    """The server of one data directory."""

    settings: StackSettings
    progress: Callable[[str], None]
    tied: bool = False
    port: int = 0
    _started: ProcessRecord | None = None

    name = "postgres"

    @property
    def log(self) -> Path:
        """Where the server's log goes."""
        return self.settings.dir.absolute() / "logs" / "postgres.log"

    @property
    def record_file(self) -> Path:
        """Where the running process is remembered."""
        return self.settings.dir.absolute() / "postgres.pid"

    @property
    def password_file(self) -> Path:
        """Where the generated password is kept, readable by its owner alone."""
        return self.settings.dir.absolute() / "postgres.password"

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
        """The address with its password; empty when the server does not run."""
        record = self.record
        port = self.port or (record.ports[0] if record else 0)
        return self._dsn(port, DATABASE) if port else ""

    def _dsn(self, port: int, database: str) -> str:
        return f"postgresql://{ROLE}:{self._password()}@{LOOPBACK}:{port}/{database}"

    def _password(self) -> str:
        if not self.password_file.exists():
            partial = self.password_file.with_suffix(".partial")
            partial.unlink(missing_ok=True)
            descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w") as file:
                file.write(secrets.token_urlsafe(24))
            partial.replace(self.password_file)
        return self.password_file.read_text(encoding="ascii").strip()

    def _digest(self) -> str:
        wanted = (self.settings.postgres_port, self.settings.postgres_user, SERVER_SETTINGS)
        return hashlib.sha256(repr(wanted).encode()).hexdigest()[:16]

    def start(self) -> None:
        """Start the server and wait until it answers; one that runs already is kept.

        Raises:
            StackProblem: It cannot start; the message says what to do.
        """
        if self._adopt():
            return
        port = self._port()
        self.settings.dir.mkdir(parents=True, exist_ok=True)
        home = locate(self.settings)
        self._initialise(home)
        _drop_stale_lock(home)
        self.progress("Postgres: starting")
        child = spawn(
            [str(home.program("postgres")), "-D", str(home.data), *self._options(home, port)],
            log=self.log,
            user=home.user,
            cwd=home.data,
            # Fast shutdown: roll back what is open, write a checkpoint, go.
            death_signal=signal.SIGINT if self.tied else None,
        )
        record = ProcessRecord.of(child.pid, settings=self._digest(), ports=(port,), tied=self.tied)
        record.save(self.record_file)
        self.port, self._started = port, record
        self._await_ready(child)
        probe.create_database(self._dsn(port, "postgres"), DATABASE)

    def _adopt(self) -> bool:
        """Whether a server of an earlier run could be taken over; one that cannot is stopped."""
        found = self.record
        if found is None:
            return False
        port = found.ports[0]
        # One whose owner has died was told to end as well; it may answer for a moment yet.
        if found.settings == self._digest() and not found.is_orphan:
            error = probe.wait_until(
                lambda: probe.postgres_facts(self._dsn(port, DATABASE)),
                timeout_seconds=30,
                is_alive=lambda: found.is_alive,
            )
            if error is None:
                self.port = port
                self.progress(f"Postgres: found running (process {found.pid})")
                return True
        self.progress(f"Postgres: stopping a left-over server (process {found.pid})")
        stop(found, signum=signal.SIGINT, grace_seconds=STOP_GRACE_SECONDS)
        return False

    def _port(self) -> int:
        wanted = self.settings.postgres_port
        if wanted == 0:
            # After a crash clients still know the old address: keep it while it is ours to take.
            last = ProcessRecord.load(self.record_file)
            if last is not None and last.ports and is_free(last.ports[0]):
                return last.ports[0]
            return free_ports(1)[0]
        require_free(wanted, purpose="Postgres", setting=PORT_SETTING)
        return wanted

    def _options(self, home: PostgresHome, port: int) -> list[str]:
        sockets = home.sockets
        fits = len(str(sockets).encode()) <= SOCKET_PATH_BYTES_MAX
        wanted = SERVER_SETTINGS | {
            "port": str(port),
            "unix_socket_directories": str(sockets) if fits else "",
        }
        return [part for name, value in wanted.items() for part in ("-c", f"{name}={value}")]

    def _initialise(self, home: PostgresHome) -> None:
        """Make a database cluster where there is none.

        It is made beside its place and moved there when it is whole: an interrupted start leaves
        nothing that looks like data.
        """
        if (home.data / "PG_VERSION").exists():
            return
        self.progress("Postgres: preparing its data directory")
        with tempfile.TemporaryDirectory(prefix="initdb-", dir=home.root) as scratch:
            secret = Path(scratch) / "password"
            fresh = Path(scratch) / "data"
            secret.write_text(self._password(), encoding="ascii")
            if home.user is not None:
                os.chown(scratch, *home.user)
                os.chown(secret, *home.user)
            done = subprocess.run(
                [
                    str(home.program("initdb")),
                    f"--pgdata={fresh}",
                    f"--username={ROLE}",
                    f"--pwfile={secret}",
                    "--auth=scram-sha-256",
                    "--encoding=UTF8",
                    "--locale=C",
                    "--locale-provider=builtin",
                    "--builtin-locale=C.UTF-8",
                    "--data-checksums",
                ],
                check=False,
                capture_output=True,
                text=True,
                cwd=scratch,
                user=home.user[0] if home.user else None,
                group=home.user[1] if home.user else None,
                extra_groups=[] if home.user else None,
            )
            if done.returncode != 0:
                raise StackProblem(
                    "Postgres' data directory could not be prepared",
                    why=(done.stdout + done.stderr).strip()[-800:],
                    fix=f"check that {home.root} is writable and its disk has space",
                )
            fresh.rename(home.data)

    def _await_ready(self, child: subprocess.Popen[bytes]) -> None:
        port = self.port
        error = probe.wait_until(
            lambda: probe.postgres_facts(self._dsn(port, "postgres")),
            timeout_seconds=self.settings.start_timeout_seconds,
            is_alive=lambda: child.poll() is None,
        )
        if error is None:
            return
        ended = child.poll()
        self.stop()
        raise StackProblem(
            "Postgres did not come up",
            why=f"{'it ended with code ' + str(ended) if ended is not None else error}; its log "
            f"ends with:\n{last_lines(self.log)}",
            fix=f"read {self.log}; `tallystick doctor` checks disk and ports",
        )

    def stop(self) -> None:
        """Stop the server; what is open is rolled back, what is committed is on disk."""
        record = ProcessRecord.load(self.record_file)
        if record is not None:
            stop(record, signum=signal.SIGINT, grace_seconds=STOP_GRACE_SECONDS)
            self.record_file.unlink(missing_ok=True)
        self.port = 0

    def kill(self) -> None:
        """End the server at once, as a crash would (for fault tests)."""
        record = self.record
        if record is not None:
            send(record.pid, signal.SIGKILL)
            wait_until_gone(record, 10)


def _drop_stale_lock(home: PostgresHome) -> None:
    """Remove a lock file that a crash left, when its process id is somebody else's now.

    Postgres removes it itself when the id is free, but takes any process of its user with that
    id for a running server, and refuses to start.
    """
    lock = home.data / "postmaster.pid"
    try:
        pid = int(lock.read_text(encoding="utf-8").splitlines()[0])
    except (OSError, ValueError, IndexError):
        return
    if not home.is_server(pid):
        lock.unlink(missing_ok=True)
