"""Commands judged in the projector's transaction: at once, in any order, and once more."""

import asyncio
import random
from collections.abc import Callable
from contextlib import AsyncExitStack
from datetime import UTC, date, datetime, timedelta

import asyncpg
import pytest

from shared.contracts.books import BankAccount
from tests.support.judged_journal import (
    PARTITIONS,
    InputLog,
    Journal,
    Json,
    cut,
    in_another_order,
    judged_journal,
    usd,
)

pytestmark = pytest.mark.stack
OWED = "liabilities:connect"


def owing(log: InputLog, minor: int, key: str = "acct_1") -> None:
    log.ask(
        "manual_entry",
        effective_at=log.now.isoformat(),
        postings=[
            {"account": "revenue:stripe", "side": "debit", "amount": usd(minor)},
            {"account": OWED, "side": "credit", "amount": usd(minor), "key": key},
        ],
    )


def spend(
    log: InputLog, minor: int, *, floor: bool = True, bank: str = "main", at: str = ""
) -> None:
    log.ask(
        "book_expense",
        category="compute",
        amount=usd(minor),
        paid_from=f"assets:bank:{bank}",
        effective_at=at or log.now.isoformat(),
        floor=floor,
    )


async def accepted(journal: Journal, kind: str = "") -> int:
    (row,) = await journal.read(
        "select count(*) from outcomes where outcome = 'accepted' and detail like $1", f"%{kind}%"
    )
    return int(row["count"])


@pytest.mark.parametrize("unit", [1000, 2**63 + 1, 10**28])
async def test_six_holds_at_once_on_five_leave_the_sixth_refused(
    fresh_database: Callable[[], str], unit: int
) -> None:
    dsn, log = fresh_database(), InputLog()
    owing(log, 5 * unit)
    async with judged_journal(dsn) as one, judged_journal(dsn, is_new=False) as other:
        await one.book(log.records)
        other.at = dict(one.at)
        holds = [
            log.ask("place_hold", at=n % 2, account=OWED, key="acct_1", amount=usd(unit))
            for n in range(6)
        ]
        processes = ((one, 0), (other, 1))
        await asyncio.gather(
            *(journal.book([h for h in holds if h.partition == at]) for journal, at in processes)
        )
        answers = [await one.answer(hold) for hold in holds]
        refused = [a for a in answers if a["outcome"] == "refused"]
        assert len(refused) == 1
        assert refused[0]["decided"]["values"]["available_minor"] == "0"
        assert await accepted(one, "held") == 5


async def test_eight_writers_on_three_hot_accounts_never_overdraw_one(
    fresh_database: Callable[[], str],
) -> None:
    dsn, log, dice = fresh_database(), InputLog(), random.Random(9)
    banks = ("one", "two", "three")
    for bank in banks:
        log.ask(
            "owner_capital",
            direction="contribute",
            amount=usd(10_000),
            account=f"assets:bank:{bank}",
            effective_at=log.now.isoformat(),
        )
    opening, log.records = log.records, []
    for _ in range(240):
        spend(log, dice.randrange(100, 400), bank=dice.choice(banks))
    async with AsyncExitStack() as held:
        first = await held.enter_async_context(judged_journal(dsn))
        await first.book(opening)
        writers = [first]
        for _ in range(PARTITIONS - 1):
            writer = await held.enter_async_context(judged_journal(dsn, is_new=False))
            writer.at = dict(first.at)
            writers.append(writer)

        async def write(writer: Journal, partition: int) -> None:
            mine = [record for record in log.records if record.partition == partition]
            for batch in cut(mine, random.Random(partition)):
                await writer.book(batch)

        await asyncio.gather(*(write(writer, n) for n, writer in enumerate(writers)))
        balances = await first.read(
            "select account, sum(debit_minor - credit_minor) as minor from balances"
            " where account like 'assets:bank:%' group by account"
        )
        assert {row["account"] for row in balances} == {f"assets:bank:{b}" for b in banks}
        assert all(row["minor"] >= 0 for row in balances)
        refused = await first.read("select detail from outcomes where outcome = 'refused'")
        assert refused
        assert all("available, not" in row["detail"] for row in refused)
        assert await accepted(first) + len(refused) == 243


