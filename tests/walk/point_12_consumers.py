"""Point 12: the example consumers in four languages, on what the walk itself had published."""

import asyncio
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import asyncpg
import orjson
import pytest

from shared.contracts import topics
from tests.support.example_consumers import LANGUAGES, Example, Language, addresses, built
from tests.walk import atelier
from tests.walk.copied import address_of
from tests.walk.walking import Json, Walk, say

POINT: Final = "12"
DATABASE: Final = "walk_consumer"

Balances = dict[tuple[str, str, str], int]


def walk(w: Walk) -> None:
    """Each language whose tools are here: twice over the whole topics, with the same result."""
    atelier.tell(w)
    w.booked()
    w.until("all to be published", lambda: len(_entries(w)) == _count(w))
    for language in LANGUAGES:
        with tempfile.TemporaryDirectory() as made:
            try:
                example = built(language, Path(made))
            except pytest.skip.Exception as why:  # not every machine has every language
                say(f" 12  not tried: {language.name}: {why}")
                continue
            asyncio.run(_database(w, make=True))
            try:
                _consumed(w, language, example)
            finally:
                asyncio.run(_database(w, make=False))


def _count(w: Walk) -> int:
    (row,) = w.sql("select count(*) as entries from ledger_read.entries")
    return int(row["entries"])


def _entries(w: Walk) -> set[tuple[str, int]]:
    told: list[Json] = [orjson.loads(record.value) for record in w.records(topics.LEDGER_ENTRIES)]
    return {(each["origin"], each["sequence"]) for each in told}


async def _database(w: Walk, *, make: bool) -> None:
    admin = await asyncpg.connect(address_of(w, "postgres"))
    try:
        await admin.execute(f'drop database if exists "{DATABASE}" with (force)')
        if make:
            await admin.execute(f'create database "{DATABASE}"')
    finally:
        await admin.close()


def _consumed(w: Walk, language: Language, example: Example) -> None:
    name, at = language.name, addresses(w.at.kafka, address_of(w, DATABASE))
    command = f"{' '.join(language.start)} --to-end"
    ours = _ours(w)
    told, new = _told(w)
    first = example.run(at | {"CONSUMER_GROUP": f"walk-{name}-1"})
    w.holds(
        POINT,
        f"{name}: reads both topics to their end, each entry applied once",
        first.returncode == 0 and orjson.loads(first.stdout) == {"read": told, "new": new},
        f"exit {first.returncode}: {first.stdout} of {told} records with {new} news"
        f" {first.stderr[-300:]}",
        command=command,
    )
    found, discrepancies = asyncio.run(_held(w))
    w.holds(
        POINT,
        f"{name}: its balances are the books' own, to the minor unit, in every book",
        found == ours,
        f"{len(found)} balances, {len(ours)} ours, {len(set(found.items()) ^ set(ours.items()))}"
        " apart",
        command=command,
    )
    w.same(
        POINT,
        f"{name}: every discrepancy as its last revision tells it",
        discrepancies,
        _discrepancies(w),
        command=command,
    )
    again = example.run(at | {"CONSUMER_GROUP": f"walk-{name}-2"})
    w.holds(
        POINT,
        f"{name}: told all of it again, it changes nothing",
        again.returncode == 0
        and orjson.loads(again.stdout) == {"read": told, "new": 0}
        and asyncio.run(_held(w)) == (found, discrepancies),
        f"exit {again.returncode}: {again.stdout} {again.stderr[-300:]}",
        command=command,
    )


def _ours(w: Walk) -> Balances:
    rows = w.sql("select book, account, currency, minor from ledger_read.balances where minor <> 0")
    return {(row["book"], row["account"], row["currency"]): int(row["minor"]) for row in rows}


def _told(w: Walk) -> tuple[int, int]:
    """How many records stand on both topics, and how many of them are news in their order."""
    entries = w.records(topics.LEDGER_ENTRIES)
    discrepancies = w.records(topics.DISCREPANCIES)
    highest: dict[str, int] = {}
    news = 0
    for record in discrepancies:
        told: Mapping[str, Any] = orjson.loads(record.value)  # Any: JSON as it comes
        if told["revision"] > highest.get(told["id"], 0):
            highest[told["id"]] = told["revision"]
            news += 1
    return len(entries) + len(discrepancies), len(_entries(w)) + news


def _discrepancies(w: Walk) -> dict[str, str]:
    told: list[Json] = [orjson.loads(record.value) for record in w.records(topics.DISCREPANCIES)]
    return {each["id"]: each["state"] for each in sorted(told, key=lambda d: int(d["revision"]))}


async def _held(w: Walk) -> tuple[Balances, dict[str, str]]:
    connection = await asyncpg.connect(address_of(w, DATABASE))
    try:
        balances = await connection.fetch(
            "select book, account, currency, minor from balances where minor <> 0"
        )
        found = await connection.fetch("select id, state from discrepancies")
    finally:
        await connection.close()
    return (
        {(row["book"], row["account"], row["currency"]): int(row["minor"]) for row in balances},
        {row["id"]: row["state"] for row in found},
    )
