"""What a walk does: commands, requests, webhooks, queries, records, and waits with a bound."""

import asyncio
import itertools
import json
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
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


@dataclass(slots=True)
class Asking:
    """The ways into an installation; ``command`` is the last one that was taken, in words."""

    at: Standing
    dsn: str
    command: str = ""
    _numbers: Callable[[], int] = itertools.count(1).__next__

    # -------------------------------------------------------- command line

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

    # ---------------------------------------------------------------- HTTP

    def http(
        self,
        method: str,
        path: str,
        *,
        token: str = "desk",
        body: object = None,
        raw: bytes | None = None,
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
            content=raw if body is None else orjson.dumps(body),
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

    # -------------------------------------------------------------- Stripe

    def at_once(
        self, times: int, book: str, command: Json, *, key: str = ""
    ) -> list[httpx.Response]:
        """The same command so many times at once, under keys of their own unless one is given."""

        def one(_: int) -> httpx.Response:
            return self.ask(book, command, key=key)

        with ThreadPoolExecutor(times) as pool:
            return list(pool.map(one, range(times)))

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
        body = event if isinstance(event, bytes) else json.dumps(event).encode()
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

    def poll(self, *shown: Json, book: str = "shop") -> list[str]:
        """Objects on ``stripe.objects`` as the poller publishes them; the messages' ids."""
        self.command = (
            f"record on {topics.STRIPE_OBJECTS}: {', '.join(str(s.get('id')) for s in shown)}"
        )
        account = ACCOUNTS[book]
        told = [
            Publication(
                topics.STRIPE_OBJECTS,
                topics.stripe_key(account, str(one.get("id"))),
                Envelope(
                    id=f"{one.get('id')}:{self.new('poll')}",
                    source=f"stripe/{account}",
                    type="com.stripe.object",
                    time=datetime.now(UTC),
                    data=json.dumps(one).encode(),
                    subject=str(one.get("id")),
                    extensions={
                        "book": book, "account": account, "livemode": "false", "via": "poll",
                    },
                ),
            )
            for one in shown
        ]  # fmt: skip
        self.publish(*told)
        return [one.envelope.id for one in told if one.envelope is not None]

    def publish_raw(self, topic: str, value: bytes, *, book: str) -> None:
        """Bytes of any kind on a topic of Stripe's, stamped as the poller stamps them."""
        self.command = f"record on {topic}: {value!r}"
        extensions = {"book": book, "account": ACCOUNTS[book], "livemode": "false", "via": "poll"}
        envelope = Envelope(
            id=self.new("raw"),
            source=f"stripe/{ACCOUNTS[book]}",
            type="com.stripe.object",
            time=datetime.now(UTC),
            data=value,
            extensions=extensions,
        )
        self.publish(Publication(topic, b"raw", envelope))

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

    # ---------------------------------------------------- database, broker

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

    def publish(self, *told: Publication) -> None:
        """Put records on topics."""

        async def put() -> None:
            async with producer(self.at.kafka) as publisher:
                await publisher.publish_all(told, 30)

        asyncio.run(put())

    def ends(self, topic: str) -> dict[int, int]:
        """The offset that the next record of each partition will have."""
        ends = asyncio.run(end_offsets(self.at.kafka, [topic]))
        return {place.partition: end for place, end in ends.items()}

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

    # ------------------------------------------------------------- waiting

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
