"""A request becomes an act, the same request the same message; sign-offs hold together."""

import json
from typing import Any

import pytest

from services.console.reconciling.acts import asked_act
from services.console.reconciling.chain import GENESIS, broken_link, digest_of
from services.console.views import BadRequest

ACK = {"kind": "discrepancies", "act": "acknowledge", "discrepancies": ["dsc_1"]}


def ask(told: object, *, key: str = "k1", actor: str = "ada") -> Any:
    return asked_act(json.dumps(told).encode(), book="main", idempotency_key=key, actor=actor)


def test_request_becomes_an_act_of_its_book_key_and_actor() -> None:
    asked = ask(ACK)
    assert (asked.book, asked.id, asked.act.actor) == ("main", "ada:k1", "ada")
    assert asked.key == b"main|ada:k1"


def test_message_is_a_function_of_what_is_asked() -> None:
    assert ask(ACK).message_id == ask(ACK | {"note": ""}).message_id
    assert ask(ACK).message_id != ask(ACK | {"note": "why"}).message_id
    assert ask(ACK).message_id != ask(ACK, actor="eve").message_id


@pytest.mark.parametrize(
    "told",
    [
        [],
        {"kind": "nothing"},
        ACK | {"actor": "eve"},
        ACK | {"discrepancies": []},
        ACK | {"act": "resolve"},
        {"kind": "write_off", "reason": "r", "items": [{"object": "po_1", "account": "assets:x"}]},
        {"kind": "match_by_hand", "matches": [], "force": False},
        {
            "kind": "match_by_hand",
            "force": True,
            "matches": [{"lines": [{"account": "a", "id": "l"}], "objects": [{"object": "po"}]}],
        },
    ],
)
def test_request_that_is_no_act_is_refused(told: object) -> None:
    with pytest.raises(BadRequest):
        ask(told)


def signed(through: str, previous: str) -> dict[str, Any]:
    told: dict[str, Any] = {
        "account": "ops", "currency": "usd", "through": through, "bank_minor": "100",
        "previous": previous,
    }  # fmt: skip
    return told | {"digest": digest_of(told)}


def test_chain_of_sign_offs_holds_until_one_is_changed_or_left_out() -> None:
    first = signed("2026-10-31", GENESIS)
    second = signed("2026-11-30", first["digest"])
    assert broken_link([first, second]) == ""
    assert "does not follow" in broken_link([second])
    assert "not those that were signed" in broken_link([first | {"bank_minor": "101"}, second])
    other = signed("2026-11-30", GENESIS) | {"account": "second"}
    assert broken_link([first, other | {"digest": digest_of(other)}]) == ""
