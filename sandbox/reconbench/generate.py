"""Worlds from a seed, and the files that tell of one: what is expected, what came, the truth."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from random import Random
from typing import Final

from sandbox.reconbench.cases import ACCOUNTS, RATES, Maker
from sandbox.reconbench.model import World

FIRST: Final = date(2026, 1, 5)
LINES_A_DAY: Final = 300
DAYS_MIN: Final = 40
DAYS_MAX: Final = 300
# Long enough for every window to close.
AFTERWARDS: Final = timedelta(days=45)


def world_of(seed: int, lines: int) -> World:
    """The world of a seed with at least so many lines; the same seed makes the same world."""
    days = max(DAYS_MIN, min(DAYS_MAX, lines // LINES_A_DAY))
    at = datetime.combine(FIRST + timedelta(days=days) + AFTERWARDS, time(12), UTC)
    world = World(seed, at, dict(ACCOUNTS))
    maker = Maker(world, Random(f"reconbench {seed} {lines}"), FIRST, days)  # a seed of its own
    weights = [weight for weight, _ in RATES]
    happenings = [happens for _, happens in RATES]
    while maker.number < lines:
        maker.random.choices(happenings, weights)[0](maker)
    return world


def write(world: World, folder: Path) -> None:
    """The world as three files of JSON Lines: ``ledger``, ``bank`` and ``truth``."""
    folder.mkdir(parents=True, exist_ok=True)
    _write(
        folder / "ledger.jsonl", (asdict(p) for p in sorted(world.payouts, key=lambda p: p.told))
    )
    _write(
        folder / "bank.jsonl", (asdict(li) for li in sorted(world.lines, key=lambda li: li.told))
    )
    truths: Iterator[dict[str, object]] = (
        {"what": what, "id": name, **asdict(truth)}
        for what, truths in (("line", world.of_lines), ("payout", world.of_payouts))
        for name, truth in sorted(truths.items())
    )
    _write(folder / "truth.jsonl", truths)


def _write(path: Path, rows: Iterator[dict[str, object]]) -> None:
    with path.open("w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(row, default=str, sort_keys=True) + "\n")
