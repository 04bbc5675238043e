"""A request becomes an act about discrepancies or matches."""

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from pydantic import ValidationError

from services.console.intake import SOURCE, problems
from services.console.views import BadRequest, Json
from shared.contracts.acts import RECONCILER_ACT, Act
from shared.contracts.commands import KEY_LENGTH_MAX, command_key
from shared.contracts.envelope import Envelope
from shared.contracts.schemas import type_of

_SAID_ELSEWHERE: Final = ("book", "idempotency_key", "actor")


@dataclass(frozen=True, slots=True)
class AskedAct:
    """An act and the message that carries it; the same request twice is the same message."""

    act: Act
    message_id: str

    @property
    def id(self) -> str:
        """What the act is called in its book: its actor and the actor's key, as one."""
        return self.act.idempotency_key

    @property
    def book(self) -> str:
        """The book that it is about."""
        return self.act.book

    @property
    def key(self) -> bytes:
        """The record's key."""
        return f"{self.act.book}|{self.act.idempotency_key}".encode()

    def envelope(self, at: datetime) -> Envelope:
        """The message."""
        return Envelope(
            id=self.message_id,
            source=SOURCE,
            type=type_of(type(self.act)),
            time=at,
            data=self.act.model_dump_json().encode(),
            subject=self.act.kind,
            extensions={"book": self.act.book},
        )


def asked_act(body: bytes, *, book: str, idempotency_key: str, actor: str) -> AskedAct:
    """The act that a request asks for; a key is its actor's own.

    Raises:
        BadRequest: No key, no JSON object, a field that the address or the token says, or no act.
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
    said: Json = {
        **told,
        "book": book,
        "idempotency_key": command_key(actor, idempotency_key),
        "actor": actor,
    }
    try:
        act = RECONCILER_ACT.validate_json(json.dumps(said))
    except ValidationError as error:
        raise BadRequest(problems(error)) from None
    told_again = act.model_dump(mode="json", exclude_defaults=True) | {"kind": act.kind}
    content = json.dumps(told_again, sort_keys=True, separators=(",", ":")).encode()
    return AskedAct(act, "act_" + hashlib.sha256(content).hexdigest()[:32])
