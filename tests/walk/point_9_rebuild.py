"""Point 9: the books made anew from the topics, swapped while they serve, and asked what if."""

import asyncio
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

import asyncpg
import httpx
import orjson

from shared.contracts import topics
from tests.walk import atelier, payloads
from tests.walk.atelier import BOOK, MARCH, sums
from tests.walk.figures import of_json
from tests.walk.standing import ROOT
from tests.walk.walking import Json, Walk

POINT = "9"
AMOUNT: Final = 1_700
INVOICED: Final = 10_000
SWAP_SECONDS_MAX: Final = 120.0
SERVED: Final = "/v1/books/atelier/statements/trial-balance?as_of=2026-03-31"


def walk(w: Walk) -> None:
    """Compare, swap and back; a standing check that finds; suppositions in money."""
    atelier.tell(w)
    w.tell("charge.succeeded", payloads.charge(w.new("ch"), AMOUNT))
    line = payloads.invoice_line(w.new("il"), INVOICED, payloads.T0, 20)
    invoice = payloads.invoice(w.new("in"), [line])
    w.tell("invoice.finalized", invoice)
    w.booked()
    _compared(w)
    _swapped_while_it_serves(w)
    _back_and_dropped(w)
    _standing_check(w)
    _what_if_basis(w, str(invoice["id"]))
    _what_if_chart_and_rules(w)
    _nothing_stays(w)


def _heads(w: Walk) -> dict[str, str]:
    """The link of each origin's last entry."""
    rows = w.sql(
        "select distinct on (topic, partition) topic, partition, sequence,"
        " encode(chain, 'hex') as chain from ledger_read.entries"
        " order by topic, partition, sequence desc"
    )
    return {f"{r['topic']}/{r['partition']}": f"{r['sequence']} {r['chain']}" for r in rows}


def _compared(w: Walk) -> None:
    said = w.cli("rebuild", "--json")
    told = said.json
    (row,) = w.sql("select count(*) as entries from ledger_read.entries")
    w.same(
        POINT,
        "rebuilt beside the books in use: every entry, one digest, each chain, no difference",
        (
            *(said.code, told["equal"], told["sound"], told["differences"]),
            (told["in_use"] == told["rebuilt"], told["rebuilt"]["entries"]),
            told["chains_compared"] >= len(_heads(w)),
        ),
        (0, True, True, list[Json](), (True, int(row["entries"])), True),
        command=said.command,
    )
    rate = re.search(r"messages read again, ([\d,]+)/s", said.err)
    w.holds(
        POINT,
        "it tells its rate",
        rate and int(rate[1].replace(",", "")) > 0,
        rate[0] if rate else said.err,
        command=said.command,
    )


