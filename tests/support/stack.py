"""A running Kafka and Postgres for tests: from the environment, from Docker, or embedded."""

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit, urlunsplit

import psutil

from sandbox.stack import Stack, StackSettings, probe

# Names of their own: a test must never write into the cluster that the services use.
KAFKA_VARIABLE: Final = "TALLYSTICK_TEST_KAFKA_BOOTSTRAP"
POSTGRES_VARIABLE: Final = "TALLYSTICK_TEST_POSTGRES_DSN"
BACK_END_VARIABLE: Final = "TALLYSTICK_TEST_STACK"  # auto, docker or embedded
ROOM_VARIABLE: Final = "TALLYSTICK_TEST_ROOM"  # the folder in which stacks keep their data

MEMORY: Final = Path("/dev/shm")
# A worker's stack, and a second one beside it, were seen to take a quarter of a gigabyte.
FREE_BYTES_MIN: Final = 6_000_000_000
_PREFIX: Final = "tallystick-test-"


@dataclass(frozen=True, slots=True)
class RunningStack:
    """Addresses of a Kafka and a Postgres that answer, and a way to a database of one's own.

    Attributes:
        back_end: ``environment``, ``docker`` or ``embedded``.
        embedded: The stack itself when it is ours, for tests that break it.
    """

    back_end: str
    kafka_bootstrap: str
    postgres_dsn: str
    embedded: Stack | None = None

    def fresh_database(self, purpose: str = "test", *, like: str = "") -> str:
        """The address of a database that nobody else uses: empty, or a copy of that of an address."""
        name = f"{purpose}_{uuid.uuid4().hex[:12]}".lower()
        template = urlsplit(like).path.removeprefix("/") or "template1"
        probe.create_database(self.postgres_dsn, name, template=template)
        return urlunsplit(urlsplit(self.postgres_dsn)._replace(path=f"/{name}"))

    def drop_database(self, dsn: str) -> None:
        """Drop a database that ``fresh_database`` made."""
        probe.drop_database(self.postgres_dsn, urlsplit(dsn).path.removeprefix("/"))


@contextlib.contextmanager
def running_stack(*, on_disk: bool = False) -> Generator[RunningStack]:
    """The stack that this machine and its environment offer; one that is measured is on a disk."""
    kafka, postgres = os.environ.get(KAFKA_VARIABLE, ""), os.environ.get(POSTGRES_VARIABLE, "")
    if kafka and postgres:
        yield RunningStack("environment", kafka, postgres)
        return
    wanted = os.environ.get(BACK_END_VARIABLE, "auto")
    if wanted == "docker" or (wanted == "auto" and docker_answers()):
        with contextlib.ExitStack() as held:
            try:
                from tests.support import containers  # noqa: PLC0415

                found = held.enter_context(containers.running_containers())
            except Exception as error:
                # A daemon without a way to the images is no reason to test nothing.
                if wanted == "docker":
                    raise
                sys.stderr.write(f"containers did not start ({error}): embedded stack\n")
            else:
                yield RunningStack("docker", *found)
                return
    with embedded_stack(on_disk=on_disk) as stack:
        yield RunningStack("embedded", stack.kafka_bootstrap, stack.postgres_dsn, stack)


@contextlib.contextmanager
def embedded_stack(*, on_disk: bool = False, **settings: object) -> Generator[Stack]:
    """An embedded stack of one's own, with free ports and data that go away at the end."""
    with scratch_folder(on_disk=on_disk) as folder:
        wanted = {"dir": folder, "kafka_port": 0, "postgres_port": 0, "kafka_heap_mb": 384}
        stack = Stack(StackSettings.model_validate(wanted | settings), tied=True)
        try:
            stack.start()
            yield stack
        finally:
            stack.wipe()


@contextlib.contextmanager
def scratch_folder(*, on_disk: bool = False) -> Generator[Path]:
    """A temporary folder that the user who runs Postgres for root can enter."""
    room = Path(tempfile.gettempdir()) if on_disk else room_for_data()
    _clear_left_overs(room)
    folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-", dir=room))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def room_for_data() -> Path:
    """Where stacks keep their data: in memory where there is plenty, else on a disk.

    A database is a thousand files, and a test makes and drops one; so does a topic with its
    partitions. On a disk that was more than half of what all slow tests cost the processor. It
    takes nothing from what they prove: a process that is killed loses no page that it wrote,
    whichever file system it wrote to, and none of our tests cuts the power.
    """
    if wanted := os.environ.get(ROOM_VARIABLE, ""):
        return Path(wanted)
    try:
        room = os.statvfs(MEMORY)
        free = min(room.f_bavail * room.f_frsize, psutil.virtual_memory().available)
    except OSError:
        free = 0
    is_ours = os.access(MEMORY, os.W_OK | os.X_OK)
    return MEMORY if is_ours and free >= FREE_BYTES_MIN else Path(tempfile.gettempdir())


def _clear_left_overs(room: Path) -> None:
    """Remove what a run that was killed left: memory is too dear to be kept by the dead."""
    for folder in room.glob(f"{_PREFIX}*"):
        owner = folder.name.removeprefix(_PREFIX).partition("-")[0]
        with contextlib.suppress(OSError):
            is_ours = not folder.is_symlink() and folder.stat().st_uid == os.getuid()
            if is_ours and owner.isdigit() and not psutil.pid_exists(int(owner)):
                shutil.rmtree(folder, ignore_errors=True)


def docker_answers() -> bool:
    """Whether a Docker daemon can be reached."""
    if shutil.which("docker") is None:
        return False
    try:
        asked = subprocess.run(
            ["docker", "version", "--format", "{{.Server.Version}}"],
            check=False,
            capture_output=True,
            timeout=10,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return asked.returncode == 0 and bool(asked.stdout.strip())
