"""What a new bank line costs the reconciler's core beside a short history and beside a long one.

``python -m tests.bench.reconciler_history`` settles a history, lets go of what is dormant as the
service does, and then takes new lines one by one: what shares a hook with the line is fetched from
the whole history by an index, and judged with what is open.
"""

import argparse
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Final

from sandbox.reconbench.generate import world_of
from services.reconciler.facts.kinds import Fact, Line
from services.reconciler.facts.known import Facts
from services.reconciler.reconcile import reconcile
from services.reconciler.rules.expectations import Expectation
from services.reconciler.scope import hooks, meeting
from tallystick.reconbench.answers import facts_of
from tests.support.reconciler_facts import line, payout

NEW: Final = 60


class History:
    """All facts by key, the keys of each hook, and what is open."""

    def __init__(self, facts: Facts, dormant: Iterable[str]) -> None:
        known: list[Fact] = [*facts.expectations, *facts.lines]
        self.facts = {fact.key: fact for fact in known}
        self.by_hook: defaultdict[str, list[str]] = defaultdict(list)
        for fact in known:
            for hook in hooks(fact):
                self.by_hook[hook].append(fact.key)
        self.open = {key: self.facts[key] for key in self.facts.keys() - set(dormant)}

    def take(self, fact: Fact) -> None:
        """Take a new fact, and wake what it can meet."""
        self.open[fact.key] = fact
        for hook in hooks(fact):
            for key in self.by_hook.get(meeting(hook), ()):
                self.open[key] = self.facts[key]


def milliseconds_of_a_line(history_lines: int) -> tuple[float, int]:
    """The median of processor time for a new line, and how many facts were in hand for it."""
    world = world_of(11, history_lines)
    facts = facts_of(world)
    history = History(facts, reconcile(facts, at=world.at).dormant)
    # What a person has left open for months is not what is measured: the windows are all closed.
    history.open.clear()
    spent: list[float] = []
    in_hand = 0
    for n in range(NEW):
        arrival = world.at.date() + timedelta(days=n % 5)
        due = payout(f"po_1NewPayoutNumber{n:08d}", 1_234_500 + n, arrival=arrival)
        told = line(f"STRIPE {due.id}", due.minor, id=f"new{n}", on=arrival, account="ops_usd")
        begun = time.process_time()
        history.take(due)
        history.take(told)
        judged = replace(
            facts,
            expectations=tuple(f for f in history.open.values() if isinstance(f, Expectation)),
            lines=tuple(f for f in history.open.values() if isinstance(f, Line)),
        )
        found = reconcile(judged, at=world.at)
        for key in found.dormant:
            history.open.pop(key, None)
        spent.append(time.process_time() - begun)
        in_hand = max(in_hand, len(judged.expectations) + len(judged.lines))
    return statistics.median(spent) * 1_000, in_hand


def main(arguments: Sequence[str] | None = None) -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--history", type=int, nargs="+", default=[1_000, 20_000])
    for lines in parser.parse_args(arguments).history:
        spent, in_hand = milliseconds_of_a_line(lines)
        sys.stdout.write(
            f"{lines:>8,} lines of history: {spent:.3f} ms of processor for a new line,"
            f" at most {in_hand} facts in hand\n"
        )


if __name__ == "__main__":
    main()
