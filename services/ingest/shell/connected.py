"""Connected accounts and their mirrors, asked on behalf of by the platform's key."""

from collections.abc import Callable
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


class ConnectedAccounts:
    """The connected accounts that are asked for: those that are named, or all that there are.

    Whoever mirrors them, and whoever audits them, is told the same; with or without a mirror.
    """

    def __init__(self, *, api: StripeApi, connected: Connected, beat: Callable[[], None]) -> None:
        self._api = api
        self._is_all = connected.is_all
        self._beat = beat
        self._listed: tuple[str, ...] = tuple(connected.accounts)
        self._listed_at = datetime.min.replace(tzinfo=UTC)

    @property
    def known(self) -> tuple[str, ...]:
        """The accounts as they were listed last."""
        return self._listed

    async def look(self) -> tuple[str, ...]:
        """The accounts, listed again when they were listed a while ago.

        Raises:
            ApiRefused: Stripe refuses the list to the key.
            Unavailable: Stripe is away.
        """
        now = datetime.now(UTC)
        if self._is_all and now - self._listed_at >= LISTED_EVERY:
            found: list[str] = []
            async with aclosing(self._api.pages("/v1/accounts")) as pages:
                async for page in pages:
                    self._beat()
                    found.extend(a for each in page if isinstance(a := each.get("id"), str))
            self._listed, self._listed_at = tuple(found), now
        return self._listed


class ConnectedMirrors:
    """A mirror for each connected account that is asked for, each with cursors of its own."""

    def __init__(self, accounts: ConnectedAccounts, mirror: Callable[[str], Mirror]) -> None:
        self._accounts = accounts
        self._mirror = mirror
        self._mirrors: dict[str, Mirror] = {}

    async def poll(self) -> None:
        """Read every account once; one that is refused, or has left us, does not stop the others.

        Raises:
            ApiRefused: Stripe refuses the key, or some accounts to it; the others were read.
            Unavailable: Stripe, Kafka or Postgres is away.
        """
        refused: list[str] = []
        for account in await self._accounts.look():
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
