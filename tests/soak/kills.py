"""The ledger killed hundreds of times in all that it does: ``python -m tests.soak.kills``.

No part of ``make test``. Each time something of everything is told (payments, invoices, credit
notes, commands that are decided, clock ticks, activations), a ledger books it and is ended: at a
failpoint, by a signal at some moment, or while a generation is built and swapped in. At the end,
and every so often, the oracle makes the books itself; any difference ends the soak with 1. What
can be killed is in ``WAYS``; the report says how often each was.
"""

import argparse
import asyncio
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import orjson

from services.ledger.chart import DEFAULT_CHART
from services.ledger.shell.failpoints import EXIT_CODE, Failpoint
from services.ledger.shell.proof.signing import SigningKey
from services.ledger.shell.proof.verify import verify_journal
from services.ledger.shell.proof.witnesses import Witnesses
from services.ledger.shell.rebuilding.rebuild import rebuild_and_compare
from services.ledger.shell.store import open_journal
from shared.contracts import topics
from shared.contracts.commands import LEDGER_COMMAND
from shared.contracts.envelope import Envelope
from shared.contracts.errors import Unavailable
from shared.contracts.schemas import type_of
from shared.runtime.kafka import KafkaAddress, Publication
from tests.support.ledger import ROOT, LedgerRig, charge, event, fresh_topics, polled
from tests.support.stack import running_stack

Json = dict[str, Any]  # Any: JSON
KEY: Final = SigningKey.of("ed25519-secret:" + "7f" * 32)
BOOKS: Final = '[[books]]\nname = "main"\nbasis = "accrual"\nsells_credits = true\n'
DAY: Final = 86_400
BEGAN: Final = datetime.now(UTC).replace(hour=0, minute=0, second=0) - timedelta(days=120)
SIGNAL: Final = "signal"
SWAP: Final = "rebuild --swap"
WAYS: Final = (*Failpoint, SIGNAL, SIGNAL, SIGNAL, SWAP)
DIES_WITHIN_SECONDS: Final = 10.0
AUDITED_EVERY: Final = 40
PATIENCE: Final = 5


