"""Point 7: Beancount and hledger themselves read our exports, and come to our sums."""

import csv
import io
import re
import shutil
import subprocess
import tempfile
from decimal import Decimal
from pathlib import Path
from typing import Final

import orjson
import pytest

from tests.support.plain_text_tools import bean_check, run
from tests.walk import atelier
from tests.walk.atelier import EXPONENTS, Sums, sums
from tests.walk.point_7_exports import POINT, WHOLE_STORY, export
from tests.walk.walking import Walk, say

PART: Final = ("--from", "2026-03-01", "--to", "2026-07-01")
# Run by the Python that Beancount is installed in: what its loader makes of a file.
BEANCOUNT_SUMS: Final = """
import collections, json, sys
from beancount import loader
from beancount.core import data
entries, errors, _ = loader.load_file(sys.argv[1])
names = {e.account: e.meta["name"] for e in entries if isinstance(e, data.Open)}
found = collections.Counter()
for entry in entries:
    if isinstance(entry, data.Transaction):
        for leg in entry.postings:
            found[names[leg.account], leg.units.currency] += leg.units.number
balances = sum(isinstance(e, data.Balance) for e in entries)
told = [[*place, str(number)] for place, number in found.items()]
print(json.dumps({"errors": len(errors), "balances": balances, "sums": told}))
"""


def walk(w: Walk) -> None:
    """Both programs on the whole story and on a part of it, and on a figure that is off."""
    atelier.tell(w)
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        _beancount(w, folder)
        _hledger(w, folder)


def _beancount(w: Walk, folder: Path) -> None:
    try:
        program = bean_check()
    except pytest.skip.Exception as why:  # Beancount is not in our locks
        say(f"  7  not tried: {why}")
        return
    for words, what in ((WHOLE_STORY, "the story"), (PART, "a part, with what stood before")):
        _, file = export(w, "beancount", folder, *words)
        done = run([program, "--no-cache", str(file)])
        w.same(
            POINT,
            f"bean-check finds nothing wrong with {what}",
            (done.returncode, done.stdout + done.stderr),
            (0, ""),
            command=f"bean-check {file.name}",
        )
        read = run([str(Path(program).with_name("python")), "-c", BEANCOUNT_SUMS, str(file)])
        told = orjson.loads(read.stdout)
        found = {(n, c.lower()): _minor(number, c) for n, c, number in told["sums"]}
        w.holds(
            POINT,
            f"Beancount adds {what} up to our sums, and has balances asserted",
            _but_nothing(found) == sums() and told["balances"] > 0 == told["errors"],
            f"{told['balances']} assertions, {told['errors']} errors, {_but_nothing(found)}",
            command=f"beancount.loader {file.name}",
        )
    text = file.read_text("utf-8")
    asserted = re.search(r"^\S+ balance \S+  (-?\d+\.\d\d) ~ 0 USD$", text, re.MULTILINE)
    assert asserted is not None, text[-2000:]
    begin, end = asserted.span(1)
    file.write_text(f"{text[:begin]}{Decimal(asserted[1]) + Decimal('0.01')}{text[end:]}", "utf-8")
    done = run([program, "--no-cache", str(file)])
    w.holds(
        POINT,
        "bean-check sees an assertion that is off by a cent",
        done.returncode == 1 and "Balance failed" in done.stdout + done.stderr,
        done.stdout + done.stderr,
        command=f"bean-check {file.name}",
    )


def _hledger(w: Walk, folder: Path) -> None:
    for words, what in ((WHOLE_STORY, "the story"), (PART, "a part, with what stood before")):
        _, file = export(w, "hledger", folder, *words)
        text = file.read_text("utf-8")
        asserted = {
            (name, currency.lower()): _minor(number, currency)
            for name, number, currency in re.findall(
                r"^    (\S+)  0\S* \S+ = (-?\S+) (\S+)$", text, re.MULTILINE
            )
        }
        w.same(
            POINT,
            f"hledger: the last balances that are asserted in {what} are our sums",
            _but_nothing(asserted),
            sums(),
        )
        if shutil.which("hledger") is None:
            say("  7  not tried: no hledger here (Debian: apt-get install hledger)")
            continue
        _hledger_itself(w, file, what)


def _hledger_itself(w: Walk, file: Path, what: str) -> None:
    done = run(["hledger", "-f", str(file), "check", "--strict"])
    w.same(
        POINT,
        f"hledger check --strict finds nothing wrong with {what}",
        (done.returncode, done.stdout + done.stderr),
        (0, ""),
        command=f"hledger -f {file.name} check --strict",
    )
    balance = ("balance", "--flat", "-O", "csv", "--layout=bare")
    done = run(["hledger", "-f", str(file), *balance])
    found = {
        (row["account"], row["commodity"].lower()): _minor(row["balance"], row["commodity"])
        for row in csv.DictReader(io.StringIO(done.stdout))
        if row["account"] not in ("total", "Total:")
    }
    w.same(
        POINT,
        f"hledger adds {what} up to our sums",
        _but_nothing(found),
        sums(),
        command=f"hledger -f {file.name} {' '.join(balance)}",
    )
    text = file.read_text("utf-8")
    place = text.rindex(" USD = ") + len(" USD = ")
    number = text[place : text.index(" ", place)]
    off = file.with_name("off.journal")
    off.write_text(
        f"{text[:place]}{Decimal(number) + Decimal('0.01')}{text[place + len(number) :]}", "utf-8"
    )
    done = subprocess.run(
        ["hledger", "-f", str(off), "check", "--strict"],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    w.holds(
        POINT,
        "hledger sees an assertion that is off by a cent",
        done.returncode != 0 and "balance assertion" in done.stderr,
        done.stderr,
        command=f"hledger -f {off.name} check --strict",
    )


def _minor(number: str, currency: str) -> int:
    return int(Decimal(number).scaleb(EXPONENTS[currency.lower()]))


def _but_nothing(of: Sums) -> Sums:
    return {place: minor for place, minor in sorted(of.items()) if minor}
