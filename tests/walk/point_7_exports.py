"""Point 7: the books leave in five forms, whole or in part, and re-add to the same sums."""

import hashlib
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import orjson

from tests.walk import atelier
from tests.walk.atelier import ALL, BOOK, EXPONENTS, STORY, Sums, sums
from tests.walk.figures import rows
from tests.walk.offline import verified
from tests.walk.walking import Json, Said, Walk

POINT = "7"
# The story ends in June; what other points put in afterwards is left out.
WHOLE_STORY: Final = ("--to", "2026-07-01")
FORMS: Final = ("csv", "jsonl", "parquet", "beancount", "hledger")
SEALED: Final = ("csv", "jsonl", "beancount", "hledger")
PARQUET_ROWS: Final = """
import json, sys
from arro3.io import read_parquet
table = read_parquet(sys.argv[1]).read_all()
names = ("row", "account", "currency", "direction", "minor")
columns = [[str(cell.as_py()) for cell in table[name]] for name in names]
print(json.dumps([dict(zip(names, row)) for row in zip(*columns)]))
"""
FORMULAS: Final = ("=", "+", "-", "@", "\t", "\r", "\n")


def walk(w: Walk) -> None:
    """Each form, its seal and its heads; parts of the journal; what is refused."""
    atelier.tell(w)
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        for form in FORMS:
            _trailer(w, form, folder)
        _csv(w, folder)
        _jsonl(w, folder)
        _parquet(w, folder)
        for form in SEALED:
            _seal_and_heads(w, form, folder)
        _period(w, folder)
        _by_recorded_time(w, folder)
        _since(w, folder)
        _all_books(w, folder)
        _refusals(w, folder)


def export(w: Walk, form: str, folder: Path, *words: str, book: str = BOOK) -> tuple[Said, Path]:
    """An export into a file of the folder, over one that is there; ``verify.py`` beside JSON Lines."""
    file = folder / f"books.{form}"
    words += ("--with-verifier",) if form == "jsonl" else ()
    of = ("--all-books",) if not book else ("--book", book)
    said = w.cli(*("export", "--format", form, *of, *words, "-o", str(file), "--replace", "--json"))
    return said, file


def _trailer(w: Walk, form: str, folder: Path) -> None:
    said, _ = export(w, form, folder, *WHOLE_STORY)
    told = said.json if said.code == 0 else {}
    w.same(
        POINT,
        f"{form}: entries, postings and each currency's sums are those of the story",
        (
            said.code,
            told.get("entries"),
            told.get("postings"),
            {each["currency"]: (each["debit"], each["credit"]) for each in told.get("sums", ())},
        ),
        (0, len(ALL), sum(len(each.legs) for each in ALL), _turned_over()),
    )


def _turned_over() -> dict[str, tuple[str, str]]:
    found: defaultdict[str, int] = defaultdict(int)
    for each in ALL:
        for leg in each.legs:
            found[leg.currency] += max(leg.minor, 0)
    return {currency: (str(minor), str(minor)) for currency, minor in found.items()}


def _readded(
    of: Iterable[Any],  # Any: a row of a form's own
    signed: Callable[[Any], tuple[str, str, str, int]],
) -> Sums:
    """What rows of (account, currency, direction, minor) come to."""
    found: defaultdict[tuple[str, str], int] = defaultdict(int)
    for each in of:
        account, currency, direction, minor = signed(each)
        found[account, currency.lower()] += minor if direction == "debit" else -minor
    return {place: minor for place, minor in sorted(found.items()) if minor}


def _csv(w: Walk, folder: Path) -> None:
    _, file = export(w, "csv", folder, *WHOLE_STORY)
    found = rows(file.read_text("utf-8"))
    postings = [row for row in found if row["row"] == "posting"]
    w.same(
        POINT,
        "csv: its rows re-add to our sums",
        _readded(
            postings,
            lambda r: (r["account"], r["currency"], r["direction"], int(r["minor"])),
        ),
        sums(),
    )
    exact = all(
        Decimal(r["amount"]).scaleb(EXPONENTS[r["currency"].lower()]) == int(r["minor"])
        for r in postings
    )
    w.same(POINT, "csv: each written amount is its minor units, exactly", exact, True)
    dangerous = [
        cell for row in found for cell in row.values() if cell.startswith(FORMULAS) and cell
    ]
    text = next(r["description"] for r in postings if r["reference"].endswith(":a-05"))
    w.same(
        POINT,
        "csv: no cell is a formula; one apostrophe less is the text as it was told",
        (dangerous, text.removeprefix("'")),
        (list[str](), _told_text()),
    )


