"""The verdicts' way to disk: lines wait in memory, a thread writes them, nobody waits for it."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import orjson
from prometheus_client import Counter

from services.ingest.shell.verdict_folder import FolderLimits, VerdictFolder
from shared.contracts.envelope import rfc3339
from shared.runtime import log
from shared.runtime.lifecycle import pause
from shared.runtime.metrics import Health

WRITE_SECONDS: Final = 0.25
SYNC_SECONDS: Final = 1.0
RETRY_SECONDS: Final = 1.0
CLOSE_SECONDS_MAX: Final = 3.0
PART: Final = "verdicts_dir"

_WRITTEN = Counter("tallystick_ingest_verdicts_written_total", "Verdicts that were written to disk")
_LOST = Counter(
    "tallystick_ingest_verdicts_unwritten_total",
    "Verdicts that the disk had no room for; the topic has them",
)
_FAILURES = Counter(
    "tallystick_ingest_verdicts_write_failures_total", "Writes of verdicts that failed"
)
_log = log.get(__name__)


class VerdictFiles:
    """A bounded row of lines and the thread that writes it into a folder.

    While the disk refuses, lines wait; beyond the bound they are counted, and the file says how
    many are lacking once it goes on. A verdict is on the topic in any case.
    """

    def __init__(
        self, folder: Path, limits: FolderLimits, *, waiting_max: int, health: Health
    ) -> None:
        self._folder = VerdictFolder(folder, limits)
        self._waiting: deque[bytes] = deque()
        self._waiting_max = waiting_max
        self._health = health
        self._lost = 0
        self._fails = False
        self._synced_at = 0.0
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="verdicts")

    def take(self, lines: Iterable[bytes]) -> None:
        """Take lines down, as far as there is room."""
        for line in lines:
            if len(self._waiting) < self._waiting_max:
                self._waiting.append(line)
            else:
                self._lost += 1
                _LOST.inc()

    async def run(self, stop: asyncio.Event) -> None:
        """Write what is there until ``stop``; then what is left, for a bounded time."""
        is_last = False
        try:
            while not is_last:
                is_last = await pause(stop, RETRY_SECONDS if self._fails else WRITE_SECONDS)
                await self._written()
        finally:
            await self._closed()

    async def _written(self) -> None:
        now = datetime.now(UTC)
        if self._lost and len(self._waiting) < self._waiting_max:
            gap = {"lost": self._lost, "until": rfc3339(now)}
            self._waiting.append(orjson.dumps(gap))
            self._lost = 0
        count = len(self._waiting)
        try:
            await self._in_thread(lambda: self._write(now))
        except OSError as error:
            _FAILURES.inc()
            self._say(f"{self._folder.folder}: {error.strerror or error}")
        else:
            self._say("")
        _WRITTEN.inc(count - min(count, len(self._waiting)))

    def _write(self, now: datetime) -> None:
        self._folder.write(self._waiting, at=now)
        if now.timestamp() - self._synced_at >= SYNC_SECONDS:
            self._folder.sync()
            self._synced_at = now.timestamp()

    def _say(self, reason: str) -> None:
        """Tell the log once, and whoever asks for readiness all the while."""
        if reason:
            self._health.warn(PART, f"verdicts are not written: {reason}")
            if not self._fails:
                _log.warning("verdicts.unwritten", reason=reason)
        elif self._fails:
            self._health.warn(PART, "")
            _log.info("verdicts.written_again")
        self._fails = bool(reason)

    async def _closed(self) -> None:
        try:
            async with asyncio.timeout(CLOSE_SECONDS_MAX):
                await self._in_thread(self._folder.close)
        except (OSError, TimeoutError) as error:
            _log.warning("verdicts.left_unwritten", verdicts=len(self._waiting), reason=str(error))
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _in_thread(self, work: Callable[[], None]) -> None:
        await asyncio.get_running_loop().run_in_executor(self._thread, work)
