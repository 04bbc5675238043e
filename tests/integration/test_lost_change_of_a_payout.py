"""A payout's change is lost, and every window is past it: the look-up alone puts it right."""

import asyncio
from collections.abc import Callable, Generator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sandbox.world.scenario import ACCOUNT
from services.ingest.catch_up import DAY_SECONDS
from shared.contracts import topics
from shared.contracts.look_ups import LookUpAsked
from shared.runtime.kafka import end_offsets
from tests.support.ingest import ServiceProcess, free_port, records_since, service
from tests.support.ledger import LedgerRig, fresh_topics, until
from tests.support.reconciler import ReconcilerRig
from tests.support.world import KEY, Served, runner_of, served

pytestmark = pytest.mark.stack

AGO = timedelta(days=60)


@contextmanager
def poller(
    kafka: str, dsn: str, world: Served, books: Path, **settings: str
) -> Generator[ServiceProcess]:
    port = free_port()
    environment = {
        "TALLYSTICK_KAFKA_BOOTSTRAP": kafka,
        "TALLYSTICK_POSTGRES_DSN": dsn,
        "TALLYSTICK_BOOKS_FILE": str(books),
        "TALLYSTICK_INGEST_POLLER_PORT": str(port),
        "TALLYSTICK_INGEST_STRIPE_API_KEY": KEY,
        "TALLYSTICK_INGEST_STRIPE_ACCOUNT": ACCOUNT,
        "TALLYSTICK_INGEST_STRIPE_API_BASE": world.stripe_url,
        "TALLYSTICK_INGEST_POLL_INTERVAL_SECONDS": "0.2",
        "TALLYSTICK_INGEST_REQUESTS_PER_SECOND": "100",
    }
    given = {f"TALLYSTICK_INGEST_{name.upper()}": value for name, value in settings.items()}
    with service("services.ingest", "poller", port=port, environment=environment | given) as found:
        yield found


def payouts_on_their_way(world: Served, count: int) -> list[str]:
    """Payouts that left Stripe weeks ago, and of which nothing more was heard."""
    found: list[str] = []
    for _ in range(count):
        world.runner.command({"do": "charge", "amount": 50_000})
        world.runner.advance(5 * DAY_SECONDS)
        made = world.runner.command({"do": "pay_out"})
        found.append(str(made["payout"]))
        world.runner.command({"do": "move_payout", "payout": found[-1], "to": "in_transit"})
        world.runner.advance(60)
    return found


async def test_payouts_whose_changes_were_lost_come_right_by_the_look_up_alone(
    kafka_bootstrap: str, fresh_database: Callable[[], str], database_dsn: str, tmp_path: Path
) -> None:
    await fresh_topics(kafka_bootstrap)
    (tmp_path / "books.toml").write_text(
        f'[[books]]\nmode = "test"\nstripe_accounts = ["{ACCOUNT}"]\n'
    )
    books = LedgerRig(kafka_bootstrap, database_dsn)
    rig = ReconcilerRig(kafka_bootstrap, database_dsn)
    in_force = {"books_file": str(tmp_path / "books.toml")}
    world_of = runner_of("bare", end=(datetime.now(UTC) - AGO).date())

    async def in_transit() -> dict[str, int]:
        rows = await books.fetch(
            "select key, minor from ledger_read.open_items"
            " where account = 'assets:stripe:in-transit'"
        )
        return {row["key"]: int(row["minor"]) for row in rows}

    async def stages() -> dict[str, str]:
        rows = await rig.fetch("select id, stage from reconciler_read.expectations")
        return {row["id"]: row["stage"] for row in rows}

    async with served(world_of) as world, books.ledger(books_file=tmp_path / "books.toml"):
        failed, paid = payouts_on_their_way(world, 2)
        with poller(
            kafka_bootstrap,
            fresh_database(),
            world,
            tmp_path / "books.toml",
            poll_lookback_days="400",
        ) as first:
            await asyncio.to_thread(first.await_answer, "/readyz")
            await asyncio.to_thread(first.stop)
        await books.caught_up()
        before = await end_offsets(kafka_bootstrap, [topics.STRIPE_EVENTS, topics.STRIPE_OBJECTS])
        # Weeks ago at Stripe; no webhook ever told of it.
        world.runner.command({"do": "move_payout", "payout": failed, "to": "paid"})
        world.runner.command({"do": "move_payout", "payout": failed, "to": "failed"})
        world.runner.command({"do": "move_payout", "payout": paid, "to": "paid"})
        with rig.process(**in_force) as running:
            await asyncio.to_thread(running.await_answer)
            await rig.quiet(running)
            overdue = {f"payout_overdue {each}": ["open"] for each in (failed, paid)}
            assert await rig.lives() == overdue
            assert set(await in_transit()) == {failed, paid}
            # A poller that remembers nothing, and whose windows begin long after all of this.
            with poller(
                kafka_bootstrap,
                fresh_database(),
                world,
                tmp_path / "books.toml",
                poll_lookback_days="1",
                audit_window_days="1",
            ) as second:

                async def is_right() -> bool:
                    assert second.child.poll() is None, second.told()
                    return await stages() == {failed: "failed", paid: "paid"}

                await until("the look-ups to be told", is_right)
            await books.caught_up()
            await rig.quiet(running)
            assert await rig.lives() == {
                f"payout_overdue {failed}": ["open", "resolved"],
                f"payout_failed {failed}": ["open"],
                f"payout_overdue {paid}": ["open", "open"],
            }
            last = [each for each in await rig.reports() if each.subject == paid][-1]
            assert "is paid at Stripe" in last.explanation, "it is the bank that lacks"
            assert set(await in_transit()) == {paid}, "what failed is no longer on its way"
        told = await records_since(kafka_bootstrap, topics.STRIPE_OBJECTS, before)
        assert not await records_since(kafka_bootstrap, topics.STRIPE_EVENTS, before)
        subjects = {record.envelope().subject for record in told}
        assert {failed, paid} < subjects
        assert not any(name.startswith("ch_") for name in subjects), "no list was mirrored anew"
        asked = [
            LookUpAsked.model_validate_json(record.value)
            for record in await rig.records(topics.LOOK_UPS)
        ]
        assert {each.where for each in asked} == {failed, paid}
