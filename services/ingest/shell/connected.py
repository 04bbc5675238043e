"""The mirrors of connected accounts, asked on behalf of by the platform's key."""

from collections.abc import Callable, Sequence
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from typing import Final

from services.ingest.polled import Connected
from services.ingest.shell.stripe_api import ApiRefused, StripeApi
from services.ingest.shell.stripe_poll import Mirror
from shared.runtime import log

LISTED_EVERY: Final = timedelta(minutes=10)
_WRONG_KEY: Final = 401

_log = log.get(__name__)


class ConnectedMirrors:
    """A mirror for each connected account that is asked for, each with cursors of its own."""

    def __init__(
        self,
        *,
        api: StripeApi,
        connected: Connected,
        mirror: Callable[[str], Mirror],
        beat: Callable[[], None],
    ) -> None:
        self._api = api
        self._connected = connected
        self._mirror = mirror
        self._beat = beat
        self._listed: Sequence[str] = connected.accounts
        self._listed_at = datetime.min.replace(tzinfo=UTC)
        self._mirrors: dict[str, Mirror] = {}

    @property
    def accounts(self) -> tuple[str, ...]:
        """The accounts as they were listed last."""
        return tuple(self._listed)

    async def poll(self) -> None:
        """Read every account once; one that is refused, or has left us, does not stop the others.

        Raises:
            ApiRefused: Stripe refuses the key, or some accounts to it; the others were read.
            Unavailable: Stripe, Kafka or Postgres is away.
        """
        refused: list[str] = []
        for account in await self._accounts():
            if account not in self._mirrors:
                self._mirrors[account] = self._mirror(account)
            try:
                await self._mirrors[account].poll()
            except ApiRefused as error:
                if error.status == _WRONG_KEY:
                    raise
                _log.warning("connected.refused", account=account, reason=str(error))
                refused.append(f"{account}: {error}")
        if refused:
            raise ApiRefused("; ".join(refused))

    async def _accounts(self) -> Sequence[str]:
        now = datetime.now(UTC)
        if self._connected.is_all and now - self._listed_at >= LISTED_EVERY:
            found: list[str] = []
            async with aclosing(self._api.pages("/v1/accounts")) as pages:
                async for page in pages:
                    self._beat()
                    found.extend(a for each in page if isinstance(a := each.get("id"), str))
            self._listed, self._listed_at = found, now
        return self._listed
