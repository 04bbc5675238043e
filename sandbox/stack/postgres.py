"""One Postgres 18 server, as a child process on loopback, under our own supervision."""

import hashlib
import os
import secrets
import signal
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Final

from sandbox.stack import probe
from sandbox.stack.ports import LOOPBACK, free_ports, is_free, require_free
from sandbox.stack.postgres_home import PostgresHome, locate
from sandbox.stack.problems import StackProblem
from sandbox.stack.process import ProcessRecord, spawn
from sandbox.stack.server import Server

PORT_SETTING: Final = "TALLYSTICK_STACK_POSTGRES_PORT"
ROLE: Final = "tallystick"
DATABASE: Final = "tallystick"
SOCKET_PATH_BYTES_MAX: Final = 90  # the system's limit is about 104, file name included

# fsync and full_page_writes stay on: a test that passes without them proves nothing.
SERVER_SETTINGS: Final = {
    "listen_addresses": LOOPBACK,
    "max_connections": "200",
    # What is claimed and remembered lies all over its indexes: they should fit, and a checkpoint,
    # after which each page of them is written to the log whole once, should be seldom.
    "shared_buffers": "256MB",
    "wal_buffers": "16MB",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "15min",
    "fsync": "on",
    "synchronous_commit": "on",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] %q%u@%d ",
    "password_encryption": "scram-sha-256",
}


@dataclass(slots=True)
class Postgres(Server):
    """The server of one data directory."""

    name: ClassVar[str] = "postgres"
    title: ClassVar[str] = "Postgres"
    # Fast shutdown: roll back what is open, write a checkpoint, go.
    stop_signal: ClassVar[signal.Signals] = signal.SIGINT
    stop_grace_seconds: ClassVar[float] = 20.0

    @property
    def password_file(self) -> Path:
        """Where the generated password is kept, readable by its owner alone."""
        return self.settings.dir.absolute() / "postgres.password"

    def _address_at(self, port: int) -> str:
        return self._dsn(port, DATABASE)

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
            death_signal=self.stop_signal if self.tied else None,
        )
        self._remember(child, port)
        self._await_ready(child)
        probe.create_database(self._dsn(port, "postgres"), DATABASE)

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

    def _ask(self, port: int) -> None:
        probe.postgres_facts(self._address_at(port))

    def _ask_new(self) -> None:
        # Our own database is made only when the server answers.
        probe.postgres_facts(self._dsn(self.port, "postgres"))


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
