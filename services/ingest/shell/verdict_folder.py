"""The verdicts on disk: files that are only ever appended to, each naming the digest of the last.

    verdicts-2026-11-21-000001.jsonl   {"file": …, "previous": …, "previous_sha256": …}
                                       {"endpoint": …, "reason": …}   one line a verdict
                                       …
                                       {"lost": 12, …}   where the disk had no room for so many

A file ends by its size or by the day. Whoever changes or takes away one of them breaks the chain
at the next. One process writes a folder; the lock says which.
"""

import fcntl
import hashlib
import os
import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from hmac import compare_digest
from pathlib import Path
from typing import Final, Protocol

import orjson

from shared.contracts.envelope import rfc3339

FILE_MODE: Final = 0o640
FOLDER_MODE: Final = 0o750
_OTHERS: Final = 0o007
_LOCK: Final = "writer.lock"
_NAME: Final = re.compile(r"verdicts-(\d{4}-\d{2}-\d{2})-(\d{6})\.jsonl", re.ASCII)
_READ_BYTES: Final = 1024 * 1024
_WRITE_LINES: Final = 2_000


class _Digest(Protocol):
    def update(self, data: bytes, /) -> None: ...
    def hexdigest(self) -> str: ...


@dataclass(frozen=True, slots=True)
class FolderLimits:
    """When a file ends, and how many are kept."""

    file_bytes_max: int
    files_max: int
    days_max: int


@dataclass(frozen=True, slots=True)
class BrokenLink:
    """A file that does not name what really stands before it."""

    file: str
    why: str


class VerdictFolder:
    """The writer's side; its calls wait for the disk, so they belong into a thread.

    Every call may raise ``OSError``; what was taken and not written is written by the next.
    """

    def __init__(self, folder: Path, limits: FolderLimits) -> None:
        self.folder = folder
        self._limits = limits
        self._lock = -1
        self._file = -1
        self._path = folder
        self._day = date.min
        self._size = 0
        self._digest: _Digest = hashlib.sha256()
        self._unwritten = b""
        self._is_unsynced = False

    @property
    def is_open_to_others(self) -> bool:
        """Whether users outside its group may look into the folder."""
        return bool(self.folder.stat().st_mode & _OTHERS)

    def write(self, waiting: deque[bytes], *, at: datetime) -> None:
        """Take lines and append them: the system's on return, the disk's after ``sync``."""
        self._flush()
        while waiting:
            self._ready(at)
            taken = [waiting.popleft() for _ in range(min(len(waiting), _WRITE_LINES))]
            self._unwritten = b"\n".join((*taken, b""))
            self._flush()

    def sync(self) -> None:
        """Wait until what was written is on the disk."""
        if self._is_unsynced:
            os.fsync(self._file)
            self._is_unsynced = False

    def close(self) -> None:
        """Sync, and let go of file and folder."""
        try:
            if self._file >= 0:
                self._flush()
                self.sync()
        finally:
            for each in (self._file, self._lock):
                if each >= 0:
                    os.close(each)
            self._file = self._lock = -1

    def _flush(self) -> None:
        while self._unwritten:
            written = os.write(self._file, self._unwritten)
            self._digest.update(self._unwritten[:written])
            self._unwritten = self._unwritten[written:]
            self._size += written
            self._is_unsynced = True

    def _ready(self, at: datetime) -> None:
        # A clock that goes back must not put a file before those that are there.
        day = max(at.astimezone(UTC).date(), self._day)
        if self._lock < 0:
            self._claim()
        if self._file < 0:
            self._go_on(day, at)
        elif day != self._day or self._size >= self._limits.file_bytes_max:
            self._begin(day, at, previous=self._path.name, digest=self._digest.hexdigest())

    def _claim(self) -> None:
        if not self.folder.is_dir():
            self.folder.mkdir(parents=True)
            self.folder.chmod(FOLDER_MODE)
        lock = os.open(self.folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, FILE_MODE)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(lock)
            raise
        self._lock = lock

    def _go_on(self, day: date, at: datetime) -> None:
        """Go on in the last file, if it is of the day and has room; else begin one."""
        last = self._last()
        if last is None:
            self._begin(day, at, previous="", digest="")
            return
        day = max(day_of(last), day)
        digest = hashlib.sha256()
        size, is_whole = _read_into(digest, last)
        if day_of(last) != day or size >= self._limits.file_bytes_max:
            self._begin(day, at, previous=last.name, digest=digest.hexdigest())
            return
        self._file = os.open(last, os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW)
        self._path, self._day, self._digest, self._size = last, day, digest, size
        # A process that died in the middle of a line left it so: the next one begins anew.
        self._unwritten = b"" if is_whole else b"\n"
        self._flush()

    def _last(self) -> Path | None:
        for path in reversed(files_in(self.folder)):
            with path.open("rb") as file:
                if file.readline().endswith(b"\n"):
                    return path
            # Its writer died before the first line was whole: it holds nothing.
            path.unlink()
        return None

    def _begin(self, day: date, at: datetime, *, previous: str, digest: str) -> None:
        self.sync()
        path = _next_path(self.folder, day)
        head = {
            "file": path.name,
            "opened_at": rfc3339(at),
            "previous": previous,
            "previous_sha256": digest,
        }
        file = os.open(
            path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, FILE_MODE
        )
        os.fchmod(file, FILE_MODE)
        if self._file >= 0:
            os.close(self._file)
        self._file, self._path, self._day = file, path, day
        self._digest, self._size = hashlib.sha256(), 0
        self._unwritten = orjson.dumps(head) + b"\n"
        self._flush()
        self._prune()

    def _prune(self) -> None:
        files = files_in(self.folder)
        oldest = self._day - timedelta(days=self._limits.days_max)
        for number, path in enumerate(files[:-1]):
            if len(files) - number > self._limits.files_max or day_of(path) < oldest:
                path.unlink()


