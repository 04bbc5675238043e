"""``python -m tests.walk``: go through the books from outside and say of each check how it stands.

It starts an installation of its own, on free ports, and ends it. The exit code is 0 where every
check holds, else 1.
"""

import argparse
import importlib
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, cast

from tests.support.stack import scratch_folder
from tests.walk.standing import Standing, standing
from tests.walk.walking import Walk, say

# In the order in which they are walked: a later one may change what all books are kept by.
POINTS: Final[Mapping[str, str]] = {
    "1": "point_1_movements",
    "2": "point_2_invoices",
    "3": "point_3_credits",
    "4": "point_4_commands",
    "5": "point_5_reader",
    "bad": "bad_input",
    "6": "point_6_statements",
    "6-rolled-up": "point_6_rolled_up",
    "6-everywhere": "point_6_everywhere",
    "7": "point_7_exports",
    "7-tools": "point_7_tools",
    "9": "point_9_rebuild",
    "10": "point_10_monitors",
    "11": "point_11_scale",
    "12": "point_12_consumers",
    "8": "point_8_proof",
    "8-tampering": "point_8_tampering",
    "end": "oracle_at_the_end",
    # point: the module beside this one whose walk() goes through it
}


def _arguments(given: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.walk", description="The acceptance walk of the books, by hand."
    )
    parser.add_argument(
        "--points", nargs="+", choices=[*POINTS], default=[*POINTS], help="default: all"
    )
    parser.add_argument(
        "--dir", type=Path, help="a folder for the stack, which stays; default: one that goes away"
    )
    asked = parser.parse_args(given)
    if asked.dir is not None and asked.dir.exists() and any(asked.dir.iterdir()):
        parser.error(f"{asked.dir} is not empty: every walk begins with books of its own")
    return asked


def main(given: Sequence[str] | None = None) -> int:
    """Walk, and give the exit code."""
    asked = _arguments(given)
    if asked.dir is not None:
        return _walked(asked.dir.absolute(), asked.points)
    with scratch_folder() as folder:
        return _walked(folder, asked.points)


def _walked(folder: Path, points: Sequence[str]) -> int:
    began = time.monotonic()
    with standing(folder) as made:
        say(f"an installation in {folder}: ready after {time.monotonic() - began:.0f} s\n")
        walk = _through(made, points)
    return _summed_up(walk, time.monotonic() - began)


def _through(made: Standing, points: Sequence[str]) -> Walk:
    walk = Walk(made, made.dsn)
    for point in POINTS:
        if point not in points:
            continue
        module = importlib.import_module(f"tests.walk.{POINTS[point]}")
        go = cast("Callable[[Walk], None]", module.walk)
        try:
            go(walk)
        except Exception:  # noqa: BLE001 - one point that breaks off must not hide the others
            told = traceback.format_exc()
            say(told)
            walk.holds(
                point, "the point is walked to its end", condition=False, seen=told.splitlines()[-1]
            )
    return walk


def _summed_up(walk: Walk, seconds: float) -> int:
    failed = [check for check in walk.checks if not check.is_held]
    say(f"\n{len(walk.checks)} checks in {seconds:.0f} s: {len(failed)} do not hold")
    for point in dict.fromkeys(check.point for check in walk.checks):
        of_it = [check for check in walk.checks if check.point == point]
        say(f"  {point:>4}  {sum(c.is_held for c in of_it)} of {len(of_it)} hold")
    for check in failed:
        say(f"  DOES NOT HOLD  {check.point}: {check.what}\n      {check.seen}")
    return 1 if failed or not walk.checks else 0


if __name__ == "__main__":
    sys.exit(main())
