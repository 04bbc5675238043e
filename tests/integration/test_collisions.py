"""Transactions that collide: one in five is ended by Postgres itself, and the books end right."""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Final, TypeVar

import asyncpg
import pytest

from services.ledger.shell.proof.verify import verify_journal
from shared.contracts.books import BankAccount
from shared.contracts.errors import Unavailable
from shared.runtime.postgres import ATTEMPTS_MAX, Database, Isolation, Tx
from tests.support.judged_journal import (
    PARTITIONS,
    InputLog,
    Journal,
    cut,
    judged_journal,
    usd,
)

pytestmark = [pytest.mark.stack, pytest.mark.fault]

SHARE: Final = 0.2
ROUNDS: Final = 24
# Named, so that no answer says which command was the first to move it: that hangs on the order.
BANKS: Final = (BankAccount(name="main", currency="usd"),)
HOT: Final = ("assets:bank:main", "revenue:stripe", "liabilities:payable")
# Constants, since a block of PL/pgSQL takes no parameters: serialization failure, deadlock.
COLLISIONS: Final = (
    "do $$ begin raise exception 'injected' using errcode = '40001'; end $$",
    "do $$ begin raise exception 'injected' using errcode = '40P01'; end $$",
)
_Found = TypeVar("_Found")


class Colliding(Database):
    """A database of which one transaction in five collides: before its work, or all but done."""

    def __init__(self, database: Database, dice: random.Random) -> None:
        super().__init__(database._pool)  # the same pool, with worse luck
        self._dice = dice
        self.collided: Counter[str] = Counter()
        self.attempts: list[int] = []

    async def run(
        self,
        work: Callable[[Tx], Awaitable[_Found]],
        *,
        isolation: Isolation = "read_committed",
        attempts_max: int = ATTEMPTS_MAX,
    ) -> _Found:
        attempts = 0

        async def unlucky(tx: Tx) -> _Found:
            nonlocal attempts
            attempts += 1
            luck, collision = self._dice.random(), self._dice.choice(COLLISIONS)
            if luck < SHARE / 2:
                await self._collide(tx, collision)
            found = await work(tx)
            if SHARE / 2 <= luck < SHARE:
                await self._collide(tx, collision)
            return found

        try:
            return await super().run(unlucky, isolation=isolation, attempts_max=attempts_max)
        finally:
            self.attempts.append(attempts)

    async def _collide(self, tx: Tx, collision: str) -> None:
        try:
            await tx.execute(collision)
        except asyncpg.TransactionRollbackError as error:
            self.collided[type(error).__name__] += 1
            raise


def told(log: InputLog) -> None:
    """Each partition tells of three hot accounts, and of a customer of its own."""
    for number in range(ROUNDS * PARTITIONS):
        at = number % PARTITIONS
        log.ask(
            "manual_entry",
            at=at,
            effective_at=log.now.isoformat(),
            postings=[
                {"account": HOT[0], "side": "debit", "amount": usd(300 + number)},
                {"account": HOT[1], "side": "credit", "amount": usd(200 + number)},
                {"account": HOT[2], "side": "credit", "amount": usd(100)},
            ],
        )
        if number % 3 == 0:
            log.line(f"l{number}", number - 90, "2024-06-01")
        if number % 4 == 0:
            log.ask("grant_credits", at=at, customer=f"cus_{at}", amount=usd(50))


async def booked(journal: Journal, log: InputLog, writer: int, dice: random.Random) -> int:
    """Book one writer's partitions, however often its batches collide; how often they gave up."""
    own = [record for record in log.records if record.partition == writer]
    gave_up = 0
    for batch in cut(own, dice):
        while True:
            try:
                await journal.book(batch)
                break
            except Unavailable:
                # As the projector does: the position stays, and the batch has its turn again.
                gave_up += 1
    return gave_up


async def test_eight_writers_of_three_hot_accounts_lose_nothing_when_one_in_five_collides(
    fresh_database: Callable[[], str],
) -> None:
    log = InputLog()
    told(log)
    calm = fresh_database()
    async with judged_journal(calm, banks=BANKS) as journal:
        for batch in cut(log.records, random.Random(1)):
            await journal.book(batch)
        expected = await journal.content()
    dsn = fresh_database()
    colliding: list[Colliding] = []
    async with AsyncExitStack() as held:
        writers: list[Journal] = []
        for number in range(PARTITIONS):
            journal = await held.enter_async_context(
                judged_journal(dsn, is_new=not number, banks=BANKS)
            )
            shaken = Colliding(journal.database, random.Random(40_001 + number))
            journal.database = shaken
            colliding.append(shaken)
            writers.append(journal)
        gave_up = await asyncio.gather(
            *(
                booked(journal, log, number, random.Random(number))
                for number, journal in enumerate(writers)
            )
        )
        # None of it depends on the order: all is as if nothing had ever collided.
        assert await writers[0].content() == expected
        assert (await verify_journal(writers[0].database)).problems == ()
        (row,) = await writers[0].read("select count(*) from dead_letters")
        assert row["count"] == 0
    kinds = sum((each.collided for each in colliding), Counter[str]())
    attempts = sorted(count for each in colliding for count in each.attempts)
    assert set(kinds) == {"SerializationError", "DeadlockDetectedError"}
    assert kinds.total() > 0.1 * len(attempts)
    assert attempts[len(attempts) * 99 // 100] <= ATTEMPTS_MAX
    assert sum(gave_up) <= 0.02 * len(attempts)
