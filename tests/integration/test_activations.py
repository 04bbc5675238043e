"""What bookings depend on is put in force by a command, fenced, recorded, and told to a rebuild."""

import asyncio

import pytest

from services.ledger.chart import DEFAULT_CHART
from services.ledger.shell.booking.activated import DecidedUnderOthers
from shared.contracts.topics import LEDGER_COMMANDS, STRIPE_EVENTS, STRIPE_OBJECTS
from shared.runtime.kafka import Partition
from tests.support.in_force import OneProjector, Topics, projector
from tests.unit.ledger.telling import refund

pytestmark = pytest.mark.stack

EVENTS = Partition(STRIPE_EVENTS, 0)
OBJECTS = Partition(STRIPE_OBJECTS, 0)
COMMANDS = Partition(LEDGER_COMMANDS, 0)


async def booked(one: OneProjector) -> dict[str, tuple[int, str]]:
    """Each entry's version and what it debits."""
    async with one.database.transaction() as tx:
        rows = await tx.fetch(
            "select e.reference, e.rules_version, p.account from entries e"
            " join postings p using (origin_id, sequence) where p.direction = 'debit'"
        )
    return {row["reference"]: (row["rules_version"], row["account"]) for row in rows}


async def outcomes(one: OneProjector) -> list[tuple[str, str]]:
    async with one.database.transaction() as tx:
        rows = await tx.fetch("select outcome, detail from outcomes order by recorded_at, ordinal")
    return [(row["outcome"], row["detail"]) for row in rows]


async def test_activation_holds_for_what_is_booked_after_it_and_not_before(
    database_dsn: str,
) -> None:
    topics = Topics()
    async with projector(database_dsn) as one:
        await one.take(topics.tell(OBJECTS, refund(id="re_1")))
        await one.take(topics.activate("k1", "rules_version", 3))
        await one.take(topics.tell(OBJECTS, refund(id="re_2")))
        assert await booked(one) == {
            "stripe:refund:re_1": (2, "revenue:refunds"),
            "stripe:refund:re_2": (3, "revenue:stripe"),
        }
        assert await outcomes(one) == [("accepted", "rules version in force as activation 1")]
        async with one.database.transaction() as tx:
            (row,) = await tx.fetch("select record from activations")
        positions = {(p["topic"], p["partition"]): p["offset"] for p in row["record"]["positions"]}
        assert positions[OBJECTS] == 1
        assert positions[COMMANDS] == 1
        assert positions[EVENTS] == 0


async def test_messages_of_the_batch_that_activates_are_booked_by_what_was_in_force_before(
    database_dsn: str,
) -> None:
    topics = Topics()
    async with projector(database_dsn) as one:
        await one.take(
            topics.activate("k1", "rules_version", 3), topics.tell(OBJECTS, refund(id="re_1"))
        )
        await one.take(topics.tell(OBJECTS, refund(id="re_2")))
        versions = {name: version for name, (version, _) in (await booked(one)).items()}
    assert versions == {"stripe:refund:re_1": 2, "stripe:refund:re_2": 3}


async def test_batch_that_another_projector_decided_before_an_activation_is_decided_again(
    database_dsn: str,
) -> None:
    topics = Topics()
    async with projector(database_dsn) as one, projector(database_dsn) as other:
        early = other.decided([topics.tell(OBJECTS, refund(id="re_1"))])
        await one.take(topics.activate("k1", "rules_version", 3))
        with pytest.raises(DecidedUnderOthers):
            await other.book(early)
        assert await booked(one) == {}
        await other.take(*topics.records[OBJECTS])
        assert await booked(one) == {"stripe:refund:re_1": (3, "revenue:stripe")}


async def test_batch_under_way_while_something_is_put_in_force_is_before_it_or_decided_again(
    database_dsn: str,
) -> None:
    topics = Topics()
    async with projector(database_dsn) as one, projector(database_dsn) as other:
        for round_ in range(2, 12):
            told = other.decided([topics.tell(OBJECTS, refund(id=f"re_{round_}"))])
            command = topics.activate(f"k{round_}", "rules_version", 3 + round_ % 2)
            done = await asyncio.gather(one.take(command), other.book(told), return_exceptions=True)
            assert not isinstance(done[0], BaseException)
            if isinstance(done[1], DecidedUnderOthers):
                await other.take(told[0].record)
            async with one.database.transaction() as tx:
                (row,) = await tx.fetch(
                    "select record from activations order by number desc limit 1"
                )
            since = {(p["topic"], p["partition"]): p["offset"] for p in row["record"]["positions"]}
            is_after = since[OBJECTS] <= told[0].record.offset
            assert is_after is isinstance(done[1], DecidedUnderOthers)
            await other.learn()
        versions = await booked(one)
        for record in topics.records[OBJECTS]:
            reference = f"stripe:refund:re_{record.offset + 2}"
            await one.learn()
            in_force = one.decider.activations().at(*OBJECTS, record.offset)
            assert versions[reference][0] == in_force.rules_version


async def test_fact_told_again_under_later_rules_is_booked_once_and_is_no_conflict(
    database_dsn: str,
) -> None:
    topics = Topics()
    async with projector(database_dsn) as one:
        await one.take(topics.tell(OBJECTS, refund(id="re_1")))
        await one.take(topics.activate("k1", "rules_version", 3))
        again = await one.take(topics.tell(Partition(STRIPE_OBJECTS, 1), refund(id="re_1")))
        assert (again.already_booked, again.conflicts) == (1, 0)
        other = await one.take(
            topics.tell(Partition(STRIPE_OBJECTS, 1), refund(id="re_1", amount=7))
        )
        assert (other.already_booked, other.conflicts) == (0, 1)
        assert await booked(one) == {"stripe:refund:re_1": (2, "revenue:refunds")}


async def test_activation_from_named_positions_waits_for_them(database_dsn: str) -> None:
    topics = Topics()
    async with projector(database_dsn) as one:
        await one.take(topics.activate("k1", "rules_version", 3, (OBJECTS, 1)))
        await one.take(
            topics.tell(OBJECTS, refund(id="re_0")), topics.tell(OBJECTS, refund(id="re_1"))
        )
        await one.take(topics.activate("k2", "rules_version", 4, (OBJECTS, 1)))
        versions = {name: version for name, (version, _) in (await booked(one)).items()}
        said = await outcomes(one)
    assert versions == {"stripe:refund:re_0": 2, "stripe:refund:re_1": 3}
    assert said[1][0] == "refused"
    assert "stripe.objects/0 is booked up to 2, which is behind 1" in said[1][1]


async def test_chart_in_force_judges_the_commands_behind_it(database_dsn: str) -> None:
    topics = Topics()
    chart = DEFAULT_CHART.read_text("utf-8")
    rent = chart + '\n[[account]]\nname = "expenses:rent"\ndisplay = "Rent"\n'

    def entry(key: str) -> dict[str, object]:
        amount = {"minor": "700", "currency": "usd", "exponent": 2}
        return {
            "kind": "manual_entry",
            "idempotency_key": key,
            "effective_at": "2026-11-21T00:00:00Z",
            "postings": [
                {"account": "expenses:rent", "side": "debit", "amount": amount},
                {"account": "equity:owner", "side": "credit", "amount": amount},
            ],
        }

    async with projector(database_dsn) as one:
        await one.take(topics.tell(COMMANDS, entry("a")))
        await one.take(topics.activate("k1", "chart", rent))
        await one.take(topics.tell(COMMANDS, entry("b")))
        assert list(await booked(one)) == ["command:b"]
