"""Look-ups asked for on their topic, and the poller's part that carries them out, by hand."""

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from types import MappingProxyType

from pydantic import SecretStr

from services.ingest.polled import Connected, PolledAccount, speaker_for
from services.ingest.shell.look_ups import LookUpIndex, LookUps
from services.ingest.shell.stripe_api import API_VERSION, StripeApi
from services.ingest.shell.teller import Teller
from shared.contracts.books import Mode
from shared.contracts.envelope import Envelope
from shared.contracts.look_ups import LookUp, LookUpAsked, look_up_id
from shared.contracts.schemas import type_of
from shared.contracts.topics import LOOK_UPS
from shared.runtime.kafka import KafkaAddress, Publication
from tests.support.poller import BOOKS, WATCH_PAUSE, WHOSE, Polling
from tests.support.world import KEY


def look_up(
    where: str,
    look_up: LookUp = LookUp.STRIPE_OBJECT,
    *,
    book: str = "main",
    deadline: datetime | None = None,
    asked_at: datetime | None = None,
    since: date | None = None,
    kind: str = "payout",
    subject: str = "",
    account: str = "",
) -> LookUpAsked:
    """A look-up as the reconciler asks for it."""
    at = deadline or datetime.now(UTC)
    return LookUpAsked(
        id=look_up_id(book, subject or where, at, look_up, where),
        book=book,
        subject=subject or where,
        deadline=at,
        asked_at=asked_at or datetime.now(UTC),
        look_up=look_up,
        where=where,
        kind=kind,
        account=account,
        currency="usd",
        since=since,
    )


def published(asked: Iterable[LookUpAsked]) -> list[Publication]:
    """The records that ask for look-ups."""
    return [
        Publication(
            LOOK_UPS,
            f"{each.book}|{each.subject}".encode(),
            Envelope(
                id=each.id,
                source="tallystick/reconciler",
                type=type_of(LookUpAsked),
                time=each.asked_at,
                data=each.model_dump_json().encode(),
                subject=each.subject,
                extensions={"book": each.book},
            ),
        )
        for each in asked
    ]


class LookingUp:
    """The poller's look-ups of one account, before a Stripe."""

    def __init__(
        self,
        polling: Polling,
        *,
        api: StripeApi | None = None,
        connected: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self.polling = polling
        self.api = api or polling.api
        polled = PolledAccount(WHOSE, Mode.TEST, SecretStr(KEY), Connected())
        self._polled = polled
        self._index = LookUpIndex(polling.database, KafkaAddress(polling.kafka), beat=lambda: None)
        self._look_ups = LookUps(
            api=lambda _: self.api,
            teller=self._teller,
            database=polling.database,
            polled=polled,
            everyone=[polled],
            connected=lambda: connected,
            pause=timedelta(seconds=30),
            beat=lambda: None,
        )

    def _teller(self, account: str) -> Teller:
        return Teller(
            api=self.api,
            store=self.polling.store,
            publisher=self.polling.publisher,
            speaker=speaker_for(account, self._polled, BOOKS, version=API_VERSION),
            watch_pause=WATCH_PAUSE,
        )

    async def begin(self) -> "LookingUp":
        """Pass over what other tests have asked for: the topic is shared."""
        await self._index.note()
        async with self.polling.database.connection() as connection:
            await connection.execute("delete from look_ups")
        return self

    async def ask(self, *asked: LookUpAsked) -> None:
        """Put look-ups on the topic, and take in what stands there."""
        await self.polling.publisher.publish_all(published(asked), 30)
        await self._index.note()

    async def look(self) -> None:
        """Carry out what is due."""
        await self._look_ups.look()

    async def outcomes(self, *asked: LookUpAsked) -> list[tuple[str, str]]:
        """What became of look-ups: state and reason."""
        async with self.polling.database.connection() as connection:
            rows = await connection.fetch("select id, state, reason from look_ups")
        found = {row["id"]: (row["state"], row["reason"]) for row in rows}
        return [found[each.id] for each in asked]
