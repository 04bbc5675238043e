"""Where segments stand: a folder here; anything S3-compatible in ``s3``.

A store takes each name once and shows no half-written file, whatever happens meanwhile. Nothing
in it is ever changed or removed by us.
"""

import asyncio
import contextlib
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, Protocol, TypeVar

from shared.contracts.errors import TallystickError, Unavailable
from shared.runtime.settings import SettingsInvalid

PROBE: Final = "probe"
_TEMPORARY: Final = ".tmp-"
_TEMPORARY_SECONDS_MAX: Final = 3_600
_Found = TypeVar("_Found")


class AlreadyThere(TallystickError):
    """The name is taken: somebody else has continued from there."""


class StoreUnavailable(Unavailable):
    """The store does not answer, or does not take what it is given."""

    def __init__(self, what: str, why: str) -> None:
        self.what = what
        self.why = why
        self.fix = "check the place, its credentials and its free space"
        super().__init__(f"{what}: {why}")


class ArchiveStore(Protocol):
    """A place for segments, by names with slashes in them."""

    @property
    def about(self) -> str:
        """The place as a person would name it; never with a secret in it."""
        ...

    async def create(self, name: str, data: bytes) -> None:
        """Put a file there, whole and for good.

        Raises:
            AlreadyThere: There is one of that name.
            StoreUnavailable: It could not be put there.
        """
        ...

    async def names(self, prefix: str) -> list[str]:
        """All names under a prefix, which ends where a name part does."""
        ...

    async def read(self, name: str) -> bytes:
        """A whole file."""
        ...

    async def beginning(self, name: str, size_bytes: int) -> bytes:
        """The first bytes of a file; all of it when it is smaller."""
        ...

    async def tidy(self) -> int:
        """Clear away what writers that were killed left unfinished; gives how many files."""
        ...


async def require_names_taken_once(store: ArchiveStore) -> None:
    """Refuse a store that would let a second writer replace what a first one wrote.

    Raises:
        SettingsInvalid: It took one name twice.
        StoreUnavailable: It does not answer.
    """
    with contextlib.suppress(AlreadyThere):
        await store.create(PROBE, b"")
    try:
        await store.create(PROBE, b"")
    except AlreadyThere:
        return
    raise SettingsInvalid(f"{store.about} takes one name twice: it ignores If-None-Match")


class DirectoryStore:
    """A folder: written beside, brought to the disk, then named."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @property
    def about(self) -> str:
        """The folder's path."""
        return str(self._folder)

    async def create(self, name: str, data: bytes) -> None:
        """Put a file there; on return it outlives a power cut.

        Raises:
            AlreadyThere: There is one of that name.
            StoreUnavailable: The disk is full, read-only or away.
        """
        await self._on_a_thread(lambda: self._create(name, data))

    async def names(self, prefix: str) -> list[str]:
        """All names under a prefix; files that were never finished are none."""
        return await self._on_a_thread(lambda: self._names(prefix))

    async def read(self, name: str) -> bytes:
        """A whole file."""
        return await self._on_a_thread((self._folder / name).read_bytes)

    async def beginning(self, name: str, size_bytes: int) -> bytes:
        """The first bytes of a file."""

        def first() -> bytes:
            with (self._folder / name).open("rb") as file:
                return file.read(size_bytes)

        return await self._on_a_thread(first)

    async def tidy(self) -> int:
        """Remove temporary files that no writer can still be at work on."""

        def sweep() -> int:
            long_ago = time.time() - _TEMPORARY_SECONDS_MAX
            left = [p for p in self._folder.rglob(f"{_TEMPORARY}*") if p.stat().st_mtime < long_ago]
            for path in left:
                path.unlink(missing_ok=True)
            return len(left)

        return await self._on_a_thread(sweep)

    async def _on_a_thread(self, act: Callable[[], _Found]) -> _Found:
        try:
            return await asyncio.to_thread(act)
        except OSError as error:
            raise StoreUnavailable(f"{self._folder} does not serve", str(error)) from error

    def _create(self, name: str, data: bytes) -> None:
        target = self._folder / name
        fresh = _missing(target.parent)
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=_TEMPORARY, dir=target.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            # A link, other than a renaming, refuses a name that is taken.
            os.link(temporary, target)
        except FileExistsError:
            raise AlreadyThere(f"{target} is there") from None
        finally:
            with contextlib.suppress(OSError):
                Path(temporary).unlink()
        for folder in (target.parent, *fresh):
            _sync(folder)

    def _names(self, prefix: str) -> list[str]:
        begin = self._folder / prefix
        if not begin.is_dir():
            return []
        return sorted(
            path.relative_to(self._folder).as_posix()
            for path in begin.rglob("*")
            if path.is_file() and not path.name.startswith(_TEMPORARY)
        )


def _missing(folder: Path) -> list[Path]:
    """The parents of the folders that are yet to be made: each gets a new name in it."""
    found: list[Path] = []
    while not folder.exists():
        folder = folder.parent
        found.append(folder)
    return found


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
