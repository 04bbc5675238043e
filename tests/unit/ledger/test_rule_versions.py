"""Old versions of the rules stay callable when a later one changes some of them."""

from dataclasses import fields

import pytest

from services.ledger.activation.in_force import InForce
from services.ledger.activation.rule_versions import LATEST, RULES
from services.ledger.decisions import RULES_VERSION
from services.ledger.posting_rules import Decision, decide
from shared.contracts import topics
from shared.contracts.errors import InvariantBroken
from tests.support.later_rules import LATER_RULES, THREE
from tests.unit.ledger.telling import Json, books, charge, moved, refund, told


def under(version: int, shown: Json) -> Decision:
    return decide(told(topics.STRIPE_OBJECTS, shown), InForce(rules_version=version), LATER_RULES)


def test_later_version_books_by_the_rule_it_replaces() -> None:
    assert "Dr revenue:refunds" in books(under(2, refund()))
    assert "Dr revenue:stripe" in books(under(3, refund()))


def test_later_version_keeps_every_rule_that_it_does_not_replace() -> None:
    kept = [f.name for f in fields(THREE) if getattr(THREE, f.name) == getattr(LATEST, f.name)]
    assert sorted({f.name for f in fields(THREE)} - set(kept)) == ["refund", "version"]
    assert books(under(2, charge())) == books(under(3, charge()))


def test_version_after_the_next_has_what_both_changed() -> None:
    assert "Dr revenue:stripe" in books(under(4, refund()))
    shown = moved("tax_fund", -500)
    assert "liabilities:suspense" in books(under(3, shown))
    assert "expenses:stripe-fees" in books(under(4, shown))


@pytest.mark.parametrize("version", [1, 2, 3, 4])
def test_entry_carries_the_version_that_made_it(version: int) -> None:
    for shown in (charge(), refund(), moved("payout", -500)):
        assert {e.rules_version for e in under(version, shown).entries} == {version}


def test_version_that_the_program_does_not_know_stops_it() -> None:
    with pytest.raises(InvariantBroken, match=r"version 9 is in force.* 1, 2, 3, 4"):
        under(9, charge())


def test_new_installation_begins_with_the_latest_version() -> None:
    assert max(RULES) == RULES_VERSION == LATEST.version
    assert all(number == table.version for number, table in RULES.items())
