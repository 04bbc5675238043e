"""The hash chain: whatever is changed, left out, put in or swapped is found."""

from datetime import UTC, datetime

import pytest

from services.ledger.proof.hash_chain import GENESIS, chain_next, digest_on_wire, first_break
from shared.contracts.journal import Direction
from shared.contracts.messages import EntryBooked, Position, entry_booked
from tests.unit.ledger.telling import NOW, charge, of_event

ORIGIN = "stripe.events/3"


def chain(count: int) -> list[EntryBooked]:
    records: list[EntryBooked] = []
    head = GENESIS
    for number in range(1, count + 1):
        entry = of_event(charge(id=f"ch_{number}")).entries[0]
        head = chain_next(
            head,
            origin=ORIGIN,
            sequence=number,
            digest=entry.digest(),
            book=entry.book,
            reference=entry.reference,
            kind=entry.kind,
            effective_at=entry.effective_at,
            recorded_at=NOW,
            offset=number * 10,
            message_id=f"evt_{number}",
            rules_version=entry.rules_version,
            reverses=entry.reverses,
            description=entry.description,
        )
        records.append(
            entry_booked(
                entry,
                caused_by=Position(topic="stripe.events", partition=3, offset=number * 10),
                message_id=f"evt_{number}",
                recorded_at=NOW,
                sequence=number,
                chain=head.hex(),
            )
        )
    return records


CHAIN = chain(5)


def test_chain_that_nobody_touched_holds() -> None:
    assert first_break(CHAIN) is None


def test_chain_holds_when_records_repeat() -> None:
    assert first_break([*CHAIN[:3], *CHAIN[1:]]) is None


def test_chain_read_back_from_its_topic_holds() -> None:
    assert first_break(EntryBooked.model_validate_json(r.model_dump_json()) for r in CHAIN) is None


def test_digest_on_the_wire_is_the_entry_s_own() -> None:
    entry = of_event(charge(id="ch_1")).entries[0]
    assert digest_on_wire(CHAIN[0]) == entry.digest()


@pytest.mark.parametrize(
    "change",
    [
        {"book": "other"},
        {"reference": "stripe:payment:ch_9"},
        {"kind": "refund"},
        {"effective_at": datetime(2020, 1, 1, tzinfo=UTC)},
        {"recorded_at": datetime(2020, 1, 1, tzinfo=UTC)},
        {"description": "else"},
        {"reverses": "stripe:payment:ch_1"},
        {"rules_version": 9},
        {"message_id": "evt_9"},
        {"caused_by": Position(topic="stripe.events", partition=3, offset=1)},
        {"postings": ()},
        {"postings": (CHAIN[2].postings[0].model_copy(update={"direction": Direction.CREDIT}),)},
        {"chain": "00" * 32},
    ],
)
def test_chain_breaks_at_the_first_record_that_was_changed(change: dict[str, object]) -> None:
    records = [*CHAIN[:2], CHAIN[2].model_copy(update=change), *CHAIN[3:]]
    found = first_break(records)
    assert found is not None
    assert (found.origin, found.sequence) == (ORIGIN, 3)


def test_chain_breaks_where_a_record_is_missing() -> None:
    found = first_break([*CHAIN[:2], *CHAIN[3:]])
    assert found is not None
    assert found.sequence == 4


def test_chain_breaks_where_two_records_are_swapped() -> None:
    assert first_break([CHAIN[1], CHAIN[0]]) is not None


def test_chains_of_two_origins_are_held_apart() -> None:
    other = [r.model_copy(update={"origin": "stripe.events/4"}) for r in CHAIN]
    found = first_break([CHAIN[0], other[0]])
    assert found is not None
    assert found.origin == "stripe.events/4"
