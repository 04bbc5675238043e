"""A whole simulated month through `tallystick preview`: the world's own books, and no others.

The world keeps its books by its own arithmetic; a preview of its export must come to the same
balances, account by account and key by key, and find just what the world knows to be wrong.
"""

import json
import random
from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import Any

import pytest

from sandbox.world.export import exported
from sandbox.world.scenario import ACCOUNT, scenario_named
from sandbox.world.state import Plan
from sandbox.world.truth import truth_document
from sandbox.world.world import World
from shared.contracts.books import Basis, BookData, BookMap
from tallystick.preview.options import Config, Options
from tallystick.preview.run import preview

Json = dict[str, Any]  # Any: the documents' JSON
END = date(2026, 11, 21)
SCENARIOS = ("month", "quiet", "faults", "troubles", "saas")


@dataclass(frozen=True)
class Month:
    """What a world told, and what it knows."""

    lines: tuple[bytes, ...]
    truth: Json
    book: BookData

    def previewed(self, lines: tuple[bytes, ...] | None = None) -> Json:
        source = self.lines if lines is None else lines
        is_usual = self.book == BookData()
        config = None if is_usual else Config(BookMap(books=(self.book,)), {})
        return preview([("month", source)], Options(accounts=(ACCOUNT,), config=config)).as_json()


@cache
def month(name: str) -> Month:
    scenario = scenario_named(name)
    world = World.begun(
        Plan(
            scenario=scenario,
            seed=scenario.world.seed,
            payments=scenario.world.payments,
            end=END,
        )
    )
    world.run_until(world.state.plan.end_at)
    world.check()
    lines = tuple(json.dumps(line).encode() for line in exported(world.state))
    book = BookData(basis=Basis(scenario.books.basis), sells_credits=scenario.books.sells_credits)
    return Month(lines, truth_document(world.state), book)


def by_account(rows: list[Json]) -> dict[tuple[str, str, int], int]:
    sums: dict[tuple[str, str, int], int] = {}
    for row in rows:
        place = (row["account"], row["currency"], row["exponent"])
        sums[place] = sums.get(place, 0) + int(row["minor"])
    return {place: minor for place, minor in sums.items() if minor}


def by_key(rows: list[Json]) -> dict[tuple[str, str, str], int]:
    return {(row["account"], row["key"], row["currency"]): int(row["minor"]) for row in rows}


def said(rows: list[Json]) -> list[tuple[str, str, str]]:
    return sorted((row["kind"], row["subject"], json.dumps(row["amount"])) for row in rows)


@pytest.mark.parametrize("name", SCENARIOS)
def test_preview_of_a_whole_scenario_has_the_worlds_balances(name: str) -> None:
    told = month(name)
    report = told.previewed()
    assert by_account(report["balances"]) == by_account(told.truth["balances"])
    assert by_key(report["balances"]) == by_key(told.truth["keyed"])
    assert report["mode"] == told.truth["mode"]
    assert report["as_of"] == told.truth["as_of"]


@pytest.mark.parametrize("name", SCENARIOS)
def test_preview_of_a_whole_scenario_finds_just_what_is_wrong(name: str) -> None:
    told = month(name)
    assert said(told.previewed()["discrepancies"]) == said(told.truth["discrepancies"])


@pytest.mark.parametrize("name", ["month", "faults", "saas"])
def test_a_month_told_in_any_order_and_twice_over_gives_the_same_books(name: str) -> None:
    told = month(name)
    doubled = [*told.lines, *told.lines]
    random.Random(11).shuffle(doubled)
    report = told.previewed(tuple(doubled))
    assert by_key(report["balances"]) == by_key(told.truth["keyed"])
    assert said(report["discrepancies"]) == said(told.truth["discrepancies"])
