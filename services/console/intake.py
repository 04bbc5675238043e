"""A request becomes a command, and an outcome becomes an answer."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from typing import Any, Final

from pydantic import ValidationError

from services.console.views import BadRequest, Json
from shared.contracts.commands import KEY_LENGTH_MAX, LEDGER_COMMAND, Command, command_key
from shared.contracts.envelope import Envelope
from shared.contracts.schemas import type_of

SOURCE: Final = "tallystick/console"
_AMOUNT_FORM: Final = (
    'an amount is a whole number of minor units, written as text: "1250" is 12.50 usd'
)
_SAID_ELSEWHERE: Final = ("book", "idempotency_key", "actor")


class Answer(IntEnum):
    """The status that tells what became of a command."""

    BOOKED = 201
    REPLAYED = 200
    PENDING = 202
    CONFLICT = 409
    REFUSED = 422


@dataclass(frozen=True, slots=True)
class Before:
    """What the same request was called when a key was its book's, whoever used it."""

    key: str
    message_id: str


@dataclass(frozen=True, slots=True)
class Asked:
    """A command and the message that carries it.

    The message's id is a function of what is asked: the same request twice is the same message, and
    another request under the same key is another.
    """

    command: Command
    message_id: str
    before: "Before"

    @property
    def id(self) -> str:
        """What the command is called in its book: its actor and the actor's key, as one."""
        return self.command.idempotency_key

    @property
    def key(self) -> bytes:
        """The record's key."""
        return f"{self.command.book}|{self.command.idempotency_key}".encode()

    def envelope(self, at: datetime) -> Envelope:
        """The message."""
        return Envelope(
            id=self.message_id,
            source=SOURCE,
            type=type_of(type(self.command)),
            time=at,
            data=_content(self.command),
            extensions={"book": self.command.book},
        )


def asked(body: bytes, *, book: str, idempotency_key: str, actor: str) -> Asked:
    """The command that a request asks for; a key is its actor's own.

    Raises:
        BadRequest: No key, no JSON object, a field that the address or the token says, or a
            command that is none.
    """
    said = request_said(body, book=book, idempotency_key=idempotency_key, actor=actor)
    try:
        command = LEDGER_COMMAND.validate_json(said)
    except ValidationError as error:
        raise BadRequest(problems(error)) from None
    return Asked(command, _message_id(_content(command)), _before(command, idempotency_key))


def request_said(body: bytes, *, book: str, idempotency_key: str, actor: str) -> bytes:
    """What a request says as JSON: its body, with what its address, header and token say.

    Raises:
        BadRequest: No key, no JSON object, or a field that is said elsewhere.
    """
    is_plain = idempotency_key.isascii() and idempotency_key.isprintable()
    if not is_plain or not 1 <= len(idempotency_key) <= KEY_LENGTH_MAX:
        raise BadRequest(f"Idempotency-Key: 1 to {KEY_LENGTH_MAX} printable ASCII characters")
    try:
        told: Any = json.loads(body)  # Any: JSON
    except (ValueError, RecursionError):
        raise BadRequest("the body is no JSON") from None
    if not isinstance(told, dict):
        raise BadRequest("the body is no JSON object")
    for name in _SAID_ELSEWHERE:
        if name in told:
            raise BadRequest(f"{name}: said by the address, the header and the token, not here")
    key = command_key(actor, idempotency_key)
    return json.dumps({**told, "book": book, "idempotency_key": key, "actor": actor}).encode()


def _content(command: Command) -> bytes:
    """What a command says: a field that has its default is left out.

    So a request says the same when its kind has got another field, and is known when it is sent
    again after that.
    """
    named = {"kind": command.kind, "book": command.book}
    told = command.model_dump(mode="json", exclude_defaults=True, exclude=set(named))
    return json.dumps(named | told, sort_keys=True, separators=(",", ":")).encode()


def _before(command: Command, key: str) -> Before:
    told = command.model_copy(update={"idempotency_key": key})
    content = told.model_dump_json(exclude={"actor", "floor"})
    return Before(key, _message_id(content.encode()))


def _message_id(content: bytes) -> str:
    return "cmd_" + hashlib.sha256(content).hexdigest()[:32]


def answer(
    outcomes: Iterable[Mapping[str, Any]],  # Any: rows of a view
    message_id: str,
    *,
    is_before: bool,
) -> tuple[Answer, Json]:
    """What became of a command, from the outcomes under its key, the first first.

    ``is_before`` says that it was not sent yet: what is found is the answer to an earlier one.
    """
    first: Mapping[str, Any] | None = None  # Any: as above
    for row in outcomes:
        if first is None and row["outcome"] != "conflict":
            first = row
        if row["message_id"] != message_id:
            continue
        match row["outcome"]:
            case "accepted":
                return (Answer.REPLAYED if is_before else Answer.BOOKED), _told(row)
            case "refused":
                return Answer.REFUSED, _told(row)
            case _:
                return Answer.CONFLICT, _told(row)
    if first is not None:
        return Answer.CONFLICT, _told(first) | {
            "reason": "this Idempotency-Key was used for another command"
        }
    return Answer.PENDING, {}


def _told(row: Mapping[str, Any]) -> Json:  # Any: a row of a view
    return {
        "outcome": row["outcome"],
        "reason": row["detail"],
        "reference": row["reference"],
        "decided": row["decided"],
        "position": {
            "topic": row["topic"],
            "partition": row["partition"],
            "offset": row["offset"],
        },
    }


def problems(error: ValidationError) -> str:
    """What is wrong, by field; never the value."""
    found = (
        f"{'.'.join(map(str, problem['loc'])) or 'body'}: "
        + (_AMOUNT_FORM if problem["loc"][-1:] == ("minor",) else problem["msg"])
        for problem in error.errors(include_input=False, include_url=False, include_context=False)
    )
    return "; ".join(sorted(set(found)))
