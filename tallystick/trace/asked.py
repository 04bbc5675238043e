"""What a trace is asked for: an account, an entry or a message, as a person writes it."""

import re
from dataclasses import dataclass
from typing import Final

from services.ledger.shell.reading.tracing import Figure
from shared.contracts.errors import AccountInvalid
from shared.contracts.journal import ROOTS, account

_POSITION: Final = re.compile(r"([a-z0-9._-]+)/([0-9]{1,5})([@#])([0-9]{1,18})", re.ASCII)
_FIGURE: Final = re.compile(
    r"(?P<account>[^\[\]/\s]+)(?:\[(?P<key>.+)\]|/(?P<other>\S+))?(?:\s+(?P<currency>[A-Za-z0-9]{2,10}))?"
)
_REFERENCE: Final = re.compile(r"[a-z][a-z0-9_-]*:\S.*")


@dataclass(frozen=True, slots=True)
class Message:
    """A message by its position."""

    topic: str
    partition: int
    offset: int


@dataclass(frozen=True, slots=True)
class Link:
    """An entry by its place in a chain."""

    topic: str
    partition: int
    sequence: int


@dataclass(frozen=True, slots=True)
class Reference:
    """An entry by its reference."""

    name: str


Asked = Message | Link | Reference | Figure


def asked(text: str) -> Asked:
    """What a text asks for.

    ``stripe.events/3@17`` is a message, ``stripe.events/3#12`` an entry by its place, what begins
    with a root of the chart is an account, with ``[key]`` or ``/key`` and a currency behind it as
    one likes, and any other text with a colon is a reference.

    Raises:
        ValueError: It is none of these.
    """
    text = text.strip()
    place = _POSITION.fullmatch(text)
    if place is not None:
        of = Message if place[3] == "@" else Link
        return of(place[1], int(place[2]), int(place[4]))
    if text.split(":", 1)[0] in ROOTS:
        return _figure(text)
    if _REFERENCE.fullmatch(text):
        return Reference(text)
    raise ValueError(
        f"{text[:100]!r} is no figure: write an account (assets:stripe:settling[ch_1], USD behind"
        " it if you like), a reference (stripe:payment:ch_1), an entry (stripe.events/3#12) or a"
        " message (stripe.events/3@17)"
    )


def _figure(text: str) -> Figure:
    found = _FIGURE.fullmatch(text)
    if found is None:
        raise ValueError(f"{text[:100]!r} is no account: write assets:stripe:settling[ch_1] USD")
    try:
        name = account(found["account"])
    except AccountInvalid as error:
        raise ValueError(str(error)) from None
    currency = found["currency"]
    key = found["key"] or found["other"]
    return Figure(name, key, None if currency is None else currency.lower())
