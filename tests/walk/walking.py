"""What a walk does and what it saw: commands, requests, queries, records, and checks that count."""

import asyncio
import itertools
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

import asyncpg
import httpx
import orjson

from sandbox.world.known import API_KEY
from services.ingest.signature import header_of
from services.ledger.shell.booking.books import INPUT_TOPICS
from shared.contracts import topics
from shared.contracts.envelope import Envelope
from shared.runtime.kafka import Publication, Record, end_offsets, producer, scan
from tests.support.plain_http import TRUSTS_NOBODY
from tests.walk.standing import ACCOUNTS, ROOT, Standing, secret_of, token_of

Json = dict[str, Any]  # Any: JSON as it comes
BOOKED_SECONDS_MAX: Final = 60.0
COMMAND_SECONDS_MAX: Final = 240.0
SEEN_CHARACTERS_MAX: Final = 400
REFUSED_EXIT_CODE: Final = 4
REFUSED_STATUS: Final = 422


def say(line: str) -> None:
    """A line of the walk's own, at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


@dataclass(frozen=True, slots=True)
class Said:
    """What a command line ended with."""

    command: str
    code: int
    out: str
    err: str

    @property
    def all(self) -> str:
        """Both streams with their blanks and breaks as single blanks, as one reads it."""
        return " ".join(f"{self.out}\n{self.err}".replace("│", " ").split())

    @property
    def json(self) -> Json:
        """What it wrote for programs."""
        told: Json = orjson.loads(self.out)
        return told


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at."""

    point: str
    what: str
    command: str
    seen: str
    is_held: bool


