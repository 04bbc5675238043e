"""The embedded stack as one thing: start, look, stop."""

import contextlib
import fcntl
import shutil
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Literal, Self

from sandbox.stack import postgres_home
from sandbox.stack.kafka import Kafka
from sandbox.stack.postgres import Postgres
from sandbox.stack.problems import StackProblem
from sandbox.stack.settings import StackSettings

PartName = Literal["kafka", "postgres"]
FREE_BYTES_MIN: Final = 500_000_000


@dataclass(frozen=True, slots=True)
class PartStatus:
    """How one part of the stack stands.

    Attributes:
        address: Where it listens, without a password; empty when it does not run.
        pid: Its process, or 0.
    """

    name: str
    is_running: bool
    pid: int
    address: str
    log: Path


def silent(_: str) -> None:
    """A progress callback that says nothing."""


class Stack:
    """A real Kafka and a real Postgres on loopback, with their data in one folder.

    What already runs in that folder is taken over, and then left running by ``stop_started``
    and at the end of a ``with`` block; ``stop`` stops all.

    Args:
        settings: Read from the environment when left out.
        progress: Told in a line what happens, for a person who waits.
        tied: The processes end with ours, even when we are killed (Linux). Otherwise they go
            on without us, until ``stop``.
        parts: What of it is wanted; ``start`` and ``status`` leave the rest alone.
    """

    def __init__(
        self,
        settings: StackSettings | None = None,
        *,
        progress: Callable[[str], None] = silent,
        tied: bool = False,
        parts: Sequence[PartName] = ("postgres", "kafka"),
    ) -> None:
        self.settings = settings or StackSettings()
        self._progress = progress
        self.kafka = Kafka(self.settings, progress, tied=tied)
        self.postgres = Postgres(self.settings, progress, tied=tied)
        both: tuple[Postgres | Kafka, ...] = (self.postgres, self.kafka)
        self._parts = tuple(part for part in both if part.name in parts)

    @property
    def kafka_bootstrap(self) -> str:
        """The broker's address, ``host:port``; empty when it does not run."""
        return self.kafka.address

    @property
    def postgres_dsn(self) -> str:
        """The database's address with its password; empty when it does not run."""
        return self.postgres.address

    def environment(self) -> dict[str, str]:
        """The variables that tell a service where Kafka and Postgres are."""
        return {
            "TALLYSTICK_KAFKA_BOOTSTRAP": self.kafka_bootstrap,
            "TALLYSTICK_POSTGRES_DSN": self.postgres_dsn,
        }

    def start(self) -> None:
        """Start what does not run yet and wait until it answers.

        Called again it starts what has ended since, at the same addresses.

        Raises:
            StackProblem: A part cannot start; what was started is stopped again.
        """
        with self._exclusive():
            self._require_space()
            try:
                for part in self._parts:
                    part.start()
            except BaseException:
                self._stop_started()
                raise

    def stop(self) -> None:
        """Stop both, whoever started them. Data stays."""
        with self._exclusive():
            self.kafka.stop()
            self.postgres.stop()

    def stop_started(self) -> None:
        """Stop what we started and leave what we found running."""
        with self._exclusive():
            self._stop_started()

    def _stop_started(self) -> None:
        for part in reversed(self._parts):
            if part.is_ours:
                part.stop()

    def kill(self, name: PartName) -> None:
        """End a part at once, as a crash would (for fault tests)."""
        (self.kafka if name == "kafka" else self.postgres).kill()

    def status(self) -> tuple[PartStatus, ...]:
        """How each part stands."""
        found: list[PartStatus] = []
        for part in self._parts:
            record = part.record
            address = part.address.rpartition("@")[2] if record else ""
            found.append(
                PartStatus(
                    part.name, record is not None, record.pid if record else 0, address, part.log
                )
            )
        return tuple(found)

    def wipe(self) -> None:
        """Stop both and delete their data, logs and password."""
        self.stop()
        postgres_home.remove(self.settings)
        shutil.rmtree(self.settings.dir / "kafka", ignore_errors=True)
        shutil.rmtree(self.settings.dir / "logs", ignore_errors=True)
        self.postgres.password_file.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        """Start."""
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop what was started here."""
        self.stop_started()

    @contextlib.contextmanager
    def _exclusive(self) -> Generator[None]:
        """Two commands at once would start two of each; the second waits for the first."""
        try:
            self.settings.dir.mkdir(parents=True, exist_ok=True)
            lock = (self.settings.dir / "stack.lock").open("w")
        except OSError as error:
            raise StackProblem(
                f"The stack's folder {self.settings.dir} cannot be used",
                why=str(error),
                fix="make it writable, or set TALLYSTICK_STACK_DIR to another folder",
            ) from error
        with lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _require_space(self) -> None:
        free = shutil.disk_usage(self.settings.dir).free
        if free < FREE_BYTES_MIN:
            raise StackProblem(
                "Too little disk space for the stack's data",
                why=f"{free // 1_000_000} MB are free in {self.settings.dir}",
                fix=f"free {FREE_BYTES_MIN // 1_000_000} MB, or set TALLYSTICK_STACK_DIR",
            )
