"""Look-ups at Stripe: asked for by id, told with what belongs to it, and every answer noted."""

from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from sandbox.world.scenario import CONNECTED
from services.ingest.catch_up import DAY_SECONDS
from services.ingest.shell.event_index import READ_MIGRATIONS, READ_SCHEMA
from services.ingest.shell.stripe_api import ApiRefused, StripeApi
from shared.contracts.errors import Unavailable
from shared.contracts.look_ups import WORTH_ASKING_FOR, LookUp
from shared.runtime.migrations import migrate
from tallystick.look_ups.answers import answers_from_views
from tests.support.looking_up import LookingUp, look_up
from tests.support.poller import Polling, polling_of
from tests.support.world import KEY, serving

pytestmark = pytest.mark.stack

OTHER = CONNECTED[0]
_MOVEMENTS = ("balance_transaction", "failure_balance_transaction")


@pytest.fixture
async def polling(kafka: str, database_dsn: str) -> AsyncGenerator[Polling, None]:
    async with polling_of(kafka, database_dsn) as found:
        yield found


def payout_of(polling: Polling) -> str:
    polling.do("charge", amount=50_000)
    polling.world.runner.advance(5 * DAY_SECONDS)
    payout: str = polling.do("pay_out")["payout"]
    return payout


async def test_payout_that_failed_unseen_is_told_with_both_its_movements(polling: Polling) -> None:
    payout = payout_of(polling)
    polling.do("move_payout", payout=payout, to="paid")
    polling.do("move_payout", payout=payout, to="failed")
    looking, asked = await LookingUp(polling).begin(), look_up(payout)
    await looking.ask(asked)
    await looking.look()
    told = await polling.objects()
    assert [t["status"] for t in told[payout]] == ["failed"]
    (shown,) = told[payout]
    types = {told[shown[name]][0]["type"] for name in _MOVEMENTS}
    assert types == {"payout", "payout_failure"}
    assert await looking.outcomes(asked) == [("told", "status failed")]
    await looking.ask(asked)
    await looking.look()
    assert await polling.objects() == told, "asked for twice it is asked for once"


async def test_charge_of_which_one_half_was_lost_is_told_with_its_movement(
    polling: Polling,
) -> None:
    charge = polling.do("charge", amount=7_700)["charge"]
    looking, asked = await LookingUp(polling).begin(), look_up(charge, kind="charge")
    await looking.ask(asked)
    await looking.look()
    told = await polling.objects()
    (shown,) = told[charge]
    (movement,) = told[shown["balance_transaction"]]
    assert (shown["amount"], movement["amount"], movement["source"]) == (7_700, 7_700, charge)
    assert [state for state, _ in await looking.outcomes(asked)] == ["told"]


async def test_payout_on_its_way_is_asked_for_again_from_now_on(polling: Polling) -> None:
    payout = payout_of(polling)
    looking = await LookingUp(polling).begin()
    await looking.ask(look_up(payout))
    await looking.look()
    far = datetime.now(UTC) + timedelta(days=1)
    assert payout in {w.object_id for w in await polling.store.due(at=far, count_max=9)}


async def test_look_up_that_leads_nowhere_is_noted_with_its_reason(
    polling: Polling, database_dsn: str
) -> None:
    looking = await LookingUp(polling).begin()
    now = datetime.now(UTC)
    gone, strange = look_up("po_nowhere"), look_up("cus_1", kind="customer")
    old = look_up("po_old", asked_at=now - WORTH_ASKING_FOR - timedelta(days=1))
    first = look_up("po_twice", deadline=now - timedelta(days=7), asked_at=now - timedelta(days=7))
    second, other = look_up("po_twice"), look_up("po_1", book="another", account="acct_other")
    bank = look_up("ops", LookUp.BANK_LINES)
    await looking.ask(gone, strange, old, first, second, other, bank)
    await looking.look()
    (is_gone, is_strange, is_old, was_first, is_second, is_other) = await looking.outcomes(
        gone, strange, old, first, second, other
    )
    assert is_gone[0] == "gone"
    assert "404" in is_gone[1]
    assert is_strange == ("refused", "an object of kind 'customer' is not looked up")
    assert is_old == ("left", "too old when it was read")
    assert (was_first[0], is_second[0]) == ("superseded", "gone")
    assert is_other == ("open", ""), "another book's key asks for it"
    with pytest.raises(KeyError):
        await looking.outcomes(bank)

    await migrate(database_dsn, schema=READ_SCHEMA, folder=READ_MIGRATIONS)
    wanted = {LookUp.STRIPE_OBJECT: [gone.id, strange.id, other.id]}
    shown = await answers_from_views(database_dsn, wanted)
    assert shown[gone.id].said == f"Stripe does not know it: {is_gone[1]}"
    assert shown[strange.id].said == f"Stripe refused it: {is_strange[1]}"
    assert shown[other.id].said == "not answered yet"


async def test_connected_account_is_looked_up_in_the_book_that_it_is_in(polling: Polling) -> None:
    looking = await LookingUp(polling, connected={OTHER: "sister"}).begin()
    sister = look_up("po_1", book="sister", account=OTHER)
    another = look_up("po_2", book="another", account=OTHER)
    await looking.ask(sister, another)
    await looking.look()
    (is_sister, is_another) = await looking.outcomes(sister, another)
    assert (is_sister[0], is_another[0]) == ("gone", "open")


async def test_what_stripe_refuses_is_noted_and_what_it_fails_at_has_another_turn(
    polling: Polling,
) -> None:
    statuses = {"po_forbidden": 403, "po_broken": 500, "po_key": 401}
    asked: list[str] = []

    async def answer(request: Request) -> JSONResponse:
        name = request.url.path.rpartition("/")[2]
        asked.append(name)
        return JSONResponse({"error": {"message": "no"}}, status_code=statuses[name])

    async with serving(Starlette(routes=[Route("/{path:path}", answer)])) as (url,):
        api = StripeApi(KEY, base=url, requests_per_second=100, patience_seconds=0)
        looking = await LookingUp(polling, api=api).begin()
        forbidden, broken, key = (look_up(name) for name in statuses)
        await looking.ask(broken)
        with pytest.raises(Unavailable):
            await looking.look()
        await looking.ask(forbidden)
        await looking.look()
        (is_forbidden, is_broken) = await looking.outcomes(forbidden, broken)
        assert is_forbidden[0] == "refused"
        assert "403" in is_forbidden[1]
        assert is_broken[0] == "open"
        assert "500" in is_broken[1]
        assert asked[-1] == "po_forbidden", "what Stripe fails at waits for its next turn"
        await looking.ask(key)
        with pytest.raises(ApiRefused):
            await looking.look()
        assert (await looking.outcomes(key))[0][0] == "open", "a wrong key is no answer"
        await api.close()