@dataclass(slots=True)
class Walk:
    """One way through an installation. ``holds`` says what was seen, and goes on either way."""

    at: Standing
    dsn: str
    checks: list[Check] = field(default_factory=list[Check])
    command: str = ""
    _numbers: Callable[[], int] = itertools.count(1).__next__

    # ---------------------------------------------------------------- checks

    def holds(
        self, point: str, what: str, condition: object, seen: object, *, command: str = ""
    ) -> bool:
        """Note one check, with the last command that was run unless one is named, and print it."""
        text = " ".join(str(seen).split())
        short = text if len(text) <= SEEN_CHARACTERS_MAX else f"{text[:SEEN_CHARACTERS_MAX]} …"
        check = Check(point, what, command or self.command, short, bool(condition))
        self.checks.append(check)
        verdict = "holds" if check.is_held else "DOES NOT HOLD"
        say(f"{point:>3}  {verdict:13}  {what}")
        say(f"                    ran:  {check.command}")
        say(f"                    seen: {check.seen}")
        return check.is_held

    def same(
        self, point: str, what: str, found: object, expected: object, *, command: str = ""
    ) -> bool:
        """A check that two values are equal; both are seen where they are not."""
        seen = found if found == expected else f"{found}, not {expected}"
        return self.holds(point, what, found == expected, seen, command=command)

    def entry(self, point: str, what: str, reference: str, *lines: str, book: str = "shop") -> bool:
        """A check that a fact is booked by just these postings; none: that it is not booked."""
        found = self.postings(reference, book=book)
        self.command = f"postings of {reference} in {book}"
        return self.same(point, what, sorted(found), sorted(lines))

    def refused(
        self, point: str, what: str, found: Said | httpx.Response, rule: str, **values: str
    ) -> bool:
        """A check that a command was refused by that rule, with its values and a way out."""
        told: Json = {}
        if isinstance(found, Said):
            code, is_refusal = found.code, found.code == REFUSED_EXIT_CODE
            told = found.json if found.out.startswith("{") else {"reason": found.all}
        else:
            code, is_refusal = found.status_code, found.status_code == REFUSED_STATUS
            told = found.json()
        decided = told.get("decided") or {}
        known = {name: str(decided.get("values", {}).get(name)) for name in values}
        seen = f"{code} {decided.get('rule')}: {told.get('reason') or told}"
        is_told = decided.get("rule") == rule and decided.get("values") and decided.get("way_out")
        return self.holds(point, what, is_refusal and is_told and known == values,
                          f"{seen} {known or ''}")  # fmt: skip

    # ---------------------------------------------------------- command line

    def cli(self, *words: str, **variables: str) -> Said:
        """`tallystick WORDS` in this installation's shell, to its end."""
        self.command = f"tallystick {shlex.join(words)}"
        done = subprocess.run(
            [sys.executable, "-m", "tallystick", *words],
            check=False,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=COMMAND_SECONDS_MAX,
            cwd=ROOT,
            env=dict(self.at.shell) | variables,
        )
        return Said(self.command, done.returncode, done.stdout, done.stderr)

    # ------------------------------------------------------------------ HTTP

    def http(
        self,
        method: str,
        path: str,
        *,
        token: str = "desk",
        body: object = None,
        **headers: str,
    ) -> httpx.Response:
        """A request to the console with a token by its name; ``""`` brings none."""
        self.command = f"{method} {path}"
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        if token:
            given["Authorization"] = f"Bearer {token_of(token)}"
        return httpx.request(
            method,
            self.at.console_url + path,
            content=None if body is None else orjson.dumps(body),
            headers={"Content-Type": "application/json"} | given,
            timeout=30,
            verify=TRUSTS_NOBODY,
        )

    def ask(
        self, book: str, command: Json, *, key: str = "", token: str = "desk"
    ) -> httpx.Response:
        """A command to a book over HTTP, under a key of its own unless one is given."""
        path = f"/v1/books/{book}/commands"
        answer = self.http(
            "POST", path, token=token, body=command, Idempotency_Key=key or self.new("k")
        )
        self.command = f"POST {path} {orjson.dumps(command).decode()}"
        return answer

    # ---------------------------------------------------------------- Stripe

    def new(self, prefix: str) -> str:
        """An id that nothing else of this walk has."""
        return f"{prefix}_walk{self._numbers():05d}"

    def event(self, kind: str, shown: Json, **changes: object) -> Json:
        """An event as Stripe tells it, just now."""
        return {
            "id": self.new("evt"),
            "object": "event",
            "api_version": "2026-10-28.endive",
            "created": int(time.time()),
            "data": {"object": shown},
            "livemode": False,
            "pending_webhooks": 1,
            "request": {"id": None, "idempotency_key": None},
            "type": kind,
        } | changes

    def deliver(self, event: Json | bytes, *, endpoint: str = "shop") -> httpx.Response:
        """An event to the door, signed with the endpoint's secret."""
        body = event if isinstance(event, bytes) else orjson.dumps(event)
        secret = self.at.stripe.webhook_secret if endpoint == "main" else secret_of(endpoint)
        kind = event["type"] if isinstance(event, dict) else "bytes"
        self.command = f"POST /webhooks/stripe/{endpoint} {kind}"
        return httpx.post(
            f"{self.at.door_url}/webhooks/stripe/{endpoint}",
            content=body,
            headers={"Stripe-Signature": header_of(body, secret, int(time.time()))},
            timeout=30,
            verify=TRUSTS_NOBODY,
        )

    def tell(self, kind: str, shown: Json, *, endpoint: str = "shop", **changes: object) -> str:
        """Deliver an event of an object and give its id.

        Raises:
            AssertionError: The door did not take it.
        """
        event = self.event(kind, shown, **changes)
        answer = self.deliver(event, endpoint=endpoint)
        assert answer.status_code == 200, answer.text
        return str(event["id"])

    def poll(self, *shown: Json, book: str = "shop") -> None:
        """Objects on ``stripe.objects`` as the poller publishes what Stripe's API told."""
        self.command = (
            f"record on {topics.STRIPE_OBJECTS}: {', '.join(str(s['id']) for s in shown)}"
        )
        account = ACCOUNTS[book]
        told = [
            Publication(
                topics.STRIPE_OBJECTS,
                topics.stripe_key(account, str(one["id"])),
                Envelope(
                    id=f"{one['id']}:{self.new('poll')}",
                    source=f"stripe/{account}",
                    type="com.stripe.object",
                    time=datetime.now(UTC),
                    data=orjson.dumps(one),
                    subject=str(one["id"]),
                    extensions={
                        "book": book, "account": account, "livemode": "false", "via": "poll",
                    },
                ),
            )
            for one in shown
        ]  # fmt: skip
        self.publish(*told)

    def sim(self, do: str, **fields: object) -> Json:
        """Make something happen at the simulated Stripe or bank.

        Raises:
            SandboxRefused: It cannot do that.
        """
        self.command = f"POST /sim/do {orjson.dumps({'do': do} | fields).decode()}"
        return dict(self.at.stripe.do({"do": do} | fields))

    def stripe(self, path: str) -> Json:
        """What the simulated Stripe's own API answers."""
        self.command = f"GET {path} of the simulated Stripe"
        told: Json = httpx.get(
            self.at.stripe.url + path,
            headers={"Authorization": f"Bearer {API_KEY}"},
            timeout=30,
            verify=TRUSTS_NOBODY,
        ).json()
        return told

    # ----------------------------------------------------- database, broker

    def sql(
        self, query: str, *arguments: object, role: str = "ledger_reader"
    ) -> list[Mapping[str, Any]]:  # Any: columns of any kind
        """Rows of the published views, as the role that may read nothing else."""
        self.command = " ".join(query.split())

        async def asked() -> list[Mapping[str, Any]]:  # Any: columns of any kind
            connection = await asyncpg.connect(self.dsn)
            try:
                await connection.execute(f"set role {role}")
                return [dict(row) for row in await connection.fetch(query, *arguments)]
            finally:
                await connection.close()

        return asyncio.run(asked())

    def balance(self, account: str, currency: str = "usd", *, book: str = "shop") -> int:
        """What an account stands at, debit positive, in minor units."""
        rows = self.sql(
            "select minor from ledger_read.balances where book = $1 and account = $2"
            " and currency = $3",
            book,
            account,
            currency,
        )
        return int(rows[0]["minor"]) if rows else 0

    def postings(self, reference: str, *, book: str = "shop") -> list[str]:
        """An entry as a bookkeeper writes it: ``Dr account[key] minor currency``, in order."""
        rows = self.sql(
            "select direction, account, key, minor, currency from ledger_read.postings"
            " where book = $1 and reference = $2 order by ordinal",
            book,
            reference,
        )
        return [
            f"{'Dr' if row['direction'] == 'debit' else 'Cr'} {row['account']}"
            f"{'[' + row['key'] + ']' if row['key'] else ''} {int(row['minor'])} {row['currency']}"
            for row in rows
        ]

    def open_keys(self, *keys: str, book: str = "shop") -> dict[str, list[int]]:
        """What stands open under keys, over all clearing accounts; empty where all have met."""
        rows = self.sql(
            "select key, minor from ledger_read.open_items where book = $1 and key = any($2)"
            " and account not like 'memo:%' order by key, account, currency",
            book,
            list(keys),
        )
        found: dict[str, list[int]] = {}
        for row in rows:
            found.setdefault(str(row["key"]), []).append(int(row["minor"]))
        return found

    def at_key(self, account: str, key: str, currency: str = "usd", *, book: str = "shop") -> int:
        """What one key of an account stands at, debit positive, in minor units."""
        rows = self.sql(
            "select coalesce(sum(case when direction = 'debit' then minor else -minor end), 0)"
            " as minor from ledger_read.postings"
            " where book = $1 and account = $2 and key = $3 and currency = $4",
            book,
            account,
            key,
            currency,
        )
        return int(rows[0]["minor"])

    def publish(self, *told: Publication) -> None:
        """Put records on topics."""

        async def put() -> None:
            async with producer(self.at.kafka) as publisher:
                await publisher.publish_all(told, 30)

        asyncio.run(put())

    def records(self, topic: str) -> list[Record]:
        """Everything on a topic, partition by partition."""
        self.command = f"read {topic} from its beginning"

        async def read() -> list[Record]:
            ends = await end_offsets(self.at.kafka, [topic])
            found = [
                record
                async for batch in scan(self.at.kafka, {p: (0, end) for p, end in ends.items()})
                for record in batch
            ]
            return sorted(found, key=lambda record: (record.partition, record.offset))

        return asyncio.run(read())

    # --------------------------------------------------------------- waiting

    def until(
        self, what: str, fact: Callable[[], object], *, seconds: float = BOOKED_SECONDS_MAX
    ) -> None:
        """Wait for a fact; the command that stands with the next check stays as it was.

        Raises:
            TimeoutError: It did not come about in time.
        """
        kept, deadline = self.command, time.monotonic() + seconds
        while not fact():
            if time.monotonic() > deadline:
                raise TimeoutError(f"waited {seconds:g} s for {what}")
            time.sleep(0.05)  # bounded poll: the deadline above
        self.command = kept

    def booked(self, *, seconds: float = BOOKED_SECONDS_MAX) -> None:
        """Wait until all that stands on the input topics now has been booked.

        Raises:
            TimeoutError: It was not, in time.
        """
        ends = asyncio.run(end_offsets(self.at.kafka, INPUT_TOPICS))

        def is_booked() -> bool:
            rows = self.sql("select topic, partition, next_offset from ledger_read.positions")
            here = {(row["topic"], row["partition"]): row["next_offset"] for row in rows}
            return all(here.get((p.topic, p.partition), 0) >= end for p, end in ends.items())

        self.until("the ledger to come up to here", is_booked, seconds=seconds)
