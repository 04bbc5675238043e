"""What the mirror tells beyond its windows: open objects, contents, children, other accounts."""

import json
from collections.abc import AsyncGenerator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.stripe.facts import Refund
from sandbox.world.scenario import ACCOUNT, CONNECTED
from services.ingest.catch_up import DAY_SECONDS
from services.ingest.config import IngestSettings
from services.ingest.mirrored import WATCHED_FOR, asked_of
from services.ingest.polled import Connected, PolledAccount, speaker_for
from services.ingest.shell.connected import ConnectedAccounts, ConnectedMirrors
from services.ingest.shell.poll_store import PollStore
from services.ingest.shell.polled_accounts import polled_accounts
from services.ingest.shell.stripe_api import API_VERSION, ApiRefused, StripeApi
from services.ingest.shell.stripe_poll import Mirror, listings
from services.ingest.shell.teller import Teller
from shared.contracts.books import BookData, BookMap, Mode
from shared.contracts.topics import STRIPE_OBJECTS
from shared.runtime.settings import SettingsInvalid
from tests.support.plain_http import TRUSTS_NOBODY
from tests.support.poller import BOOKS, WATCH_PAUSE, WHOSE, Polling, polling_of
from tests.support.world import KEY, serving

pytestmark = pytest.mark.stack

Json = dict[str, Any]  # Any: JSON
OTHER = CONNECTED[0]


@pytest.fixture
async def polling(kafka: str, database_dsn: str) -> AsyncGenerator[Polling, None]:
    async with polling_of(kafka, database_dsn) as found:
        yield found


async def test_every_list_and_every_balance_type_is_mirrored(polling: Polling) -> None:
    charge = polling.do("charge", amount=90_000)["charge"]
    refund = polling.do("refund", charge=charge, amount=100)["refund"]
    transfer = polling.do("transfer", amount=700)["transfer"]
    fee = polling.do("direct_charge", amount=10_000)["application_fee"]
    kinds = ("issuing", "refund_and_dispute_prefunding", "payments")
    strange = {
        kind: polling.do("strange_movement", amount=5, balance_type=kind)["balance_transaction"]
        for kind in kinds
    }
    polling.do("hold_reserve", amount=300)
    await polling.mirror.poll()
    told = await polling.objects()
    for name in (refund, transfer, fee):
        assert len(told[name]) == 1, "the list and the movement's source are one telling"
    assert {told[strange[kind]][0]["balance_type"] for kind in kinds} == set(kinds)
    types = {o["balance_type"] for ts in told.values() for o in ts if "balance_type" in o}
    assert types == {*kinds, "risk_reserved"}
    for resource in ("refunds", "transfers", "application_fees"):
        assert await polling.store.cursor(resource) is not None


async def test_payout_says_once_which_movements_it_pays_out_when_stripe_knows(
    polling: Polling,
) -> None:
    made = polling.do("charge", amount=50_000)["balance_transaction"]
    polling.world.runner.advance(5 * DAY_SECONDS)
    payout = polling.do("pay_out")["payout"]
    await polling.mirror.poll()
    kinds = [told["object"] for told in (await polling.objects())[payout]]
    assert "payout_contents" not in kinds
    polling.do("move_payout", payout=payout, to="paid")
    polling.do("move_payout", payout=payout, to="reconciled")
    await polling.mirror.poll()
    await polling.mirror.poll()
    (contents,) = [t for t in (await polling.objects())[payout] if t["object"] == "payout_contents"]
    own = polling.world.runner.world.state.stripe.store.find(payout).balance_transaction  # type: ignore[union-attr]  # a payout
    assert set(contents["balance_transactions"]) == {made, own}
    assert contents["count"] == 2


async def test_open_object_beyond_every_window_is_asked_again_until_it_is_final(
    polling: Polling,
) -> None:
    charge = polling.do("charge", amount=5_000)["charge"]
    dispute = polling.do("dispute", charge=charge)["dispute"]
    await polling.mirror.poll()
    polling.world.runner.advance(40 * DAY_SECONDS)
    polling.do("charge", amount=1_000)
    await polling.mirror.poll()  # The windows are now far behind the dispute.
    polling.do("lose_dispute", dispute=dispute)
    await polling.mirror.poll()
    assert (await polling.objects())[dispute][-1]["status"] == "lost"
    assert await polling.store.open_count() == 0


