"""Invoices and credit notes that events show in part, asked for: told whole on ``stripe.objects``.

stripe.events ──index──▶ ingest.long_invoices ──GET invoice, its lines──▶ stripe.objects

One request tells both of an invoice: how it was paid, and, where they are many, its lines.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from prometheus_client import Counter

from services.ingest.endpoint_status import Trouble
from services.ingest.long_invoices import SHOWN_MAX, Unfetched, expected, path_of
from services.ingest.mirrored import Asked, asked_of
from services.ingest.polled import PolledAccount
from services.ingest.shell.poll_store import QUERIES
from services.ingest.shell.stripe_api import ApiRefused, StripeApi
from services.ingest.shell.teller import Teller
from services.ingest.thin import next_try
from shared.contracts.books import Mode
from shared.runtime import log
from shared.runtime.postgres import Database

TOLD: Final = "told"
UNRESOLVED: Final = "unresolved"
INVOICES_MAX: Final = 50
_WRONG_KEY: Final = 401
_GONE: Final = 404

_TOLD = Counter(
    "tallystick_ingest_long_invoices_told_total",
    "Invoices and credit notes that were told with all their lines, and how they were paid",
)
_log = log.get(__name__)


class LongInvoices:
    """Tells whole what events of one account show in part, within the rate of its key."""

    def __init__(
        self,
        *,
        api: Callable[[str], StripeApi],
        teller: Callable[[str], Teller],
        database: Database,
        polled: PolledAccount,
        everyone: Sequence[PolledAccount],
        pause: timedelta,
        beat: Callable[[], None],
    ) -> None:
        self._api = api
        self._teller = teller
        self._database = database
        self._polled = polled
        self._others = [e.whose.account for e in everyone if e.whose != polled.whose]
        self._pause = pause
        self._beat = beat

    async def fetch(self) -> None:
        """Tell what is due: a bounded number each round, each try noted.

        Raises:
            ApiRefused: Stripe refuses the key.
            Unavailable: Stripe, Kafka or Postgres is away; nothing of it counts as a try.
        """
        async with self._database.connection() as connection:
            rows = await connection.fetch(
                QUERIES["due_long_invoices"], datetime.now(UTC), *self._mine(), INVOICES_MAX
            )
        for row in rows:
            self._beat()
            asked = asked_of(path_of(row["kind"], row["invoice"]))
            await self._tell(row["account"], asked, row["notings"], row["tries"])

    async def expectations(self) -> tuple[Trouble, ...]:
        """What is still to be told, for the reports of the audit."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(
                QUERIES["unfetched_long_invoices"], *self._mine(), SHOWN_MAX
            )
        return expected(
            Unfetched(r["invoice"], r["noted_at"], r["reason"], r["is_long"], r["kind"])
            for r in rows
        )

    async def _tell(self, account: str, asked: Asked, notings: int, tries: int) -> None:
        place = (account, self._polled.mode is Mode.LIVE, asked.object_id)
        try:
            shown = await self._api(account).one(asked.path, expand=asked.expand)
            await self._teller(account).tell("long_invoices", [shown])
        except ApiRefused as error:
            if error.status == _WRONG_KEY:
                raise
            _log.warning("long_invoice.failed", object_id=asked.object_id, reason=str(error))
            if error.status == _GONE:
                await self._settle(*place, notings, UNRESOLVED, str(error))
                return
            try_at = next_try(datetime.now(UTC), tries=tries, pause=self._pause)
            async with self._database.connection() as connection:
                await connection.execute(
                    QUERIES["try_long_invoice_again"], *place, str(error), try_at
                )
        else:
            _TOLD.inc()
            await self._settle(*place, notings, TOLD, "")

    async def _settle(self, *settled: object) -> None:
        async with self._database.connection() as connection:
            await connection.execute(QUERIES["settle_long_invoice"], *settled)

    def _mine(self) -> tuple[bool, str, str, list[str]]:
        whose = self._polled.whose
        return (self._polled.mode is Mode.LIVE, whose.account, str(whose.book), self._others)
