"""Holding positions against the ends of the topics: what Faust never delivers is read here.

A position in Postgres that stands behind a topic's end, with nothing being delivered, means that
Faust has committed more than we have: after a crash, a restored or an empty database. The records
between are read past Faust.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from services.reconciler.shell.figures import Figures
from services.reconciler.shell.keeping import balances
from services.reconciler.shell.keeping.memory import SQL
from services.reconciler.shell.reading.conveyor import BEAT_SECONDS, Conveyor
from services.reconciler.shell.reading.intake import FAILURES_MAX
from shared.contracts.errors import InvariantBroken, Unavailable
from shared.contracts.topics import BANK_OBSERVATIONS, STRIPE_EVENTS, STRIPE_OBJECTS
from shared.runtime import log
from shared.runtime.kafka import KafkaAddress, Partition, offset_bounds
from shared.runtime.lifecycle import pause
from shared.runtime.metrics import Health
from shared.runtime.positions import Log, read_positions
from shared.runtime.postgres import Database, Tx

# What the ledger books; its progress marks tell how far it is in these.
BOOKED: Final = (STRIPE_EVENTS, STRIPE_OBJECTS, BANK_OBSERVATIONS)
_logger = log.get(__name__)


@dataclass(slots=True)
class Standing:
    """How far we are, for people and for those who wait until all is quiet."""

    lags: dict[Partition, int] = field(default_factory=dict[Partition, int])
    ledger_lags: dict[Partition, int] = field(default_factory=dict[Partition, int])
    outbox: int = 0
    unresolved: dict[str, int] = field(default_factory=dict[str, int])
    looked_at: datetime | None = None

    @property
    def is_caught_up(self) -> bool:
        """Whether all that was there at the last look was read, booked by the ledger, and told."""
        behind = sum(self.lags.values()) + sum(self.ledger_lags.values()) + self.outbox
        return self.looked_at is not None and behind == 0

    def as_json(self) -> dict[str, object]:
        """For the health page."""
        return {
            "caught_up": self.is_caught_up,
            "lag_records": sum(self.lags.values()),
            "ledger_lag_records": sum(self.ledger_lags.values()),
            "outbox_records": self.outbox,
            "unresolved": self.unresolved,
            "looked_at": self.looked_at.isoformat() if self.looked_at else None,
        }


class Watch:
    """Looks at ends and due times, again and again."""

    _may_judge: bool = False

    def __init__(
        self,
        address: KafkaAddress,
        database: Database,
        positions: Log,
        conveyor: Conveyor,
        *,
        recall: Callable[[], Awaitable[int]],
        inputs: Iterable[str],
        mine: Callable[[], frozenset[Partition]],
        health: Health,
        figures: Figures,
        now: Callable[[], datetime],
    ) -> None:
        self._address = address
        self._database = database
        self._positions = positions
        self._conveyor = conveyor
        self._recall = recall
        self._inputs = tuple(sorted(inputs))
        self._mine = mine
        self._health = health
        self._figures = figures
        self._now = now
        self._before: dict[Partition, int] = {}
        self.standing = Standing()

    async def begin(self) -> None:
        """Note where the topics end now; until that is read, nothing is judged.

        Raises:
            InvariantBroken: A position lies outside its log.
            Unavailable: Kafka or Postgres does not answer.
        """
        first, ends = await offset_bounds(self._address, self._inputs)

        async def work(tx: Tx) -> None:
            at = await read_positions(tx, self._positions)
            for partition in ends:
                if not first[partition] <= at[partition] <= ends[partition]:
                    raise InvariantBroken(
                        f"position {at[partition]} of {partition} lies outside its log,"
                        f" {first[partition]} to {ends[partition]}: records are gone"
                    )
            places = sorted(ends)
            await tx.execute(
                SQL["set_caught_up_at"],
                [p.topic for p in places],
                [p.partition for p in places],
                [ends[p] for p in places],
            )

        await self._database.run(work)

    async def run(self, stop: asyncio.Event, *, every_seconds: float) -> None:
        """The sweep: look, read what is not being delivered, look again."""
        every = min(every_seconds, 0.5)
        while not stop.is_set():
            self._health.beat("sweep", next_within_seconds=BEAT_SECONDS)
            try:
                await self.look()
            except Unavailable as error:
                self._health.not_ready("watch", str(error))
                _logger.warning("watch.waits", reason=str(error))
            else:
                self._health.ready("watch")
                every = self._say_whether_caught_up(every_seconds)
            await pause(stop, every)

    def _say_whether_caught_up(self, every_seconds: float) -> float:
        """Tell health, and how long to wait until the next look."""
        if not self._may_judge:
            self._health.not_ready("catching_up", "the topics are being read to their end")
            return min(every_seconds, 0.5)
        self._health.ready("catching_up")
        return every_seconds

    async def look(self) -> None:
        """Hold positions against ends once, and read what lies between and is not coming.

        Raises:
            InvariantBroken: A position lies past its log's end.
            Unavailable: Kafka or Postgres does not answer.
        """
        at, booked = await self._positions_now()
        _, ends = await offset_bounds(self._address, self._inputs)
        if missing := sorted({p.topic for p in at.keys() - ends.keys()}):
            raise Unavailable(f"topics without a leader: {', '.join(missing)}")
        # Asked for before the ends, so none may be past its end.
        if past := [f"{p}@{at[p]} of {ends[p]}" for p in sorted(at) if at[p] > ends[p]]:
            raise InvariantBroken(f"topics were cut or made anew: {', '.join(past)}")
        mine = self._mine()
        stuck = {
            p: (at[p], ends[p])
            for p in sorted(mine & ends.keys())
            # Behind, and where it stood at the last look: or never looked at since it is ours.
            if at[p] < ends[p] and self._before.get(p, at[p]) == at[p]
        }
        self._before = {p: at[p] for p in mine if p in at}
        if stuck:
            _logger.info("watch.reads", partitions=len(stuck))
            await self._conveyor.read(stuck)
            at, booked = await self._positions_now()
        await self._note(ends, at, booked)
        await self._recall()

    async def _positions_now(self) -> tuple[dict[Partition, int], dict[Partition, int]]:
        async with self._database.connection() as connection:
            rows = await connection.fetch(SQL["behind"], list(self._inputs))
        self._may_judge = all(row["next_offset"] >= row["caught_up_at"] for row in rows)
        at = {Partition(row["topic"], row["partition"]): row["next_offset"] for row in rows}
        booked = {
            Partition(row["topic"], row["partition"]): row["booked"] or 0
            for row in rows
            if row["topic"] in BOOKED
        }
        return at, booked

    async def _note(
        self,
        ends: Mapping[Partition, int],
        at: Mapping[Partition, int],
        booked: Mapping[Partition, int],
    ) -> None:
        standing = Standing(
            lags={p: ends[p] - at[p] for p in ends if at[p] < ends[p]},
            ledger_lags={p: ends[p] - n for p, n in booked.items() if n < ends[p]},
            looked_at=self._now(),
        )
        is_at_rest = not standing.lags and not standing.ledger_lags

        async def work(tx: Tx) -> None:
            standing.outbox = await tx.fetchval(SQL["count_outbox"])
            rows = await tx.fetch(SQL["count_unresolved"])
            standing.unresolved = {row["kind"]: row["unresolved"] for row in rows}
            if is_at_rest:
                for book in sorted(await balances.rest(tx)):
                    await tx.execute(SQL["wake_book"], book, self._now(), FAILURES_MAX)

        await self._database.run(work)
        self.standing = standing
        self._figures.quiet(self._now())
        self._figures.stands(
            lags={p: ends[p] - at[p] for p in ends},
            unresolved=standing.unresolved,
            outbox=standing.outbox,
        )

    async def run_due(self, stop: asyncio.Event, *, every_seconds: float) -> None:
        """Judge books whose time has come."""
        while not stop.is_set():
            self._health.beat("due", next_within_seconds=BEAT_SECONDS)
            await self._conveyor.judge_due()
            await pause(stop, every_seconds)
