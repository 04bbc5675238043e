"""Thin events before the simulated Stripe: each is resolved once, or said to be unresolved."""

import asyncio
import json
import logging
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from sandbox.stripe.facts import Event
from sandbox.stripe.shapes.thin import thin_notification
from sandbox.world.scenario import ACCOUNT, CONNECTED
from services.ingest.admission import Admitted, admission
from services.ingest.endpoints import Endpoint, EndpointKind, Payload
from services.ingest.polled import Connected, PolledAccount, speaker_for
from services.ingest.shell.event_index import EventIndex
from services.ingest.shell.poll_store import PollStore
from services.ingest.shell.stripe_api import API_VERSION, ApiRefused, StripeApi
from services.ingest.shell.teller import Teller
from services.ingest.shell.thin_events import ThinResolver
from services.ingest.shell.thin_store import ThinStore
from services.ingest.signature import Secret, header_of
from shared.contracts.books import Mode
from shared.contracts.errors import Unavailable
from shared.contracts.journal import Book
from shared.contracts.topics import STRIPE_EVENTS, STRIPE_OBJECTS
from shared.runtime.kafka import KafkaAddress
from tests.support.ingest import SECRET, free_port, service
from tests.support.poller import BOOKS, WATCH_PAUSE, WHOSE, Polling, polling_of
from tests.support.world import KEY

pytestmark = pytest.mark.stack

OTHER = CONNECTED[0]
Json = dict[str, Any]  # Any: JSON


@dataclass
class Thin:
    """Thin events put on the topic as the door does it, and their resolver."""

    polling: Polling

    def notifications(self, *types: str) -> list[Json]:
        store = self.polling.world.runner.world.state.stripe.store
        return [
            thin_notification(event, store.dice, platform=store.account)
            for event in store.every(Event)
            if event.type in types
        ]

    async def publish(self, told: Sequence[Json]) -> None:
        for each in told:
            body = json.dumps(each).encode()
            now = datetime.now(UTC).replace(microsecond=0)
            admitted = admission(
                body,
                header_of(body, SECRET, int(now.timestamp())),
                Endpoint(
                    "thin",
                    Mode.TEST,
                    ACCOUNT,
                    Book("main"),
                    EndpointKind.CONNECT,
                    (Secret("a", SECRET),),
                    Payload.THIN,
                ),
                BOOKS,
                received_at=now,
            )
            assert isinstance(admitted, Admitted), admitted
            await self.polling.publisher.publish(STRIPE_EVENTS, admitted.key, admitted.envelope, 10)

    def resolver(
        self,
        *,
        connected: Connected | None = None,
        api: StripeApi | None = None,
        give_up_after: timedelta = timedelta(days=7),
    ) -> ThinResolver:
        polling = self.polling
        asking = api or polling.api
        polled = PolledAccount(WHOSE, Mode.TEST, SecretStr(KEY), connected or Connected())

        def teller(account: str) -> Teller:
            return Teller(
                api=asking,
                store=PollStore(polling.database, account=account, mode=Mode.TEST),
                publisher=polling.publisher,
                speaker=speaker_for(account, polled, BOOKS, version=API_VERSION),
                watch_pause=WATCH_PAUSE,
            )

        return ThinResolver(
            api=asking,
            teller=teller,
            kafka=KafkaAddress(polling.kafka),
            index=EventIndex(polling.database, KafkaAddress(polling.kafka), beat=lambda: None),
            store=ThinStore(polling.database),
            polled=polled,
            everyone=[polled],
            pause=timedelta(0),
            give_up_after=give_up_after,
            beat=lambda: None,
        )

    async def state_of(self, told: Json) -> tuple[str, int, str]:
        async with self.polling.database.connection() as connection:
            row = await connection.fetchrow(
                "select state, tries, reason from thin_events where event_id = $1", told["id"]
            )
        assert row is not None
        return row["state"], row["tries"], row["reason"]


@pytest.fixture
async def thin(kafka: str, database_dsn: str) -> AsyncGenerator[Thin, None]:
    async with polling_of(kafka, database_dsn) as polling:
        yield Thin(polling)


async def test_object_of_a_thin_event_is_told_once_however_often_it_is_delivered(
    thin: Thin,
) -> None:
    made = thin.polling.do("charge", amount=4_200)
    (told,) = thin.notifications("charge.succeeded")
    await thin.publish([told, told])
    resolver = thin.resolver()
    await resolver.resolve()
    await thin.publish([told])
    await resolver.resolve()
    await thin.polling.mirror.poll()
    objects = await thin.polling.objects()
    (charge,) = objects[made["charge"]]
    assert charge["amount"] == 4_200
    assert await thin.state_of(told) == ("resolved", 1, "")


async def test_refund_of_a_thin_event_is_told_as_the_mirror_tells_it(thin: Thin) -> None:
    charge = thin.polling.do("charge", amount=4_200)["charge"]
    refund = thin.polling.do("refund", charge=charge, amount=100)
    await thin.publish(thin.notifications("refund.created", "charge.refunded"))
    await thin.resolver().resolve()
    before = await thin.polling.objects()
    await thin.polling.mirror.poll()
    after = await thin.polling.objects()
    for name in ("refund", "balance_transaction"):
        assert len(before[refund[name]]) == len(after[refund[name]]) == 1
    assert before[refund["refund"]][0]["balance_transaction"] == refund["balance_transaction"]


