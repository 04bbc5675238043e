import asyncio
import logging
import socket

import httpx
import pytest
from prometheus_client import CollectorRegistry, Counter

from shared.contracts.errors import Unavailable
from shared.runtime.metrics import Health, health_app, serve


async def asked(health: Health, path: str, registry: CollectorRegistry) -> httpx.Response:
    transport = httpx.ASGITransport(app=health_app(health, registry))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        return await client.get(path)


async def test_readiness_names_each_reason_until_it_is_gone() -> None:
    health, registry = Health(), CollectorRegistry()
    health.not_ready("database", "does not answer")
    answer = await asked(health, "/readyz", registry)
    assert answer.status_code == 503
    assert answer.json() == {"ready": False, "reasons": {"database": "does not answer"}}
    health.ready("database")
    assert (await asked(health, "/readyz", registry)).status_code == 200


async def test_warning_is_shown_and_leaves_the_process_ready_until_it_is_taken_back() -> None:
    health, registry = Health(), CollectorRegistry()
    health.warn("endpoints", "the new file cannot be read")
    answer = await asked(health, "/readyz", registry)
    assert answer.status_code == 200
    assert answer.json() == {
        "ready": True,
        "reasons": {},
        "warnings": {"endpoints": "the new file cannot be read"},
    }
    health.warn("endpoints", "")
    assert (await asked(health, "/readyz", registry)).json() == {"ready": True, "reasons": {}}


async def test_liveness_ends_when_a_loop_is_silent_for_longer_than_it_said() -> None:
    now = [0.0]
    health, registry = Health(clock=lambda: now[0]), CollectorRegistry()
    health.beat("loop", next_within_seconds=10)
    assert (await asked(health, "/livez", registry)).status_code == 200
    now[0] = 11
    answer = await asked(health, "/livez", registry)
    assert (answer.status_code, answer.json()["stalled"]) == (503, ["loop"])


async def test_metrics_are_those_of_the_registry() -> None:
    registry = CollectorRegistry()
    Counter("things_done", "Things", registry=registry).inc(3)
    assert "things_done_total 3.0" in (await asked(Health(), "/metrics", registry)).text


async def test_server_listens_until_it_is_asked_to_stop(unused_tcp_port: int) -> None:
    stop = asyncio.Event()
    serving = asyncio.create_task(
        serve(health_app(Health(), CollectorRegistry()), port=unused_tcp_port, stop=stop)
    )
    transport = httpx.AsyncHTTPTransport(retries=10)
    async with httpx.AsyncClient(transport=transport) as client:
        answer = await client.get(f"http://127.0.0.1:{unused_tcp_port}/livez")
    assert answer.status_code == 200
    stop.set()
    await asyncio.wait_for(serving, 5)


async def test_address_that_cannot_be_had_is_named_with_why_and_what_to_do(
    unused_tcp_port: int, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.socket() as other, caplog.at_level(logging.INFO):
        other.bind(("127.0.0.1", unused_tcp_port))
        other.listen()
        with pytest.raises(Unavailable) as raised:
            await serve(health_app(Health()), port=unused_tcp_port, stop=asyncio.Event())
    told = str(raised.value)
    assert f"127.0.0.1:{unused_tcp_port}" in told
    assert "Address already in use" in told
    assert "another port" in told
    # Who listens to nothing must not say that it does.
    assert "listening" not in caplog.text


async def test_host_that_is_not_this_machine_s_is_told_the_same_way(unused_tcp_port: int) -> None:
    for host in ("192.0.2.1", "no.such.host.invalid"):
        with pytest.raises(Unavailable, match=f"{host}:{unused_tcp_port} cannot be listened on"):
            await serve(health_app(Health()), host=host, port=unused_tcp_port, stop=asyncio.Event())
