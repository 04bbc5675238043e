"""Facts as JSON: exact there and back, and nothing in them that Postgres cannot keep."""

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from services.reconciler.facts.kinds import (
    Audited,
    BalanceTransaction,
    Booking,
    Concern,
    Fact,
    Leg,
    Line,
    Reading,
    StripeBalance,
    Transfer,
)
from services.reconciler.facts.known import Proof
from services.reconciler.rules.expectations import Expectation, Expected, Stage
from services.reconciler.shell.keeping.fact_json import (
    fact_of,
    fact_text,
    kind_of,
    proof_from,
    proof_text,
    storable,
)
from shared.contracts.discrepancies import DiscrepancyKind
from shared.contracts.observations import LineState

AT = datetime(2026, 11, 20, 12, 0, 0, 1, tzinfo=UTC)
LINE = Line("main", "l1", 1, LineState.POSTED, -(10**30), "usd", date(2026, 11, 20), "é “x”")
FACTS: tuple[Fact, ...] = (
    Expectation(
        id="po_1",
        what=Expected.PAYOUT,
        stage=Stage.PAID,
        minor=10**30,
        currency="usd",
        created=AT,
        arrival=date(2026, 11, 20),
        told_stage=Stage.PENDING,
        told_at=AT,
        traces=("a", "b"),
    ),
    LINE,
    Booking("stripe:payment:ch_1", "payment", AT, AT, (Leg("a:b", "k", "usd", -(10**30)),)),
    Transfer("tr_1", "ch_1"),
    BalanceTransaction("txn_1", "charge", "charge"),
    Concern(DiscrepancyKind.REFUND_FAILED, "re_1", 10**20, "usd"),
    Concern(DiscrepancyKind.MODE_MISMATCH, "evt_1"),
    Reading("main", -5, "usd", None, AT),
    StripeBalance("acct_1", "usd", 10**25, AT),
    Audited(DiscrepancyKind.EVENT_MISSING, "evt_1", stands=True, told_at=AT, evidence=("a",)),
)


@pytest.mark.parametrize("fact", FACTS, ids=lambda fact: type(fact).__name__)
def test_fact_written_and_read_again_is_the_same(fact: Fact) -> None:
    assert fact_of(kind_of(fact), fact_text(fact)) == fact
    assert storable(fact) is fact


def test_proof_written_and_read_again_is_the_same() -> None:
    proof = Proof("main", "usd", AT, 10**29, -(10**29), "r1")
    assert proof_from(proof_text(proof)) == proof


def test_fact_with_what_postgres_cannot_keep_is_cleaned() -> None:
    odd = replace(LINE, description="a\0b", reference="half \ud800 pair")
    clean = storable(odd)
    assert isinstance(clean, Line)
    assert (clean.description, clean.reference) == ("a b", "half ? pair")
    fact_text(clean).encode()
