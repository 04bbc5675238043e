"""Canaries: secrets and personal data put into every input and setting, then looked for.

A real door and a real poller are led through what goes wrong. Afterwards no secret may be found
anywhere, and personal data only in the bytes of ``stripe.events`` and ``stripe.objects``.
"""

import asyncio
import json
import secrets
import signal
from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import httpx
import psutil
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from shared.contracts.topics import STRIPE_EVENTS, STRIPE_OBJECTS, TOPICS
from shared.runtime import age
from shared.runtime.kafka import Partition, end_offsets
from tallystick.metrics_docs import metrics_of
from tests.support.ingest import (
    ServiceProcess,
    event_body,
    free_port,
    id_of,
    records_since,
    service,
    signed,
)
from tests.support.ledger import ROOT, until
from tests.support.world import serving

pytestmark = [pytest.mark.stack, pytest.mark.timeout(120)]

MARK: Final = secrets.token_hex(8)
MAIN_SECRET: Final = f"whsec_main{MARK}"
OTHER_SECRET: Final = f"whsec_other{MARK}"
# Not ours: somebody else's, who sends it where it does not belong.
STRAY_SECRET: Final = f"whsec_stray{MARK}"
STRAY_KEY: Final = f"sk_live_stray{MARK}"
API_KEY: Final = f"rk_test_good{MARK}"
LIVE_KEY: Final = f"sk_live_refused{MARK}"
ROLE: Final = f"canary_{MARK}"
PASSWORD: Final = f"hunter2{MARK}"
KAFKA_PASSWORD: Final = f"hunter3{MARK}"
PAN: Final = f"4{secrets.randbelow(10**15):015d}"
EMAIL: Final = f"ada.{MARK}@example.org"
PERSONAL: Final = (PAN, EMAIL)
HOOK: Final = "/webhooks/stripe/main"
IDENTITY: Final = age.new_identity()
SECRETS: Final = (
    MAIN_SECRET,
    OTHER_SECRET,
    STRAY_SECRET,
    STRAY_KEY,
    API_KEY,
    LIVE_KEY,
    PASSWORD,
    KAFKA_PASSWORD,
    age.identity_text(IDENTITY),
)


@dataclass
class Seen:
    """All that came out somewhere, by where; topics and tables are read at the end."""

    texts: dict[str, bytes] = field(default_factory=dict[str, bytes])

    def take(self, where: str, text: str | bytes) -> None:
        """Keep what came out."""
        content = text.encode() if isinstance(text, str) else text
        self.texts[where] = self.texts.get(where, b"") + content

    def holding(self, canaries: Iterable[str], *, but: tuple[str, ...] = ()) -> list[str]:
        """Where one of them was found; places that begin as told are left out."""
        return [
            f"{canary} in {where}"
            for where, text in self.texts.items()
            if not where.startswith(but)
            for canary in canaries
            if canary.encode() in text
        ]


class LoudStripe:
    """A Stripe that repeats in its errors whatever it was asked, and tells of one payment."""

    def app(self) -> Starlette:
        return Starlette(routes=[Route("/{path:path}", self.answer)])

    async def answer(self, request: Request) -> Response:
        key = request.headers.get("authorization", "").removeprefix("Bearer ")
        path = request.url.path
        if key != API_KEY:
            return _error(401, f"Invalid API Key provided: {key}; ask {EMAIL}")
        if path == "/v1/disputes":
            return _error(403, f"The key {key} may not see {PAN}")
        if path == "/v1/balance":
            return JSONResponse({"object": "balance", "livemode": False, "available": []})
        items = [_payment()] if path == "/v1/balance_transactions" else []
        return JSONResponse({"object": "list", "data": items, "has_more": False, "url": path})


def _error(status: int, message: str) -> Response:
    error = {"type": "invalid_request_error", "message": message, "code": EMAIL, "param": PAN}
    return JSONResponse({"error": error}, status, headers={"Request-Id": "req_1"})


