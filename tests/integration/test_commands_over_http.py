"""Every kind of command over HTTP, on a real ledger: granted, or refused with the way out."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from services.console.intake import asked
from shared.contracts.commands import LEDGER_COMMAND, BookManualEntry
from shared.contracts.envelope import Envelope
from shared.contracts.schemas import type_of
from shared.contracts.topics import LEDGER_COMMANDS
from shared.runtime.kafka import Publication
from tests.integration.test_console import Console, Json, console, dollars, entry
from tests.support.ledger import LedgerRig, fresh_topics

pytestmark = pytest.mark.stack
TODAY = datetime.now(UTC)
LONG_AGO = TODAY - timedelta(days=70)
CLOSED = (LONG_AGO + timedelta(days=20)).date()


def now() -> str:
    return datetime.now(UTC).isoformat()


@pytest.fixture
async def rig(kafka_bootstrap: str, database_dsn: str) -> LedgerRig:
    await fresh_topics(kafka_bootstrap)
    return LedgerRig(kafka_bootstrap, database_dsn)


async def granted(shown: Console, key: str, kind: str, **fields: object) -> Json:
    answer = await shown.ask({"kind": kind, **fields}, key)
    assert answer.status_code == 201, answer.text
    told: Json = answer.json()
    return told


async def refused(shown: Console, key: str, rule: str, kind: str, **fields: object) -> Json:
    answer = await shown.ask({"kind": kind, **fields}, key)
    assert answer.status_code == 422, answer.text
    decided: Json = answer.json()["decided"]
    assert decided["rule"] == rule
    assert decided["values"]
    assert decided["way_out"] in answer.json()["reason"]
    return decided


async def _money(shown: Console) -> None:
    capital: Json = {"amount": dollars(5_000), "account": "assets:bank:main"}
    await granted(
        shown, "capital", "owner_capital", direction="contribute", effective_at=now(), **capital
    )
    gpu: Json = {"category": "compute", "paid_from": "assets:bank:main", "effective_at": now()}
    told = await granted(shown, "gpu", "book_expense", amount=dollars(1_000), floor=True, **gpu)
    assert told["reference"] == "command:ada:gpu"
    await refused(
        shown, "gpus", "available", "book_expense", amount=dollars(4_001), floor=True, **gpu
    )
    undone = await granted(
        shown, "undo", "reverse_entry", reference="command:ada:gpu", reason="never delivered"
    )
    assert undone["decided"] == {"reverses": "command:ada:gpu"}
    await refused(
        shown, "undo2", "reversed_once", "reverse_entry", reference="command:ada:gpu", reason="x"
    )
    old = (LONG_AGO + timedelta(days=1)).isoformat()
    assert (await shown.ask(entry() | {"effective_at": old}, "old")).status_code == 201
    await granted(
        shown, "rate", "exchange_rate", base="eur", quote="usd", rate="1.1", on=str(TODAY.date())
    )


async def _holds(shown: Console) -> None:
    six = [
        await shown.ask(
            {"kind": "place_hold", "account": "assets:bank:main", "amount": dollars(1_100)}, f"h{n}"
        )
        for n in range(6)
    ]
    assert [answer.status_code for answer in six] == [201] * 5 + [422]
    hold = six[0].json()["decided"]["hold"]
    assert hold == "ada:h0"
    settled = await granted(
        shown, "pay", "settle_hold", hold=hold, to="expenses:domain", amount=dollars(900)
    )
    assert settled["decided"]["released"] == dollars(200)
    await granted(shown, "free", "release_hold", hold="ada:h1")
    await refused(shown, "free2", "hold_open", "release_hold", hold="ada:h1")


async def _accounts(shown: Console) -> None:
    till = "assets:till:berlin"
    await granted(shown, "open", "open_account", account=till, display="Till", floor=True)
    await granted(shown, "rename", "rename_account", account=till, display="Till, Mitte")
    await refused(shown, "full", "account_empty", "close_account", account="assets:bank:main")
    await granted(shown, "close", "close_account", account=till)
    await refused(shown, "there", "account_unknown", "open_account",
                  account="assets:bank:main", display="Bank")  # fmt: skip


async def _periods(shown: Console) -> None:
    closed = await granted(shown, "month", "close_period", through=str(CLOSED))
    assert closed["decided"]["trial_balance"] == [
        {"currency": "usd", "debits": dollars(500), "credits": dollars(500)}
    ]
    gpu: Json = {"category": "compute", "paid_from": "assets:bank:main", "amount": dollars(1)}
    late = await refused(
        shown, "late", "period_open", "book_expense", effective_at=LONG_AGO.isoformat(), **gpu
    )
    assert late["values"]["first_open_day"] == str(CLOSED + timedelta(days=1))
    await granted(shown, "again", "reopen_period", since=str(CLOSED), reason="one more invoice")
    await granted(shown, "lock", "lock_period", through=str(CLOSED - timedelta(days=1)))
    await refused(shown, "never", "period_not_locked", "reopen_period",
                  since=str(LONG_AGO.date()), reason="please")  # fmt: skip


async def _the_rest(shown: Console) -> None:
    await granted(shown, "gift", "grant_credits", customer="cus_1", amount=dollars(500))
    await granted(shown, "use", "spend_credits", customer="cus_1", amount=dollars(200))
    await refused(
        shown, "use2", "available", "spend_credits", customer="cus_1", amount=dollars(301)
    )
    ticked = await granted(shown, "tick", "tick_clock", until=now())
    assert ticked["decided"]["lines"] == 0
    await granted(shown, "accrual", "activate", what="basis", value="accrual")
    other = await shown.ask({"kind": "activate", "what": "basis", "value": "barter"}, "barter")
    assert other.status_code == 422


async def _sent_before(rig: LedgerRig, shown: Console) -> None:
    """A request that was sent when a key was its book's, and is sent again now."""
    request = asked(
        json.dumps(entry()).encode(), book="main", idempotency_key="old-key", actor="ada"
    )
    told = entry() | {"idempotency_key": "old-key", "book": "main", "actor": "ada"}
    envelope = Envelope(
        id=request.before.message_id,
        source="tallystick/console",
        type=type_of(BookManualEntry),
        time=TODAY,
        data=json.dumps(told).encode(),
        extensions={"book": "main"},
    )
    await rig.publish(Publication(LEDGER_COMMANDS, b"main|old-key", envelope))
    await rig.caught_up(published=False)
    again = await shown.ask(entry(), "old-key")
    assert (again.status_code, again.json()["reference"]) == (200, "command:old-key")
    other = await shown.ask(entry(7), "old-key")
    assert (other.status_code, other.json()["reference"]) == (201, "command:ada:old-key")


async def test_every_kind_of_command_is_taken_over_http(rig: LedgerRig) -> None:
    async with rig.ledger(), console(rig) as shown:
        await rig.caught_up(published=False)
        await _money(shown)
        await _holds(shown)
        await _accounts(shown)
        await _periods(shown)
        await _the_rest(shown)
        await _sent_before(rig, shown)
        granted_kinds = await rig.value(
            "select count(distinct subject) from ledger_read.outcomes where outcome = 'accepted'"
        )
        assert granted_kinds >= len(LEDGER_COMMAND.json_schema()["discriminator"]["mapping"])
        history = await rig.value(
            "select string_agg(display || ' ' || is_open, '; ' order by number)"
            " from ledger_read.account_history where account = 'assets:till:berlin'"
        )
        assert history == "Till true; Till, Mitte true; Till, Mitte false"
        await rig.caught_up()