@dataclass(slots=True)
class Story:
    """What is told, round by round; a function of the seed."""

    dice: random.Random
    times: int
    count: int = 0
    holds: list[str] = field(default_factory=list[str])
    owed: list[Json] = field(default_factory=list[Json])

    def round(self, number: int) -> Iterator[Publication]:
        """Something of everything."""
        n = f"{number}"
        for each in range(self.dice.randint(2, 6)):
            sold = charge(
                f"ch_{n}_{each}", self.dice.randint(50, 9_000), customer=f"cus_{each}",
                created=int(BEGAN.timestamp()) + number * 3_600,
            )  # fmt: skip
            yield event(f"evt_{n}_{each}", sold)
            if self.dice.random() < 0.3:
                yield polled(sold)
        yield self._invoice(n)
        if self.dice.random() < 0.4:
            yield self._note(n)
        if self.dice.random() < 0.6:
            yield from self._given_up(n)
        yield from self._commands(number)

    def _invoice(self, n: str) -> Publication:
        since = int(BEGAN.timestamp()) + self.dice.randint(-20, 60) * DAY
        net = self.dice.randint(5, 90_000)
        line: Json = {
            "id": f"il_{n}", "object": "line_item", "amount": net, "currency": "usd",
            "period": {"start": since, "end": since + self.dice.randint(40, 400) * DAY},
        }  # fmt: skip
        told: Json = {
            "id": f"in_{n}", "object": "invoice", "status": "open", "created": since,
            "currency": "usd", "customer": "cus_1", "total": net, "amount_due": net,
            "amount_paid": 0, "amount_remaining": net, "starting_balance": 0,
            "ending_balance": 0, "total_excluding_tax": net,
            "status_transitions": {"finalized_at": since + 60},
            "lines": {"object": "list", "has_more": False, "data": [line]},
        }  # fmt: skip
        if self.dice.random() < 0.2:
            told |= {"status": "void"}
            told["status_transitions"] |= {"voided_at": since + 30 * DAY}
        else:
            self.owed.append(told)
        return event(f"evt_in_{n}", told, "invoice.finalized")

    def _given_up(self, n: str) -> Iterator[Publication]:
        """An invoice of any round is given up, and perhaps a part of it paid, in either order."""
        told = self.dice.choice(self.owed) if self.owed else None
        if told is None:
            return
        since = told["created"]
        passed = told["status_transitions"] | {"marked_uncollectible_at": since + 40 * DAY}
        lost = told | {"status": "uncollectible", "status_transitions": passed}
        paid: Json = {
            "id": f"inpay_{n}", "object": "invoice_payment", "invoice": told["id"],
            "amount_paid": self.dice.randint(1, told["total"]), "currency": "usd",
            "status": "paid", "payment": {"type": "charge", "charge": f"py_{n}"},
            "created": since, "status_transitions": {"paid_at": since + 50 * DAY},
        }  # fmt: skip
        tellings = [event(f"evt_lost_{n}", lost, "invoice.marked_uncollectible"), polled(paid)]
        self.dice.shuffle(tellings)
        yield from tellings[: self.dice.randint(1, 2)]

    def _note(self, n: str) -> Publication:
        cut = self.dice.randint(1, 2_000)
        note: Json = {
            "id": f"cn_{n}", "object": "credit_note", "invoice": f"in_{n}", "customer": "cus_1",
            "amount": cut, "total": cut, "currency": "usd", "status": "issued",
            "created": int(BEGAN.timestamp()) + self.dice.randint(0, 90) * DAY,
            "pre_payment_amount": cut, "refunds": [], "lines": {"object": "list", "data": [
                {"id": f"cnli_{n}", "invoice_line_item": f"il_{n}", "amount": cut}]},
        }  # fmt: skip
        return event(f"evt_cn_{n}", note, "credit_note.created")

    def _commands(self, number: int) -> Iterator[Publication]:
        owed: Json = {"account": "liabilities:connect", "key": "acct_1"}
        day = BEGAN.date() + timedelta(days=1 + number * 118 // self.times)
        yield self._ask("tick_clock", until=f"{day}T00:00:00Z")
        yield self._ask(
            "manual_entry",
            effective_at=f"{day}T09:00:00Z",
            postings=[
                {"account": "revenue:stripe", "side": "debit", "amount": usd(700)},
                {"side": "credit", "amount": usd(700), **owed},
            ],
        )
        for _ in range(3):
            self.holds.append(f"s{self.count}")
            yield self._ask("place_hold", amount=usd(300), **owed)
        hold = self.dice.choice(self.holds)
        if self.dice.random() < 0.5:
            yield self._ask("settle_hold", hold=hold, to="assets:bank:main")
        else:
            yield self._ask("release_hold", hold=hold)
        yield self._ask("grant_credits", customer="cus_1", amount=usd(100))
        yield self._ask("spend_credits", customer="cus_1", amount=usd(self.dice.randint(1, 300)))
        if self.dice.random() < 0.3:
            undone = f"command:s{self.dice.randrange(self.count)}"
            yield self._ask("reverse_entry", reference=undone, reason="a mistake")
        if number % 15 == 14:
            yield self._ask("close_period", through=str(_month_before(day)))
        if number % 10 == 5:
            # In force it says the same of money, so the books file still agrees with it.
            named = DEFAULT_CHART.read_text("utf-8").replace('"Cash"', f'"Cash {number}"')
            yield self._ask("activate", what="chart", value=named)
        if number % 10 == 7:
            yield self._ask("activate", what="basis", value="accrual")

    def _ask(self, kind: str, **fields: object) -> Publication:
        key = f"s{self.count}"
        self.count += 1
        told: Json = {"kind": kind, "idempotency_key": key, "book": "main", **fields}
        value = orjson.dumps(told)
        envelope = Envelope(
            id=f"cmd_{key}",
            source="soak",
            type=type_of(type(LEDGER_COMMAND.validate_json(value))),
            time=datetime.now(UTC),
            data=value,
            subject=key,
            extensions={"book": "main"},
        )
        return Publication(topics.LEDGER_COMMANDS, f"main|{key}".encode(), envelope)


def say(line: str) -> None:
    """A line of the report, at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def usd(minor: int) -> Json:
    return {"minor": str(minor), "currency": "usd", "exponent": 2}


def _month_before(day: date) -> date:
    return (day.replace(day=1) - timedelta(days=31)).replace(day=1) - timedelta(days=1)


@dataclass(slots=True)
class Soak:
    """A ledger over its own topics and database, and what has been done to it."""

    rig: LedgerRig
    books_file: Path
    dice: random.Random
    killed: Counter[str] = field(default_factory=Counter[str])

    @property
    def environment(self) -> dict[str, str]:
        """What a ledger is told, beside where things are."""
        return {
            "TALLYSTICK_BOOKS_FILE": str(self.books_file),
            "TALLYSTICK_LEDGER_INSTANCE": "only",
            "TALLYSTICK_LEDGER_BATCH_MESSAGES_MAX": str(self.dice.choice((2, 7, 50))),
            "TALLYSTICK_LEDGER_TREE_HEAD_SECONDS": "0.01",
            "TALLYSTICK_LEDGER_TREE_HEAD_KEY": KEY.text,
        }

    async def tell(self, told: list[Publication]) -> None:
        """Publish, patiently: told twice, it is the same messages once more."""
        for _ in range(PATIENCE):
            try:
                await self.rig.publish(*told)
            except Unavailable:
                continue
            return
        raise SystemExit("Kafka does not take what is told")

    async def kill(self, way: str) -> None:
        """Start a ledger and end it in this way; at a place that it does not come to, by signal."""
        if way == SWAP:
            await self._killed_while_swapping()
            return
        spec = {} if way == SIGNAL else {"TALLYSTICK_LEDGER_FAILPOINT": self._nth(way)}
        process = self.rig.start_process(**self.environment, **spec)
        seconds = self.dice.uniform(1.0, 5.0) if way == SIGNAL else DIES_WITHIN_SECONDS
        code = await _ended(process, seconds)
        if code is None:
            process.kill()
            await asyncio.to_thread(process.wait)
            way = SIGNAL
        elif code != EXIT_CODE:
            raise SystemExit(f"a ledger ended with {code}, which nobody asked it to")
        self.killed[way] += 1

    def _nth(self, way: str) -> str:
        return f"{way}:{self.dice.randint(1, 2) if way.endswith('_tx') else 1}"

    async def _killed_while_swapping(self) -> None:
        """A generation that is built beside a ledger that books, and put in its place; or not."""
        ledger = self.rig.start_process(**self.environment)
        given = {k: v for k, v in os.environ.items() if not k.startswith("TALLYSTICK_")}
        given |= self.environment | {
            "TALLYSTICK_KAFKA_BOOTSTRAP": self.rig.bootstrap,
            "TALLYSTICK_POSTGRES_DSN": self.rig.dsn,
        }
        swapping = _started("tallystick", "rebuild", "--swap", environment=given)
        done = await _ended(swapping, self.dice.uniform(3.0, 20.0)) is not None
        for process in (swapping, ledger):
            if process.poll() is None:
                process.kill()
            await asyncio.to_thread(process.wait)
        self.killed[f"{SWAP}, {'after' if done else 'during'}"] += 1

    async def differences(self) -> int:
        """What the oracle finds once all has been booked."""
        async with self.rig.ledger(
            books_file=self.books_file, ledger_instance="only", ledger_tree_head_key=KEY.text
        ):
            await self.rig.caught_up()
        given = {k: v for k, v in os.environ.items() if not k.startswith("TALLYSTICK_")}
        asked = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "oracle", "--json", "--kafka", self.rig.bootstrap,
            "--books", str(self.books_file),
            cwd=ROOT, env=given | {"TALLYSTICK_POSTGRES_DSN": self.rig.dsn}, stdout=subprocess.PIPE,
        )  # fmt: skip
        said, _ = await asked.communicate()
        report = json.loads(said)
        if asked.returncode != 0:
            say(said.decode()[:4_000])
        say(f"  oracle: {report['verdict']}, {json.dumps(report['compared'])}")
        return int(report["differences_total"]) if asked.returncode in (0, 1) else 1

    async def problems(self) -> list[str]:
        """What a proof and a rebuilding find at the end."""
        kafka = KafkaAddress(bootstrap=self.rig.bootstrap)
        witnesses = Witnesses((KEY.public_key,))
        await witnesses.hear_heads(kafka)
        await witnesses.hear_links(kafka, whole=True)
        journal = await open_journal(self.rig.dsn)
        try:
            found = list((await verify_journal(journal, witnesses, kafka)).problems)
        finally:
            await journal.close()
        books = self.rig.settings(books_file=self.books_file).books()
        compared, _ = await rebuild_and_compare(kafka, self.rig.dsn, books)
        return [*found, *compared.differences]


def _started(*words: str, environment: dict[str, str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", *words],
        cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip


async def _ended(process: subprocess.Popen[bytes], seconds: float) -> int | None:
    """The exit code within a time; ``None``: it runs on."""
    try:
        return await asyncio.to_thread(process.wait, seconds)
    except subprocess.TimeoutExpired:
        return None


async def soaked(asked: argparse.Namespace, bootstrap: str, dsn: str, folder: Path) -> int:
    """Kill so many times, or for so long; 0: nothing was lost, doubled or made up."""
    await fresh_topics(bootstrap)
    books_file = folder / "books.toml"
    books_file.write_text(BOOKS, encoding="utf-8")
    soak = Soak(LedgerRig(bootstrap, dsn), books_file, random.Random(asked.seed))
    story = Story(random.Random(asked.seed + 1), asked.times)
    until, wrong = time.monotonic() + asked.minutes * 60, 0
    try:
        for number in range(asked.times):
            await soak.tell(list(story.round(number)))
            await soak.kill(WAYS[number % len(WAYS)])
            if number % AUDITED_EVERY == AUDITED_EVERY - 1:
                wrong += await soak.differences()
                say(f"{number + 1} kills")
            if wrong or time.monotonic() > until:
                break
        wrong += await soak.differences()
        problems = await soak.problems()
    finally:
        soak.rig.stop_processes()
    say(f"{soak.killed.total()} kills of {asked.times} asked for, seed {asked.seed}:")
    for way, count in sorted(soak.killed.items()):
        say(f"  {count:4} {way}")
    say(f"{wrong} differences by the oracle, {len(problems)} problems by proof and rebuilding")
    for each in problems:
        say(f"  {each}")
    return 1 if wrong or problems else 0


def main() -> int:
    """Run the soak that the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak.kills", description=__doc__)
    parser.add_argument("--times", type=int, default=200, help="how many kills (200)")
    parser.add_argument("--minutes", type=float, default=60.0, help="not longer than this (60)")
    parser.add_argument("--seed", type=int, default=5, help="what is told and when (5)")
    asked = parser.parse_args()
    with running_stack(on_disk=True) as stack, tempfile.TemporaryDirectory() as folder:
        dsn = stack.fresh_database("soak")
        try:
            return asyncio.run(soaked(asked, stack.kafka_bootstrap, dsn, Path(folder)))
        finally:
            stack.drop_database(dsn)


if __name__ == "__main__":
    sys.exit(main())