def _told_text() -> str:
    return next(each.description for each in STORY if each.key == "a-05")


def _jsonl(w: Walk, folder: Path) -> None:
    _, file = export(w, "jsonl", folder, *WHOLE_STORY)
    told: list[Json] = [orjson.loads(line) for line in file.read_bytes().splitlines()]
    entries = [each for each in told if each["line"] == "entry"]
    legs = [leg for each in entries for leg in each["postings"]]
    w.same(
        POINT,
        "jsonl: header, entries, trailer, seal; its entries re-add to our sums",
        (
            told[0]["line"],
            [each["line"] for each in told[-2:]],
            _readded(
                legs,
                lambda leg: (
                    *(leg["account"], leg["amount"]["currency"], leg["direction"]),
                    int(leg["amount"]["minor"]),
                ),
            ),
        ),
        ("header", ["trailer", "seal"], sums()),
    )
    w.same(
        POINT,
        "jsonl: every entry of the story once, with its text as it was told",
        {each["reference"]: each["description"] for each in entries},
        {each.reference: each.description for each in ALL},
    )


def _parquet(w: Walk, folder: Path) -> None:
    _, file = export(w, "parquet", folder, *WHOLE_STORY)
    told: list[dict[str, str]] = orjson.loads(_read_as_parquet(file).stdout)
    w.same(
        POINT,
        "parquet: its rows re-add to our sums, past 2^63 too",
        _readded(
            (row for row in told if row["row"] == "posting"),
            lambda r: (r["account"], r["currency"], r["direction"], int(r["minor"])),
        ),
        sums(),
    )
    cut = folder / "cut.parquet"
    cut.write_bytes(file.read_bytes()[:-40])
    done = _read_as_parquet(cut)
    w.holds(
        POINT,
        "parquet: a file that was cut off cannot be read",
        done.returncode != 0 and not done.stdout and "Parquet" in done.stderr,
        f"exit {done.returncode}: {done.stderr[-120:]}",
        command="arro3.io.read_parquet cut.parquet",
    )


def _read_as_parquet(file: Path) -> subprocess.CompletedProcess[str]:
    """The rows as JSON, by a process of its own: the reader of a broken file may end it."""
    return subprocess.run(
        [sys.executable, "-c", PARQUET_ROWS, str(file)],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )


def _seal_and_heads(w: Walk, form: str, folder: Path) -> None:
    _, file = export(w, form, folder)
    whole = file.read_bytes()
    before = whole[: whole.rstrip(b"\n").rindex(b"\n") + 1]
    last = whole.removeprefix(before).decode()
    heads = {
        f"{row['topic']}/{row['partition']}": row["chain"]
        for row in w.sql(
            "select distinct on (topic, partition) topic, partition, encode(chain, 'hex') as chain"
            " from ledger_read.entries where book = 'atelier'"
            " order by topic, partition, sequence desc"
        )
    }
    text = before.decode()
    missing = [origin for origin, chain in heads.items() if text.count(chain) < 1]
    w.holds(
        POINT,
        f"{form}: its last line has the digest of all before it, and each chain's head is told",
        hashlib.sha256(before).hexdigest() in last and heads and not missing,
        f"{last.strip()[:90]}, {len(heads)} heads, missing {missing}",
        command=f"tallystick export --format {form} --book {BOOK}",
    )


def _period(w: Walk, folder: Path) -> None:
    words = ("--from", "2026-03-01", "--to", "2026-04-01")
    said, file = export(w, "jsonl", folder, *words)
    found = _references(file)
    w.same(
        POINT,
        "a period has the entries of its days in the book's time zone, and no other",
        (said.code, found),
        (0, sorted(e.reference for e in ALL if e.day.month == 3)),
    )


def _references(file: Path) -> list[str]:
    told: list[Json] = [orjson.loads(line) for line in file.read_bytes().splitlines()]
    return sorted(each["reference"] for each in told if each["line"] == "entry")


