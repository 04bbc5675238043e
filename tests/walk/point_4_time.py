"""Point 4, what time and decisions change: closed days, late facts, activations, corrections."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

import orjson

from shared.contracts.topics import STRIPE_EVENTS, stripe_key
from shared.runtime.murmur import murmur2
from tests.walk.payloads import T0, charge, invoice, invoice_line
from tests.walk.standing import ACCOUNTS
from tests.walk.walking import Json, Walk

POINT = "4"
BOOK = "yard"
# What the walk tells is of 26 October; that month is closed.
CLOSED, FIRST_OPEN = "2026-10-31", "2026-11-01"
TOLD_ON = "2026-10-26"


def walk_time(w: Walk) -> None:
    """Closings first: activations and corrections come on top of what was reported."""
    _closed_days(w)
    _locked_days(w)
    _put_in_force(w)
    _corrected(w)
    _from_a_position(w)
    _taken_back(w)


def _revenue(w: Walk, as_of: str) -> int:
    """What the book's statement says was earned up to a day, in cents."""
    told = w.cli("report", "trial-balance", "--book", BOOK, "--as-of", as_of, "--format", "json")
    rows = [row for row in _rows(told.json) if row.get("account") == "revenue:stripe"]
    return sum(_minor(row) for row in rows)


def _rows(told: object) -> list[Json]:
    """Every object inside a statement."""
    if isinstance(told, dict):
        row = cast("Json", told)
        return [row, *(each for value in row.values() for each in _rows(value))]
    if isinstance(told, list):
        return [each for value in cast("list[object]", told) for each in _rows(value)]
    return []


def _minor(row: Json) -> int:
    told: Json = row.get("net") or row.get("credit") or {"minor": "0"}
    return abs(int(told["minor"]))


def _closed_days(w: Walk) -> None:
    w.tell("charge.succeeded", charge(w.new("ch"), 10_000), endpoint=BOOK)
    w.booked()
    before = _revenue(w, CLOSED)
    closed = w.cli("period", "close", "--through", CLOSED, "--reason", "October", "--book", BOOK,
                   "--json")  # fmt: skip
    w.holds(POINT, "a period is closed by a decision that keeps its trial balance",
            closed.code == 0 and closed.json["decided"]["trial_balance"],
            closed.json.get("decided"))  # fmt: skip
    late = w.new("ch")
    w.tell("charge.succeeded", charge(late, 3_000), endpoint=BOOK)
    w.booked()
    reference = f"stripe:payment:{late}"
    rows = w.sql(
        "select effective_at, reported_day::text as day from ledger_read.late_entries"
        " where book = $1 and reference = $2",
        BOOK,
        reference,
    )
    w.same(POINT, "a fact that comes for closed days is booked, and keeps its effective time",
           [int(row["effective_at"].timestamp()) for row in rows], [T0])  # fmt: skip
    w.same(POINT, "and is reported on the first open day",
           [row["day"] for row in rows], [FIRST_OPEN])  # fmt: skip
    after, later = _revenue(w, CLOSED), _revenue(w, FIRST_OPEN)
    w.same(POINT, "so the closed month's statement did not change, and the next day has it",
           (before, after, later), (10_000, 10_000, 13_000))  # fmt: skip
    listed = w.cli("period", "late", "--book", BOOK)
    w.holds(POINT, "and it is listed as late",
            listed.code == 0 and reference in listed.all and FIRST_OPEN in listed.all,
            listed.all)  # fmt: skip
    dated: Json = {"kind": "book_expense", "category": "compute", "paid_from": "assets:bank:yard",
                   "effective_at": f"{TOLD_ON}T12:00:00Z",
                   "amount": {"minor": "500", "currency": "usd", "exponent": 2}}  # fmt: skip
    w.refused(POINT, "a command that is dated into closed days is refused",
              w.ask(BOOK, dated), "period_open")  # fmt: skip
    ahead = (datetime.now(UTC) + timedelta(days=3)).date().isoformat()
    w.refused(POINT, "days to come are not closed", w.cli(
        "period", "close", "--through", ahead, "--book", BOOK, "--json"), "period_over")  # fmt: skip
    opened = w.cli("period", "reopen", "--since", "2026-10-15", "--reason", "an invoice was left"
                   " out", "--book", BOOK)  # fmt: skip
    w.same(POINT, "opened again, the same command is taken",
           (opened.code, w.ask(BOOK, dated).status_code), (0, 201))  # fmt: skip