def _payment() -> dict[str, object]:
    return {
        "id": f"txn_{MARK}",
        "object": "balance_transaction",
        "amount": 1000,
        "created": 1_795_000_000,
        "currency": "usd",
        "description": f"{EMAIL} paid with {PAN}",
        "fee": 0,
        "fee_details": [],
        "net": 1000,
        "reporting_category": "charge",
        "source": None,
        "status": "available",
        "type": "payment",
    }


@dataclass(frozen=True)
class Place:
    """The settings under test: one encrypted file, an endpoints file, a folder of verdicts."""

    folder: Path
    kafka: str
    dsn: str

    def secrets_file(self, name: str, **values: str) -> dict[str, str]:
        """The variables that tell of an encrypted file with these values."""
        text = "".join(f"{key}={value}\n" for key, value in values.items())
        file, identity = self.folder / f"{name}.age", self.folder / "identity"
        file.write_bytes(age.encrypted(text.encode(), [age.recipient_of(IDENTITY)]))
        # Open to others: that is warned of in the log, and must be so without a word of it.
        identity.write_text(age.identity_text(IDENTITY))
        identity.chmod(0o644)
        return {
            "TALLYSTICK_SECRETS_FILE": str(file),
            "TALLYSTICK_SECRETS_IDENTITY_FILE": str(identity),
        }

    def common(self, form: str) -> dict[str, str]:
        return {
            "TALLYSTICK_KAFKA_BOOTSTRAP": self.kafka,
            "TALLYSTICK_LOG_LEVEL": "debug",
            "TALLYSTICK_LOG_FORMAT": form,
        }

    def door(self, port: int, *, form: str = "json", **settings: str) -> dict[str, str]:
        """A door of two endpoints, one secret in the encrypted file and one in a plain one."""
        (self.folder / "other.secret").write_text(OTHER_SECRET)
        endpoints = self.folder / "endpoints.toml"
        endpoints.write_text(
            '[[endpoints]]\nname = "main"\nmode = "test"\nsecret_env = "MAIN_SECRET"\n'
            '[[endpoints]]\nname = "other"\nmode = "test"\nsecret_file = "other.secret"\n'
        )
        own = {
            "DOOR_PORT": str(port),
            "ENDPOINTS_FILE": str(endpoints),
            "ENDPOINTS_LOOK_SECONDS": "0.1",
            "VERDICTS_DIR": str(self.folder / "verdicts"),
        }
        told = {f"TALLYSTICK_INGEST_{k.upper()}": v for k, v in (own | settings).items()}
        held = {"MAIN_SECRET": MAIN_SECRET, "TALLYSTICK_KAFKA_SASL_PASSWORD": KAFKA_PASSWORD}
        return self.common(form) | self.secrets_file("door", **held) | told

    def poller(self, port: int, base: str, key: str, *, dsn: str = "") -> dict[str, str]:
        """A poller whose key and database stand in the encrypted file."""
        held = {
            "TALLYSTICK_INGEST_STRIPE_API_KEY": key,
            "TALLYSTICK_POSTGRES_DSN": dsn or self.dsn,
        }
        return (
            self.common("text")
            | self.secrets_file(f"poller{port}", **held)
            | {
                "TALLYSTICK_INGEST_POLLER_PORT": str(port),
                "TALLYSTICK_INGEST_STRIPE_API_BASE": base,
                "TALLYSTICK_INGEST_POLL_INTERVAL_SECONDS": "0.1",
                "TALLYSTICK_INGEST_REQUESTS_PER_SECOND": "100",
            }
        )


def with_password(dsn: str, *, port: int = 0) -> str:
    """The address of the same database for a role whose password is a canary."""
    parts = urlsplit(dsn)
    place = f"{parts.hostname}:{port or parts.port}"
    return urlunsplit(parts._replace(netloc=f"{ROLE}:{PASSWORD}@{place}"))


@pytest.fixture
async def canary_dsn(database_dsn: str) -> AsyncGenerator[str]:
    """An empty database, and a role that signs in with a canary."""
    connection = await asyncpg.connect(database_dsn)
    try:
        await connection.execute(f"create role {ROLE} superuser login password '{PASSWORD}'")
        yield with_password(database_dsn)
        await connection.execute(f"drop owned by {ROLE} cascade; drop role {ROLE}")
    finally:
        await connection.close()


