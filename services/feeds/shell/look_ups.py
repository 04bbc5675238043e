"""Look-ups carried out: an account on which a line is waited for past its deadline is read now.

    reconciliation.look-ups ──note()──▶ feeds.look_ups ──one reading──▶ bank.observations

Beside the schedule, from the day on that the look-up names; all that ask for one account are
answered by one reading of it. An account that files tell has nobody who could be asked.
"""

import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Final

from prometheus_client import Counter, Gauge
from pydantic import ValidationError

from services.feeds.look_ups import (
    DueLookUp,
    PolledAccount,
    accounts_of,
    next_try,
    read_from,
)
from services.feeds.shell.bank_api import BankRefused, Poll
from services.feeds.shell.store import SQL
from shared.contracts.errors import Unavailable
from shared.contracts.look_ups import WORTH_ASKING_FOR, LookUp, LookUpAsked
from shared.contracts.topics import LOOK_UPS
from shared.runtime import log
from shared.runtime.kafka import KafkaAddress, Record
from shared.runtime.postgres import Database, Tx
from shared.runtime.topic_reading import Keep, TopicReading

READ: Final = "read"
BY_FILES: Final = "by_files"
LEFT: Final = "left"
LEFT_SAID_MAX: Final = 10
KEPT: Final = timedelta(days=90)
LOOK_UPS_MAX: Final = 500
TRY_AGAIN: Final = timedelta(seconds=60)

_DONE = Counter(
    "tallystick_feeds_look_ups_total",
    "Look-ups of bank lines, by what became of them",
    ["outcome"],
)
_FAILED = Counter(
    "tallystick_feeds_look_ups_failed_total", "Readings that were to look a line up and failed"
)
_OPEN = Gauge("tallystick_feeds_look_ups_open", "Look-ups of bank lines still to be carried out")
_log = log.get(__name__)


