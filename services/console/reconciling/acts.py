"""A request becomes an act about discrepancies or matches."""

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime

from pydantic import ValidationError

from services.console.intake import SOURCE, problems, request_said
from services.console.views import BadRequest
from shared.contracts.acts import RECONCILER_ACT, Act
from shared.contracts.envelope import Envelope
from shared.contracts.schemas import type_of


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
    said = request_said(body, book=book, idempotency_key=idempotency_key, actor=actor)
    try:
        act = RECONCILER_ACT.validate_json(said)
    except ValidationError as error:
        raise BadRequest(problems(error)) from None
    told_again = act.model_dump(mode="json", exclude_defaults=True) | {"kind": act.kind}
    content = json.dumps(told_again, sort_keys=True, separators=(",", ":")).encode()
    return AskedAct(act, "act_" + hashlib.sha256(content).hexdigest()[:32])
