"""How fast the reconciler's core lays bank lines beside payouts, and how much it takes for that.

``python -m tests.bench.reconciler_matching`` makes worlds of as many lines as payouts and
reconciles each in one call: with clean references, with mangled ones, with none at all, and with
few different amounts, where everything competes. Figures are of the machine they were taken on.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Final

from services.reconciler.facts.kinds import Line
from services.reconciler.facts.known import Facts
from services.reconciler.reconcile import reconcile
from services.reconciler.rules.expectations import Expectation
from tests.support.reconciler_facts import facts_of, line, payout

FIRST: Final = date(2026, 1, 5)
AT: Final = datetime(2026, 12, 31, tzinfo=UTC)
_ALPHABET: Final = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghjkmnpqrstuvwxyz23456789"
_ACCOUNT: Final = "LkdIwHu7ix"

Text = Callable[[Random, Expectation], str]


def _id(random: Random) -> str:
    time_part, rest = (random.choices(_ALPHABET, k=k) for k in (5, 8))
    return f"po_1{''.join(time_part)}{_ACCOUNT}{''.join(rest)}"


def _clean(random: Random, of: Expectation) -> str:
    del random
    return f"ACH CREDIT STRIPE TRANSFER {of.id}"


def _mangled(random: Random, of: Expectation) -> str:
    place = random.randrange(6, 20)
    return random.choice(
        (
            f"STRIPE {of.id[:18]}",
            f"STRIPEPAYOUT{of.id.upper().replace('_', '')}",
            f"STRIPE {of.id[:place]}x{of.id[place + 1 :]}",
            f"STRIPE {of.id[8:]}",
        )
    )


def _nothing(random: Random, of: Expectation) -> str:
    del of
    return random.choice(("STRIPE TRANSFER", "STRIPE TRANSFER", "DEPOSIT", "WIRE FROM ACME GMBH"))


WORLDS: Final[dict[str, tuple[Text, int]]] = {
    "clean references": (_clean, 5_000_000),
    "mangled references": (_mangled, 5_000_000),
    "no references": (_nothing, 5_000_000),
    "no references, 20 amounts": (_nothing, 20),
}


def world(count: int, text: Text, amounts: int, *, days: int = 250) -> Facts:
    """As many lines as payouts, over a year; one payout in a hundred never comes."""
    random = Random(f"{count} {amounts}")  # the same world each time
    payouts: list[Expectation] = []
    lines: list[Line] = []
    for n in range(count):
        arrival = FIRST + timedelta(days=random.randrange(days))
        one = payout(_id(random), 1_000 + random.randrange(amounts), arrival=arrival)
        payouts.append(one)
        comes = random.random() > 0.01
        said = text(random, one) if comes else "WIRE FROM GLOBEX"
        on = arrival + timedelta(days=random.randrange(3))
        lines.append(line(said, one.minor, id=f"l{n}", on=on))
    return facts_of([*payouts, *lines])


def main(arguments: Sequence[str] | None = None) -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args(arguments)
    sys.stdout.write(f"{asked.lines} lines, {asked.lines} payouts, {asked.rounds} rounds, median\n")
    for name, (text, amounts) in WORLDS.items():
        facts = world(asked.lines, text, amounts)
        seconds: list[float] = []
        matches = discrepancies = 0
        for _ in range(asked.rounds):
            begun = time.perf_counter()
            result = reconcile(facts, at=AT)
            seconds.append(time.perf_counter() - begun)
            matches, discrepancies = len(result.matches), len(result.discrepancies)
        sys.stdout.write(
            f"{name:<28}{statistics.median(seconds):>7.2f} s"
            f"{asked.lines / statistics.median(seconds):>10,.0f} lines/s"
            f"{matches:>8} matches{discrepancies:>7} discrepancies\n"
        )
        sys.stdout.flush()


if __name__ == "__main__":
    main()
