"""Beancount and hledger themselves read what we write, and come to our sums."""

import csv
import io
from datetime import timedelta
from pathlib import Path

import pytest

from services.ledger.exports.journal import About, Opening, Selection, Told
from shared.contracts.money import decimal_text
from tests.support.exported import (
    NOW,
    ORIGIN,
    about,
    beancount,
    entry,
    every_exponent,
    hledger,
    told,
)
from tests.support.plain_text_tools import bean_check, hledger_program, run

pytestmark = pytest.mark.timeout(300)
EVIL = 'He said "no"; and\nleft \\ with a , comma'


def a_story() -> list[Told]:
    """Several months, every count of decimals, odd names, odd texts, nested accounts."""
    sales = [entry(n, description=EVIL) for n in range(10, 60, 7)]
    memo = (("memo:credits", "cus_1", 5, "usd"), ("memo:credits-issued", "", -5, "usd"))
    exchange = (
        ("assets:stripe:settling", "ch,9;", -9_000, "eur"),
        ("equity:exchange", "", 9_000, "eur"),
        ("assets:stripe:settling", 'ch"9', 10_000, "usd"),
        ("equity:exchange", "", -10_000, "usd"),
    )
    return told([*every_exponent(), *sales, entry(61, memo), entry(62, exchange)])


def checked(tmp_path: Path, text: str, command: list[str]) -> tuple[int, str]:
    """What a program says of a journal."""
    path = tmp_path / "books.journal"
    path.write_text(text, encoding="utf-8")
    done = run([part.replace("FILE", str(path)) for part in command])
    return done.returncode, done.stdout + done.stderr


def bean(tmp_path: Path, text: str) -> tuple[int, str]:
    return checked(tmp_path, text, [bean_check(), "--no-cache", "FILE"])


def strict(tmp_path: Path, text: str) -> tuple[int, str]:
    return checked(tmp_path, text, [hledger_program(), "-f", "FILE", "check", "--strict"])


def test_bean_check_finds_nothing_wrong_with_an_export(tmp_path: Path) -> None:
    assert bean(tmp_path, beancount(a_story())) == (0, "")


def test_bean_check_sees_a_balance_that_is_off_by_one_minor_unit(tmp_path: Path) -> None:
    text = beancount(a_story())
    line = next(
        each
        for each in reversed(text.splitlines())
        if " balance Assets:Stripe:Settling " in each and each.endswith("USD")
    )
    amount = line.split()[3]
    off = line.replace(amount, amount[:-1] + str((int(amount[-1]) + 1) % 10))
    code, said = bean(tmp_path, text.replace(line, off))
    assert code == 1
    assert "Balance failed" in said


def test_bean_check_sees_that_a_file_was_cut_off(tmp_path: Path) -> None:
    text = beancount(a_story())
    code, said = bean(tmp_path, text[: text.index(" commodity ") - 10])
    assert code == 1
    assert "Invalid reference to unknown account" in said


def test_bean_check_takes_a_part_with_what_stood_before(tmp_path: Path) -> None:
    story = a_story()
    assert bean(tmp_path, beancount(story[8:], part_of(story, 8))) == (0, "")


def test_hledger_check_finds_nothing_wrong_with_an_export(tmp_path: Path) -> None:
    assert strict(tmp_path, hledger(a_story())) == (0, "")


def test_hledger_check_sees_a_balance_that_is_off_by_one_minor_unit(tmp_path: Path) -> None:
    text = hledger(a_story())
    assert "    assets:bank:Main_bank  0.00 USD = 100.01 USD" in text
    code, said = strict(tmp_path, text.replace("USD = 100.01 USD", "USD = 100.02 USD"))
    assert code == 1
    assert "balance assertion" in said


def test_hledger_check_sees_that_a_file_was_cut_off(tmp_path: Path) -> None:
    text = hledger(a_story())
    code, said = strict(tmp_path, text[: text.index("* What stands at the end") - 11])
    assert code == 1
    assert "undeclared" in said


def test_hledger_check_takes_a_part_with_what_stood_before(tmp_path: Path) -> None:
    story = a_story()
    assert strict(tmp_path, hledger(story[8:], part_of(story, 8))) == (0, "")


def test_hledger_check_takes_amounts_as_large_as_there_are(tmp_path: Path) -> None:
    largest = told(every_exponent(wei=10**30 // 3))
    assert strict(tmp_path, hledger(largest)) == (0, "")


def test_hledger_adds_up_to_our_sums(tmp_path: Path) -> None:
    story = a_story()
    command = [hledger_program(), "-f", "FILE", "balance", "--flat", "-O", "csv", "--layout=bare"]
    code, said = checked(tmp_path, hledger(story), command)
    assert code == 0, said
    theirs = {
        (row["account"], row["commodity"]): row["balance"]
        for row in csv.DictReader(io.StringIO(said))
        if row["account"] not in ("total", "Total:")
    }
    ours = {
        (name, currency.upper()): decimal_text(minor, exponent)
        for (name, currency, exponent), minor in sums(story).items()
        if minor
    }
    assert {place: amount for place, amount in theirs.items() if amount.strip("0.")} == ours


def sums(story: list[Told]) -> dict[tuple[str, str, int], int]:
    found: dict[tuple[str, str, int], int] = {}
    for each in story:
        for leg in each.legs:
            place = (leg.account, leg.currency, leg.exponent)
            found[place] = found.get(place, 0) + leg.signed
    return found


def part_of(story: list[Told], first: int) -> About:
    before = sums(story[:first])
    return about(
        story,
        selection=Selection(since={ORIGIN: first}),
        opening=tuple(
            Opening(name, currency, exponent, minor)
            for (name, currency, exponent), minor in sorted(before.items())
            if minor
        ),
        opened_at=NOW + timedelta(days=5),
    )
