"""The ledger and the reconciler together: what one books the other matches, and back."""

import asyncio
from typing import Any

import asyncpg
import pytest

from shared.contracts.acts import ACT_DECIDED, WriteOff
from shared.contracts.envelope import Envelope
from shared.contracts.messages import MatchMade
from shared.contracts.schemas import type_of
from shared.contracts.topics import (
    DECISIONS,
    MATCHES,
    RECONCILIATION_COMMANDS,
    STRIPE_OBJECTS,
)
from shared.runtime.kafka import Publication, end_offsets
from tests.support.ledger import LedgerRig, charge, event, fresh_topics, polled, until
from tests.support.reconciler import ACCOUNT, LONG_AGO, ReconcilerRig, balance, line, payout

pytestmark = pytest.mark.stack

PAYOUT = "po_1TogetherAaBbCcDd"
MOVEMENT: dict[str, Any] = {  # Any: Stripe's JSON
    "id": f"txn_{PAYOUT}",
    "object": "balance_transaction",
    "amount": -900,
    "available_on": int(LONG_AGO.timestamp()),
    "balance_type": "payments",
    "created": int(LONG_AGO.timestamp()),
    "currency": "usd",
    "description": None,
    "exchange_rate": None,
    "fee": 0,
    "fee_details": [],
    "net": -900,
    "reporting_category": "payout",
    "source": PAYOUT,
    "status": "available",
    "type": "payout",
}


async def test_match_clears_both_clearing_accounts_and_is_not_matched_again(
    kafka_bootstrap: str, database_dsn: str
) -> None:
    await fresh_topics(kafka_bootstrap)
    books = LedgerRig(kafka_bootstrap, database_dsn)
    rig = ReconcilerRig(kafka_bootstrap, database_dsn)

    async def is_cleared() -> bool:
        items = await books.fetch(
            "select account, key, minor from ledger_read.open_items where key in ($1, 'l1')",
            PAYOUT,
        )
        return not items and bool(await rig.matches())

    async with books.ledger():
        with rig.process() as running:
            await asyncio.to_thread(running.await_answer, "/readyz")
            await books.caught_up()
            await books.publish(
                event("evt_1", charge("ch_1", 1000)),
                polled(MOVEMENT),
                payout(PAYOUT, 900, arrival=LONG_AGO),
                line("l1", 900, on=LONG_AGO.date(), text=f"STRIPE {PAYOUT}"),
            )
            await until("the match to be booked", is_cleared)
            await books.caught_up()
            await rig.quiet(running)
            (made,) = await rig.matches()
            assert isinstance(made, MatchMade)
            balances = await books.fetch("select account, minor from ledger_read.balances")
            assert {r["account"]: int(r["minor"]) for r in balances if r["minor"]} == {
                "assets:bank:operating": 900,
                "assets:stripe:balance": -900,
                "assets:stripe:settling": 1000,
                "revenue:stripe": -1000,
            }


async def test_bank_balance_is_held_against_what_the_ledger_had_at_that_place(
    kafka_bootstrap: str, database_dsn: str
) -> None:
    await fresh_topics(kafka_bootstrap)
    books = LedgerRig(kafka_bootstrap, database_dsn)
    rig = ReconcilerRig(kafka_bootstrap, database_dsn)

    async def proofs() -> list[int]:
        rows = await rig.fetch(
            "select (body ->> 'bank_minor')::int - (body ->> 'ledger_minor')::int as drift"
            " from reconciler.proofs order by reading"
        )
        return [row["drift"] for row in rows]

    async def are_proven(count: int) -> bool:
        try:
            return len(await proofs()) >= count
        except asyncpg.UndefinedTableError:
            # The reconciler is still making its tables.
            return False

    on = LONG_AGO.date()
    async with books.ledger():
        with rig.process() as running:
            await asyncio.to_thread(running.await_answer, "/readyz")
            await books.caught_up()
            # All at once: each reading is of its own place, however far the ledger is by then.
            await rig.publish(
                line("l1", 500, on=on, text="a"),
                balance(500, as_of=LONG_AGO, reading="r1"),
                line("l2", 70, on=on, text="b"),
                balance(570, as_of=LONG_AGO, reading="r2"),
                line("l3", 1, on=on, text="c"),
                balance(570, as_of=LONG_AGO, reading="r3"),
            )
            await until("three proofs", lambda: are_proven(3))
            assert await proofs() == [0, 0, -1]
            await rig.publish(balance(570, as_of=LONG_AGO, reading="r4"))
            await until("four proofs", lambda: are_proven(4))
            await rig.quiet(running)
            assert (await rig.lives())[f"balance_drift {ACCOUNT}"] == ["open"]


