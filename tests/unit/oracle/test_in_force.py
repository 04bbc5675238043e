"""What was put in force, read from commands and the positions on record, decides what is booked."""

import json
from typing import Final

import pytest

from oracle.journal import Books as Moment
from oracle.model import Books, PutInForce, model_of
from oracle.values import CannotDecide, Position, Record
from tests.unit.ledger.invoicing import invoice, line

OBJECTS: Final = ("stripe.objects", 0)
COMMAND: Final = Position("ledger.commands", 0, 0)


def told(value: object, position: Position) -> Record:
    return Record(position, {"id": f"m_{position}", "book": "main"}, json.dumps(value).encode())


def billed(offset: int) -> Record:
    shown = invoice(line(id=f"il_{offset}", days=30), id=f"in_{offset}")
    return told(shown, Position(*OBJECTS, offset))


def asked(what: str, value: object) -> Record:
    command = {"kind": "activate", "idempotency_key": "k", "book": "main"}
    return told(command | {"what": what, "value": value}, COMMAND)


def invoiced(records: list[Record], *decided: PutInForce) -> list[int]:
    model = model_of(records, Books(), decided)
    return sorted(
        told.position.offset
        for tellings in model.tellings.values()
        for told in tellings
        if told.position.topic == "stripe.objects"
    )


def test_invoice_is_money_from_the_position_on_from_which_accrual_is_in_force() -> None:
    decided = PutInForce(1, COMMAND, {OBJECTS: 1})
    records = [billed(0), asked("basis", "accrual"), billed(1), billed(2)]
    assert invoiced(records) == []
    assert invoiced(records, decided) == [1, 2]


def test_what_the_books_began_with_counts_more_than_the_file() -> None:
    began = {
        "rules_version": 1,
        "book_map": {"books": [{"name": "main"}]},
        "charts": {},
        "bases": {"main": "accrual"},
    }
    records = [asked("genesis", began), billed(0)]
    assert invoiced(records, PutInForce(1, COMMAND, {})) == [0]


def test_what_is_in_force_before_its_command_was_read_holds_and_the_command_tells_nothing() -> None:
    records = [asked("basis", "accrual"), billed(0), billed(1)]
    decided = PutInForce(1, COMMAND, {})
    model = model_of(records, Books(), [decided], {OBJECTS: 1})
    told = [each.position for tellings in model.tellings.values() for each in tellings]
    assert told == [Position(*OBJECTS, 0)]
    assert model.records == {OBJECTS[0]: 1}


def test_command_past_what_was_read_is_within_reach() -> None:
    moment = Moment((), {}, {}, {}, {OBJECTS: 7}, (), put_in_force=(PutInForce(1, COMMAND, {}),))
    assert moment.reach == {OBJECTS: 7, (COMMAND.topic, COMMAND.partition): 1}


def test_book_map_leaves_the_basis_of_a_known_book_as_it_is() -> None:
    later = Position("ledger.commands", 0, 1)
    mapped = {"kind": "activate", "idempotency_key": "k2", "book": "main", "what": "book_map"}
    map_of_two = {"books": [{"name": "main", "basis": "cash"}, {"name": "other"}]}
    records = [
        asked("basis", "accrual"),
        told(mapped | {"value": map_of_two}, later),
        billed(0),
    ]
    assert invoiced(records, PutInForce(1, COMMAND, {}), PutInForce(2, later, {})) == [0]


def test_event_that_is_repeated_since_is_not_asked_again_and_one_that_was_sent_again_is() -> None:
    shown = invoice(line(id="il_1", days=30))
    value = {"id": "evt_1", "object": "event", "type": "x", "created": 1, "data": {"object": shown}}
    records = [asked("basis", "accrual")]
    records += [told(value, Position("stripe.events", 0, offset)) for offset in range(3)]
    marked = {"id": "m", "book": "main", "redriveattempt": "1"}
    records.append(Record(Position("stripe.events", 0, 3), marked, records[-1].value))
    decided = PutInForce(1, COMMAND, {("stripe.events", 0): 1})
    (tellings,) = model_of(records, Books(), [decided]).tellings.values()
    assert [(each.position.offset, each.fact.is_sure) for each in tellings] == [
        (1, False), (2, False), (3, True),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("records", "said"),
    [
        ([billed(0)], "has no command"),
        ([asked("rules_version", 9)], "no reading of rules version 9"),
        ([asked("mood", "good")], "nothing that can be put in force"),
    ],
)
def test_what_the_oracle_cannot_read_is_not_decided(records: list[Record], said: str) -> None:
    with pytest.raises(CannotDecide, match=said):
        model_of(records, Books(), [PutInForce(1, COMMAND, {})])
