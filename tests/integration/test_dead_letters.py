"""Poison on the topics, and what a person does about it from the command line."""

import asyncio
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

import orjson
import pytest
from msgspec import structs
from prometheus_client import REGISTRY

from shared.contracts import money, topics
from shared.contracts.messages import OutcomeKind
from shared.runtime.dead_letters import dead_letter_of
from shared.runtime.kafka import KafkaAddress, Publication, RecordTooLarge
from tallystick.dead_letters import letters_on, park
from tests.support.ledger import ROOT, LedgerRig, charge, event, garbage, until

pytestmark = pytest.mark.stack
BLOCKED_SECONDS_MAX: Final = 5.0
# Amounts that a body can be written with and no books can hold.
AMOUNTS: Final = {
    "nan": b"NaN",
    "1e400": b"1e400",
    "fraction": b"10.5",
    "negative": b"-5",
    "text": b'"10"',
    "infinity": b"-Infinity",
    "forty_digits": b"9" * 40,
    "surrogate": b'"\\ud800"',
}
BODIES: Final = {
    "cut": b'{"object": "event", "id": "evt_cut", ',
    "no_text": b"\xff\xfe\x00",
    "empty": b"",
    "list": b"[1]",
    "nested_lists": b"[" * 10_000 + b"]" * 10_000,
    "nested_objects": b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
    "large_text": b'"' + b"x" * 3_500_000 + b'"',
}


def poisoned(name: str, amount: bytes) -> Publication:
    """An event of a charge with that amount, as somebody wrote it."""
    told = event(f"evt_{name}", charge(f"ch_{name}"))
    if told.envelope is None:
        raise ValueError
    body = told.envelope.data.replace(b'captured":1000', b'captured":' + amount)
    if body == told.envelope.data:
        raise ValueError(name)
    return replace(told, envelope=structs.replace(told.envelope, data=body))


def refused_command() -> Publication:
    """A command that nobody obeys."""
    said = garbage("key_1", b'{"idempotency_key": "key_1", "kind": "paint_the_house"}')
    return replace(said, topic=topics.LEDGER_COMMANDS)


@contextmanager
def known_currency(code: str, exponent: int) -> Generator[None]:
    """A release whose registry has one currency more."""
    with pytest.MonkeyPatch.context() as patch:
        registry = money._BY_CODE  # pyright: ignore[reportPrivateUsage]  # the registry itself
        patch.setitem(registry, code, money.Currency(code, exponent))
        assert money.CURRENCIES[code].exponent == exponent
        yield