async def test_stripes_balance_is_held_against_the_ledgers_once_it_has_booked_what_is_in_it(
    kafka_bootstrap: str, database_dsn: str
) -> None:
    """A movement that was never told opens a drift; told late, it heals it by itself."""
    await fresh_topics(kafka_bootstrap)
    books = LedgerRig(kafka_bootstrap, database_dsn)
    rig = ReconcilerRig(kafka_bootstrap, database_dsn)
    lost = {**MOVEMENT, "id": "txn_lost", "net": -70, "amount": -70, "source": "po_1LostAaBbCcDd"}

    async def reading(number: int, amount: int, *names: str) -> Publication:
        """Stripe's balance with its movements, as the poller tells it behind them."""
        ends = await end_offsets(kafka_bootstrap, [STRIPE_OBJECTS])
        value = {
            "id": f"balance_reading.{number}",
            "object": "balance_reading",
            "balance_types": ["payments"],
            "totals": [{"balance_type": "payments", "currency": "usd", "amount": amount}],
            "created_to": MOVEMENT["created"],
            "last": list(names),
            "ends": {str(place.partition): end for place, end in ends.items()},
        }
        return polled(value)

    async def drifts() -> list[str]:
        return (await rig.lives()).get("balance_drift assets:stripe:balance", [])

    async def is_told(*states: str) -> bool:
        return await drifts() == list(states)

    names = (str(MOVEMENT["id"]), str(lost["id"]))
    async with books.ledger():
        with rig.process() as running:
            await asyncio.to_thread(running.await_answer, "/readyz")
            await books.caught_up()
            await books.publish(polled(MOVEMENT))
            for number in (1, 2):
                await books.publish(await reading(number, -900, names[0]))
            await books.caught_up()
            await rig.quiet(running)
            assert await drifts() == []
            for number in (1, 2):
                await books.publish(await reading(number, -970, *names))
            await until("the drift to be told", lambda: is_told("open"))
            await books.publish(polled(lost))
            await until("it to heal", lambda: is_told("open", "resolved"))


