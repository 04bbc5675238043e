"""The endpoints in force, read again while the door is open: a rotation needs no restart.

every few seconds: file and secrets ──read──▶ as before? nothing │ other? swapped, whole │
cannot be used? the older ones stay, and the log, a metric and /readyz say so
one secret stands for two? they are in force all the same, and the same three say so
"""

import asyncio
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Final

from prometheus_client import Counter, Gauge

from services.ingest.endpoints import Endpoint, doubled_secrets
from shared.runtime import log
from shared.runtime.lifecycle import pause
from shared.runtime.metrics import Health
from shared.runtime.settings import SettingsInvalid

WARNING: Final = "endpoints"

_ENDPOINTS = Gauge("tallystick_ingest_endpoints", "Webhook endpoints in force")
_IS_REFUSED = Gauge(
    "tallystick_ingest_endpoints_is_refused",
    "1 when what was changed cannot be used and the older is in force",
)
_LAPSED = Gauge(
    "tallystick_ingest_endpoints_without_secret",
    "Endpoints of which no signing secret is in force now",
)
_DOUBLED = Gauge(
    "tallystick_ingest_secrets_doubled", "Signing secrets that stand for more than one endpoint"
)
_SWAPS = Counter(
    "tallystick_ingest_endpoints_swaps_total", "Times that changed endpoints came into force"
)
_log = log.get(__name__)

Endpoints = Mapping[str, Endpoint]


def _now() -> datetime:
    return datetime.now(UTC)


class EndpointFile:
    """The endpoints of a door, from where they may change at any time.

    ``load`` reads them anew, secrets and all; ``use`` is given the ones that come into force.

    Raises:
        SettingsInvalid: They cannot be used at the start.
    """

    def __init__(
        self,
        load: Callable[[], Endpoints],
        use: Callable[[Endpoints], None],
        health: Health,
        *,
        look_seconds: float,
        clock: Callable[[], datetime] = _now,
    ) -> None:
        self._load = load
        self._use = use
        self._health = health
        self._look_seconds = look_seconds
        self._clock = clock
        self._refusal = ""
        self._lapse = ""
        self._doubling = ""
        self._in_force = load()
        use(self._in_force)
        self._tell()

    async def watch(self, stop: asyncio.Event) -> None:
        """Look until ``stop``."""
        while not await pause(stop, self._look_seconds):
            await self.look()

    async def look(self) -> None:
        """Read everything again, and swap all at once what has changed."""
        try:
            # Apart from the loop: a disk that hangs holds up no delivery.
            found = await asyncio.to_thread(self._load)
        except SettingsInvalid as refused:
            self._refuse(str(refused))
        else:
            if self._refusal:
                _log.info("endpoints.usable_again")
            self._refusal = ""
            # Held against what is in force by content: no time stamp of a file can deceive.
            if found != self._in_force:
                self._swap(found)
        self._tell()

    def _swap(self, found: Endpoints) -> None:
        _log.info(
            "endpoints.changed",
            endpoints=sorted(found),
            secrets={name: [s.name for s in each.secrets] for name, each in sorted(found.items())},
        )
        self._in_force = found
        self._use(found)
        _SWAPS.inc()

    def _refuse(self, refusal: str) -> None:
        if refusal != self._refusal:
            _log.error("endpoints.refused", reason=refusal, in_force=sorted(self._in_force))
        self._refusal = refusal

    def _tell(self) -> None:
        at = self._clock()
        lapsed = sorted(
            name for name, each in self._in_force.items() if not each.secrets_in_force(at)
        )
        lapse = f"no signing secret is in force: {', '.join(lapsed)}" if lapsed else ""
        if lapse and lapse != self._lapse:
            _log.error("endpoints.without_secret", endpoints=lapsed)
        self._lapse = lapse
        doubled = doubled_secrets(self._in_force[name] for name in sorted(self._in_force))
        doubling = "; ".join(f"one secret stands for {', '.join(held)}" for held in doubled)
        if doubling and doubling != self._doubling:
            _log.warning(
                "endpoints.secret_doubled",
                places=[list(held) for held in doubled],
                do="give each endpoint the secret that Stripe shows for it",
            )
        self._doubling = doubling
        refusal = f"the older endpoints are in force: {self._refusal}" if self._refusal else ""
        self._health.warn(WARNING, "; ".join(told for told in (refusal, lapse, doubling) if told))
        _ENDPOINTS.set(len(self._in_force))
        _IS_REFUSED.set(bool(self._refusal))
        _LAPSED.set(len(lapsed))
        _DOUBLED.set(len(doubled))
