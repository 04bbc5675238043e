"""A match that posts a difference by its name: the fee is an expense, and nothing stays open."""

from textwrap import dedent

import pytest

from services.ledger.activation.in_force import InForce
from services.ledger.posting_rules import decide
from services.reconciler.findings.found import Match
from services.reconciler.reconcile import reconcile
from shared.contracts import topics
from shared.contracts.messages import MatchMade, MatchUndone
from tests.support.reconciler_facts import LATER, A, facts_of, line, payout
from tests.unit.ledger.telling import Json, books, told


def the_match(text: str, due: int, minor: int) -> Match:
    facts = facts_of((payout(minor=due), line(f"STRIPE {A} {text}", minor)))
    (match,) = reconcile(facts, at=LATER).matches
    return match


def booked(record: MatchMade | MatchUndone) -> str:
    value: Json = record.model_dump(mode="json")
    entry = books(decide(told(topics.MATCHES, value), InForce()))
    return "\n".join(entry.splitlines()[1:])


@pytest.mark.parametrize(
    ("text", "due", "minor", "wanted"),
    [
        (
            "LESS CHARGES", 10_000, 9_900,
            """\
            Dr expenses:bank-fees                                        1.00 USD
            Dr liabilities:suspense[l1]                                 99.00 USD
            Cr assets:stripe:in-transit[po_1QK7mWLkdIwHu7ixRt5vXa2B]  100.00 USD""",
        ),
        (
            "FX RATE 1.08", 10_000, 10_050,
            """\
            Dr liabilities:suspense[l1]                                100.50 USD
            Cr expenses:exchange                                         0.50 USD
            Cr assets:stripe:in-transit[po_1QK7mWLkdIwHu7ixRt5vXa2B]  100.00 USD""",
        ),
    ],
)  # fmt: skip
def test_difference_is_booked_on_the_account_of_its_name(
    text: str, due: int, minor: int, wanted: str
) -> None:
    made = the_match(text, due, minor).made(1)

    def legs(lines: str) -> list[list[str]]:
        return sorted(each.split() for each in lines.splitlines())

    assert legs(booked(made)) == legs(dedent(wanted))


def test_undoing_takes_the_fee_back_as_well() -> None:
    made = the_match("LESS CHARGES", 10_000, 9_900).made(1)
    undone = MatchUndone(
        id=made.id,
        revision=1,
        match_kind=made.match_kind,
        book=made.book,
        effective_at=made.effective_at,
        clears=made.clears,
        reason="a stronger reference came",
    )
    assert "Cr expenses:bank-fees" in booked(undone)