async def test_facts_of_a_batch_count_before_its_commands(
    fresh_database: Callable[[], str],
) -> None:
    log = InputLog()
    spend(log, 500)
    log.line("l1", 500, "2024-06-01")
    async with judged_journal(fresh_database()) as journal:
        await journal.book(log.records)
        assert (await journal.answer(log.records[0]))["outcome"] == "accepted"


async def test_command_that_is_repeated_has_its_answer_again(
    fresh_database: Callable[[], str],
) -> None:
    log = InputLog()
    fields: Json = {"account": "assets:till:berlin", "display": "Till"}
    first = log.ask("open_account", named="anna:k", at=0, **fields)
    within = log.ask("open_account", named="anna:k", at=0, **fields)
    other = log.ask("open_account", named="anna:k", at=0, **(fields | {"display": "Desk"}))
    later = log.ask("open_account", named="anna:k", at=0, **fields)
    refused = log.ask("release_hold", named="anna:r", at=0, hold="x")
    again = log.ask("release_hold", named="anna:r", at=0, hold="x")
    async with judged_journal(fresh_database()) as journal:
        await journal.book([first, within, other])
        await journal.book([later, refused])
        await journal.book([again])
        said = await journal.answer(first)
        assert said["decided"]["account"] == "assets:till:berlin"
        for repeated in (within, later):
            assert await journal.answer(repeated) == said | {"detail": "replayed"}
        assert (await journal.answer(other))["outcome"] == "conflict"
        assert await journal.answer(again) == await journal.answer(refused)
        assert len(await journal.read("select 1 from account_changes")) == 1


async def test_entry_is_reversed_once_by_whoever_does_it(
    fresh_database: Callable[[], str],
) -> None:
    log = InputLog()
    amount = {"minor": "500", "currency": "usd", "exponent": 2}
    line = log.ask("owner_capital", named="put", direction="contribute", amount=amount,
                   account="assets:bank:main", effective_at="2024-06-01T00:00:00Z")  # fmt: skip
    undo: Json = {"reference": "command:put", "reason": "not ours"}
    first, second = log.ask("reverse_entry", **undo), log.ask("reverse_entry", **undo)
    async with judged_journal(fresh_database()) as journal:
        await journal.book([line, first])
        await journal.book([second])
        assert (await journal.answer(first))["outcome"] == "accepted"
        assert (await journal.answer(second))["decided"]["rule"] == "reversed_once"
        rows = await journal.read("select sum(debit_minor - credit_minor) as net from balances")
        assert rows[0]["net"] == 0
        assert await journal.read("select 1 from open_items") == []


async def test_account_is_closed_only_when_nothing_is_on_it(
    fresh_database: Callable[[], str],
) -> None:
    log = InputLog()
    owing(log, 100)
    first = log.ask("close_account", account="liabilities:payable")
    full = log.ask("close_account", account=OWED)
    async with judged_journal(fresh_database()) as journal:
        await journal.book(log.records[:1])
        await journal.book([first, full])
        assert (await journal.answer(first))["outcome"] == "accepted"
        assert (await journal.answer(full))["decided"]["rule"] == "account_empty"
        late = log.ask(
            "book_expense",
            category="compute",
            amount=usd(1),
            paid_from="liabilities:payable",
            effective_at=log.now.isoformat(),
        )
        await journal.book([late])
        assert (await journal.answer(late))["decided"]["rule"] == "account_open"


async def days_of(journal: Journal, account: str) -> dict[date, int]:
    rows = await journal.read(
        "select effective_day, sum(debit_minor - credit_minor) as minor from day_buckets"
        " where account = $1 group by 1 having sum(debit_minor - credit_minor) <> 0",
        account,
    )
    return {row["effective_day"]: row["minor"] for row in rows}


