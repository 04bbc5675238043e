"""The simulated Stripe's thin events, connected accounts and disabled endpoint, by the library."""

import hashlib
import hmac
import json
from datetime import UTC, datetime

import pytest
import stripe
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.world.scenario import ACCOUNT
from tests.support.world import (
    LIBRARY,
    SECRET,
    Door,
    living,
    played,
    runner_of,
    served,
    serving,
    until,
)


class ThinDoor:
    """A receiver of thin events that the library must be able to read."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []

    async def receive(self, request: Request) -> Response:
        body = await request.body()
        LIBRARY.WebhookSignature.verify_header(
            body.decode(), request.headers["Stripe-Signature"], SECRET, 300
        )
        self.bodies.append(body)
        return Response()

    def app(self) -> Starlette:
        return Starlette(routes=[Route("/thin", self.receive, methods=["POST"])])


async def test_thin_event_is_read_by_the_library_and_leads_to_its_object_and_its_twin() -> None:
    door = ThinDoor()
    async with serving(door.app()) as (url,):
        runner = runner_of("bare", thin_url=f"{url}/thin")
        async with living(runner), served(runner) as world:
            made = runner.command({"do": "charge", "amount": 4_200})
            runner.advance(10)
            await until(lambda: len(door.bodies) == 3)
            bodies = {json.loads(body)["type"]: body for body in door.bodies}
            body = bodies["v1.charge.succeeded"].decode()
            at = int(datetime.now(UTC).timestamp())
            digest = hmac.new(SECRET.encode(), f"{at}.{body}".encode(), hashlib.sha256)
            told = world.client.parse_event_notification(
                body, f"t={at},v1={digest.hexdigest()}", SECRET
            )
            assert told.type == "v1.charge.succeeded"
            related = json.loads(body)["related_object"]
            assert related == {
                "id": made["charge"],
                "type": "charge",
                "url": f"/v1/charges/{made['charge']}",
            }
            event = await world.client.v2.core.events.retrieve_async(told.id)
            twin = await world.client.v1.events.retrieve_async(str(event.snapshot_event))
            assert twin.type == "charge.succeeded"
            assert twin.data.object["id"] == made["charge"]
            listed = await world.client.v2.core.events.list_async(
                {"object_id": str(made["charge"]), "limit": 1}
            )
            assert [each.id for each in listed.data] == [told.id]


async def test_thin_event_of_a_connected_account_says_its_context() -> None:
    door = ThinDoor()
    async with serving(door.app()) as (url,):
        runner = runner_of("bare", thin_url=f"{url}/thin")
        async with living(runner), served(runner) as world:
            runner.command({"do": "direct_charge", "amount": 10_000})
            runner.advance(10)
            await until(lambda: len(door.bodies) == 4)
            (fee,) = [
                e for e in map(json.loads, door.bodies) if e["type"] == "v1.application_fee.created"
            ]
            assert fee["context"] is None
            (accounts,) = {json.loads(b)["context"] for b in door.bodies} - {None}
            event = next(e for e in map(json.loads, door.bodies) if e["context"] == accounts)
            path = event["related_object"]["url"]
            alone = await world.http.get(
                f"{world.stripe_url}{path}", headers={"Authorization": "Bearer sk_test_simulated"}
            )
            assert alone.status_code == 404
            within = await world.http.get(
                f"{world.stripe_url}{path}",
                headers={
                    "Authorization": "Bearer sk_test_simulated",
                    "Stripe-Context": f"{ACCOUNT}/{accounts}",
                },
            )
            assert within.json()["id"] == event["related_object"]["id"]


async def test_connected_accounts_are_listed_and_asked_on_behalf_of() -> None:
    async with played("month") as world:
        accounts = (await world.client.v1.accounts.list_async()).data
        assert accounts
        assert ACCOUNT not in {account.id for account in accounts}
        for account in accounts:
            page = await world.client.v1.charges.list_async(options={"stripe_account": account.id})
            assert page.data == []
        with pytest.raises(stripe.InvalidRequestError):
            await world.client.v1.accounts.list_async({"starting_after": "acct_nobody"})


async def test_disabled_endpoint_says_so_and_is_sent_nothing_that_falls_due_meanwhile() -> None:
    door = Door()
    async with serving(door.app()) as (url,):
        runner = runner_of("bare", url=f"{url}/hook")
        async with living(runner), served(runner) as world:

            async def status() -> str:
                return (await world.client.v1.webhook_endpoints.list_async()).data[0].status

            assert await status() == "enabled"
            turned = await world.http.post(
                f"{world.stripe_url}/sim/webhooks", json={"disabled": True}
            )
            assert turned.json() == {"paused": False, "disabled": True}
            assert await status() == "disabled"
            runner.command({"do": "charge", "amount": 1_000})
            runner.advance(10)
            await world.http.post(f"{world.stripe_url}/sim/webhooks", json={"disabled": False})
            later = runner.command({"do": "charge", "amount": 2_000})
            runner.advance(10)
            await until(lambda: len(door.received) == 3)
            bodies = b"".join(b for found in door.bodies.values() for b in found)
            assert str(later["charge"]).encode() in bodies
            assert runner.progress()["deliveries_given_up"] == 3


async def test_transfer_shows_ten_of_its_reversals_and_lists_the_rest() -> None:
    runner = runner_of("bare")
    async with served(runner) as world:
        await world.do("charge", amount=90_000)
        transfer = (await world.do("transfer", amount=20_000))["transfer"]
        for _ in range(12):
            await world.do("reverse_transfer", transfer=transfer, amount=100)
        shown = await world.client.v1.transfers.retrieve_async(transfer)
        assert (len(shown.reversals.data), shown.reversals.has_more) == (10, True)
        listed = await world.client.v1.transfers.reversals.list_async(transfer, {"limit": 100})
        assert len(listed.data) == 12


async def test_every_balance_type_stands_in_the_one_list_and_in_the_truth() -> None:
    runner = runner_of("bare")
    async with served(runner) as world:
        for number, kind in enumerate(("issuing", "refund_and_dispute_prefunding")):
            await world.do("strange_movement", amount=700 + number, balance_type=kind)
        page = await world.client.v1.balance_transactions.list_async()
        assert {t.balance_type for t in page.data} == {"issuing", "refund_and_dispute_prefunding"}
        balances = {
            row["account"]: row["minor"]
            for row in (await world.http.get(f"{world.stripe_url}/sim/truth")).json()["balances"]
        }
        assert balances["assets:stripe:issuing"] == "700"
        assert balances["assets:stripe:refund-and-dispute-prefunding"] == "701"
