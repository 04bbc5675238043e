"""`verify.py` offline: an export that was touched in any way is refused, by its first bad line."""

import hashlib
import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from services.ledger.exports.journal import Head, Selection
from services.ledger.proof.hash_chain import GENESIS
from shared.contracts.money import CURRENCIES
from tallystick.exports import verify
from tallystick.exports.hashes import Wrong, digest_of, link_after
from tallystick.exports.verifier import write_verifier
from tests.support.exported import ORIGIN, about, entry, every_exponent, json_lines, told

Lines = list[dict[str, Any]]  # Any: JSON
STORY: Final = told([*every_exponent(), *(entry(n) for n in range(5, 10))])
TEXT: Final = json_lines(STORY)


def sealed(lines: Lines) -> str:
    """Lines with a seal that fits them: what a careful forger would write."""
    body = "".join(json.dumps(line) + "\n" for line in lines if line["line"] != "seal")
    return body + json.dumps({"line": "seal", "sha256": digest(body)}) + "\n"


def digest(body: str) -> str:
    return hashlib.sha256(body.encode()).hexdigest()


def read(text: str) -> Lines:
    return [json.loads(line) for line in text.splitlines()]


def verdict(text: str, heads: dict[tuple[str, int], str] | None = None) -> str:
    """What is wrong; empty when all holds."""
    try:
        verify.check(io.BytesIO(text.encode()), heads or {})
    except Wrong as wrong:
        return str(wrong)
    return ""


def tampered(change: Callable[[Lines], None]) -> str:
    lines = read(TEXT)
    change(lines)
    return sealed(lines)


def set_amount(lines: Lines) -> None:
    for posting in lines[4]["postings"]:
        minor = int(posting["amount"]["minor"])
        posting["amount"]["minor"] = str(2 * minor)


def set_one_leg(lines: Lines) -> None:
    lines[4]["postings"][0]["amount"]["minor"] = "7"


def set_decimals(lines: Lines) -> None:
    for posting in lines[4]["postings"]:
        posting["amount"]["exponent"] = 2


def insert(lines: Lines) -> None:
    more = json.loads(json.dumps(lines[4])) | {"reference": "stripe:payment:made_up"}
    lines.insert(5, more)


def swap(lines: Lines) -> None:
    lines[4], lines[5] = lines[5], lines[4]


def cut_the_tail(lines: Lines) -> None:
    del lines[8:11]


def delete(lines: Lines) -> None:
    del lines[4]


def no_postings(lines: Lines) -> None:
    del lines[4]["postings"]


def cause(lines: Lines) -> None:
    lines[4]["caused_by"]["offset"] = 1


def sums(lines: Lines) -> None:
    lines[11]["sums"][0]["debit"] = "1"


def balances(lines: Lines) -> None:
    lines[11]["trial_balance"].pop()


def said_of_it(**fields: object) -> Callable[[Lines], None]:
    """Other words about the same money."""

    def change(lines: Lines) -> None:
        lines[4].update(fields)

    return change


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (set_amount, "line 5: stripe.events/0 entry 4 (stripe:payment:ch_3): its digest"),
        (set_one_leg, "line 5: stripe.events/0 entry 4 (stripe:payment:ch_3): debits less credits"),
        (set_decimals, "line 5: stripe.events/0 entry 4 (stripe:payment:ch_3): usdc does not have"),
        (delete, "line 5: stripe.events/0 entry 5 (stripe:payment:ch_4): before it,"),
        (insert, "line 6: stripe.events/0 entry 4 (stripe:payment:made_up): its digest"),
        (swap, "line 5: stripe.events/0 entry 5 (stripe:payment:ch_4): before it,"),
        (said_of_it(kind="x"), "line 5: stripe.events/0 entry 4"),
        (said_of_it(description="x"), "line 5: stripe.events/0 entry 4"),
        (said_of_it(message_id="evt_x"), "line 5: stripe.events/0 entry 4"),
        (said_of_it(rules_version=9), "line 5: stripe.events/0 entry 4"),
        (said_of_it(effective_at="2026-01-01T00:00:00Z"), "line 5: stripe.events/0"),
        (said_of_it(reverses="stripe:x"), "line 5: stripe.events/0 entry 4"),
        (cause, "line 5: stripe.events/0 entry 4"),
        (said_of_it(chain="ab" * 32), "line 5: stripe.events/0 entry 4"),
        (said_of_it(sequence=True), "line 5: stripe.events/0 entry True"),
        (said_of_it(rules_version="3"), "line 5: stripe.events/0 entry 4"),
        (said_of_it(reverses=""), "line 5: stripe.events/0 entry 4"),
        (no_postings, "line 5: a field lacks or is odd"),
        (cut_the_tail, "line 9: the trailer's entries says 10, and the entries say 7"),
        (sums, "line 12: the trailer's sums says"),
        (balances, "line 12: the trailer's trial_balance says"),
    ],
)
def test_verify_of_a_touched_export_names_the_first_bad_line(
    change: Callable[[Lines], None], said: str
) -> None:
    assert verdict(tampered(change)).startswith(said)