async def test_late_fact_is_reported_on_the_first_open_day_whenever_the_close_is_read(
    fresh_database: Callable[[], str],
) -> None:
    log = InputLog(now=datetime(2024, 6, 10, 8, tzinfo=UTC))
    in_time = log.line("l1", 500, "2024-05-30")
    closing = log.ask("close_period", through="2024-05-31")
    late = log.line("l2", 70, "2024-05-30")
    expected = {date(2024, 5, 30): 500, date(2024, 6, 1): 70}
    dsn, times = fresh_database(), 0
    # Each stands on a partition of its own, so a rebuild may read them in any order.
    for queued in ([in_time, closing, late], [late, closing, in_time]):
        for batches in ([[each] for each in queued], [queued]):
            times += 1
            async with judged_journal(dsn, schema=f"ledger_{times}") as journal:
                for batch in batches:
                    await journal.book(batch)
                assert await days_of(journal, "assets:bank:main") == expected
                rows = await journal.read(
                    "select e.reference, l.reported_day from late_entries as l join entries as e"
                    " on e.origin_id = l.origin_id and e.sequence = l.sequence"
                )
                assert [(r["reference"], r["reported_day"]) for r in rows] == [
                    ("bank:main:line:l2:r1", date(2024, 6, 1))
                ]


async def test_close_tells_what_the_books_sum_to_and_what_is_open(
    fresh_database: Callable[[], str],
) -> None:
    log = InputLog(now=datetime(2024, 6, 10, 8, tzinfo=UTC))
    log.line("l1", 500, "2024-05-30")
    log.line("l2", 70, "2024-06-02")
    closing = log.ask("close_period", through="2024-05-31")
    async with judged_journal(fresh_database()) as journal:
        await journal.book(log.records[:1])
        await journal.book(log.records[1:])
        decided = (await journal.answer(closing))["decided"]
    assert decided["trial_balance"] == [
        {"currency": "usd", "debits": usd(500), "credits": usd(500)}
    ]
    assert decided["open_keys"] == [
        {"account": "liabilities:suspense", "key": "l1", "amount": usd(-500)}
    ]
    assert decided["warnings"] == ["keys of clearing accounts that wait for their other half: 1"]


async def test_journal_refuses_that_closings_are_changed(
    fresh_database: Callable[[], str],
) -> None:
    log = InputLog()
    log.ask("close_period", through="2024-05-31")
    async with judged_journal(fresh_database()) as journal:
        await journal.book(log.records)
        async with journal.database.transaction() as tx:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await tx.execute("update periods set closed_through = null")


def any_world(dice: random.Random) -> InputLog:
    """Facts and commands of every kind that is judged here, some of them refused, some repeated."""
    log = InputLog()
    for _ in range(90):
        log.now += timedelta(hours=dice.randrange(1, 30))
        day = (log.now - timedelta(days=dice.randrange(0, 40))).date()
        dice.choice((_a_fact, _a_fact, _money, _money, _a_hold, _a_hold, _a_period, _an_account))(
            log, dice, day
        )
    # Whatever the dice said, each kind of thing that is decided is in it.
    owing(log, 2000)
    log.ask("place_hold", account=OWED, key="acct_1", amount=usd(1))
    log.ask("open_account", account="assets:till:last", display="Till")
    log.ask("close_period", through=str(log.now.date() - timedelta(days=2)))
    log.line("late", 777, str(log.now.date() - timedelta(days=9)))
    return log


def _a_fact(log: InputLog, dice: random.Random, day: date) -> None:
    number = dice.randrange(40)
    if dice.random() < 0.8:
        log.line(f"l{number}", 777, str(day))
    else:
        # Some of these book nothing, and some were reversed before.
        reference = f"command:k{dice.randrange(log.count + 1)}"
        log.ask("reverse_entry", reference=reference, reason="not ours")