async def test_connected_accounts_event_is_asked_in_its_context_only_where_it_is_wanted(
    thin: Thin,
) -> None:
    made = thin.polling.do("direct_charge", amount=10_000)
    (told,) = [n for n in thin.notifications("charge.succeeded") if n["context"] == OTHER]
    (own,) = thin.notifications("application_fee.created")
    await thin.publish([told, own])
    await thin.resolver().resolve()
    assert (await thin.state_of(told))[0] == "foreign"
    assert (await thin.state_of(own))[0] == "resolved"
    wanted = told | {"id": told["id"] + "Again", "context": f"{ACCOUNT}/{OTHER}"}
    await thin.publish([wanted])
    await thin.resolver(connected=Connected((OTHER,))).resolve()
    assert (await thin.state_of(wanted))[0] == "resolved"
    records = await thin.polling.records(STRIPE_OBJECTS)
    (charge,) = [r for r in records if r.envelope().subject == made["charge"]]
    assert charge.key == f"{OTHER}|{made['charge']}".encode()
    assert charge.envelope().extension("foreign") == "true"


async def test_event_that_stripe_does_not_answer_for_is_tried_again_and_then_given_up_aloud(
    thin: Thin, caplog: pytest.LogCaptureFixture
) -> None:
    thin.polling.do("charge", amount=4_200)
    (told,) = thin.notifications("charge.succeeded")
    gone = told | {
        "related_object": {"id": "ch_gone", "type": "charge", "url": "/v1/charges/ch_gone"}
    }
    await thin.publish([gone])
    resolver = thin.resolver()
    await resolver.resolve()
    await resolver.resolve()
    state, tries, reason = await thin.state_of(gone)
    assert (state, tries) == ("open", 2)
    assert "status 404" in reason
    await thin.resolver(give_up_after=timedelta(0)).resolve()
    assert (await thin.state_of(gone))[0] == "unresolved"
    _, unresolved = await ThinStore(thin.polling.database).counts()
    assert unresolved >= 1, "the topic is shared: other tests' events are given up as well"
    aloud = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    (said,) = [text for text in aloud if str(gone["id"]) in text]
    assert "thin_event.unresolved" in said


async def test_event_that_names_another_host_is_never_asked_for(thin: Thin) -> None:
    thin.polling.do("charge", amount=4_200)
    (told,) = thin.notifications("charge.succeeded")
    url = "https://evil.example/v1/charges/ch_1"
    evil = told | {"related_object": {"id": "ch_1", "type": "charge", "url": url}}
    await thin.publish([evil])
    await thin.resolver().resolve()
    state, _, reason = await thin.state_of(evil)
    assert state == "unresolved"
    assert "not a path of Stripe's API" in reason


async def test_stripe_or_its_key_away_costs_no_event_a_try(thin: Thin) -> None:
    thin.polling.do("charge", amount=4_200)
    (told,) = thin.notifications("charge.succeeded")
    await thin.publish([told])
    wrong = StripeApi("sk_test_wrong", base=thin.polling.world.stripe_url, requests_per_second=100)
    with pytest.raises(ApiRefused):
        await thin.resolver(api=wrong).resolve()
    await wrong.close()
    nobody = StripeApi(KEY, base="http://127.0.0.1:9", requests_per_second=100, patience_seconds=0)
    with pytest.raises(Unavailable):
        await thin.resolver(api=nobody).resolve()
    await nobody.close()
    assert await thin.state_of(told) == ("open", 0, "")
    await thin.resolver().resolve()
    assert (await thin.state_of(told))[0] == "resolved"


async def test_process_resolves_thin_events_and_asks_for_connected_accounts_by_its_accounts_file(
    thin: Thin, database_dsn: str, tmp_path: Path
) -> None:
    fee = thin.polling.do("direct_charge", amount=10_000)
    (told,) = thin.notifications("application_fee.created")
    await thin.publish([told])
    (tmp_path / "books.toml").write_text(
        f'[[books]]\nmode = "test"\nstripe_accounts = ["{ACCOUNT}"]\n'
    )
    (tmp_path / "accounts.toml").write_text(
        f'[[accounts]]\nname = "main"\naccount = "{ACCOUNT}"\napi_key_file = "key"\n'
        'connected_accounts = "all"\n'
    )
    (tmp_path / "key").write_text(KEY)
    port = free_port()
    environment = {
        "TALLYSTICK_KAFKA_BOOTSTRAP": thin.polling.kafka,
        "TALLYSTICK_POSTGRES_DSN": database_dsn,
        "TALLYSTICK_BOOKS_FILE": str(tmp_path / "books.toml"),
        "TALLYSTICK_INGEST_POLLER_PORT": str(port),
        "TALLYSTICK_INGEST_ACCOUNTS_FILE": str(tmp_path / "accounts.toml"),
        "TALLYSTICK_INGEST_STRIPE_API_BASE": thin.polling.world.stripe_url,
        "TALLYSTICK_INGEST_POLL_INTERVAL_SECONDS": "0.1",
        "TALLYSTICK_INGEST_REQUESTS_PER_SECOND": "100",
    }
    with service("services.ingest", "poller", port=port, environment=environment) as process:
        await asyncio.to_thread(process.await_answer, "/readyz")
        assert await thin.state_of(told) == ("resolved", 1, "")
        keys = {record.key for record in await thin.polling.records(STRIPE_OBJECTS)}
        assert f"{OTHER}|{fee['charge']}".encode() in keys
        assert f"{ACCOUNT}|{fee['application_fee']}".encode() in keys
        assert await asyncio.to_thread(process.stop) == 0, process.told()
        assert KEY not in process.told()
