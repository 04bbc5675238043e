"""Canaries: secrets and personal data put into every input and setting, then looked for.

A real door and a real poller are led through what goes wrong. Afterwards no secret may be found
anywhere, and personal data only in the bytes of ``stripe.events`` and ``stripe.objects``.
"""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator, Mapping
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path

import asyncpg
import httpx
import psutil
import pytest

from shared.contracts.topics import STRIPE_EVENTS, STRIPE_OBJECTS, TOPICS
from shared.runtime.kafka import Partition, end_offsets
from tallystick.metrics_docs import metrics_of
from tests.support.canaries import (
    API_KEY,
    EMAIL,
    KAFKA_PASSWORD,
    LIVE_KEY,
    MAIN_SECRET,
    MARK,
    PAN,
    PASSWORD,
    PERSONAL,
    ROLE,
    SECRETS,
    STRAY_KEY,
    STRAY_SECRET,
    LoudStripe,
    Place,
    Seen,
    refused_deliveries,
    with_password,
)
from tests.support.ingest import (
    HOOK,
    ServiceProcess,
    event_body,
    free_port,
    id_of,
    records_since,
    service,
    signed,
)
from tests.support.ledger import ROOT, until
from tests.support.plain_http import TRUSTS_NOBODY
from tests.support.world import serving

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]


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
    async with httpx.AsyncClient(base_url=process.url, timeout=10, verify=TRUSTS_NOBODY) as client:

        async def says() -> bool:
            return text in (await client.get("/readyz")).text

        await until(f"/readyz to say {text!r}", says, seconds=60)


def told_by(seen: Seen, name: str, process: ServiceProcess) -> None:
    """What a running process tells about itself, and how it stands in the list of processes."""
    seen.take(f"ps {name}", " ".join(psutil.Process(process.child.pid).cmdline()))
    for path in ("/livez", "/readyz", "/metrics"):
        seen.take(
            f"{name} {path}", httpx.get(process.url + path, timeout=10, verify=TRUSTS_NOBODY).text
        )


async def send(seen: Seen, url: str) -> list[str]:
    """What is refused, then what is accepted with personal data in it; the accepted ids."""
    accepted: list[str] = []
    async with httpx.AsyncClient(base_url=url, timeout=20, verify=TRUSTS_NOBODY) as client:
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
            async with httpx.AsyncClient(
                base_url=process.url, timeout=20, verify=TRUSTS_NOBODY
            ) as client:
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
        await asyncio.to_thread(examined, seen, place, base)
        port = free_port()
        away = place.poller(port, base, API_KEY, dsn=with_password(place.dsn, port=free_port()))
        with service("services.ingest", "poller", port=port, environment=away) as process:
            seen.take("ps poller", " ".join(psutil.Process(process.child.pid).cmdline()))

            async def has_told() -> bool:
                return bool(process.told())

            await until("the poller to complain", has_told, seconds=60)
            seen.take("log of the poller without Postgres", process.told())


def examined(seen: Seen, place: Place, base: str) -> None:
    """What the doctor says of this installation, and that it says it."""
    port = free_port()
    told = place.door(port) | {
        "TALLYSTICK_STACK_DIR": str(place.folder / "stack"),
        "TALLYSTICK_INGEST_STRIPE_API_BASE": base,
        "TALLYSTICK_INGEST_POLLER_PORT": str(port),
    }
    held = {
        "MAIN_SECRET": MAIN_SECRET,
        "TALLYSTICK_INGEST_STRIPE_API_KEY": API_KEY,
        "TALLYSTICK_POSTGRES_DSN": place.dsn,
    }
    clean = {name: value for name, value in os.environ.items() if "TALLYSTICK" not in name}
    done = subprocess.run(
        [sys.executable, "-m", "tallystick", "doctor", "ingest", "--json"],
        check=False,
        capture_output=True,
        text=True,
        env=clean | told | place.secrets_file("doctor", **held),
    )
    seen.take("doctor", done.stdout + done.stderr)
    found = [(each["subject"], each["verdict"]) for each in json.loads(done.stdout)["findings"]]
    wanted = [
        ("secrets", "warning"),  # its identity is open to others, and one secret lies in a file
        ("API key", "good"),
        ("clock", "good"),
        ("registration", "good"),
        ("Kafka", "good"),
        ("topics", "good"),
        ("door", "warning"),  # it does not run
    ]
    assert set(wanted) <= set(found), done.stdout
    assert "Stripe's clock" in done.stdout
    assert done.returncode == int("bad" in {verdict for _, verdict in found})


def broken_starts(seen: Seen, place: Place) -> None:
    """Settings that refuse to start, each with a canary in what is wrong."""
    good = place.door(free_port())
    odd = "TALLYSTICK_INGEST_DOOR_PORT"
    conflict = {"TALLYSTICK_KAFKA_SASL_PASSWORD": KAFKA_PASSWORD}
    wrong = [
        place.secrets_file("twice", X=STRAY_SECRET, TALLYSTICK_INGEST_WEBHOK_SECRET=STRAY_KEY),
        {"TALLYSTICK_SECRETS_IDENTITY_FILE": str(place.folder / "other.secret")},
        conflict,
        {odd: STRAY_KEY},
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