async def test_write_off_goes_through_whole_or_both_sides_say_that_it_did_not(
    kafka_bootstrap: str, database_dsn: str
) -> None:
    """Asked past the console, which alone knows the chart; and a match that the ledger refuses."""
    await fresh_topics(kafka_bootstrap)
    books = LedgerRig(kafka_bootstrap, database_dsn)
    rig = ReconcilerRig(kafka_bootstrap, database_dsn)
    on = LONG_AGO.date()

    def asked(name: str, line_id: str, to: str) -> Publication:
        item = {"line": {"account": ACCOUNT, "id": line_id}, "account": to}
        told = WriteOff.model_validate(
            {"book": "main", "idempotency_key": name, "actor": "a", "kind": "write_off",
             "reason": "charge", "items": [item]}
        )  # fmt: skip
        envelope = Envelope(
            id=f"act_{name}", source="test", type=type_of(WriteOff), time=LONG_AGO,
            data=told.model_dump_json().encode(), extensions={"book": "main"},
        )  # fmt: skip
        return Publication(RECONCILIATION_COMMANDS, f"main|{name}".encode(), envelope)

    async def is_refused(match_id: str) -> bool:
        return f"match_refused {match_id}" in await rig.lives()

    async with books.ledger():
        with rig.process() as running:
            await asyncio.to_thread(running.await_answer, "/readyz")
            await books.publish(
                line("l1", -300, on=on, text="ACCOUNT CHARGE"),
                line("l2", -400, on=on, text="ACCOUNT CHARGE"),
            )
            await rig.quiet(running)
            await rig.publish(
                asked("k1", "l1", "expenses:typo"), asked("k2", "l2", "expenses:bank:")
            )
            await rig.quiet(running)
            made, *_ = await rig.matches()  # the ledger may have refused it, and it be undone
            assert isinstance(made, MatchMade)
            await books.caught_up()
            # A name that no chart has is refused by the ledger, whole, and both sides say so.
            left = await books.fetch("select account from ledger_read.open_items where key = 'l1'")
            assert [row["account"] for row in left] == ["liabilities:suspense"]
            held = "select minor from ledger_read.balances where account = 'expenses:typo'"
            assert await books.fetch(held) == []
            await until("the refusal to come back", lambda: is_refused(made.id))
            (report,) = [r for r in await rig.reports() if r.subject == made.id]
            assert "account_known: an entry posts to accounts of the chart" in report.explanation
            assert "'expenses:typo' is not one" in report.explanation
            # So it has no effect here either: the line waits again, and is written off elsewhere.
            await rig.quiet(running)
            lives = await rig.lives()
            assert lives["unidentified_bank_debit l1"] == ["open", "resolved", "open"]
            await rig.publish(asked("k3", "l1", "expenses:bank-fees"))
            await rig.quiet(running)
            await books.caught_up()
            assert [record.kind for record in await rig.matches()] == [
                "match_made", "match_undone", "match_made",
            ]  # fmt: skip
            off = await books.fetch(
                "select o.line_id from reconciler_read.line_write_offs as o"
                " join reconciler_read.matches as m on m.id = o.id where m.state = 'made'"
            )
            assert [row["line_id"] for row in off] == ["l1"]
            fees = "select minor from ledger_read.balances where account = 'expenses:bank-fees'"
            assert [row["minor"] for row in await books.fetch(fees)] == [300]
            open_items = await books.fetch("select account, key from ledger_read.open_items")
            assert [row["key"] for row in open_items] == ["l2"]
            lives = await rig.lives()
            assert lives["unidentified_bank_debit l1"][-1] == "resolved"
            assert lives[f"match_refused {made.id}"] == ["open"]
            # One that no chart can hold is refused where it was decided, and the line stays open.
            assert lives["unidentified_bank_debit l2"] == ["open"]
            refused = [
                each.detail
                for each in (
                    ACT_DECIDED.validate_json(r.value) for r in await rig.records(DECISIONS)
                )
                if each.outcome == "refused"
            ]
            assert refused == ["'expenses:bank:' is not an account name such as assets:bank:main"]
            # Whatever else the ledger refuses of a match comes back with its cause and a way out.
            wrong = made.model_copy(
                update={
                    "id": "mat_wrong",
                    "clears": tuple(
                        c.model_copy(update={"account": c.account.replace("typo", "a::b")})
                        for c in made.clears
                    ),
                }
            )
            await rig.publish(
                Publication(
                    MATCHES,
                    b"mat_wrong",
                    Envelope(
                        id="match_wrong", source="test", type=type_of(MatchMade), time=LONG_AGO,
                        data=wrong.model_dump_json().encode(), extensions={"book": "main"},
                    ),
                )
            )  # fmt: skip

            await until("the refusal to come back", lambda: is_refused("mat_wrong"))
            (report,) = [r for r in await rig.reports() if r.subject == "mat_wrong"]
            assert (report.state, "'expenses:a::b'" in report.explanation) == ("open", True)
            assert "write it off to an account of the chart" in report.next_step
