"""Where observations come from, read again while the feeds run: a new account needs no restart.

every minute: banks file, keys, maps ──read──▶ as before? nothing │ other? in force, whole │
cannot be used? the older ones stay, and the log, a metric and /readyz say so
"""

from collections.abc import Callable
from typing import Final

from prometheus_client import Gauge

from services.feeds.config import Sources
from shared.runtime import log
from shared.runtime.metrics import Health
from shared.runtime.settings import SettingsInvalid

NAME: Final = "accounts_file"
_IS_REFUSED = Gauge(
    "tallystick_feeds_accounts_is_refused",
    "1 when what was changed in the banks file cannot be used and the older is in force",
)
_log = log.get(__name__)


class SourcesInForce:
    """The sources of the feeds, from where they may change at any time.

    Raises:
        SettingsInvalid: They cannot be used at the start.
    """

    def __init__(self, load: Callable[[], Sources], health: Health) -> None:
        self._load = load
        self._health = health
        self._refusal = ""
        self.in_force = load()

    def look(self) -> bool:
        """Read everything again; gives whether other sources are in force now."""
        try:
            found = self._load()
        except SettingsInvalid as refused:
            self._refuse(str(refused))
            return False
        self._refuse("")
        # Held against what is in force by content: no time stamp of a file can deceive.
        if found == self.in_force:
            return False
        self.in_force = found
        _log.info(
            "sources.changed",
            banks=[bank.name for bank in found.banks],
            statements=[account.name for account in found.statements],
        )
        return True

    def _refuse(self, refusal: str) -> None:
        if refusal != self._refusal:
            if refusal:
                _log.error("sources.refused", reason=refusal)
            else:
                _log.info("sources.usable_again")
        self._refusal = refusal
        _IS_REFUSED.set(bool(refusal))
        said = f"the older accounts are in force: {refusal}" if refusal else ""
        self._health.warn(NAME, said)
