"""The feeds as a process: accounts read again, stale feeds told, files from the folder to the books."""

import asyncio
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from services.reconciler.facts.kinds import Audited
from services.reconciler.facts.readers import facts_of
from shared.contracts.audits import AuditReport
from shared.contracts.books import BookMap
from shared.contracts.discrepancies import DiscrepancyKind
from shared.contracts.observations import BANK_OBSERVATION, BankLine
from shared.contracts.topics import BANK_OBSERVATIONS, FEEDS_AUDITS
from shared.runtime.kafka import Record, end_offsets
from tests.support.feeds import BANK
from tests.support.ingest import free_port, records_since, service
from tests.support.ledger import ROOT, LedgerRig
from tests.support.world import KEY, runner_of, served

pytestmark = pytest.mark.stack

DATA = Path(__file__).parents[1] / "unit/feeds/data"


async def until(what: str, fact: Callable[[], Awaitable[bool]], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not await fact():
        assert time.monotonic() < deadline, what


async def test_stale_feed_and_new_accounts_are_told_without_a_restart(
    kafka: str, fresh_database: Callable[[], str], tmp_path: Path
) -> None:
    since = await end_offsets(kafka, [BANK_OBSERVATIONS, FEEDS_AUDITS])
    folder = tmp_path / "statements"
    polled, dropped = (f"bank_{uuid.uuid4().hex[:12]}" for _ in range(2))
    banks = tmp_path / "banks.toml"

    async def told(topic: str) -> list[Record]:
        return await records_since(kafka, topic, since)

    async def stands() -> list[bool]:
        reports = [AuditReport.model_validate_json(r.value) for r in await told(FEEDS_AUDITS)]
        return [r.stands for r in reports if r.subject == polled]

    async with served(runner_of("bare")) as world:
        bank_id = world.runner.world.state.bank.named(BANK).id
        (tmp_path / "key").write_text(KEY)
        first = (
            f'[[banks]]\nname = "first"\nbase_url = "{world.bank_url}"\nkey_file = "key"\n'
            f'[[banks.accounts]]\nid = "{bank_id}"\nname = "{polled}"\n'
        )
        banks.write_text(first)
        port = free_port()
        environment = {
            "TALLYSTICK_KAFKA_BOOTSTRAP": kafka,
            "TALLYSTICK_POSTGRES_DSN": fresh_database(),
            "TALLYSTICK_FEEDS_PORT": str(port),
            "TALLYSTICK_FEEDS_BANKS_FILE": str(banks),
            "TALLYSTICK_FEEDS_POLL_INTERVAL_SECONDS": "0.2",
            "TALLYSTICK_FEEDS_ACCOUNTS_SECONDS": "0.2",
            "TALLYSTICK_FEEDS_TIMEOUT_SECONDS": "0.5",
            "TALLYSTICK_FEEDS_STALE_AFTER_SECONDS": "2",
            "TALLYSTICK_FEEDS_STATEMENTS_FOLDER": str(folder),
            "TALLYSTICK_FEEDS_STATEMENTS_LOOK_SECONDS": "0.1",
        }
        with service("services.feeds", port=port, environment=environment) as process:
            await asyncio.to_thread(process.await_answer, "/readyz")
            await world.knobs("bank", server_error_every=1)
            await until("the stale feed", lambda: _is(stands, lambda told: told[-1:] == [True]))
            await world.knobs("bank", server_error_every=0)
            await until("the fresh feed", lambda: _is(stands, lambda told: told[-1:] == [False]))

            # A bank that refuses the key tells not even which accounts it has.
            (tmp_path / "key").write_text("wrong")
            await until("the refused key", lambda: _is(stands, lambda told: told[-1:] == [True]))
            (tmp_path / "key").write_text(KEY)
            await until("the right key", lambda: _is(stands, lambda told: told[-1:] == [False]))

            banks.write_text("nonsense")
            await until("the refusal", lambda: _says(process.told, "sources.refused"))
            banks.write_text(
                first + f'[[statements]]\nid = "NL91ABNA0417164300"\nname = "{dropped}"\n'
            )
            await until("the new accounts", lambda: _says(process.told, dropped))
            (folder / "pages.xml").write_bytes((DATA / "camt053_pages.xml").read_bytes())

            async def is_told() -> bool:
                found = [r for r in await told(BANK_OBSERVATIONS) if r.key == dropped.encode()]
                return len(found) == 3

            await until("the file's lines and balance", is_told)
            assert await asyncio.to_thread(process.stop) == 0
            assert KEY not in process.told()
    (opened, *_) = [
        r
        for r in await told(FEEDS_AUDITS)
        if AuditReport.model_validate_json(r.value).stands and polled.encode() in r.value
    ]
    book, (fact,) = facts_of(
        FEEDS_AUDITS, opened.envelope(), received_at=opened.appended_at, books=BookMap()
    )
    assert book == "main"
    assert isinstance(fact, Audited)
    assert (fact.kind, fact.subject) == (DiscrepancyKind.BANK_FEED_STALE, polled)
    assert "the bank answered 500" in fact.explanation


async def _is(
    stands: Callable[[], Awaitable[list[bool]]], fact: Callable[[list[bool]], bool]
) -> bool:
    return fact(await stands())


async def _says(told: Callable[[], str], word: str) -> bool:
    return word in told()


async def tallystick(rig: LedgerRig, *arguments: str) -> subprocess.CompletedProcess[str]:
    given = {k: v for k, v in os.environ.items() if not k.startswith("TALLYSTICK_")}
    given |= {"TALLYSTICK_KAFKA_BOOTSTRAP": rig.bootstrap, "TALLYSTICK_POSTGRES_DSN": rig.dsn}
    return await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "tallystick", "bank", *arguments],
        cwd=ROOT,
        env=given,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


async def test_imported_file_is_booked_and_a_refused_one_says_what_why_and_what_to_do(
    rig: LedgerRig,
) -> None:
    good, account = str(DATA / "mt940_german.sta"), "house"
    async with rig.ledger():
        taken = await tallystick(rig, "import", good, "--account", account)
        assert taken.returncode == 0, taken.stderr
        assert "took 5 lines of house: all new" in taken.stderr
        again = await tallystick(rig, "import", good, "--account", account)
        assert "this file was taken before" in again.stderr
        await rig.caught_up()
        rows = await rig.fetch("select account, minor from ledger_read.balances")
        booked = {r["account"]: int(r["minor"]) for r in rows if r["minor"]}
        assert booked["assets:bank:house"] == 19050
    observed = [
        BANK_OBSERVATION.validate_json(r.value) for r in await rig.records(BANK_OBSERVATIONS)
    ]
    assert sum(isinstance(one, BankLine) for one in observed) == 5
    refused = await tallystick(rig, "import", str(DATA / "camt053_pages.xml"))
    assert refused.returncode == 4
    assert "nothing of it was taken" in refused.stderr
    assert "why: nobody has said whose account" in refused.stderr
    assert "do:  add [[statements]]" in refused.stderr
    listed = await tallystick(rig, "files", "list", "--refused")
    assert "camt053_pages.xml" in listed.stdout
    digest = listed.stdout.splitlines()[-1].split()[-2]
    shown = await tallystick(rig, "files", "show", digest)
    assert "nobody has said whose account" in shown.stdout