async def test_reversal_has_its_transfer_told_anew_however_old_it_is(polling: Polling) -> None:
    polling.do("charge", amount=50_000)
    transfer = polling.do("transfer", amount=700)["transfer"]
    await polling.mirror.poll()
    polling.world.runner.advance(40 * DAY_SECONDS)
    reversal = polling.do("reverse_transfer", transfer=transfer, amount=200)["reversal"]
    await polling.mirror.poll()
    told = (await polling.objects())[transfer]
    assert [t["amount_reversed"] for t in told] == [0, 200]
    assert told[-1]["reversals"]["data"][0]["id"] == reversal
    assert await polling.store.open_count() == 0


async def test_children_that_do_not_fit_into_their_parent_are_told_with_it(
    polling: Polling,
) -> None:
    polling.do("charge", amount=50_000)
    transfer = polling.do("transfer", amount=7_000)["transfer"]
    made = {
        polling.do("reverse_transfer", transfer=transfer, amount=100)["reversal"] for _ in range(12)
    }
    await polling.mirror.poll()
    told = await polling.objects()
    named = {r for r in made if any(isinstance(t["transfer"], dict) for t in told[r])}
    assert named == made, "a reversal books only where its transfer is told"


async def test_object_that_never_becomes_final_or_is_gone_is_left(polling: Polling) -> None:
    now = datetime.now(UTC)
    gone, old = asked_of("/v1/refunds/re_gone"), asked_of("/v1/disputes/du_old")
    await polling.store.watch([gone], at=now, ask_at=now)
    await polling.store.watch([old], at=now - WATCHED_FOR, ask_at=now)
    assert await polling.store.open_count() == 2
    await polling.mirror.poll()
    assert await polling.store.open_count() == 0


async def test_pending_refund_is_asked_again_at_growing_pauses(polling: Polling) -> None:
    charge = polling.do("charge", amount=5_000)["charge"]
    refund = polling.do("refund", charge=charge, amount=100)["refund"]
    store = polling.world.runner.world.state.stripe.store
    made = store.get(Refund, refund)
    store.put(replace(made, status="pending"))
    await polling.mirror.poll()
    await polling.mirror.poll()
    far = datetime.now(UTC) + timedelta(days=1)
    (watched,) = await polling.store.due(at=far, count_max=9)
    assert watched.asks >= 1
    store.put(made)
    while await polling.store.open_count():
        await polling.mirror.poll()
    assert [t["status"] for t in (await polling.objects())[refund]] == ["pending", "succeeded"]


def _mirror_of(polling: Polling, polled: PolledAccount, books: BookMap, account: str) -> Mirror:
    api = polling.api.behalf(account=account)
    store = PollStore(polling.database, account=account, mode=Mode.TEST)
    return Mirror(
        api=api,
        store=store,
        teller=Teller(
            api=api,
            store=store,
            publisher=polling.publisher,
            speaker=speaker_for(account, polled, books, version=API_VERSION),
            watch_pause=WATCH_PAUSE,
        ),
        lists=listings(overlap_seconds=3_600, payout_overlap_seconds=DAY_SECONDS),
        lookback_seconds=400 * DAY_SECONDS,
        watch_pause=WATCH_PAUSE,
        beat=lambda: None,
    )


async def _of_connected(polling: Polling, books: BookMap, connected: Connected) -> list[Json]:
    polled = PolledAccount(WHOSE, Mode.TEST, SecretStr(KEY), connected)
    mirrors = ConnectedMirrors(
        ConnectedAccounts(api=polling.api, connected=connected, beat=lambda: None),
        lambda account: _mirror_of(polling, polled, books, account),
    )
    await mirrors.poll()
    await mirrors.poll()
    found: list[Json] = []
    for record in await polling.records(STRIPE_OBJECTS):
        envelope = record.envelope()
        if envelope.extension("account") == ACCOUNT:
            continue
        assert record.key == f"{OTHER}|{envelope.subject}".encode()
        found.append(
            json.loads(record.value)
            | {"foreign": envelope.extension("foreign"), "book": envelope.extension("book")}
        )
    return found