def files_in(folder: Path) -> list[Path]:
    """The files of a folder, the oldest first."""
    return sorted(path for path in folder.iterdir() if _NAME.fullmatch(path.name))


def lines_of(path: Path) -> Iterator[dict[str, object]]:
    """The lines of a file as JSON objects; one that a death cut short is left out."""
    with path.open("rb") as file:
        for line in file:
            try:
                value = orjson.loads(line)
            except orjson.JSONDecodeError:
                continue
            if isinstance(value, dict):
                yield value


def broken_links(folder: Path) -> list[BrokenLink]:
    """Where the chain of files does not hold; the oldest that is kept is believed."""
    broken: list[BrokenLink] = []
    before: Path | None = None
    for path in files_in(folder):
        head: dict[str, object] = next(lines_of(path), dict[str, object]())
        if head.get("file") != path.name:
            broken.append(BrokenLink(path.name, "its first line is not of this file"))
        elif before is not None:
            if head.get("previous") != before.name:
                why = f"it names {head.get('previous') or 'no file'} before it, not {before.name}"
                broken.append(BrokenLink(path.name, why))
            elif not compare_digest(
                str(head.get("previous_sha256")).encode(), _digest_of(before).encode()
            ):
                why = f"{before.name} is not what it was when this file began"
                broken.append(BrokenLink(path.name, why))
        before = path
    return broken


def day_of(path: Path) -> date:
    """The day on which a file was begun, in UTC."""
    found = _NAME.fullmatch(path.name)
    return date.fromisoformat(found[1]) if found else date.min


def _next_path(folder: Path, day: date) -> Path:
    taken = [path.name for path in files_in(folder) if day_of(path) == day]
    found = _NAME.fullmatch(taken[-1]) if taken else None
    return folder / f"verdicts-{day.isoformat()}-{int(found[2]) + 1 if found else 1:06}.jsonl"


def _digest_of(path: Path) -> str:
    digest = hashlib.sha256()
    _read_into(digest, path)
    return digest.hexdigest()


def _read_into(digest: _Digest, path: Path) -> tuple[int, bool]:
    """Digest a file; its size, and whether its last line is whole."""
    size, end = 0, b"\n"
    with path.open("rb") as file:
        while chunk := file.read(_READ_BYTES):
            digest.update(chunk)
            size += len(chunk)
            end = chunk[-1:]
    return size, end == b"\n"
