"""The stored allow-list: read by the door, again whenever it changed, and written by command."""

import contextlib
import os
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from prometheus_client import Gauge

from services.ingest.allow_list import AllowList, AllowListInvalid, stored_of, stored_text
from shared.runtime import log
from shared.runtime.settings import PREFIX, SettingsInvalid

BYTES_MAX: Final = 1_048_576

_ADDRESSES = Gauge(
    "tallystick_ingest_allow_list_addresses", "Networks of the allow-list that are in force"
)
_AGE = Gauge(
    "tallystick_ingest_allow_list_age_seconds",
    "Since the published list was last seen; 0 without a list",
)
_IS_OLD = Gauge(
    "tallystick_ingest_allow_list_is_old", "1 when a change that Stripe told of may be missed"
)
_IS_UNREADABLE = Gauge(
    "tallystick_ingest_allow_list_is_unreadable",
    "1 when the file changed and the older list is in force",
)
_log = log.get(__name__)
_Seen = tuple[int, int, int]


def _now() -> datetime:
    return datetime.now(UTC)


def read_allow_list(path: Path) -> AllowList:
    """The list that a file holds, stored by us or as Stripe publishes it.

    Raises:
        AllowListInvalid: It holds none, or is larger than any list.
        OSError: It cannot be read.
    """
    with path.open("rb") as file:
        content = file.read(BYTES_MAX + 1)
        seen_at = datetime.fromtimestamp(os.fstat(file.fileno()).st_mtime, UTC)
    if len(content) > BYTES_MAX:
        raise AllowListInvalid(f"larger than {BYTES_MAX} bytes")
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise AllowListInvalid(f"not UTF-8 text: {error.reason} at {error.start}") from None
    return stored_of(text, seen_at=seen_at)


def write_allow_list(path: Path, allow_list: AllowList) -> None:
    """Store a list so that a reader finds the old one or the new one, and never half of one.

    Raises:
        OSError: The folder cannot be written to.
    """
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(stored_text(allow_list))
            file.flush()
            os.fsync(file.fileno())
            # Addresses are no secret, and the door is another user than who refreshes.
            os.fchmod(file.fileno(), 0o644)
        Path(name).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(name).unlink()
        raise


class AllowListFile:
    """The list in force, from a file that may change at any time.

    A file that cannot be read any more leaves the older list in force: a slip must neither open
    the door nor shut it. It is said in the log and in the metrics.

    Raises:
        SettingsInvalid: The file cannot be read at the start.
    """

    def __init__(self, path: Path, *, days_max: int, clock: Callable[[], datetime] = _now) -> None:
        self._path = path
        self._days_max = days_max
        self._clock = clock
        self._was_old = False
        self._problem = ""
        try:
            self._seen: _Seen | None = self._stat()
            self._list = read_allow_list(path)
        except (OSError, AllowListInvalid) as error:
            raise SettingsInvalid(f"{PREFIX}INGEST_ALLOW_LIST_FILE: {path}: {error}") from None
        self._measure()

    def allows(self, peer: str, at: datetime) -> bool:
        """Whether a peer may come in."""
        return self._list.allows(peer, at)

    def look(self) -> None:
        """Read the file again if it changed."""
        try:
            seen = self._stat()
            if seen != self._seen:
                self._seen = seen
                self._list = read_allow_list(self._path)
                self._problem = ""
                _log.info("allow_list.read", addresses=len(self._list.entries))
        except (OSError, AllowListInvalid) as error:
            if isinstance(error, OSError):
                # Gone, or closed to us: what comes back may look as it did.
                self._seen = None
            if str(error) != self._problem:
                _log.error("allow_list.unreadable", file=str(self._path), reason=str(error))
            self._problem = str(error)
        _IS_UNREADABLE.set(bool(self._problem))
        self._measure()

    def _stat(self) -> _Seen:
        told = self._path.stat()
        return told.st_mtime_ns, told.st_size, told.st_ino

    def _measure(self) -> None:
        now = self._clock()
        is_old = self._list.is_older_than(self._days_max, now)
        _ADDRESSES.set(len(self._list.in_force(now)))
        _AGE.set(self._list.age(now).total_seconds())
        _IS_OLD.set(is_old)
        if is_old and not self._was_old:
            _log.warning(
                "allow_list.old",
                fetched_at=self._list.fetched_at.isoformat(),
                days_max=self._days_max,
                do="tallystick ingest allow-list refresh",
            )
        self._was_old = is_old
