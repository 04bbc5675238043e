"""Rules as data: what a file may say, what it may not, and what a changed one does."""

from datetime import date

import pytest

from services.reconciler.reconcile import reconcile
from services.reconciler.rules.expectations import Expected
from services.reconciler.rules.matching_rules import (
    RULES_FILE,
    MatchingRules,
    Pass,
    default_rules,
    rules_of,
)
from shared.contracts.errors import Unreadable
from tests.support.reconciler_facts import SOON, A, facts_of, line, payout, said, settled

TEXT = RULES_FILE.read_text("utf-8")


def changed(*pairs: tuple[str, str]) -> str:
    text = TEXT
    for old, new in pairs:
        assert old in text, old
        text = text.replace(old, new)
    return text


def with_rules(text: str, *known: object) -> tuple[dict[str, tuple[str, ...]], list[str]]:
    facts = facts_of(known)  # type: ignore[arg-type]  # facts, as the cases tell them
    rules = rules_of(text)
    told = type(facts)(
        book=facts.book, expectations=facts.expectations, lines=facts.lines, rules=rules
    )
    result = reconcile(told, at=SOON)
    assert all(m.rules_version == rules.id for m in result.matches)
    return settled(result), said(result)


def test_shipped_rules_run_every_pass_and_say_their_version() -> None:
    rules = default_rules()
    assert rules.passes == frozenset(Pass)
    assert rules.id.startswith(f"{rules.version}-")
    assert rules_of(TEXT).id == rules.id


def test_version_of_rules_changes_with_anything_that_they_say() -> None:
    assert rules_of(changed(("margin = 20", "margin = 21"))).id != default_rules().id
    assert rules_of(TEXT + "\n# a comment says nothing\n").id == default_rules().id


@pytest.mark.parametrize(
    ("pair", "why"),
    [
        (('    "reference", ', '    "closed", "reference", '), "one order"),
        (('    "other_amount", ', "    #"), "always run"),
        (('name = "standard"\n', 'name = "standard"\nmethods = ["standard"]\n'), "fit all"),
        (('name = "instant"\n', 'name = "standard"\n'), "rail named twice"),
        (('usd = "fed"', 'usd = "moon"'), "no such calendar"),
        (("late = 10", "late = 9"), "overdue after its window"),
        (('account = "expenses:bank-fees"', 'account = "assets:bank:main"'), "an expense"),
        (('account = "expenses:bank-fees"', 'account = "fees"'), "account"),
        (("amount_max = { usd", "amount_max = { xxq"), "unknown currency"),
        (("per_mille_max = 50", "per_mille_max = 900"), "per_mille_max"),
        (("margin = 20", "margin = 20\nmargins = 3"), "margins"),
        (("version = 1", "version = 0"), "version"),
        (("version = 1", "version ="), "not TOML"),
    ],
)
def test_rules_that_cannot_be_are_refused_with_the_reason(pair: tuple[str, str], why: str) -> None:
    with pytest.raises(Unreadable, match=why):
        rules_of(changed(pair))


def test_pass_that_a_file_leaves_out_does_not_run() -> None:
    known = (payout(), line("STRIPE"))
    assert with_rules(TEXT, *known)[0] == {"l1": (A,)}
    without = changed(('    "amount", ', "    # "))
    without = without.replace('    "assignment", ', "    # ")
    assert with_rules(without, *known) == ({}, ["unidentified_bank_credit l1 10000"])


def test_rail_says_the_window_by_currency_and_method() -> None:
    rules = default_rules()
    standard, instant = payout(), payout(method="instant")
    assert (rules.rail_of(standard).name, rules.rail_of(standard).early) == ("standard", 1)
    assert (rules.rail_of(instant).name, rules.rail_of(instant).early) == ("instant", 0)
    assert rules.rail_of(payout(what=Expected.TOPUP)).name == "topup"
    assert rules.rail_of(payout(currency="eur")).calendar.name == "target"
    assert rules.rail_of(payout(currency="sek")).calendar.name == "weekends"


def test_window_of_euros_passes_the_easter_holidays_and_that_of_dollars_does_not() -> None:
    arrival, late = date(2026, 4, 2), date(2026, 4, 13)
    for currency, comes in (("eur", True), ("usd", False)):
        told = (
            payout(currency=currency, arrival=arrival),
            line("STRIPE", currency=currency, on=late, account="any"),
        )
        facts = facts_of(told)
        from_anywhere = type(facts)(
            book=type(facts.book)(), expectations=facts.expectations, lines=facts.lines
        )
        assert bool(reconcile(from_anywhere, at=SOON).matches) is comes


@pytest.mark.parametrize(
    ("due", "minor", "currency", "words", "name"),
    [
        (100_000, 97_500, "usd", "less charges", "fee"),
        (100_000, 97_500, "usd", "stripe", None),  # nothing speaks of a fee
        (100_000, 94_000, "usd", "fee", None),  # more than 50 in a thousand
        (10_000_000, 9_990_000, "usd", "fee", None),  # more than 50.00
        (100_000, 101_000, "usd", "fee", None),  # over is no fee
        (100_000, 97_500, "sek", "fee", None),  # no bound is told for the currency
        (-100_000, -102_500, "usd", "fee", "fee"),
        (-100_000, -97_500, "usd", "fee", None),  # less was taken: nobody's fee
        (100_000, 101_000, "usd", "fx", "exchange"),
        (100_000, 99_000, "usd", "kurs", "exchange"),
        (100_000, 98_000, "usd", "fx", None),
        (100_000, -99_000, "usd", "fx", None),
    ],
)
def test_band_takes_in_what_its_bounds_and_words_say(
    due: int, minor: int, currency: str, words: str, name: str | None
) -> None:
    rules: MatchingRules = default_rules()
    band = rules.band_of(
        due_minor=due, minor=minor, currency=currency, words=frozenset(words.split())
    )
    assert (None if band is None else band.name) == name
