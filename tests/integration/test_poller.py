"""The poller before the simulated Stripe, a real Kafka and a real Postgres."""

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from sandbox.world.scenario import ACCOUNT
from services.ingest.admission import Admitted, admission
from services.ingest.catch_up import DAY_SECONDS
from services.ingest.endpoints import Endpoint, EndpointKind
from services.ingest.shell.stripe_api import ApiRefused, StripeApi
from services.ingest.signature import Secret, header_of
from shared.contracts.books import Mode
from shared.contracts.envelope import Envelope
from shared.contracts.errors import Unavailable
from shared.contracts.journal import Book
from shared.contracts.topics import STRIPE_EVENTS, STRIPE_OBJECTS
from shared.runtime.kafka import end_offsets
from tests.support.ingest import SECRET, free_port, records_since, service
from tests.support.poller import BOOKS, Polling, polling_of, world_of_its_own
from tests.support.world import KEY, served

pytestmark = pytest.mark.stack


@pytest.fixture
async def polling(kafka: str, database_dsn: str) -> AsyncGenerator[Polling, None]:
    async with polling_of(kafka, database_dsn) as found:
        yield found


async def test_balance_transaction_and_its_source_are_told_as_two_records_once(
    polling: Polling,
) -> None:
    made = polling.do("charge", amount=4200)
    await polling.mirror.poll()
    await polling.mirror.poll()
    told = await polling.objects()
    (transaction,) = told[made["balance_transaction"]]
    (charge,) = told[made["charge"]]
    assert transaction["source"] == made["charge"]
    assert transaction["net"] == transaction["amount"] - transaction["fee"]
    assert (charge["object"], charge["amount"]) == ("charge", 4200)
    (balance,) = told["balance"]
    assert balance["pending"][0]["amount"] == transaction["net"]


async def test_every_kind_of_source_is_told(polling: Polling) -> None:
    charge = polling.do("charge", amount=90_000)["charge"]
    refund = polling.do("refund", charge=charge, amount=100)["refund"]
    other = polling.do("charge", amount=5_000)["charge"]
    dispute = polling.do("dispute", charge=other)["dispute"]
    transfer = polling.do("transfer", amount=700)["transfer"]
    reversal = polling.do("reverse_transfer", transfer=transfer, amount=200)["reversal"]
    fee = polling.do("direct_charge", amount=10_000)["application_fee"]
    topup = polling.do("top_up", amount=3_000)["topup"]
    polling.do("complete_top_up", topup=topup)
    payout = polling.do("pay_out", amount=1_000)["payout"]
    bill = polling.do("bill", amount=50)["balance_transaction"]
    await polling.mirror.poll()
    told = await polling.objects()
    for object_id, kind in (
        (charge, "charge"),
        (refund, "refund"),
        (dispute, "dispute"),
        (transfer, "transfer"),
        (reversal, "transfer_reversal"),
        (fee, "application_fee"),
        (topup, "topup"),
        (payout, "payout"),
        (bill, "balance_transaction"),
    ):
        assert told[object_id][-1]["object"] == kind
    assert told[bill][0]["source"] is None


async def test_object_that_changed_is_told_again_and_no_other(polling: Polling) -> None:
    made = polling.do("charge", amount=4200)
    await polling.mirror.poll()
    refund = polling.do("refund", charge=made["charge"], amount=200)
    await polling.mirror.poll()
    told = await polling.objects()
    assert len(told[made["balance_transaction"]]) == 1
    assert len(told[refund["refund"]]) == 1
    assert len(told[refund["balance_transaction"]]) == 1


async def test_payout_is_told_in_each_state_that_was_seen(polling: Polling) -> None:
    polling.do("charge", amount=50_000)
    payout = polling.do("pay_out", amount=1_000)["payout"]
    await polling.mirror.poll()
    before = len((await polling.objects())[payout])
    polling.do("move_payout", payout=payout, to="paid")
    await polling.mirror.poll()
    states = [told["status"] for told in (await polling.objects())[payout]]
    assert len(states) == before + 1
    assert states[-1] == "paid"


async def test_many_pages_are_read_whole(polling: Polling) -> None:
    made = [polling.do("charge", amount=1_000 + n)["balance_transaction"] for n in range(250)]
    await polling.mirror.poll()
    assert set(made) <= (await polling.objects()).keys()