def _money(log: InputLog, dice: random.Random, day: date) -> None:
    at, minor = f"{day}T{dice.randrange(24):02}:15:00+00:00", dice.randrange(1, 2000)
    match dice.randrange(3):
        case 0:
            owing(log, minor)
        case 1:
            spend(log, minor, floor=dice.random() < 0.6, at=at)
        case _:
            log.ask(
                "owner_capital",
                direction="contribute",
                amount=usd(minor),
                account=f"assets:till:t{dice.randrange(3)}",
                effective_at=at,
            )


def _a_hold(log: InputLog, dice: random.Random, _: date) -> None:
    hold = f"h{dice.randrange(1, 12)}"
    match dice.randrange(4):
        case 0 | 1:
            expires = log.now + timedelta(hours=dice.randrange(1, 90))
            more: Json = {"expires_at": expires.isoformat()} if dice.random() < 0.4 else {}
            amount = usd(dice.randrange(1, 2000))
            log.ask("place_hold", named=hold, account=OWED, key="acct_1", amount=amount, **more)
        case 2:
            log.ask("settle_hold", hold=hold, to="assets:bank:main")
        case _:
            log.ask("release_hold", hold=hold)


def _a_period(log: InputLog, dice: random.Random, day: date) -> None:
    last = log.now.date()
    match dice.randrange(4):
        case 0:
            log.ask("reopen_period", since=str(day), reason="something was found")
        case 1:
            log.ask("lock_period", through=str(last - timedelta(days=60)))
        case _:
            log.ask("close_period", through=str(last - timedelta(days=dice.randrange(2, 20))))


def _an_account(log: InputLog, dice: random.Random, _: date) -> None:
    kind = dice.choice(("open_account", "open_account", "rename_account", "close_account"))
    fields: Json = {} if kind == "close_account" else {"display": f"Till {log.count}"}
    log.ask(kind, account=f"assets:till:t{dice.randrange(3)}", **fields)


async def test_bank_account_that_nobody_named_takes_a_command_once_a_bank_has_told_of_it(
    fresh_database: Callable[[], str],
) -> None:
    log = InputLog()
    named = (BankAccount(name="main", currency="usd"),)
    async with judged_journal(fresh_database(), banks=named) as journal:
        spend(log, 1, floor=False)
        spend(log, 1, floor=False, bank="house")
        log.line("l_1", 500, "2026-03-01", account="house")
        # The facts of a batch are booked first, so each is a batch of its own.
        for record in log.records:
            await journal.book([record])
        yen = {"minor": "9", "currency": "jpy", "exponent": 0}
        later = log.ask(
            "book_expense", category="compute", amount=yen, paid_from="assets:bank:house"
        )
        await journal.book([later])
        answers = [await journal.answer(each) for each in (*log.records[:2], later)]
    assert [each["outcome"] for each in answers] == ["accepted", "refused", "accepted"]
    assert answers[1]["decided"]["values"] == {
        "account": "assets:bank:house",
        "bank_accounts": "main",
    }


@pytest.mark.parametrize("seed", range(4))
async def test_log_booked_again_in_any_order_decides_nothing_anew(
    fresh_database: Callable[[], str], seed: int
) -> None:
    dice = random.Random(seed)
    log, dsn = any_world(dice), fresh_database()
    async with judged_journal(dsn, zone="America/Sao_Paulo") as first:
        for batch in cut(log.records, dice):
            await first.book(batch)
        content, heads, published = (
            await first.content(),
            await first.heads(),
            await first.published(),
        )
        outcomes = await first.read(
            "select outcome, count(*) from outcomes group by outcome order by outcome"
        )
    assert {row["outcome"] for row in outcomes} >= {"accepted", "refused"}
    decided = {name: rows for name, (rows, _) in content.sums.items()}
    assert min(decided[each] for each in ("closings", "late entries", "accounts", "holds")) > 0
    for schema in ("ledger_once_more", "ledger_and_again"):
        async with judged_journal(dsn, zone="America/Sao_Paulo", schema=schema) as again:
            await again.learn(published)
            for batch in cut(in_another_order(log.records, dice), dice):
                await again.book(batch)
            assert await again.content() == content
            assert await again.heads() == heads