def cli(rig: LedgerRig, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    given = {k: v for k, v in os.environ.items() if not k.startswith("TALLYSTICK_")}
    return subprocess.run(
        [sys.executable, "-m", "tallystick", "dead-letters", *arguments],
        check=False,
        cwd=ROOT,
        env=given | {"TALLYSTICK_KAFKA_BOOTSTRAP": rig.bootstrap},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
    )


async def told(rig: LedgerRig, *arguments: str) -> list[dict[str, Any]]:  # Any: JSON
    """The lines of JSON that a command writes; it has to end well."""
    done = await asyncio.to_thread(cli, rig, *arguments)
    assert done.returncode == 0, done.stderr.decode()
    return [json.loads(line) for line in done.stdout.splitlines()]


async def test_poison_of_every_kind_blocks_nothing_and_each_is_on_record_with_its_reason(
    rig: LedgerRig,
) -> None:
    named = {f"bad_{name}": body for name, body in BODIES.items()}
    texts = {
        "nul": charge("ch_nul", description="a\x00b"),
        "nul_currency": charge("ch_nul_currency", currency="us\x00"),
    }
    monsters = {"unknown_currency": charge("ch_currency", currency="zzz")}
    poison = [
        *(garbage(name, body) for name, body in named.items()),
        *(poisoned(name, amount) for name, amount in AMOUNTS.items()),
        *(event(f"evt_{name}", shown) for name, shown in (texts | monsters).items()),
    ]
    good = [event(f"evt_{n}", charge(f"ch_{n}")) for n in range(100)]
    beyond_a_bigint = event("evt_2_63", charge("ch_2_63", amount=2**63))
    async with rig.ledger():
        await rig.publish(*good[:50])
        await rig.caught_up()
        async with asyncio.timeout(BLOCKED_SECONDS_MAX):
            await rig.publish(*poison, *good[50:], beyond_a_bigint)
            await rig.caught_up()
    entries = {e.reference: e for e in await rig.entries()}
    assert set(entries) == {f"stripe:payment:ch_{n}" for n in [*range(100), "2_63"]}
    exact = entries["stripe:payment:ch_2_63"].postings
    assert {p.amount.minor for p in exact} == {str(2**63)}

    letters = await rig.records(topics.LEDGER_DEAD_LETTERS)
    refused = [
        o
        for o in await rig.outcomes()
        if o.outcome is OutcomeKind.REFUSED and o.caused_by.topic == topics.STRIPE_EVENTS
    ]
    # Each is refused once, and each is one letter with its place, its reason and its bytes, be it
    # that they cannot be read or that no books can hold what they say.
    assert len(letters) == len(refused) == len(poison)
    assert Counter(o.message_id for o in refused) == Counter(
        p.envelope.id for p in poison if p.envelope is not None
    )
    reasons = {o.caused_by: o.reason for o in refused}
    for letter in letters:
        said = dead_letter_of(letter.envelope())
        assert said.reason == reasons[said.position]
        assert said.detail
    assert Counter(reasons.values())["invalid_amount"] > 0
    assert Counter(letter.value for letter in letters) == Counter(
        p.envelope.data for p in poison if p.envelope is not None
    )
    await what_an_operator_sees(rig, poison)


async def what_an_operator_sees(rig: LedgerRig, poison: list[Publication]) -> None:
    """One list has every one, the count is that of the injected ones, and each is sent once."""
    found = await told(rig, "list", "--json")
    assert len(found) == len(poison)
    assert Counter(each["state"] for each in found) == {"open": len(poison)}
    before = len(await rig.records(topics.STRIPE_EVENTS))
    impossible = [each for each in found if each["reason"] == "invalid_amount"]
    done = await told(rig, "redrive", "--reason", "invalid_amount", "--yes", "--json")
    assert {line["record"] for line in done} == {each["record"] for each in impossible}
    assert len(await rig.records(topics.STRIPE_EVENTS)) == before + len(impossible)
    assert await told(rig, "redrive", "--reason", "invalid_amount", "--yes", "--json") == []
    left = await told(rig, "list", "--json")
    assert len(left) == len(poison) - len(impossible)


async def test_record_whose_money_becomes_possible_is_booked_once_when_it_is_sent_again(
    rig: LedgerRig,
) -> None:
    odd = event("evt_odd", charge("ch_odd", currency="zzz"))
    async with rig.ledger():
        await rig.publish(odd)
        await rig.caught_up()
        (letter,) = await told(rig, "list", "--json", "--reason", "invalid_amount")
        assert "ch_odd" in letter["detail"]
        assert "zzz" in letter["detail"]
        shown = await asyncio.to_thread(cli, rig, "show", letter["letter"], "--raw")
        assert odd.envelope is not None
        assert shown.stdout == odd.envelope.data
    # A release that knows the currency: the same record, sent again, is booked, and once.
    with known_currency("zzz", 2):
        async with rig.ledger():
            await told(rig, "redrive", letter["letter"], "--yes", "--json")
            await rig.caught_up()
            again = await told(rig, "redrive", letter["letter"], "--yes", "--again", "--json")
            assert len(again) == 1
            await rig.caught_up()
    assert [e.reference for e in await rig.entries()] == ["stripe:payment:ch_odd"]
    assert await told(rig, "list", "--json") == []


async def test_letter_is_made_neither_of_a_refused_command_nor_of_the_other_mode(
    rig: LedgerRig,
) -> None:
    live = event("evt_live", charge("ch_live", livemode=True))
    async with rig.ledger():
        await rig.publish(event("evt_test", charge("ch_test")), live, refused_command())
        await rig.caught_up()
    refused = {
        (o.reason, o.subject) for o in await rig.outcomes() if o.outcome is OutcomeKind.REFUSED
    }
    assert refused >= {("mode_mismatch", "evt_live"), ("command", "key_1")}
    assert await rig.records(topics.LEDGER_DEAD_LETTERS) == []


async def test_record_of_ten_mebibytes_is_refused_before_it_is_on_the_topic(
    rig: LedgerRig,
) -> None:
    with pytest.raises(RecordTooLarge):
        await rig.publish(garbage("bad_10", b'"' + b"x" * 10 * 1024 * 1024 + b'"'))


async def test_redriven_record_is_booked_once_and_its_letter_is_no_longer_open(
    rig: LedgerRig,
) -> None:
    async with rig.ledger():
        await rig.publish(event("evt_1", charge("ch_1")))
        await rig.caught_up()
    await rig.fetch(
        "alter table ledger.entries add constraint entries_reference_unlucky"
        " check (reference not like '%unlucky%')"
    )
    sent = [event(f"evt_unlucky_{n}", charge(f"ch_unlucky_{n}")) for n in range(3)]
    async with rig.ledger():
        await rig.publish(*sent)
        await rig.caught_up()
        await until("the metric", lambda: metric("unfit", 3.0))
        letters = await told(rig, "list", "--json", "--reason", "unfit")
        assert {each["state"] for each in letters} == {"open"}
        assert len(letters) == 3
        # Nobody is there to say yes.
        asked = await asyncio.to_thread(cli, rig, "redrive", "--reason", "unfit")
        assert asked.returncode == 4
        assert b"3 records" in asked.stderr

        await rig.fetch("alter table ledger.entries drop constraint entries_reference_unlucky")
        done = await told(rig, "redrive", "--reason", "unfit", "--yes", "--json", "--by", "anna")
        assert {line["record"] for line in done} == {each["record"] for each in letters}
        await rig.caught_up()
        again = letters[0]["letter"]
        refused = await asyncio.to_thread(cli, rig, "redrive", again, "--yes")
        assert refused.returncode == 4
        await told(rig, "redrive", again, "--yes", "--again", "--json")
        await rig.caught_up()
        await until("the metric", lambda: metric("unfit", None))
    references = Counter(e.reference for e in await rig.entries())
    assert references == Counter(
        ["stripe:payment:ch_1", *(f"stripe:payment:ch_unlucky_{n}" for n in range(3))]
    )
    assert await told(rig, "list", "--json") == []
    every = await told(rig, "list", "--json", "--all")
    assert {(each["state"], each["by"]) for each in every[1:]} == {("redriven", "anna")}
    assert await told(rig, "list", "--json", "--state", "open") == []
    await marks_of(rig, done, sent)


async def marks_of(
    rig: LedgerRig, done: list[dict[str, Any]], sent: list[Publication]
) -> None:  # Any: JSON
    """What was sent again is what was there, with four headers before the others."""
    records = {r.position: r for r in await rig.records(topics.STRIPE_EVENTS)}
    for line in done:
        before, after = records[line["record"]], records[line["redriven_to"]]
        assert (after.value, after.key) == (before.value, before.key)
        assert after.partition == before.partition
        assert after.headers[4:] == before.headers
        marks = dict(after.headers[:4])
        assert marks["ce_redriveattempt"] == b"1"
        assert marks["ce_redrivenby"] == b"anna"
        assert marks["ce_redrivenfrom"].decode() in line["letters"]
    assert len({records[line["redriven_to"]].value for line in done}) == len(sent)


async def metric(reason: str, wanted: float | None) -> bool:
    labels = {"topic": topics.LEDGER_DEAD_LETTERS, "reason": reason}
    return REGISTRY.get_sample_value("tallystick_dead_letters_open", labels) == wanted


async def test_redriven_record_that_is_still_unreadable_is_a_new_letter_that_counts_the_attempts(
    rig: LedgerRig,
) -> None:
    odd = b"\x00not json\xff" * 3
    async with rig.ledger():
        await rig.publish(garbage("bad_1", odd))
        await rig.caught_up()
        for attempt in range(3):
            (letter,) = await told(rig, "list", "--json")
            assert letter["attempt"] == attempt
            await told(rig, "redrive", letter["letter"], "--yes", "--json")
            await rig.caught_up()
        (last,) = await told(rig, "list", "--json")
        assert last["attempt"] == 3
        shown = await asyncio.to_thread(cli, rig, "show", last["letter"], "--raw")
        assert shown.stdout == odd
        # A record's own position names its letter as well.
        words = (await asyncio.to_thread(cli, rig, "show", last["record"])).stdout
        assert b"unreadable" in words
        assert b"\\x00not json" in words
        assert b"\x00" not in words
        parked = await asyncio.to_thread(
            cli, rig, "park", last["letter"], "--note", "a test of ours"
        )
        assert parked.returncode == 0
        (known,) = await told(rig, "list", "--json", "--state", "parked")
        assert (known["letter"], known["note"]) == (last["letter"], "a test of ours")
    records = await rig.records(topics.STRIPE_EVENTS)
    assert [r.value for r in records] == [odd] * 4
    every = await told(rig, "list", "--json", "--all")
    assert Counter(each["state"] for each in every) == {"redriven": 3, "parked": 1}


async def test_letters_beyond_the_bound_are_counted_and_those_within_are_as_they_stand(
    rig: LedgerRig,
) -> None:
    kafka = KafkaAddress(rig.bootstrap)
    async with rig.ledger():
        await rig.publish(*(garbage(f"bad_{n}", b"%d" % n) for n in range(12)))
        await rig.caught_up()
    everything = await letters_on(kafka, records_max=0)
    assert (len(everything.letters.all()), everything.unread) == (12, 0)
    await park(
        kafka, everything.letters.all()[:4], by="anna", at=datetime.now(UTC), note="a test of ours"
    )
    whole = {each.place: each.state for each in (await letters_on(kafka)).letters.all()}
    assert Counter(whole.values()) == {"open": 8, "parked": 4}
    for bound in (5, 9, 15, 16):
        some = await letters_on(kafka, records_max=bound)
        seen = some.letters.all()
        assert some.unread == 16 - bound
        # A letter that was read has its note beside it, however narrow the bound.
        assert {each.place: each.state for each in seen}.items() <= whole.items()


async def test_list_shows_the_newest_says_what_it_left_out_and_finds_by_age(
    rig: LedgerRig,
) -> None:
    async with rig.ledger():
        await rig.publish(*(garbage(f"bad_{n}", b"%d" % n) for n in range(5)))
        await rig.caught_up()
    done = await asyncio.to_thread(cli, rig, "list", "--limit", "2", "--json")
    every = await told(rig, "list", "--json")
    assert [json.loads(line) for line in done.stdout.splitlines()] == every[-2:]
    assert b"the newest 2 of 5; --limit 0 shows all" in done.stderr
    assert await told(rig, "list", "--limit", "0", "--json") == every
    assert await told(rig, "list", "--older-than", "1h", "--json") == []
    assert await told(rig, "list", "--older-than", "0s", "--json") == every
    table = (await asyncio.to_thread(cli, rig, "list")).stdout.decode().splitlines()
    assert len(table) == 6
    assert max(map(len, table)) <= 120
    assert all(each["letter"] in line for each, line in zip(every, table[1:], strict=True))


async def test_letter_is_found_by_its_record_though_many_came_before_it(rig: LedgerRig) -> None:
    async with rig.ledger():
        await rig.publish(*(garbage(f"bad_{n}", b"%d" % n) for n in range(4)))
        await rig.caught_up()
    letters = await told(rig, "list", "--json")
    for each in letters:
        for name in (each["letter"], each["record"]):
            found = await asyncio.to_thread(cli, rig, "show", name, "--json")
            assert json.loads(found.stdout)["letter"] == each["letter"]
    for unknown in ("stripe.events/0@99999", "stripe.events/77@0", "nowhere/0@0", "evt_1"):
        refused = await asyncio.to_thread(cli, rig, "show", unknown)
        assert refused.returncode == 2
        assert b"There is no dead letter" in refused.stderr


async def test_letter_of_what_we_derive_is_not_sent_again(rig: LedgerRig) -> None:
    bad = garbage("bad_1", b"not json")
    async with rig.ledger():
        await rig.publish(replace(bad, topic=topics.MATCHES))
        await rig.caught_up()
    (letter,) = await told(rig, "list", "--json", "--topic", topics.MATCHES)
    refused = await asyncio.to_thread(cli, rig, "redrive", letter["letter"], "--yes")
    assert refused.returncode == 4
    assert b"mend the reader" in refused.stderr
    assert len(await rig.records(topics.MATCHES)) == 1


async def test_unknown_letter_is_said_with_a_way_out(rig: LedgerRig) -> None:
    refused = await asyncio.to_thread(cli, rig, "show", "ledger.dead-letters/0@7")
    assert refused.returncode == 2
    assert b"list --all" in refused.stderr
    assert orjson.loads(b"[]") == await told(rig, "list", "--json")