async def test_what_comes_into_a_window_behind_its_listing_is_told_by_the_same_poll(
    polling: Polling,
) -> None:
    made = [polling.do("charge", amount=1_000)["balance_transaction"]]

    def while_the_first_page_is_in_hand() -> None:
        # Stripe's clock is behind ours here: the window that is being read has not ended there.
        if len(made) == 1:
            made.append(polling.do("charge", amount=2_000)["balance_transaction"])
            polling.world.runner.advance(35 * DAY_SECONDS)
            made.append(polling.do("charge", amount=3_000)["balance_transaction"])

    await polling.mirror_with(while_the_first_page_is_in_hand).poll()
    assert set(made) <= (await polling.objects()).keys()


async def test_api_that_stumbles_loses_and_doubles_nothing(polling: Polling) -> None:
    made = [polling.do("charge", amount=1_000 + n)["balance_transaction"] for n in range(120)]
    await polling.world.knobs(
        "stripe", next_requests=["rate_limited", "none", "server_error", "server_error"]
    )
    await polling.mirror.poll()
    told = await polling.objects()
    assert all(len(told[transaction]) == 1 for transaction in made)


async def test_what_kafka_did_not_acknowledge_is_told_by_the_next_poll(
    polling: Polling, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = polling.do("charge", amount=4200)

    async def away(*_: object) -> None:
        raise Unavailable("Kafka is away")

    monkeypatch.setattr(polling.publisher, "publish_all", away)
    with pytest.raises(Unavailable):
        await polling.mirror.poll()
    assert await polling.store.cursor("balance_transactions") is None
    monkeypatch.undo()
    await polling.mirror.poll()
    assert len((await polling.objects())[made["balance_transaction"]]) == 1


async def test_what_was_told_and_not_remembered_is_told_again_in_the_same_words(
    polling: Polling, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = polling.do("charge", amount=4200)

    async def dead(*_: object, **__: object) -> None:
        raise Unavailable("Postgres is away")

    monkeypatch.setattr(polling.store, "remember", dead)
    with pytest.raises(Unavailable):
        await polling.mirror.poll()
    monkeypatch.undo()
    await polling.mirror.poll()
    first, second = (await polling.objects())[made["charge"]]
    assert first == second


async def test_wrong_key_is_refused_and_shown_nowhere(polling: Polling) -> None:
    api = StripeApi("sk_test_wrong", base=polling.world.stripe_url, requests_per_second=100)
    with pytest.raises(ApiRefused) as refused:
        await api.one("/v1/balance")
    await api.close()
    assert "status 401" in str(refused.value)
    assert "sk_test" not in str(refused.value)


async def test_calls_are_spread_to_the_rate_that_was_set(polling: Polling) -> None:
    api = StripeApi(KEY, base=polling.world.stripe_url, requests_per_second=20)
    began = time.monotonic()
    await asyncio.gather(*(api.one("/v1/balance") for _ in range(11)))
    assert time.monotonic() - began >= 0.5
    await api.close()


def webhook_of(event: dict[str, Any]) -> Admitted:  # Any: JSON
    """The event as the door would have taken it in."""
    body = json.dumps(event, indent=2).encode()
    endpoint = Endpoint(
        "main", Mode.TEST, ACCOUNT, Book("main"), EndpointKind.ACCOUNT, (Secret("a", SECRET),)
    )
    now = int(time.time())
    told = admission(
        body,
        header_of(body, SECRET, now),
        endpoint,
        BOOKS,
        received_at=datetime.fromtimestamp(now, UTC),
    )
    assert isinstance(told, Admitted)
    return told


async def listed(polling: Polling) -> list[dict[str, Any]]:  # Any: JSON
    page = await polling.world.client.v1.events.list_async({"limit": 100})
    return [dict(event.to_dict()) for event in page.data]


async def test_event_whose_webhook_never_came_is_fetched_once_and_marked(
    polling: Polling,
) -> None:
    polling.do("charge", amount=4200)
    lost, *came = await listed(polling)
    for event in came:
        told = webhook_of(event)
        await polling.publisher.publish(STRIPE_EVENTS, told.key, told.envelope, 10)
    auditor = polling.auditor(0)
    await auditor.look()
    await auditor.look()
    events = await polling.events()
    assert {event_id: len(records) for event_id, records in events.items()} == {
        event["id"]: 1 for event in (lost, *came)
    }
    (record,) = events[lost["id"]]
    envelope = record.envelope()
    assert (envelope.extension("via"), envelope.extension("verdict")) == ("fetched", "fetched")
    assert envelope.extension("signature") == ""
    as_webhook = webhook_of(lost)
    assert record.key == as_webhook.key
    assert (envelope.subject, envelope.source) == (
        as_webhook.envelope.subject,
        as_webhook.envelope.source,
    )
    body = json.loads(record.value)
    assert {k: body[k] for k in ("id", "type", "created", "data")} == {
        k: lost[k] for k in ("id", "type", "created", "data")
    }


async def test_event_is_given_its_grace_to_come_by_itself(polling: Polling) -> None:
    polling.do("charge", amount=4200)
    auditor = polling.auditor(3600)
    await auditor.look()
    await auditor.look()
    assert await polling.events() == {}
    # A poller that starts anew has seen nothing yet, and the cursor still stands before them.
    await polling.auditor(0).look()
    assert (await polling.events()).keys() == {event["id"] for event in await listed(polling)}


async def test_event_that_came_while_the_poller_was_away_is_not_fetched(
    polling: Polling,
) -> None:
    polling.do("charge", amount=4200)
    for event in await listed(polling):
        told = webhook_of(event)
        await polling.publisher.publish(STRIPE_EVENTS, told.key, told.envelope, 10)
    await polling.auditor(0).look()
    assert all(len(records) == 1 for records in (await polling.events()).values())


async def test_events_of_many_pages_are_all_fetched_although_the_api_stumbles(
    polling: Polling,
) -> None:
    for number in range(60):
        polling.do("charge", amount=1_000 + number)
    await polling.world.knobs("stripe", next_requests=["none", "rate_limited", "server_error"])
    await polling.auditor(0).look()
    events = await polling.events()
    assert len(events) > 100
    assert all(len(records) == 1 for records in events.values())


async def test_record_that_is_no_event_does_not_stop_the_reading_of_the_topic(
    polling: Polling,
) -> None:
    polling.do("charge", amount=4200)
    nameless = Envelope(id="", source="", type="", time=datetime.now(UTC), data=b"junk")
    await polling.publisher.publish(STRIPE_EVENTS, b"junk", nameless, 10)
    await polling.auditor(0).look()
    assert len(await polling.records(STRIPE_EVENTS)) > 1


async def test_process_mirrors_and_fetches_and_stops_when_asked(
    kafka: str, fresh_database: Callable[[], str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("poller")
    (folder / "books.toml").write_text(
        f'[[books]]\nmode = "test"\nstripe_accounts = ["{ACCOUNT}"]\n'
    )
    (folder / "key").write_text(KEY)
    since = await end_offsets(kafka, [STRIPE_EVENTS, STRIPE_OBJECTS])
    async with served(world_of_its_own()) as world:
        made = world.runner.command({"do": "charge", "amount": 4200})
        port = free_port()
        environment = {
            "TALLYSTICK_KAFKA_BOOTSTRAP": kafka,
            "TALLYSTICK_POSTGRES_DSN": fresh_database(),
            "TALLYSTICK_BOOKS_FILE": str(folder / "books.toml"),
            "TALLYSTICK_INGEST_POLLER_PORT": str(port),
            "TALLYSTICK_INGEST_STRIPE_API_KEY_FILE": str(folder / "key"),
            "TALLYSTICK_INGEST_STRIPE_API_BASE": world.stripe_url,
            "TALLYSTICK_INGEST_STRIPE_ACCOUNT": ACCOUNT,
            "TALLYSTICK_INGEST_POLL_INTERVAL_SECONDS": "0.1",
            "TALLYSTICK_INGEST_EVENT_GRACE_SECONDS": "0.5",
            "TALLYSTICK_INGEST_REQUESTS_PER_SECOND": "100",
        }
        with service("services.ingest", "poller", port=port, environment=environment) as process:
            await asyncio.to_thread(process.await_answer, "/readyz")
            deadline = time.monotonic() + 20
            objects, events = set[str](), set[str]()
            while made["balance_transaction"] not in objects or len(events) < 2:
                assert time.monotonic() < deadline, process.told()
                for topic, found in ((STRIPE_OBJECTS, objects), (STRIPE_EVENTS, events)):
                    own = {p: at for p, at in since.items() if p.topic == topic}
                    records = await records_since(kafka, topic, own)
                    found |= {r.envelope().subject for r in records if r.headers}
            assert await asyncio.to_thread(process.stop) == 0, process.told()
            assert KEY not in process.told()


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({}, "TALLYSTICK_POSTGRES_DSN"),
        ({"TALLYSTICK_INGEST_STRIPE_API_KEY": "rk_secret"}, "does not say its mode"),
        (
            {
                "TALLYSTICK_INGEST_STRIPE_API_KEY": "rk_live_secret",
                "TALLYSTICK_INGEST_MODE": "test",
            },
            "of live mode, the setting of test",
        ),
    ],
)
def test_poller_without_a_database_or_a_fitting_key_refuses_to_start(
    settings: dict[str, str], word: str
) -> None:
    with service("services.ingest", "poller", port=0, environment=settings) as process:
        assert process.child.wait(30) == 78
        assert word in process.told()
        assert "secret" not in process.told()