def recomputed(lines: Lines) -> str:
    """Everything made anew after an amount was changed: digests, links, heads, sums, seal."""
    header, entries = lines[0], [line for line in lines if line["line"] == "entry"]
    set_amount(lines)
    link = GENESIS.hex()
    checker = verify.Checker({})
    checker.read_header(header)
    for line in entries:
        line["digest"] = digest_of(line)
        link = line["chain"] = link_after(link, line)
        checker.read_entry(line)
    header["journal"][ORIGIN]["chain"] = link
    return sealed([header, *entries, {"line": "trailer"} | checker.expected()])


def test_verify_of_an_export_made_anew_is_told_by_a_head_from_elsewhere() -> None:
    forged = recomputed(read(TEXT))
    assert verdict(forged) == ""
    known = {(ORIGIN, 10): STORY[9].chain}
    assert verdict(forged, known).startswith("line 11: stripe.events/0 entry 10")
    assert "the chain at entry 10 of stripe.events/0 was" in verdict(forged, known)


def test_verify_of_a_shorter_journal_made_anew_is_told_by_a_head_from_elsewhere() -> None:
    shorter = json_lines(STORY[:7])
    assert verdict(shorter) == ""
    said = verdict(shorter, {(ORIGIN, 10): STORY[9].chain})
    assert said.endswith("stripe.events/0 had an entry 10 once, which is not in this export")


@pytest.mark.parametrize("lines", range(len(TEXT.splitlines())))
def test_verify_of_a_file_cut_off_anywhere_says_so(lines: int) -> None:
    cut = "".join(TEXT.splitlines(keepends=True)[:lines])
    assert verdict(cut).startswith(f"line {lines + 1}: the file is cut off")


@pytest.mark.parametrize("damage", [b"\xff\n", b"[]\n", b"{\n", b'{"line":"entry","line":"x"}\n'])
def test_verify_of_a_line_that_is_no_object_says_which(damage: bytes) -> None:
    lines = TEXT.encode().splitlines(keepends=True)
    lines[3] = damage
    with pytest.raises(Wrong, match=r"^line 4: "):
        verify.check(io.BytesIO(b"".join(lines)), {})


def test_verify_of_a_number_with_a_fraction_refuses_it() -> None:
    touched = TEXT.replace('"rules_version":3', '"rules_version":3.0', 1)
    assert verdict(touched) == "line 2: 3.0 is no number for money"


def test_verify_takes_an_export_since_an_earlier_one_and_its_head() -> None:
    start = {ORIGIN: Head(6, STORY[5].chain)}
    header = about(STORY, selection=Selection(since={ORIGIN: 6}), starts=start)
    text = json_lines(STORY[6:], header)
    assert verdict(text, {(ORIGIN, 6): STORY[5].chain}) == ""
    assert "was" in verdict(text, {(ORIGIN, 6): "ab" * 32})
    gap = json_lines(STORY[7:], header)
    assert verdict(gap).startswith("line 2: stripe.events/0 entry 8")


def test_verify_of_a_part_proves_each_link_by_the_one_before_it() -> None:
    header = about(STORY, selection=Selection(book="main"))
    some = [STORY[1]._replace(previous=STORY[0].chain), STORY[7]._replace(previous=STORY[6].chain)]
    assert verdict(json_lines(some, header)) == ""
    lines = read(json_lines(some, header))
    del lines[2]["previous"]
    assert verdict(sealed(lines)).startswith("line 3: stripe.events/0 entry 8 ")
    assert "is missing" in verdict(sealed(lines))
    lines = read(json_lines(some, header))
    lines[2]["kind"] = "x"
    assert verdict(sealed(lines)).startswith("line 3: stripe.events/0 entry 8")


def test_verify_takes_currencies_in_whatever_order_they_came() -> None:
    legs = (("assets:bank:a", "usd"), ("assets:bank:b", "eur"))
    sales = [
        entry(n, ((name, "", 5, code), ("revenue:stripe", "", -5, code)))
        for n, (name, code) in enumerate(legs)
    ]
    assert verdict(json_lines(told(sales))) == ""


def test_verify_knows_the_decimals_of_every_registered_currency() -> None:
    theirs = {code: verify.DECIMALS_OF.get(code, verify.DECIMALS_ELSE) for code in CURRENCIES}
    assert theirs == {code: currency.exponent for code, currency in CURRENCIES.items()}


def test_verify_alone_in_a_folder_with_bare_python_proves_an_export(tmp_path: Path) -> None:
    script = write_verifier(tmp_path)
    (tmp_path / "books.jsonl").write_text(TEXT)
    (tmp_path / "bad.jsonl").write_text(tampered(set_amount))

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-I", "-S", str(script), *arguments],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    good = run("books.jsonl", "--head", f"{ORIGIN}@3={STORY[2].chain}")
    assert (good.returncode, good.stderr) == (0, "")
    assert good.stdout.startswith("holds: 10 entries, 25 postings\n")
    assert "main: assets 800.03 USD = liabilities, equity and income 800.03 USD" in good.stdout
    bad = run("bad.jsonl")
    assert bad.returncode == 1
    assert bad.stderr.startswith("does not hold: line 5: stripe.events/0 entry 4")
    later = run("books.jsonl", "--earlier", "books.jsonl")
    assert later.returncode == 0
    assert run("nowhere.jsonl").returncode == 2