async def test_connected_account_is_mirrored_as_foreign_once_and_with_its_own_cursor(
    polling: Polling,
) -> None:
    fee = polling.do("direct_charge", amount=10_000)
    told = await _of_connected(polling, BOOKS, Connected(is_all=True))
    (charge,) = [t for t in told if t["object"] == "charge"]
    assert charge["id"] == fee["charge"]
    assert {t["object"] for t in told} == {"charge", "balance_transaction", "balance"}
    assert {(t["foreign"], t["book"]) for t in told} == {("true", "main")}
    assert await polling.store.cursor("balance_transactions") is None


async def test_connected_account_of_a_book_of_ours_is_mirrored_into_that_book(
    polling: Polling,
) -> None:
    polling.do("direct_charge", amount=10_000)
    books = BookMap(
        books=(
            *BOOKS.books,
            BookData(name="sister", mode=Mode.TEST, stripe_accounts=(OTHER,)),
        )
    )
    told = await _of_connected(polling, books, Connected((OTHER,)))
    assert {(t["foreign"], t["book"]) for t in told} == {("", "sister")}


async def test_connected_account_that_left_us_does_not_stop_the_others(polling: Polling) -> None:
    polling.do("direct_charge", amount=10_000)
    with pytest.raises(ApiRefused, match="acct_gone"):
        await _of_connected(polling, BOOKS, Connected(("acct_gone", OTHER)))
    keys = {record.key for record in await polling.records(STRIPE_OBJECTS)}
    assert any(key is not None and key.startswith(OTHER.encode()) for key in keys)


async def test_list_that_stripe_refuses_to_the_key_does_not_stop_the_other_lists(
    polling: Polling,
) -> None:
    """A restricted key may lack one permission; the money is told all the same."""
    made = polling.do("charge", amount=4_200)["balance_transaction"]
    upstream = polling.world.stripe_url

    async def pass_on(request: Request) -> Response:
        if request.url.path == "/v1/balance_transactions":
            error = {"error": {"type": "invalid_request_error", "message": "no permission"}}
            return JSONResponse(error, status_code=403)
        async with httpx.AsyncClient(trust_env=False, verify=TRUSTS_NOBODY) as client:
            answer = await client.get(
                f"{upstream}{request.url.path}",
                params=str(request.url.query),
                headers={"Authorization": request.headers["Authorization"]},
            )
        return Response(answer.content, answer.status_code, media_type="application/json")

    async with serving(Starlette(routes=[Route("/{path:path}", pass_on)])) as (url,):
        api = StripeApi(KEY, base=url, requests_per_second=100, patience_seconds=5)
        mirror = Mirror(
            api=api,
            store=polling.store,
            teller=Teller(
                api=api,
                store=polling.store,
                publisher=polling.publisher,
                speaker=speaker_for(
                    "",
                    PolledAccount(WHOSE, Mode.TEST, SecretStr(KEY), Connected()),
                    BOOKS,
                    version=API_VERSION,
                ),
                watch_pause=WATCH_PAUSE,
            ),
            lists=listings(overlap_seconds=3_600, payout_overlap_seconds=DAY_SECONDS),
            lookback_seconds=400 * DAY_SECONDS,
            watch_pause=WATCH_PAUSE,
            beat=lambda: None,
        )
        with pytest.raises(ApiRefused, match="status 403"):
            await mirror.poll()
        await api.close()
    told = await polling.objects()
    assert "balance" in told
    # Without its movements a balance can be held against nothing.
    assert not told.keys() & {made, "balance_reading"}


async def test_rate_limit_holds_everybody_who_shares_the_key() -> None:
    answers = [
        JSONResponse({"error": {"code": "rate_limit"}}, 429, headers={"Retry-After": "1"}),
        JSONResponse({"object": "balance"}),
        JSONResponse({"object": "balance"}),
    ]
    times: list[float] = []

    async def answer(_: Request) -> Response:
        times.append(datetime.now(UTC).timestamp())
        return answers[len(times) - 1]

    async with serving(Starlette(routes=[Route("/{path:path}", answer)])) as (url,):
        api = StripeApi(KEY, base=url, requests_per_second=100, patience_seconds=10)
        await api.one("/v1/balance")
        await api.behalf(account="acct_other").one("/v1/balance")
        await api.close()
    assert times[1] - times[0] >= 0.99