async def readyz_says(text: str, process: ServiceProcess) -> None:
    async with httpx.AsyncClient(base_url=process.url, timeout=10) as client:

        async def says() -> bool:
            return text in (await client.get("/readyz")).text

        await until(f"/readyz to say {text!r}", says, seconds=30)


def told_by(seen: Seen, name: str, process: ServiceProcess) -> None:
    """What a running process tells about itself, and how it stands in the list of processes."""
    seen.take(f"ps {name}", " ".join(psutil.Process(process.child.pid).cmdline()))
    for path in ("/livez", "/readyz", "/metrics"):
        seen.take(f"{name} {path}", httpx.get(process.url + path, timeout=10).text)


def refused_deliveries() -> list[tuple[str, bytes, dict[str, str]]]:
    """Deliveries with canaries where nobody should put them; each is refused."""
    private = event_body(
        data={"object": {"id": "ch_1", "object": "charge", "email": EMAIL, "number": PAN}},
        metadata={"secret": STRAY_SECRET, "key": STRAY_KEY, "ours": MAIN_SECRET},
    )
    broken = f"{{{EMAIL} {PAN} {STRAY_KEY} {MAIN_SECRET}".encode()
    stray = {"Authorization": f"Bearer {STRAY_KEY}", "Cookie": f"a={EMAIL}", "X-Pan": PAN}
    return [
        (HOOK, private, signed(private, secret=STRAY_SECRET)),
        (HOOK, private, {"Stripe-Signature": f"t=1,v1={MAIN_SECRET},v0={EMAIL}"} | stray),
        (HOOK, private, {"Stripe-Signature": STRAY_SECRET} | stray),
        (HOOK, private, {"Stripe-Signature": f"t={PAN},v1={'0' * 64}"}),
        (HOOK, private, signed(private, secret=MAIN_SECRET, at=1_000_000)),
        (HOOK, private, stray),
        (HOOK, broken, signed(broken, secret=MAIN_SECRET)),
        (HOOK, private * 5_000, signed(private, secret=MAIN_SECRET)),
        (HOOK, private, {"Content-Encoding": STRAY_KEY}),
        (f"/webhooks/stripe/{MAIN_SECRET}", private, signed(private, secret=MAIN_SECRET)),
        (f"/webhooks/stripe/{EMAIL}", private, signed(private, secret=MAIN_SECRET)),
        (f"/webhooks/stripe/main/{PAN}?key={STRAY_KEY}", private, stray),
        (f"/{STRAY_KEY}/{EMAIL}?pan={PAN}", private, stray),
    ]


async def send(seen: Seen, url: str) -> list[str]:
    """What is refused, then what is accepted with personal data in it; the accepted ids."""
    accepted: list[str] = []
    async with httpx.AsyncClient(base_url=url, timeout=20) as client:
        for path, body, headers in refused_deliveries():
            answer = await client.post(path, content=body, headers=headers)
            assert 400 <= answer.status_code < 500, (path, answer.status_code)
            seen.take("answers", answer.text + str(answer.headers))
        await client.get(f"{HOOK}?key={STRAY_KEY}")
        for number in range(3):
            shown = {"id": f"ch_{MARK}{number}", "object": "charge", "email": EMAIL, "pan": PAN}
            body = event_body(data={"object": shown})
            headers = signed(body, secret=MAIN_SECRET) | {
                "Authorization": f"Bearer {STRAY_KEY}",
                "Tallystick-Resent": f"{EMAIL}{STRAY_SECRET}",
                "X-Forwarded-For": f"{PAN}, {EMAIL}",
            }
            answer = await client.post(f"{HOOK}?email={EMAIL}", content=body, headers=headers)
            assert answer.status_code == 200, answer.text
            seen.take("answers", answer.text + str(answer.headers))
            accepted.append(id_of(body))
    return accepted