def _by_recorded_time(w: Walk, folder: Path) -> None:
    late = atelier.recorded(w, atelier.LATE)
    _, file = export(w, "jsonl", folder, "--axis", "recorded", "--to", late.isoformat())
    w.same(
        POINT,
        "by recorded time: what was known before the late entry",
        _references(file),
        sorted(each.reference for each in STORY),
    )


def _since(w: Walk, folder: Path) -> None:
    # Only an export of all books is the beginning of another.
    _, file = export(w, "jsonl", folder, book="")
    earlier = folder / "earlier.jsonl"
    earlier.write_bytes(file.read_bytes())
    key = w.new("since")
    answer = w.ask(BOOK, atelier.capital(1, "2026-08-01T00:00:00Z", "jpy"), key=key)
    assert answer.status_code == 201, answer.text
    said, file = export(w, "jsonl", folder, "--since", str(earlier), book="")
    w.same(
        POINT,
        "since an earlier export: what came behind it, and no more",
        (said.code, _references(file)),
        (0, [f"command:desk:{key}"]),
    )
    done = verified(file, "--earlier", str(earlier))
    w.holds(
        POINT,
        "and it goes on from the earlier one, says verify.py",
        done.returncode == 0,
        done.stdout + done.stderr,
        command="python verify.py books.jsonl --earlier earlier.jsonl",
    )
    forged = folder / "forged.jsonl"
    lines = earlier.read_bytes().splitlines()
    header: Json = orjson.loads(lines[0])
    origin = next(iter(header["journal"]))
    chain = header["journal"][origin]["chain"].encode()
    forged.write_bytes(earlier.read_bytes().replace(chain, b"0" * 64))
    said, _ = export(w, "jsonl", folder, "--since", str(forged), book="")
    w.holds(
        POINT,
        "since an export whose chain is not this journal's: refused",
        said.code == 4 and origin in said.all,
        f"exit {said.code}: {said.err}",
    )
    (row,) = w.sql(
        "select topic, partition, sequence from ledger_read.entries"
        " where book = 'atelier' and reference = $1",
        f"command:desk:{key}",
    )
    place = f"{row['topic']}/{row['partition']}"
    since = f"{place}#{row['sequence'] - 1}"
    _, file = export(w, "jsonl", folder, "--since", since)
    behind = {
        each["reference"]
        for line in file.read_bytes().splitlines()
        for each in [orjson.loads(line)]
        if each["line"] == "entry" and each["origin"] == place
    }
    w.same(
        POINT,
        "since an entry of an origin: of that origin only what is behind it",
        behind,
        {f"command:desk:{key}"},
    )


def _all_books(w: Walk, folder: Path) -> None:
    said, file = export(w, "jsonl", folder, book="")
    (row,) = w.sql("select count(*) as entries from ledger_read.entries")
    w.holds(
        POINT,
        "all books: every entry of the journal",
        said.code == 0 and said.json["entries"] == row["entries"] == len(_references(file)),
        f"exit {said.code}, {said.json['entries']} entries exported, {row['entries']} in the views",
    )
    printed = w.cli("export", "--format", "jsonl", "--book", BOOK, *WHOLE_STORY)
    _, file = export(w, "jsonl", folder, *WHOLE_STORY)
    lines = [t.splitlines()[1:-1] for t in (printed.out, file.read_text("utf-8"))]
    w.same(
        POINT,
        "to standard output it is the file, line by line",
        lines[0] == lines[1] and len(lines[0]) == len(ALL) + 1,
        True,
    )


def _refusals(w: Walk, folder: Path) -> None:
    kept = folder / "kept.csv"
    kept.write_text("mine", "utf-8")
    said = w.cli("export", "--format", "csv", "--book", BOOK, "-o", str(kept))
    w.holds(
        POINT,
        "a file that is there is not written over, and stays what it was",
        said.code != 0 and kept.read_text("utf-8") == "mine" and "--replace" in said.all,
        f"exit {said.code}: {said.err}",
    )
    said = w.cli("export", "--format", "csv", "--book", "nobody", "-o", str(folder / "no.csv"))
    w.holds(
        POINT,
        "a book that is none is named, and no file is left behind",
        said.code != 0 and "nobody" in said.all and not list(folder.glob("no.csv*")),
        f"exit {said.code}: {said.err}",
    )