FILE = """
[[accounts]]
name = "us"
account = "acct_us"
api_key_file = "us.key"

[[accounts]]
name = "eu"
account = "acct_eu"
api_key_env = "EU_KEY"
connected_accounts = "all"
"""
TWO_BOOKS = BookMap(
    books=(
        BookData(name="us", mode=Mode.TEST, stripe_accounts=("acct_us",)),
        BookData(name="eu", mode=Mode.LIVE, stripe_accounts=("acct_eu",)),
    )
)


def test_accounts_file_gives_each_account_its_key_mode_and_book(tmp_path: Path) -> None:
    (tmp_path / "accounts.toml").write_text(FILE)
    (tmp_path / "us.key").write_text("rk_test_1\n")
    settings = IngestSettings(ingest_accounts_file=tmp_path / "accounts.toml")
    us, eu = polled_accounts(settings, TWO_BOOKS, {"EU_KEY": "rk_live_1"})
    assert (us.name, us.mode, us.whose.book, us.key.get_secret_value()) == (
        "us",
        Mode.TEST,
        "us",
        "rk_test_1",
    )
    assert (eu.mode, eu.whose.book, eu.connected) == (Mode.LIVE, "eu", Connected(is_all=True))
    assert us.connected == Connected()


@pytest.mark.parametrize(
    ("text", "word"),
    [
        (FILE.replace("EU_KEY", "NO_KEY"), "the variable NO_KEY is not set"),
        (FILE.replace("acct_eu", "acct_us").replace("EU_KEY", "US_KEY"), "polled twice"),
        (FILE.replace('"eu"', '"us"'), "account named twice: us"),
        (FILE.replace("EU_KEY", "TEST_KEY"), "no book names the Stripe account acct_eu"),
        (FILE.replace('api_key_file = "us.key"', 'api_key = "rk_secret"'), "accounts.0"),
        (FILE.replace('"all"', '["a/b"]'), "connected_accounts"),
    ],
)
def test_accounts_file_that_cannot_be_used_is_refused_without_its_secrets(
    tmp_path: Path, text: str, word: str
) -> None:
    (tmp_path / "accounts.toml").write_text(text)
    (tmp_path / "us.key").write_text("rk_test_1")
    settings = IngestSettings(ingest_accounts_file=tmp_path / "accounts.toml")
    given = {"EU_KEY": "rk_live_1", "TEST_KEY": "rk_test_2", "US_KEY": "rk_test_3"}
    with pytest.raises(SettingsInvalid, match=word) as refused:
        polled_accounts(settings, TWO_BOOKS, given)
    assert "rk_" not in str(refused.value)


def test_without_a_key_nobody_is_asked_unless_one_is_meant_to_be_there(tmp_path: Path) -> None:
    assert polled_accounts(IngestSettings(), TWO_BOOKS, {}) == ()
    (tmp_path / "key").touch()
    meant = {"TALLYSTICK_INGEST_STRIPE_API_KEY_FILE": str(tmp_path / "key")}
    with pytest.raises(SettingsInvalid, match="is empty"):
        polled_accounts(IngestSettings(), TWO_BOOKS, meant)
    with pytest.raises(SettingsInvalid, match="CONNECTED_ACCOUNTS: set, but"):
        polled_accounts(IngestSettings(ingest_connected_accounts="all"), TWO_BOOKS, {})


def test_key_and_accounts_file_at_once_are_refused(tmp_path: Path) -> None:
    settings = IngestSettings(
        ingest_accounts_file=tmp_path / "accounts.toml",
        ingest_stripe_api_key=SecretStr("rk_test_1"),
    )
    with pytest.raises(SettingsInvalid, match="STRIPE_API_KEY is set as well"):
        polled_accounts(settings, TWO_BOOKS, {})