async def doors(seen: Seen, place: Place) -> list[str]:
    """An open door, one without its Kafka, one that dies; what the first accepted."""
    port = free_port()
    with service("services.ingest", "door", port=port, environment=place.door(port)) as process:
        process.await_answer("/readyz")
        accepted = await send(seen, process.url)
        # A secret where its file belongs, while the door is open: refused, with the older in force.
        (place.folder / "endpoints.toml").write_text(
            f'[[endpoints]]\nname = "main"\nsecret_file = "{STRAY_SECRET}"\nmode = "{EMAIL}"\n'
        )
        await readyz_says("older endpoints", process)
        await asyncio.to_thread(told_by, seen, "door", process)
        assert await asyncio.to_thread(process.stop) == 0, process.told()
        seen.take("log of the door", process.told())
    for name, settings in (
        ("without Kafka", {"kafka": f"127.0.0.1:{free_port()}"}),
        ("before_send", {"ingest_failpoint": "before_send"}),
        ("after_ack", {"ingest_failpoint": "after_ack"}),
    ):
        port = free_port()
        environment = place.door(port, form="text")
        environment["TALLYSTICK_KAFKA_BOOTSTRAP"] = settings.get("kafka", place.kafka)
        environment["TALLYSTICK_INGEST_FAILPOINT"] = settings.get("ingest_failpoint", "")
        with service("services.ingest", "door", port=port, environment=environment) as process:
            process.await_answer("/livez" if "kafka" in settings else "/readyz")
            await asyncio.to_thread(told_by, seen, f"door {name}", process)
            body = event_body(data={"object": {"id": "ch_1", "object": "charge", "pan": PAN}})
            headers = signed(body, secret=MAIN_SECRET)
            async with httpx.AsyncClient(base_url=process.url, timeout=20) as client:
                try:
                    answer = await client.post(HOOK, content=body, headers=headers)
                except httpx.TransportError:
                    assert await asyncio.to_thread(process.child.wait, 10) == 137
                else:
                    assert answer.status_code == 503, answer.text
                    seen.take("answers", answer.text)
            process.child.send_signal(signal.SIGTERM)
            await asyncio.to_thread(process.child.wait, 20)
            seen.take(f"log of the door {name}", process.told())
    return accepted


@asynccontextmanager
async def polling(
    seen: Seen, name: str, port: int, environment: Mapping[str, str]
) -> AsyncGenerator[ServiceProcess]:
    """A poller, and its log at its end."""
    with service("services.ingest", "poller", port=port, environment=environment) as process:
        yield process
        await asyncio.to_thread(process.stop)
        seen.take(f"log of the poller {name}", process.told())


async def pollers(seen: Seen, place: Place) -> None:
    """One that is told of a payment, one whose key is refused, one without its database."""
    async with serving(LoudStripe().app()) as (base,):
        port = free_port()
        async with polling(seen, "good", port, place.poller(port, base, API_KEY)) as process:
            await asyncio.to_thread(process.await_answer, "/livez")
            await readyz_says("403", process)
            await asyncio.to_thread(told_by, seen, "poller", process)
        port = free_port()
        async with polling(seen, "refused", port, place.poller(port, base, LIVE_KEY)) as process:
            await asyncio.to_thread(process.await_answer, "/livez")
            await readyz_says("401", process)
            await asyncio.to_thread(told_by, seen, "refused poller", process)
        port = free_port()
        away = place.poller(port, base, API_KEY, dsn=with_password(place.dsn, port=free_port()))
        with service("services.ingest", "poller", port=port, environment=away) as process:
            seen.take("ps poller", " ".join(psutil.Process(process.child.pid).cmdline()))

            async def has_told() -> bool:
                return bool(process.told())

            await until("the poller to complain", has_told, seconds=30)
            seen.take("log of the poller without Postgres", process.told())


