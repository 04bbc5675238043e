"""Banks are read side by side: one that hangs keeps no other one's accounts from being read."""

import asyncio
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime

import pytest

from services.feeds.config import Bank, Provider
from services.feeds.shell.bank_api import BankAccountAt, Poll
from services.feeds.shell.bank_reader import BankReader
from shared.contracts.books import BookMap
from shared.contracts.errors import Unavailable

BOUND = 10.0


@dataclass
class Account:
    """An account that is read as often as it is asked for; ``gate`` holds a reading back."""

    name: str
    gate: asyncio.Event
    is_away: bool = False
    readings: int = 0
    at_once: int = 0

    async def poll(self, *, since: datetime | None = None) -> None:
        assert since is None
        self.at_once += 1
        assert self.at_once == 1, "an account is never read by two at once"
        await self.gate.wait()
        self.at_once -= 1
        if self.is_away:
            raise Unavailable("the bank answered 500")
        self.readings += 1


@dataclass
class AtBank:
    """A bank with one account."""

    account: Account
    log: list[str] = field(default_factory=list[str])
    begun: asyncio.Event = field(default_factory=asyncio.Event)
    asked: int = 0
    is_closed: bool = False
    others: Collection[str] = field(default_factory=set[str])

    async def accounts(self) -> tuple[BankAccountAt, ...]:
        self.asked += 1
        self.log.append(f"{self.account.name} asked")
        self.begun.set()
        return (BankAccountAt(f"id_{self.account.name}", self.account.name, "usd"),)

    def poll(self, account: BankAccountAt, book: str) -> Poll:
        assert (account.name, book) == (self.account.name, "main")
        return self.account

    async def close(self) -> None:
        self.is_closed = True

    def reader(self, turns: asyncio.Semaphore) -> BankReader:
        bank = Bank(self.account.name, Provider.INCREASE, "http://bank.test", {}, "key")
        return BankReader(bank, self, books=BookMap(), turns=turns, interval_seconds=0.0)

    def begin(self, reader: BankReader) -> None:
        reader.begin(accounts_seconds=60, others=lambda: self.others)


def at_bank(name: str, *, is_open: bool) -> AtBank:
    gate = asyncio.Event()
    if is_open:
        gate.set()
    return AtBank(Account(name, gate))


async def ended(reader: BankReader) -> None:
    assert reader.task is not None
    await asyncio.wait([reader.task], timeout=BOUND)
    assert reader.hear()


async def test_bank_that_hangs_keeps_no_other_bank_from_being_read() -> None:
    turns = asyncio.Semaphore(2)
    dead, well = at_bank("dead", is_open=False), at_bank("well", is_open=True)
    slow, quick = dead.reader(turns), well.reader(turns)
    dead.begin(slow)
    for reading in range(1, 4):
        well.begin(quick)
        await ended(quick)
        assert well.account.readings == reading
        dead.begin(slow)
        assert not slow.hear(), "it is being read, and is not begun twice"
    assert slow.seconds > 0
    dead.account.gate.set()
    await ended(slow)
    assert (dead.account.readings, slow.seconds, slow.problems) == (1, 0.0, {})
    assert (dead.asked, well.asked) == (1, 1), "accounts are learnt again after a minute"
    for each in (slow, quick):
        await each.close()
    assert (dead.is_closed, well.is_closed) == (True, True)


async def test_no_more_banks_than_allowed_are_read_at_once() -> None:
    turns = asyncio.Semaphore(1)
    first, second = at_bank("first", is_open=False), at_bank("second", is_open=True)
    second.log = first.log
    one, other = first.reader(turns), second.reader(turns)
    first.begin(one)
    second.begin(other)
    await asyncio.wait_for(first.begun.wait(), BOUND)
    first.log.append("first let go")
    first.account.gate.set()
    await ended(one)
    await ended(other)
    assert first.log == ["first asked", "first let go", "second asked"]
    assert second.account.readings == 1


async def test_bank_that_is_away_says_why_and_is_left_alone_for_a_growing_while(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = [1_000.0]
    monkeypatch.setattr("services.feeds.shell.bank_reader.time.monotonic", lambda: clock[0])
    away = at_bank("away", is_open=True)
    away.account.is_away = True
    bank = Bank("away", Provider.INCREASE, "http://bank.test", {}, "key")
    reader = BankReader(
        bank, away, books=BookMap(), turns=asyncio.Semaphore(1), interval_seconds=10.0
    )
    pauses: list[float] = []
    away.begin(reader)
    while away.account.is_away:
        await ended(reader)
        assert reader.problem_of("away") == "the bank answered 500"
        heard = clock[0]
        while reader.task is None:
            clock[0] += 10.0
            away.begin(reader)
        pauses.append(clock[0] - heard)
        away.account.is_away = len(pauses) < 8
    await ended(reader)
    assert pauses == sorted(pauses)
    assert (pauses[0], pauses[-1]) == (10.0, 290.0)
    assert reader.problems == {}


async def test_reading_that_is_broken_off_gives_its_connections_back() -> None:
    held = at_bank("held", is_open=False)
    reader = held.reader(asyncio.Semaphore(1))
    held.begin(reader)
    await asyncio.wait_for(held.begun.wait(), BOUND)
    await reader.close()
    assert held.is_closed


async def test_account_that_another_bank_has_is_said_and_not_read() -> None:
    twin = at_bank("ops", is_open=True)
    twin.others = {"ops"}
    reader = twin.reader(asyncio.Semaphore(1))
    twin.begin(reader)
    await ended(reader)
    assert reader.problems == {"ops ops": "another bank has an account of that name already"}
    assert twin.account.readings == 0


@dataclass
class Broken(Account):
    """An account whose reading fails for no bank's reason."""

    async def poll(self, *, since: datetime | None = None) -> None:
        raise ValueError(f"no bank's fault, since {since}")


async def test_what_is_no_banks_fault_ends_the_process() -> None:
    broken = AtBank(Broken("broken", asyncio.Event()))
    reader = broken.reader(asyncio.Semaphore(1))
    broken.begin(reader)
    assert reader.task is not None
    await asyncio.wait([reader.task], timeout=BOUND)
    with pytest.raises(ValueError, match="no bank's fault"):
        reader.hear()
