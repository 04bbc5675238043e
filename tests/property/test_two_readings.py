"""Two readings of the accounting model, written apart: the ledger's rules and the oracle's.

For any message that the outside may send both must tell the same facts. Where they part, one of
them is wrong, or the model is not clear.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from hypothesis import example, given, settings

from oracle.model import Books, model_of
from oracle.values import Position, Record
from services.ledger.activation.in_force import InForce
from services.ledger.decisions import Input
from services.ledger.posting_rules import decide
from shared.contracts.envelope import Envelope
from shared.contracts.errors import Refused
from shared.contracts.messages import OutcomeKind
from tests.support.outside_messages import Json, messages
from tests.unit.ledger.judged import obeyed

Facts = Mapping[str, Sequence[tuple[str, str, str, int]]]
AT = datetime(2026, 11, 3, tzinfo=UTC)


def ledgers_reading(topic: str, value: bytes) -> tuple[Facts, bool]:
    """What the ledger books, and whether it refused or parked anything."""
    kinds = {"stripe.events": "com.stripe.event", "stripe.objects": "com.stripe.object"}
    envelope = Envelope(
        id="m_1",
        source="test",
        type=kinds.get(topic, "com.tallystick.test.v1"),
        time=AT,
        data=value,
        extensions={"book": "main"},
    )
    try:
        decision = obeyed(decide(Input(topic, envelope, AT), InForce()), AT)
    except Refused:
        return {}, True
    facts = {
        str(entry.reference): sorted(
            (str(p.account), p.key, p.amount.currency.code, p.signed_minor) for p in entry.postings
        )
        for entry in decision.entries
    }
    return facts, any(r.outcome is OutcomeKind.REFUSED for r in decision.remarks)


def oracles_reading(topic: str, value: bytes) -> tuple[Facts, bool, set[str]]:
    """What must be booked, whether something cannot be, and what may or may not be booked."""
    record = Record(Position(topic, 0, 0), {"book": "main", "id": "m_1"}, value)
    model = model_of([record], Books())
    facts = {
        name.reference: sorted(
            (leg.account, leg.key, leg.currency, leg.minor) for leg in told[0].fact.legs
        )
        for name, told in model.tellings.items()
        if told[0].fact.is_sure
    }
    doubtful = {name.reference for name in model.tellings} - set(facts)
    return facts, bool(model.unreadable or model.refused), doubtful


@settings(max_examples=1500)
@given(messages)
@example(("stripe.events", {"object": "event"}))
def test_ledger_and_oracle_tell_the_same_facts_of_any_message(message: tuple[str, Json]) -> None:
    topic, told = message
    value = json.dumps(told).encode()
    booked, is_refused = ledgers_reading(topic, value)
    told_facts, must_be_refused, doubtful = oracles_reading(topic, value)
    assert {name: legs for name, legs in booked.items() if name not in doubtful} == told_facts
    assert is_refused or not must_be_refused
