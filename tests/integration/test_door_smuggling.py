"""Requests that can be read in two ways: the door takes none, alone and behind nginx."""

import re
from collections.abc import Iterator

import httpx
import pytest

from tests.support.ingest import HOOK, ServiceProcess, door, event_body, signed
from tests.support.nginx import Nginx, nginx_before, why_no_nginx
from tests.support.plain_http import TRUSTS_NOBODY
from tests.support.raw_http import CORPUS, LAWFUL, SMUGGLED, exchange

pytestmark = pytest.mark.stack


@pytest.fixture(scope="module")
def open_door(kafka: str) -> Iterator[ServiceProcess]:
    with door(kafka, head_timeout_seconds="1", body_timeout_seconds="1", idle_timeout_seconds="1",
              refusals_per_peer_per_second="0", trusted_hops="0") as process:  # fmt: skip
        process.await_answer("/readyz")
        yield process


def deliveries(process: ServiceProcess) -> dict[str, int]:
    """How many deliveries the door has judged, by endpoint and reason."""
    text = httpx.get(process.url + "/metrics", verify=TRUSTS_NOBODY).text
    found = re.findall(
        r'^tallystick_ingest_requests_total\{endpoint="(.*)",outcome=".*",reason="(.*)"\} (.*)$',
        text,
        re.MULTILINE,
    )
    return {
        f"{endpoint} {reason}": int(float(count))
        for endpoint, reason, count in found
        # Its body broke off in the middle: it was never one.
        if reason != "peer_gone"
    }


def test_corpus_is_large_enough() -> None:
    assert len(CORPUS) >= 40


@pytest.mark.parametrize("name", CORPUS)
async def test_request_that_can_be_read_in_two_ways_is_refused_and_nothing_behind_it_is_read(
    name: str, open_door: ServiceProcess
) -> None:
    before = deliveries(open_door)
    told = await exchange(open_door.port, CORPUS[name])
    assert told.is_closed
    assert len(told.statuses) <= 1
    assert all(400 <= status < 600 and status != 500 for status in told.statuses), told.text
    after = deliveries(open_door)
    assert after.get(" unknown_endpoint", 0) == before.get(" unknown_endpoint", 0)
    assert sum(after.values()) == sum(before.values())


@pytest.mark.parametrize("name", LAWFUL)
async def test_lawful_request_is_one_request_whatever_is_behind_it(
    name: str, open_door: ServiceProcess
) -> None:
    before = deliveries(open_door)
    told = await exchange(open_door.port, LAWFUL[name])
    assert told.is_closed
    assert told.statuses == (400,)
    after = deliveries(open_door)
    assert sum(after.values()) == sum(before.values()) + 1
    assert SMUGGLED not in open_door.told()


async def test_door_is_as_good_as_before_after_all_of_it(open_door: ServiceProcess) -> None:
    body = event_body()
    async with httpx.AsyncClient(base_url=open_door.url, verify=TRUSTS_NOBODY) as client:
        answer = await client.post(HOOK, content=body, headers=signed(body))
    assert answer.status_code == 200
    assert "Traceback" not in open_door.told()


# ---------------------------------------------------------------------- behind nginx


@pytest.fixture(scope="module")
def behind(kafka: str) -> Iterator[tuple[Nginx, ServiceProcess]]:
    if why_no_nginx():
        pytest.skip(why_no_nginx())  # the machine's, not ours to install
    with door(kafka, trusted_hops="1", refusals_per_peer_per_second="0") as process:
        process.await_answer("/readyz")
        with nginx_before(process.port) as nginx:
            yield nginx, process


@pytest.mark.parametrize("name", [*CORPUS, *LAWFUL])
async def test_nginx_and_the_door_see_the_same_requests(
    name: str, behind: tuple[Nginx, ServiceProcess]
) -> None:
    nginx, process = behind
    before, handed_on = deliveries(process), nginx.requests()
    told = await exchange(nginx.port, CORPUS.get(name) or LAWFUL[name], tls=nginx.tls)
    assert told.is_closed
    assert all(400 <= status < 600 and status != 500 for status in told.statuses), told.text
    after = deliveries(process)
    assert sum(after.values()) - sum(before.values()) == nginx.requests() - handed_on


async def test_event_of_stripe_goes_through_nginx_and_nothing_else_does(
    behind: tuple[Nginx, ServiceProcess],
) -> None:
    nginx, process = behind
    body = event_body()
    base = f"https://127.0.0.1:{nginx.port}"
    async with httpx.AsyncClient(base_url=base, verify=nginx.tls) as client:
        assert (await client.post(HOOK, content=body, headers=signed(body))).status_code == 200
        before = sum(deliveries(process).values())
        assert (await client.get(HOOK)).status_code == 405
        for path in ("/metrics", "/readyz", "/livez", "/", "/webhooks/stripe/../../metrics"):
            assert (await client.get(path)).status_code == 404
        too_large = await client.post(HOOK, content=b"x" * 1_100_000)
        assert too_large.status_code == 413
        clear = await client.post(f"http://127.0.0.1:{nginx.clear_port}{HOOK}", content=body)
        assert clear.status_code == 403
    assert sum(deliveries(process).values()) == before