def _swapped_while_it_serves(w: Walk) -> None:
    before, entries = _heads(w), _entries_of_status(w)
    child = subprocess.Popen(
        [sys.executable, "-m", "tallystick", "rebuild", "--swap", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=dict(w.at.shell),
    )
    read: list[tuple[int, bool]] = []
    sent: dict[str, int] = {}
    while child.poll() is None:
        answer = w.http("GET", SERVED, token="reader")
        whole = answer.status_code == 200 and {
            (account, currency): minor
            for (currency, account), minor in of_json(answer.json()).items()
        } == sums(until=MARCH)
        read.append((answer.status_code, whole))
        charge = payloads.charge(w.new("ch"), AMOUNT)
        sent[str(charge["id"])] = _delivered(w, charge)
    out, err = child.communicate(timeout=SWAP_SECONDS_MAX)
    told = orjson.loads(out) if child.returncode == 0 else {"swapped": False}
    command = "tallystick rebuild --swap --json"
    w.holds(
        POINT,
        "swapped: books of another generation are in use, the old ones kept",
        told["swapped"] and not told["differences"] and told["kept"],
        f"exit {child.returncode}: {out} {err[-300:]}",
        command=command,
    )
    w.holds(
        POINT,
        "meanwhile every statement was answered, with the right figures",
        len(read) > 1 and all(each == (200, True) for each in read),
        f"{len(read)} read, {sum(each != (200, True) for each in read)} not as they should be",
        command=f"GET {SERVED}",
    )
    w.booked()
    lost = [ident for ident in sent if not w.postings(f"stripe:payment:{ident}")]
    w.holds(
        POINT,
        "every charge that was sent meanwhile was taken and is booked",
        sent and set(sent.values()) == {200} and not lost,
        f"{len(sent)} sent, answered {sorted(set(sent.values()))}, {len(lost)} not booked",
        command="POST /webhooks/stripe/shop charge.succeeded",
    )
    rows = w.sql(
        "select topic, partition, sequence, encode(chain, 'hex') as chain from ledger_read.entries"
    )
    links = {f"{r['topic']}/{r['partition']} {r['sequence']} {r['chain']}" for r in rows}
    w.holds(
        POINT,
        "every chain is what it was: each former head stands in its place",
        all(f"{origin} {head}" in links for origin, head in before.items()),
        f"{len(before)} chains",
    )
    w.same(
        POINT,
        "status shows the new generation in use and the former before it",
        [state for _, state, _ in _entries_of_status(w)],
        ["in use", *("before" for _ in entries)],
    )
    said = w.cli("verify")
    w.same(POINT, "the books that were swapped in hold", said.code, 0)


def _delivered(w: Walk, charge: Json) -> int:
    """The door's answer; asked again where it was busy, as Stripe does."""
    event = w.event("charge.succeeded", charge)
    answer: httpx.Response = w.deliver(event)
    return answer.status_code


def _entries_of_status(w: Walk) -> list[tuple[int, str, int]]:
    told = orjson.loads(w.cli("rebuild", "status", "--json").out)
    return [(each["number"], each["state"], each["entries"]) for each in told]


def _back_and_dropped(w: Walk) -> None:
    (used, _, _), (former, _, _), *_ = _entries_of_status(w)
    said = w.cli("rebuild", "--swap", "--generation", str(former))
    now = {number: state for number, state, _ in _entries_of_status(w)}
    w.holds(
        POINT,
        "back to the former ones, which catch up first",
        (said.code, now.get(former), now.get(used)) == (0, "in use", "before"),
        f"exit {said.code}: {now} {said.err[-300:]}",
        command=said.command,
    )
    serving = [number for number, state in now.items() if state == "in use"]
    said = w.cli("rebuild", "drop-old")
    left = [number for number, _, _ in _entries_of_status(w)]
    w.same(
        POINT,
        "what is not in use is dropped",
        (said.code, left),
        (0, serving),
        command=said.command,
    )


def _standing_check(w: Walk) -> None:
    said = w.cli("rebuild", "check")
    w.same(POINT, "the standing check finds equal books equal", said.code, 0)
    _owner(w, _BALANCE.format("+"))
    try:
        found = w.cli("rebuild", "check", "--json")
    finally:
        _owner(w, _BALANCE.format("-"))
    w.holds(
        POINT,
        "a balance that was touched by hand is found and told by its account",
        found.code == 1 and atelier.USD in found.out + found.err,
        f"exit {found.code}: {found.json['differences'][:2]}",
        command=found.command,
    )
    refused = _swap_of_touched(w)
    w.holds(
        POINT,
        "and books that differ are never swapped in",
        refused,
        "exit 1, the generation in use stayed",
        command="tallystick rebuild --swap",
    )
    w.until("the discrepancy", lambda: "open" in _told_of_books_differ(w))
    again = w.cli("rebuild", "check")
    w.until("its resolution", lambda: _told_of_books_differ(w)[-1:] == ["resolved"])
    w.same(
        POINT,
        "it opened the discrepancy books_differ, and the next check resolved it",
        (again.code, _told_of_books_differ(w)[-1]),
        (0, "resolved"),
        command=again.command,
    )


_BALANCE: Final = (
    "update ledger.balances set debit_minor = debit_minor {} 1"
    f" where book = '{BOOK}' and account = '{atelier.USD}' and origin_id ="
    f" (select min(origin_id) from ledger.balances where book = '{BOOK}'"
    f" and account = '{atelier.USD}')"
)


def _swap_of_touched(w: Walk) -> bool:
    before = _entries_of_status(w)
    _owner(w, _BALANCE.format("+"))
    try:
        said = w.cli("rebuild", "--swap")
    finally:
        _owner(w, _BALANCE.format("-"))
    in_use = [each for each in _entries_of_status(w) if each[1] == "in use"]
    return said.code == 1 and in_use[0][0] == before[0][0]


def _owner(w: Walk, statement: str) -> None:
    async def done() -> None:
        owner = await asyncpg.connect(w.dsn)
        try:
            await owner.execute(statement)
        finally:
            await owner.close()

    asyncio.run(done())


def _told_of_books_differ(w: Walk) -> list[str]:
    """The states of that discrepancy, in the order of its revisions."""
    told: list[Json] = [orjson.loads(record.value) for record in w.records(topics.DISCREPANCIES)]
    of_it = [
        (each["revision"], each["state"]) for each in told if each["discrepancy"] == "books_differ"
    ]
    return [state for _, state in sorted(of_it)]


def _what_if_basis(w: Walk, invoice: str) -> None:
    asked = ("what-if", "--basis", "accrual", "--book", "shop")
    said = w.cli(*asked, "--entries", "--format", "json")
    told = said.json
    found = {
        each["account"]: int(each["difference_minor"])
        for each in told["balances"]
        if each["book"] == "shop" and each["currency"] == "usd"
    }
    of_it = [each for each in told["entries"] if invoice in str(each)]
    w.holds(
        POINT,
        "what if shop were kept on accrual: what was invoiced is owed to us, in money",
        said.code == 0
        and found.get("assets:receivable", 0) >= INVOICED
        and sum(found.values()) == 0
        and len(of_it) == 1,
        f"exit {said.code}: {found}; {len(of_it)} entry of {invoice}",
    )
    exact = all(
        int(each["would_be_minor"]) - int(each["is_minor"]) == int(each["difference_minor"])
        and int(each["is_minor"]) == w.balance(each["account"], each["currency"], book="shop")
        for each in told["balances"]
        if each["book"] == "shop"
    )
    w.same(POINT, "what is, is what the books say; the difference is exact", exact, True)
    said = w.cli("what-if", "--basis", "cash", "--book", "shop")
    w.holds(
        POINT,
        "what holds already makes no difference",
        said.code == 0 and "no balance would differ" in said.out,
        said.out,
    )


def _what_if_chart_and_rules(w: Walk) -> None:
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        chart = folder / "chart.toml"
        shutil.copy(ROOT / "services" / "ledger" / "chart.toml", chart)
        chart.write_text(
            chart.read_text("utf-8").replace('display = "Stripe Revenue"', 'display = "Sales"'),
            "utf-8",
        )
        said = w.cli("what-if", "--chart", str(chart), "--book", "shop")
        w.holds(
            POINT,
            "what if shop had a chart with another name for an account: no money differs",
            said.code == 0 and "no balance would differ" in said.out,
            f"exit {said.code}: {said.out}{said.err[-200:]}",
        )
    said = w.cli("what-if", "--rules", "99")
    w.holds(
        POINT,
        "rules that this program does not have are refused, with those that it has",
        said.code == 4 and "99" in said.err and "this program has 1" in said.err,
        f"exit {said.code}: {said.err}",
    )


def _nothing_stays(w: Walk) -> None:
    said = w.cli("rebuild", "status", "--json")
    told = orjson.loads(said.out)
    w.same(
        POINT,
        "of suppositions and comparisons nothing stays beside the books in use",
        [each["state"] for each in told],
        ["in use"],
    )
