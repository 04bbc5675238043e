"""The door while its endpoints and their secrets change under it; thin events; API versions."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from shared.contracts.topics import STRIPE_EVENTS
from shared.runtime.kafka import end_offsets
from tests.support.ingest import (
    ServiceProcess,
    by_event,
    event_body,
    free_port,
    id_of,
    records_since,
    service,
    signed,
)
from tests.support.plain_http import TRUSTS_NOBODY

pytestmark = pytest.mark.stack
PATIENCE_SECONDS = 20.0
HOOK = "/webhooks/stripe/main"
THIN_HOOK = "/webhooks/stripe/v2/thin"
FILE = """
[[endpoints]]
name = "main"
mode = "test"
api_version = "2026-10-28.endive"
{secrets}

[[endpoints]]
name = "thin"
path = "v2/thin"
payload = "thin"
mode = "test"
secret_file = "thin.secret"
"""
OLD = '[[endpoints.secrets]]\nid = "old"\nfile = "old.secret"\n'
NEW = '[[endpoints.secrets]]\nid = "new"\nfile = "new.secret"\n'
ENDED = OLD + "until = 2026-01-01\n" + NEW


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("endpoints")
    for name in ("old", "new", "thin"):
        (found / f"{name}.secret").write_text(f"whsec_{name}\n")
    write(found, OLD)
    return found


@pytest.fixture(scope="module")
def open_door(kafka: str, folder: Path) -> Iterator[ServiceProcess]:
    port = free_port()
    environment = {
        "TALLYSTICK_KAFKA_BOOTSTRAP": kafka,
        "TALLYSTICK_LOG_FORMAT": "json",
        "TALLYSTICK_INGEST_DOOR_PORT": str(port),
        "TALLYSTICK_INGEST_ENDPOINTS_FILE": str(folder / "endpoints.toml"),
        "TALLYSTICK_INGEST_ENDPOINTS_LOOK_SECONDS": "0.1",
    }
    with service("services.ingest", "door", port=port, environment=environment) as process:
        process.await_answer("/readyz")
        yield process


@pytest.fixture
def client(open_door: ServiceProcess) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=open_door.url, timeout=10, verify=TRUSTS_NOBODY) as found:
        yield found


def write(folder: Path, secrets: str) -> None:
    (folder / "endpoints.toml").write_text(FILE.format(secrets=secrets))


def deliver(client: httpx.Client, hook: str, body: bytes, secret: str) -> int:
    headers = signed(body, secret=f"whsec_{secret}")
    return client.post(hook, content=body, headers=headers).status_code


def status(client: httpx.Client, secret: str) -> int:
    return deliver(client, HOOK, event_body(), secret)


def until(claim: Callable[[], bool]) -> None:
    """Ask again and again; each asking is a request, so nothing spins."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not claim():
        assert time.monotonic() < deadline


def metric(client: httpx.Client, name: str) -> float:
    lines = client.get("/metrics").text.splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name))


def warnings(client: httpx.Client) -> dict[str, str]:
    answer = client.get("/readyz")
    assert answer.status_code == 200
    found: dict[str, str] = answer.json().get("warnings", {})
    return found


def test_secret_is_rotated_without_a_restart_and_nothing_signed_in_force_is_refused(
    client: httpx.Client, folder: Path
) -> None:
    write(folder, OLD)
    until(lambda: status(client, "old") == 200)
    assert status(client, "new") == 400
    write(folder, OLD + NEW)

    def both_are_taken() -> bool:
        assert status(client, "old") == 200
        return status(client, "new") == 200

    until(both_are_taken)
    write(folder, ENDED)

    def only_the_new_is_taken() -> bool:
        assert status(client, "new") == 200
        return status(client, "old") == 400

    until(only_the_new_is_taken)
    body = event_body()
    told = client.post(HOOK, content=body, headers=signed(body, secret="whsec_old")).json()
    assert "it is signed with 'old', which has ended" in told["error"]["detail"]


def test_broken_file_is_warned_of_and_changes_nothing(client: httpx.Client, folder: Path) -> None:
    write(folder, OLD)
    until(lambda: status(client, "old") == 200)
    (folder / "endpoints.toml").write_text("[[endpoints")
    until(lambda: "endpoints" in warnings(client))
    assert "the older endpoints are in force" in warnings(client)["endpoints"]
    assert metric(client, "tallystick_ingest_endpoints_is_refused") == 1
    assert status(client, "old") == 200
    write(folder, OLD)
    until(lambda: not warnings(client))
    assert metric(client, "tallystick_ingest_endpoints_is_refused") == 0


async def test_thin_event_is_on_the_topic_byte_for_byte_as_a_thin_one(
    client: httpx.Client, kafka: str
) -> None:
    since = await end_offsets(kafka, [STRIPE_EVENTS])
    related = {"id": "ch_1", "type": "charge", "url": "/v1/charges/ch_1"}
    body = event_body(
        object="v2.core.event",
        type="v1.charge.succeeded",
        created="2026-11-21T04:05:05.123Z",
        context="acct_1/acct_2",
        related_object=related,
    )
    assert deliver(client, THIN_HOOK, body, "thin") == 200
    record = by_event(await records_since(kafka, STRIPE_EVENTS, since))[id_of(body)]
    envelope = record.envelope()
    assert (record.value, record.key) == (body, b"acct_2|ch_1")
    assert (envelope.type, envelope.subject) == ("com.stripe.event.thin", "ch_1")
    assert envelope.extension("context") == "acct_1/acct_2"
    assert envelope.extension("endpoint") == "thin"


def test_event_of_the_other_payload_style_is_refused_with_the_way_out(
    client: httpx.Client,
) -> None:
    body = event_body()
    answer = client.post(THIN_HOOK, content=body, headers=signed(body, secret="whsec_thin"))
    assert answer.status_code == 400
    assert json.loads(answer.content)["error"]["reason"] == "wrong_payload"


async def test_event_in_another_api_version_is_accepted_marked_and_counted(
    client: httpx.Client, kafka: str, folder: Path
) -> None:
    write(folder, OLD)
    until(lambda: status(client, "old") == 200)
    since = await end_offsets(kafka, [STRIPE_EVENTS])
    before = metric(client, "tallystick_ingest_unexpected_api_versions_total")
    body = event_body(api_version="2020-08-27")
    assert deliver(client, HOOK, body, "old") == 200
    record = by_event(await records_since(kafka, STRIPE_EVENTS, since))[id_of(body)]
    assert record.envelope().extension("stripeversion") == "2020-08-27"
    assert record.envelope().extension("expectedversion") == "2026-10-28.endive"
    assert metric(client, "tallystick_ingest_unexpected_api_versions_total") == before + 1