def _locked_days(w: Walk) -> None:
    locked = w.cli("period", "lock", "--through", "2025-12-31", "--book", BOOK)
    w.same(POINT, "a year is locked", locked.code, 0)
    w.refused(POINT, "and never opened again", w.cli(
        "period", "reopen", "--since", "2025-12-01", "--reason", "please", "--book", BOOK,
        "--json"), "period_not_locked")  # fmt: skip
    rows = w.sql(
        "select closed_through::text as closed, locked_through::text as locked"
        " from ledger_read.periods where book = $1 order by number",
        BOOK,
    )
    w.same(POINT, "every closing, opening and locking is on record",
           [(row["closed"], row["locked"]) for row in rows],
           [(CLOSED, None), ("2026-10-14", None), ("2026-10-14", "2025-12-31")])  # fmt: skip


def _invoice(w: Walk) -> str:
    """A month's invoice told to the book; its id."""
    shown = invoice(w.new("in"), [invoice_line(w.new("il"), 7_700, T0, 30)], at=T0)
    w.tell("invoice.finalized", shown, endpoint=BOOK)
    w.booked()
    return str(shown["id"])


def _put_in_force(w: Walk) -> None:
    before = _invoice(w)
    w.entry(POINT, "on cash basis an invoice books nothing here", f"stripe:invoice:{before}",
            book=BOOK)  # fmt: skip
    said = w.cli("activate", "basis", "accrual", "--book", BOOK, "--reason", "advice of November",
                 "--json")  # fmt: skip
    rows = w.sql(
        "select value, positions, reason, actor from ledger_read.activations"
        " where what = 'basis' and book = $1",
        BOOK,
    )
    positions = [p for row in rows for p in orjson.loads(row["positions"])]
    w.holds(POINT, "the basis is put in force by a command, with the positions from which it holds",
            said.code == 0 and [orjson.loads(row["value"]) for row in rows] == ["accrual"]
            and len(positions) >= 1, f"{len(positions)} positions, {rows[:1]}")  # fmt: skip
    after = _invoice(w)
    w.entry(POINT, "from there on an invoice is receivable", f"stripe:invoice:{after}",
            f"Dr assets:receivable[{after}] 7700 usd", "Cr revenue:stripe 7700 usd",
            book=BOOK)  # fmt: skip
    w.entry(POINT, "what was told before stays as it was", f"stripe:invoice:{before}", book=BOOK)
    passed: Json = {"kind": "activate", "what": "basis", "value": "cash", "positions": [
        {"topic": "stripe.events", "partition": p, "offset": 0} for p in range(8)]}  # fmt: skip
    w.refused(POINT, "from a position that is booked already nothing is put in force",
              w.ask(BOOK, passed), "position_ahead")  # fmt: skip
    rules: Json = {"kind": "activate", "what": "rules_version", "value": 99}
    w.refused(POINT, "nor is a version of the rules that the program does not have",
              w.ask(BOOK, rules), "rules_version_known")  # fmt: skip
    chart = w.cli("activate", "show", "--chart", "--book", BOOK)
    file = w.at.folder / "yard-chart.toml"
    name = "expenses:timber"
    file.write_text(f'{chart.out}\n[[account]]\nname = "{name}"\ndisplay = "Timber"\n', "utf-8")
    bought: Json = {"kind": "book_expense", "category": "timber", "paid_from": "assets:bank:yard",
                    "amount": {"minor": "900", "currency": "usd", "exponent": 2}}  # fmt: skip
    w.refused(POINT, "what the chart does not have is not booked",
              w.ask(BOOK, bought), "account_known", account=name)  # fmt: skip
    said = w.cli("activate", "chart", str(file), "--book", BOOK)
    w.same(POINT, "once another chart is in force, it is",
           (said.code, w.ask(BOOK, bought).status_code), (0, 201))  # fmt: skip
    shown = w.cli("activate", "list")
    w.holds(POINT, "all of it is listed, with who asked and why",
            shown.code == 0 and "advice of November" in shown.all and "genesis" in shown.all,
            shown.all)  # fmt: skip
    said_otherwise = w.at.folder / "cash-books.toml"
    own = Path(w.at.shell["TALLYSTICK_BOOKS_FILE"]).read_text("utf-8")
    said_otherwise.write_text(
        own.replace(f'name = "{BOOK}"', f'name = "{BOOK}"\nbasis = "cash"'), "utf-8"
    )
    dry = w.cli("activate", "book-map", str(said_otherwise), "--dry-run")
    w.holds(POINT, "a file of books that says otherwise is told apart before it is put in force",
            BOOK in dry.all and "cash" in dry.all, f"exit {dry.code}: {dry.all}")  # fmt: skip
    versions = w.sql("select distinct rules_version from ledger_read.entries")
    w.holds(POINT, "every entry names the version of the rules that made it",
            versions and all(row["rules_version"] >= 1 for row in versions), versions)  # fmt: skip


