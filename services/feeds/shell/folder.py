"""The folder that statement files are dropped into: each is taken once it lies still, then moved.

FOLDER/file ──▶ taken ──▶ FOLDER/accepted/DIGEST-file, or FOLDER/refused/DIGEST-file and .reason.txt

What became of a file is in Postgres before it is moved: killed in between, the next look finds it
known, tells what is untold and moves it. Nothing is ever deleted or overwritten.
"""

import asyncio
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from prometheus_client import Gauge

from services.feeds.config import Sources
from services.feeds.shell.file_import import FileImport
from services.feeds.shell.file_store import Outcome, Taken
from shared.contracts.errors import Unavailable
from shared.runtime import log
from shared.runtime.lifecycle import pause
from shared.runtime.metrics import Health
from shared.runtime.settings import PREFIX, SettingsInvalid

ACCEPTED: Final = "accepted"
REFUSED: Final = "refused"
NAME: Final = "statements"
_UNFINISHED: Final = (".part", ".tmp", ".crdownload", ".filepart")
_DIGEST_CHARACTERS: Final = 12
_WAITING = Gauge("tallystick_feeds_statement_files_waiting", "Files in the folder, not yet taken")
_REFUSED_NOW = Gauge(
    "tallystick_feeds_statement_files_refused_now", "Files that were refused and not accepted since"
)
_log = log.get(__name__)


@dataclass(frozen=True, slots=True)
class _Seen:
    """How a file was when it was last looked at."""

    size: int
    changed_ns: int
    inode: int


class StatementFolder:
    """Looks into a folder, and takes what lies there still."""

    def __init__(
        self,
        folder: Path,
        *,
        imports: FileImport,
        sources: Callable[[], Sources],
        health: Health,
        look_seconds: float,
    ) -> None:
        self._folder = folder
        self._imports = imports
        self._sources = sources
        self._health = health
        self._look_seconds = look_seconds
        self._seen: dict[str, _Seen] = {}

    async def watch(self, stop: asyncio.Event) -> None:
        """Look until told to stop.

        Raises:
            SettingsInvalid: The folder is none, or cannot be written to.
        """
        self._prepare()
        while not stop.is_set():
            problem = await self.look()
            self._health.warn(NAME, problem)
            await pause(stop, self._look_seconds)

    def _prepare(self) -> None:
        try:
            for name in (ACCEPTED, REFUSED):
                (self._folder / name).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SettingsInvalid(f"{PREFIX}FEEDS_STATEMENTS_FOLDER: {error}") from None

    async def look(self) -> str:
        """Take every file that has not changed since the last look; gives what is in the way."""
        try:
            found, left_alone = await asyncio.to_thread(self._files)
        except OSError as error:
            return f"the folder cannot be read: {error.strerror}"
        still = [name for name, seen in sorted(found.items()) if self._seen.get(name) == seen]
        self._seen = found
        try:
            # What a command that was killed has left untold, and what an older process kept.
            await self._imports.tell_refusals()
        except Unavailable as error:
            return f"refused files cannot be told: {error}"
        problems: list[str] = []
        for name in still:
            try:
                await self._take(name)
            except Unavailable as error:
                # Whatever is away now is away for the others too: they wait where they are.
                problems.append(f"{name}: {error}")
                break
            except OSError as error:
                problems.append(f"{name}: {error.strerror or error}")
                _log.warning("statement_file.unread", file=name, reason=str(error))
        _WAITING.set(len(self._seen))
        problems += [f"{name} is {what}, and left alone" for name, what in left_alone.items()]
        return "; ".join(problems[:5])

    async def _take(self, name: str) -> None:
        path = self._folder / name
        taken = await self._imports.take(path, self._sources())
        await asyncio.to_thread(self._move, path, taken)
        self._seen.pop(name, None)
        _REFUSED_NOW.set(await self._imports.refused_count())

    def _files(self) -> tuple[dict[str, _Seen], dict[str, str]]:
        """The plain files that are not hidden and not still being written; and what else is there.

        A link may lead out of the folder, to what nobody has dropped.
        """
        found: dict[str, _Seen] = {}
        left_alone: dict[str, str] = {}
        with os.scandir(self._folder) as entries:
            for entry in entries:
                if entry.name.startswith(".") or entry.name.lower().endswith(_UNFINISHED):
                    continue
                at = entry.stat(follow_symlinks=False)
                if stat.S_ISREG(at.st_mode):
                    found[entry.name] = _Seen(at.st_size, at.st_mtime_ns, at.st_ino)
                elif stat.S_ISDIR(at.st_mode):
                    if entry.name not in {ACCEPTED, REFUSED}:
                        left_alone[entry.name] = "a folder"
                else:
                    is_link = stat.S_ISLNK(at.st_mode)
                    left_alone[entry.name] = "a link" if is_link else "no plain file"
        return found, dict(sorted(left_alone.items()))

    def _move(self, path: Path, taken: Taken) -> None:
        is_refused = taken.outcome is Outcome.REFUSED
        folder = self._folder / (REFUSED if is_refused else ACCEPTED)
        goal = folder / f"{taken.sha256[:_DIGEST_CHARACTERS]}-{path.name}"
        if is_refused:
            reason = goal.with_name(goal.name + ".reason.txt")
            reason.write_text(f"{taken.reason}\ndo: {taken.fix}\n", "utf-8")
        # The same bytes under the same name may lie there from before: replacing loses nothing.
        path.replace(goal)
