import hashlib
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from services.console.intake import Answer, answer, asked
from services.console.views import BadRequest
from shared.contracts.commands import BookManualEntry

BODY: dict[str, Any] = {  # Any: JSON
    "kind": "manual_entry",
    "effective_at": "2026-11-03T00:00:00Z",
    "postings": [
        {
            "account": "assets:bank:main",
            "side": "debit",
            "amount": {"minor": "500", "currency": "usd", "exponent": 2},
        },
        {
            "account": "equity:owner",
            "side": "credit",
            "amount": {"minor": "500", "currency": "usd", "exponent": 2},
        },
    ],
    "reason": "opening",
}


def ask(body: object = BODY, key: str = "k1", actor: str = "ada") -> Any:  # Any: a test's shorthand
    return asked(json.dumps(body).encode(), book="main", idempotency_key=key, actor=actor)


def test_request_becomes_a_command_of_its_book_key_and_actor() -> None:
    command = ask().command
    assert isinstance(command, BookManualEntry)
    assert (command.book, command.idempotency_key, command.actor) == ("main", "ada:k1", "ada")


def test_message_id_is_of_what_is_asked_under_which_key_of_whom() -> None:
    assert ask().message_id == ask().message_id
    others = [ask(), ask(key="k2"), ask(BODY | {"reason": "x"}), ask(actor="bob")]
    assert len({each.message_id for each in others}) == 4


def test_two_actors_with_one_key_ask_for_two_things() -> None:
    assert ask(actor="ada").id != ask(actor="bob").id
    assert ask(actor="a:b", key="c").id != ask(actor="a", key="b:c").id


def test_field_that_is_left_out_and_one_that_has_its_default_are_one_request() -> None:
    assert ask(BODY | {"floor": False, "description": ""}).message_id == ask().message_id
    assert ask(BODY | {"floor": True}).message_id != ask().message_id
    assert b"floor" not in ask().envelope(datetime.now(UTC)).data


def test_request_knows_what_it_was_called_when_a_key_was_its_books() -> None:
    # As it was named then: the whole command but its actor, in the order of its fields then.
    said = (
        '{"idempotency_key":"k1","book":"main","reason":"opening","kind":"manual_entry",'
        '"effective_at":"2026-11-03T00:00:00Z","postings":['
        '{"account":"assets:bank:main","side":"debit","amount":{"minor":"500","currency":"usd",'
        '"exponent":2},"key":""},'
        '{"account":"equity:owner","side":"credit","amount":{"minor":"500","currency":"usd",'
        '"exponent":2},"key":""}],"description":""}'
    )
    before = ask().before
    assert before.key == "k1"
    assert before.message_id == "cmd_" + hashlib.sha256(said.encode()).hexdigest()[:32]


@pytest.mark.parametrize(
    "body",
    [[], None, "x", {}, BODY | {"kind": "close_book"}, BODY | {"colour": "blue"},
     BODY | {"book": "other"}, BODY | {"actor": "root"}, BODY | {"idempotency_key": "k9"},
     BODY | {"effective_at": "2026-11-03T00:00:00"}, BODY | {"postings": 5}],
)  # fmt: skip
def test_request_that_is_no_command_is_refused(body: object) -> None:
    with pytest.raises(BadRequest):
        ask(body)


@pytest.mark.parametrize("key", ["", "k" * 501, "k\x00", "é", "a\nb"])
def test_request_without_a_usable_key_is_refused(key: str) -> None:
    with pytest.raises(BadRequest, match="Idempotency-Key"):
        ask(key=key)


@pytest.mark.parametrize("minor", [12.5, 1250, "NaN", "-0", "0012", "1e3", "1" * 40, None])
def test_amount_that_is_none_is_refused_with_the_form_that_it_has(minor: object) -> None:
    amount = {"minor": minor, "currency": "usd", "exponent": 2}
    legs = [BODY["postings"][0] | {"amount": amount}, BODY["postings"][1]]
    with pytest.raises(BadRequest, match="minor: an amount is a whole number"):
        ask(BODY | {"postings": legs})


def test_refusal_never_repeats_what_was_sent() -> None:
    with pytest.raises(BadRequest) as refused:
        ask(BODY | {"postings": [{"account": 7, "side": "sk_live_secret"}]})
    assert "sk_live_secret" not in str(refused.value)


def row(outcome: str, message_id: str = "cmd_1") -> dict[str, Any]:  # Any: a row
    return {
        "outcome": outcome, "detail": "why", "reference": None, "decided": None, "message_id": message_id,
        "topic": "ledger.commands", "partition": 0, "offset": 1,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("rows", "is_before", "expected"),
    [
        ([], True, Answer.PENDING),
        ([], False, Answer.PENDING),
        ([row("accepted")], True, Answer.REPLAYED),
        ([row("accepted")], False, Answer.BOOKED),
        ([row("refused")], True, Answer.REFUSED),
        ([row("refused")], False, Answer.REFUSED),
        ([row("accepted", "cmd_0")], True, Answer.CONFLICT),
        ([row("refused", "cmd_0")], True, Answer.CONFLICT),
        ([row("accepted", "cmd_0"), row("conflict")], False, Answer.CONFLICT),
        ([row("accepted"), row("conflict", "cmd_0")], True, Answer.REPLAYED),
        ([row("conflict", "cmd_0")], False, Answer.PENDING),
    ],
)
def test_answer_tells_what_became_of_the_command(
    rows: list[dict[str, Any]],  # Any: rows
    is_before: bool,  # noqa: FBT001  # a parameter of the table
    expected: Answer,
) -> None:
    assert answer(rows, "cmd_1", is_before=is_before)[0] is expected