def broken_starts(seen: Seen, place: Place) -> None:
    """Settings that refuse to start, each with a canary in what is wrong."""
    good = place.door(free_port())
    odd = "TALLYSTICK_INGEST_DOOR_PORT"
    conflict = {"TALLYSTICK_KAFKA_SASL_PASSWORD": KAFKA_PASSWORD}
    wrong = [
        place.secrets_file("twice", X=STRAY_SECRET, TALLYSTICK_INGEST_WEBHOK_SECRET=STRAY_KEY),
        place.secrets_file("quoted", X=f'"{STRAY_SECRET}"'),
        {"TALLYSTICK_SECRETS_IDENTITY_FILE": str(place.folder / "other.secret")},
        {"TALLYSTICK_SECRETS_FILE": str(place.folder / "other.secret")},
        conflict,
        {odd: STRAY_KEY},
        {"TALLYSTICK_INGEST_MODE": STRAY_SECRET},
        {"TALLYSTICK_INGEST_WEBHOOK_SECRET": f"{STRAY_SECRET}\u00e9"},
        {"TALLYSTICK_INGEST_STRIPE_ACCOUNT": EMAIL, "TALLYSTICK_BOOKS_FILE": "/nowhere"},
    ]
    with ExitStack() as running:
        started = [
            running.enter_context(
                service("services.ingest", "door", port=1, environment=good | each)
            )
            for each in wrong
        ]
        for number, process in enumerate(started):
            assert process.child.wait(30) == 78, (number, process.told())
            assert process.told()
            seen.take(f"broken start {number}", process.told())


async def kept(seen: Seen, place: Place, since: Mapping[Partition, int]) -> set[str]:
    """Topics, tables and the folder of verdicts; the ids of events that are on the log."""
    events: set[str] = set()
    for topic in TOPICS:
        for record in await records_since(place.kafka, topic, since):
            around = b"|".join(
                [record.key or b"", *(h for pair in record.headers for h in _raw(pair))]
            )
            seen.take(f"around {topic}", around)
            seen.take(f"value of {topic}", record.value or b"")
            if topic == STRIPE_EVENTS:
                events.add(record.envelope().id)
    for file in (place.folder / "verdicts").rglob("*"):
        if file.is_file():
            seen.take(f"verdicts {file.name}", file.read_bytes())
    connection = await asyncpg.connect(place.dsn)
    try:
        tables = await connection.fetch(
            "select schemaname as schema, tablename as name from pg_tables"
            " where schemaname not in ('pg_catalog', 'information_schema')"
        )
        for table in tables:
            name = f'"{table["schema"]}"."{table["name"]}"'
            rows = await connection.fetch(f"select t::text as row from {name} t")
            seen.take(f"table {name}", "\n".join(str(row["row"]) for row in rows))
    finally:
        await connection.close()
    return events


def _raw(pair: tuple[str, bytes]) -> tuple[bytes, bytes]:
    name, value = pair
    return name.encode(), value


async def test_canaries_of_every_input_and_setting_are_found_nowhere(
    kafka: str, canary_dsn: str, tmp_path: Path
) -> None:
    seen, place = Seen(), Place(tmp_path, kafka, canary_dsn)
    since = await end_offsets(kafka, list(TOPICS))
    accepted = await doors(seen, place)
    await pollers(seen, place)
    await asyncio.to_thread(broken_starts, seen, place)
    assert set(accepted) <= await kept(seen, place, since)

    assert seen.holding(SECRETS) == []
    values = (f"value of {STRIPE_EVENTS}", f"value of {STRIPE_OBJECTS}")
    assert seen.holding(PERSONAL, but=values) == []
    # The search sees what it looks for: it is where it may be, and every place told something.
    assert {each for each in PERSONAL if seen.holding([each])} == set(PERSONAL)
    for where in ("answers", "door /metrics", "poller /readyz", "log of the door", "ps door"):
        assert seen.texts[where]
    assert any(where.startswith("verdicts verdicts-") for where in seen.texts)
    assert json.loads(seen.texts["door /readyz"])["warnings"]
    assert b"secrets.exposed" in seen.texts["log of the door"]
    documented = {m.name.encode() for m in metrics_of(ROOT / "services")} | {
        m.name.encode() for m in metrics_of(ROOT / "shared")
    }
    for text in (seen.texts["door /metrics"], seen.texts["poller /metrics"]):
        named = {line.split()[2] for line in text.splitlines() if line.startswith(b"# TYPE tally")}
        created = {name for name in named if name.endswith(b"_created")}
        assert named - created <= documented
