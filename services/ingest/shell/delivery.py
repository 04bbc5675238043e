"""One delivery on its way through the door, and what a connection is to it."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from services.ingest.admission import Admitted, Desk
from services.ingest.shell.answers import Answer

Named = Mapping[bytes, Sequence[bytes]]


class Caller(Protocol):
    """Where a delivery came from and its answer goes to."""

    peer: str  # the address at the other end of the socket, as ``address_text`` writes it

    def reply(self, answer: Answer) -> None:
        """Answer the open request; of who has left nothing is to be told."""


class Delivery:
    """One delivery: whose it is, when it began, its body as far as it came.

    Told apart by identity: it is a parcel of the outbox.
    """

    __slots__ = (
        "began_at",
        "body_bytes",
        "body_sha256",
        "caller",
        "came_bytes",
        "desk",
        "is_answered",
        "is_too_large",
        "judged_at",
        "named",
        "parts",
        "peer",
        "received_at",
        "timer",
        "told",
    )

    def __init__(
        self, caller: Caller, desk: Desk | None, peer: str, received_at: datetime, began_at: float
    ) -> None:
        self.caller = caller
        self.desk = desk
        self.peer = peer
        self.received_at = received_at
        # On the clock that only goes forward.
        self.began_at = began_at
        self.judged_at = 0.0
        self.named: Named = {}
        self.parts: list[bytes] = []
        self.came_bytes = 0
        self.is_too_large = False
        # Of the whole body: none while it is not there, or is too large to be kept.
        self.body_bytes = 0
        self.body_sha256 = ""
        # The time that its body has, where it did not come at once.
        self.timer: asyncio.TimerHandle | None = None
        self.told: Admitted | None = None
        self.is_answered = False

    @property
    def name(self) -> str:
        """Its endpoint; whatever somebody wrote into a path is not worth keeping for ever."""
        return self.desk.endpoint.name if self.desk is not None else ""

    def end_timer(self) -> None:
        """Its body is no longer waited for."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