def _corrected(w: Walk) -> None:
    receivable = w.balance("assets:receivable", book=BOOK)
    file = w.at.folder / "corrections.jsonl"
    today = datetime.now(UTC).date().isoformat()
    made = w.cli("what-if", "--basis", "accrual", "--book", BOOK, "--write-corrections", str(file),
                 "--on", today)  # fmt: skip
    lines = [orjson.loads(line) for line in file.read_text("utf-8").splitlines()]
    w.holds(POINT, "a what-if writes which message is told again, for what the old basis left out",
            made.code == 0 and len(lines) == 1 and lines[0]["kind"] == "tell_again",
            f"exit {made.code}: {made.all} {lines}")  # fmt: skip
    w.same(POINT, "it books nothing by itself",
           w.balance("assets:receivable", book=BOOK), receivable)  # fmt: skip
    sent = w.cli("book", "send", str(file), "--book", BOOK)
    w.booked()
    w.same(POINT, "sent, the invoice of before is receivable too",
           (sent.code, w.balance("assets:receivable", book=BOOK) - receivable),
           (0, 7_700))  # fmt: skip
    again = w.cli("book", "send", str(file), "--book", BOOK)
    w.same(POINT, "sent twice, it is done once",
           (again.code, w.balance("assets:receivable", book=BOOK) - receivable),
           (0, 7_700))  # fmt: skip


def _from_a_position(w: Walk) -> None:
    """Cash again, from the second of two messages on that are still to come in one partition."""
    partition = _partition(w, "charge of some kind")
    ends = w.ends(STRIPE_EVENTS)
    first = ends[partition] + 1
    said = w.cli("activate", "basis", "cash", "--book", BOOK, "--from",
                 f"stripe.events/{partition}={first}", "--reason", "back to cash")  # fmt: skip
    told = [_in_partition(w, partition) for _ in range(2)]
    for name in told:
        shown = invoice(name, [invoice_line(w.new("il"), 3_300, T0, 30)], at=T0)
        w.tell("invoice.finalized", shown, endpoint=BOOK)
    w.booked()
    places = [record.offset for record in w.records(STRIPE_EVENTS)
              if record.partition == partition][-2:]  # fmt: skip
    booked = [bool(w.postings(f"stripe:invoice:{name}", book=BOOK)) for name in told]
    w.same(POINT, "put in force from a named position, it holds from just that message on",
           (said.code, places, booked), (0, [first - 1, first], [True, False]),
           command=said.command)  # fmt: skip


def _partition(w: Walk, name: str) -> int:
    """The partition of the events of an object of this book."""
    count = len(w.ends(STRIPE_EVENTS))
    return (murmur2(stripe_key(ACCOUNTS[BOOK], name)) & 0x7FFFFFFF) % count


def _in_partition(w: Walk, partition: int) -> str:
    """An id of an invoice whose events come in that partition."""
    return next(name for name in iter(lambda: w.new("in"), "") if _partition(w, name) == partition)


def _taken_back(w: Walk) -> None:
    """What the accrual basis booked is corrected back, what was told again too, by a what-if."""
    receivable = w.balance("assets:receivable", book=BOOK)
    before = w.sql("select count(*) as n from ledger_read.entries where book = $1", BOOK)
    file = w.at.folder / "corrections-to-cash.jsonl"
    today = datetime.now(UTC).date().isoformat()
    made = w.cli("what-if", "--basis", "cash", "--book", BOOK, "--write-corrections", str(file),
                 "--on", today)  # fmt: skip
    kinds = [orjson.loads(line)["kind"] for line in file.read_text("utf-8").splitlines()]
    w.same(POINT, "correcting back is by reversals, one of each entry that should not stand",
           (made.code, kinds), (0, ["reverse_entry"] * 3))  # fmt: skip
    sent = w.cli("book", "send", str(file), "--book", BOOK)
    w.same(POINT, "sent, all are undone by new entries, and none is gone",
           (sent.code, receivable - w.balance("assets:receivable", book=BOOK),
            w.sql("select count(*) as n from ledger_read.entries where book = $1", BOOK)),
           (0, 7_700 + 7_700 + 3_300, [{"n": before[0]["n"] + 3}]))  # fmt: skip