class LookUps:
    """What is to be looked up at banks, taken in from its topic and carried out."""

    def __init__(
        self,
        database: Database,
        kafka: KafkaAddress,
        *,
        beat: Callable[[], None],
        pause_seconds: float,
    ) -> None:
        self._database = database
        self._beat = beat
        self._pause_seconds = pause_seconds
        self._reading = TopicReading(database, kafka, LOOK_UPS, beat=beat)
        self._read_at: dict[str, float] = {}

    async def note(self) -> None:
        """Read the topic to its end, and leave what could not be carried out in time.

        Raises:
            Fenced: Another process has moved the positions meanwhile.
            InvariantBroken: The rows were made from another cluster or topic.
            Unavailable: Kafka or Postgres is away.
        """
        await self._reading.to_its_end(self._take)
        at = datetime.now(UTC)
        async with self._database.connection() as connection:
            left = await connection.fetch(SQL["leave_look_ups"], at - WORTH_ASKING_FOR, at)
            await connection.execute(SQL["forget_look_ups"], at - KEPT)
            _OPEN.set(await connection.fetchval(SQL["open_look_ups"]))
        if left:
            _DONE.labels(LEFT).inc(len(left))
            accounts = sorted({row["account"] or "any" for row in left})[:LEFT_SAID_MAX]
            reasons = sorted({row["reason"] for row in left})[:LEFT_SAID_MAX]
            _log.error("look_up.left", count=len(left), accounts=accounts, reasons=reasons)

    async def _take(self, batch: list[Record], keep: Keep) -> None:
        at = datetime.now(UTC)
        told = [each for each in _asked(batch) if each.look_up is LookUp.BANK_LINES]

        async def rows(tx: Tx) -> None:
            await tx.execute(
                SQL["note_look_ups"],
                [each.id for each in told],
                [each.book for each in told],
                [each.where for each in told],
                [each.currency for each in told],
                [each.since or each.deadline.date() for each in told],
                [each.asked_at for each in told],
                at,
                at - WORTH_ASKING_FOR,
            )

        await keep(rows)

    async def answer(
        self,
        polled: Mapping[PolledAccount, Poll],
        *,
        by_files: Collection[str],
        has_banks: bool,
        busy: Collection[str] = (),
        away: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """Read the accounts that are asked for, each once; what cannot be read has another turn.

        ``by_files`` are the accounts that only files tell; without ``has_banks`` all are. Those
        that are ``busy`` are being read now and have their turn after it. Those that are ``away``,
        with the reason, could not be read just now: they are not waited for once more.

        Raises:
            Unavailable: Postgres is away.
        """
        due = await self._due()
        polls = {account.name: poll for account, poll in polled.items()}
        told_by_files: list[DueLookUp] = []
        about: dict[str, tuple[str, ...]] = {}
        for each in due:
            names = accounts_of(each, polled)
            if names and not any(self._is_paused(name) or name in busy for name in names):
                about[each.id] = names
            elif not names and (each.account in by_files or not has_banks):
                told_by_files.append(each)
        await self._say_files_tell(told_by_files)
        problems: dict[str, str] = {}
        for name in sorted({name for names in about.values() for name in names}):
            since = min(each.since for each in due if name in about.get(each.id, ()))
            self._beat()
            if why := away.get(name):
                _FAILED.inc()
                problems[name] = why
            elif why := await self._read(polls[name], read_from(since, now=datetime.now(UTC))):
                problems[name] = why
        await self._settle([each for each in due if each.id in about], about, problems)

    async def _due(self) -> list[DueLookUp]:
        async with self._database.connection() as connection:
            rows = await connection.fetch(SQL["due_look_ups"], datetime.now(UTC), LOOK_UPS_MAX)
        return [
            DueLookUp(
                row["id"],
                row["book"],
                row["account"],
                row["currency"],
                row["since"],
                row["tries"],
            )
            for row in rows
        ]

    def _is_paused(self, name: str) -> bool:
        read_at = self._read_at.get(name)
        return read_at is not None and time.monotonic() - read_at < self._pause_seconds

    async def _read(self, poll: Poll, since: datetime) -> str:
        """Read an account from a time on; gives what stood in the way."""
        self._read_at[poll.name] = time.monotonic()
        try:
            await poll.poll(since=since)
        except (Unavailable, BankRefused) as error:
            _FAILED.inc()
            level = _log.error if isinstance(error, BankRefused) else _log.warning
            level("look_up.failed", account=poll.name, reason=str(error))
            return str(error)
        _log.info("look_up.read", account=poll.name, since=since.date().isoformat())
        return ""

    async def _settle(
        self,
        due: Sequence[DueLookUp],
        about: Mapping[str, tuple[str, ...]],
        problems: Mapping[str, str],
    ) -> None:
        at = datetime.now(UTC)
        why = {
            each.id: "; ".join(problems[name] for name in about[each.id] if name in problems)
            for each in due
        }
        read = [each.id for each in due if not why[each.id]]
        _DONE.labels(READ).inc(len(read))
        async with self._database.connection() as connection:
            if read:
                await connection.execute(SQL["settle_look_ups"], read, READ, "", at)
            for each in due:
                if reason := why[each.id]:
                    try_at = next_try(at, tries=each.tries, pause=TRY_AGAIN)
                    await connection.execute(SQL["try_look_up_again"], each.id, reason, try_at)

    async def _say_files_tell(self, due: Sequence[DueLookUp]) -> None:
        """Nobody can be asked: the next file tells, and until then there is nothing to do."""
        for account in sorted({each.account for each in due}):
            said = "only files tell this account: import the statement of that day"
            _log.info("look_up.by_files", account=account or "any", reason=said)
        if due:
            _DONE.labels(BY_FILES).inc(len(due))
            ids = [each.id for each in due]
            async with self._database.connection() as connection:
                await connection.execute(
                    SQL["settle_look_ups"], ids, BY_FILES, "", datetime.now(UTC)
                )


def _asked(records: Iterable[Record]) -> list[LookUpAsked]:
    found: list[LookUpAsked] = []
    for record in records:
        try:
            found.append(LookUpAsked.model_validate_json(record.value))
        except ValidationError:
            # Whoever wrote it; what is waited for is asked for again in a week.
            _log.warning("look_up.unreadable", position=record.position)
    return found
