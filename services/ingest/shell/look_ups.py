"""Look-ups carried out: what is waited for past its deadline is asked for by its id, and told.

    reconciliation.look-ups ──note()──▶ ingest.look_ups ──GET object, movements──▶ stripe.objects

What the answer says is told like all that Stripe's API tells; whoever waits for it reads it there.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from prometheus_client import Counter, Gauge
from pydantic import ValidationError

from services.ingest.catch_up import Fields
from services.ingest.look_ups import NotAskable, asked_for, movements_of
from services.ingest.polled import PolledAccount
from services.ingest.shell.poll_store import QUERIES
from services.ingest.shell.stripe_api import ApiRefused, StripeApi
from services.ingest.shell.teller import Teller
from services.ingest.thin import next_try
from shared.contracts.errors import Unavailable
from shared.contracts.look_ups import WORTH_ASKING_FOR, LookUp, LookUpAsked
from shared.contracts.topics import LOOK_UPS
from shared.runtime import log
from shared.runtime.kafka import KafkaAddress, Record
from shared.runtime.postgres import Database, Tx
from shared.runtime.topic_reading import Keep, TopicReading

TOLD: Final = "told"
GONE: Final = "gone"
REFUSED: Final = "refused"
LEFT: Final = "left"
# So that a round stays short whatever has piled up: the rest has its turn in the next ones.
LOOK_UPS_MAX: Final = 50
LEFT_SAID_MAX: Final = 10
KEPT: Final = timedelta(days=90)
_WRONG_KEY: Final = 401
_GONE: Final = 404

_DONE = Counter(
    "tallystick_ingest_look_ups_total",
    "Objects looked up at Stripe, by what became of it",
    ["outcome"],
)
_FAILED = Counter(
    "tallystick_ingest_look_ups_failed_total", "Tries to look an object up that failed"
)
_OPEN = Gauge("tallystick_ingest_look_ups_open", "Objects that are still to be looked up at Stripe")
_log = log.get(__name__)


class LookUpIndex:
    """What is to be looked up at Stripe, taken in from its topic."""

    def __init__(
        self, database: Database, kafka: KafkaAddress, *, beat: Callable[[], None]
    ) -> None:
        self._database = database
        self._reading = TopicReading(database, kafka, LOOK_UPS, beat=beat)

    async def note(self) -> None:
        """Read the topic to its end, and leave what nobody could carry out in time.

        Raises:
            Fenced: Another process has moved the positions meanwhile.
            InvariantBroken: The rows were made from another cluster or topic.
            Unavailable: Kafka or Postgres is away.
        """
        await self._reading.to_its_end(self._take)
        at = datetime.now(UTC)
        async with self._database.connection() as connection:
            left = await connection.fetch(QUERIES["leave_look_ups"], at - WORTH_ASKING_FOR, at)
            await connection.execute(QUERIES["forget_look_ups"], at - KEPT)
            _OPEN.set(await connection.fetchval(QUERIES["open_look_ups"]))
        if left:
            _DONE.labels(LEFT).inc(len(left))
            some = sorted(row["object_id"] for row in left)[:LEFT_SAID_MAX]
            reasons = sorted({row["reason"] for row in left})[:LEFT_SAID_MAX]
            _log.error("look_up.left", count=len(left), object_ids=some, reasons=reasons)

    async def _take(self, batch: list[Record], keep: Keep) -> None:
        at = datetime.now(UTC)
        told = [each for each in _asked(batch) if each.look_up is LookUp.STRIPE_OBJECT]

        async def rows(tx: Tx) -> None:
            await tx.execute(QUERIES["lock_look_ups"])
            await tx.execute(
                QUERIES["note_look_ups"],
                [each.id for each in told],
                [each.book for each in told],
                [each.account for each in told],
                [each.kind for each in told],
                [each.where for each in told],
                [each.asked_at for each in told],
                at,
                at - WORTH_ASKING_FOR,
            )
            await tx.execute(QUERIES["supersede_look_ups"], at)

        await keep(rows)


def _asked(records: Iterable[Record]) -> list[LookUpAsked]:
    found: list[LookUpAsked] = []
    for record in records:
        try:
            found.append(LookUpAsked.model_validate_json(record.value))
        except ValidationError:
            # Whoever wrote it; what is waited for is asked for again in a week.
            _log.warning("look_up.unreadable", position=record.position)
    return found


@dataclass(frozen=True, slots=True)
class _Due:
    id: str
    account: str
    kind: str
    object_id: str
    tries: int


class LookUps:
    """Looks up what is due of one polled account, within the rate of its key.

    Args:
        api: The API, asked for an account.
        teller: Gives who tells for an account.
        database: Opened on the schema ``ingest``.
        polled: The account.
        everyone: All polled accounts: what is another one's is left to its key.
        connected: The connected accounts that are asked for by the key, each with its book.
    """

    def __init__(
        self,
        *,
        api: Callable[[str], StripeApi],
        teller: Callable[[str], Teller],
        database: Database,
        polled: PolledAccount,
        everyone: Sequence[PolledAccount],
        connected: Callable[[], Mapping[str, str]],
        pause: timedelta,
        beat: Callable[[], None],
    ) -> None:
        self._api = api
        self._teller = teller
        self._database = database
        self._polled = polled
        self._others = [e.whose.account for e in everyone if e.whose != polled.whose]
        self._connected = connected
        self._pause = pause
        self._beat = beat

    async def look(self) -> None:
        """Look up what is due: a bounded number each round, each try noted.

        Raises:
            ApiRefused: Stripe refuses the key.
            Unavailable: Stripe, Kafka or Postgres is away; what it was at has another turn later.
        """
        connected = self._connected()
        async with self._database.connection() as connection:
            rows = await connection.fetch(
                QUERIES["due_look_ups"],
                datetime.now(UTC),
                str(self._polled.whose.book),
                self._others,
                list(connected.values()),
                list(connected),
                LOOK_UPS_MAX,
            )
        for row in rows:
            self._beat()
            due = _Due(row["id"], row["account"], row["kind"], row["object_id"], row["tries"])
            await self._settle(due)

    async def _settle(self, due: _Due) -> None:
        try:
            told = await self._told(due)
        except NotAskable as error:
            await self._is(due, REFUSED, str(error))
        except ApiRefused as error:
            if error.status == _WRONG_KEY:
                raise
            await self._is(due, GONE if error.status == _GONE else REFUSED, str(error))
        except Unavailable as error:
            # Its turn goes to the others first: one object that Stripe fails at stops no other.
            _FAILED.inc()
            _log.info("look_up.failed", object_id=due.object_id, reason=str(error))
            try_at = next_try(datetime.now(UTC), tries=due.tries, pause=self._pause)
            async with self._database.connection() as connection:
                await connection.execute(QUERIES["try_look_up_again"], due.id, str(error), try_at)
            raise
        else:
            await self._is(due, TOLD, f"status {told.get('status')}")

    async def _told(self, due: _Due) -> Fields:
        """Ask for the object and its movements, and tell what is news of it."""
        asked = asked_for(due.kind, due.object_id)
        api, teller = self._api(due.account), self._teller(due.account)
        shown = await api.one(asked.path, expand=asked.expand)
        movements = [await api.one(m.path, expand=m.expand) for m in movements_of(shown)]
        await teller.tell("look_ups", [*movements, shown])
        return shown

    async def _is(self, due: _Due, outcome: str, reason: str) -> None:
        _DONE.labels(outcome).inc()
        level = _log.info if outcome == TOLD else _log.warning
        level("look_up.done", outcome=outcome, object_id=due.object_id, reason=reason)
        async with self._database.connection() as connection:
            await connection.execute(
                QUERIES["settle_look_up"], due.id, outcome, reason, datetime.now(UTC)
            )
