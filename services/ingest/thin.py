"""Thin events: what to ask Stripe for, of an event that names its object and shows none."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, cast

from services.ingest.event_body import json_value
from services.ingest.mirrored import Asked, asked_of

# The API key is sent to what the event names, so this decides where it may go: nowhere else
# than to Stripe's own API, and to nothing but an object there.
_PATH: Final = re.compile(r"/v[12](/[A-Za-z0-9_-][A-Za-z0-9_.-]*)+", re.ASCII)
_PATH_CHARACTERS_MAX: Final = 500
PAUSE_MAX: Final = timedelta(hours=6)
_DOUBLINGS_MAX: Final = 16


@dataclass(frozen=True, slots=True)
class Notification:
    """A thin event: the object to ask for, if there is one, and the context to ask in."""

    asked: Asked | None
    context: str


class NotResolvable(ValueError):
    """The event names something that cannot be asked for."""


def notification(body: bytes) -> Notification:
    """What a thin event on the topic names.

    Raises:
        NotResolvable: It names what is not a path of Stripe's API.
    """
    try:
        event = json_value(body)
    except ValueError:
        raise NotResolvable("the event is not JSON") from None
    if not isinstance(event, dict):
        raise NotResolvable("the event is not an object")
    fields = cast("dict[str, object]", event)
    context = fields.get("context")
    related = fields.get("related_object")
    if not isinstance(related, dict):
        return Notification(None, "")
    url = cast("dict[str, object]", related).get("url")
    if not isinstance(url, str) or len(url) > _PATH_CHARACTERS_MAX or not _PATH.fullmatch(url):
        raise NotResolvable("related_object.url is not a path of Stripe's API")
    return Notification(asked_of(url), context if isinstance(context, str) else "")


def next_try(at: datetime, *, tries: int, pause: timedelta) -> datetime:
    """When an event is resolved again: the pause doubles with each try, to six hours."""
    return at + min(PAUSE_MAX, pause * (1 << min(tries, _DOUBLINGS_MAX)))


def runs(offsets: Iterable[int], *, gap_max: int) -> Iterator[tuple[int, int]]:
    """Spans ``(from, before)`` that hold the offsets, and few others: near ones share a span."""
    begun: int | None = None
    last = 0
    for offset in sorted(set(offsets)):
        if begun is not None and offset - last > gap_max:
            yield begun, last + 1
            begun = None
        begun = offset if begun is None else begun
        last = offset
    if begun is not None:
        yield begun, last + 1
