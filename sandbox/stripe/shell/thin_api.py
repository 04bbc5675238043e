"""The second API's events, ``/v2/core/events``: thin twins of all that was told."""

from collections.abc import Mapping

from sandbox.stripe.facts import Event
from sandbox.stripe.queries import StripeRefusal
from sandbox.stripe.shapes.thin import thin_event, thin_id
from sandbox.stripe.store import Store
from sandbox.world.jsons import JsonObject

LIMIT_DEFAULT = 20
LIMIT_MAX = 100


def one(store: Store, event_id: str, owner: str) -> JsonObject:
    """A thin event by its id.

    Raises:
        StripeRefusal: There is none of this account.
    """
    for event in _of(store, owner):
        if thin_id(event, store.dice) == event_id:
            return thin_event(event, store.dice, platform=store.account)
    raise StripeRefusal(404, f"No such event: '{event_id}'", code="not_found")


def listed(store: Store, asked: Mapping[str, str], owner: str) -> JsonObject:
    """A page of thin events, newest first; ``page`` is where it begins.

    Raises:
        StripeRefusal: A limit or a page that is none.
    """
    limit, start = _number(asked, "limit", LIMIT_DEFAULT), _number(asked, "page", 0)
    if not 1 <= limit <= LIMIT_MAX:
        raise StripeRefusal(400, f"limit must be from 1 to {LIMIT_MAX}", param="limit")
    wanted = asked.get("object_id")
    found = [
        event for event in reversed(_of(store, owner)) if wanted in (None, event.data.get("id"))
    ]
    shown = found[start : start + limit]
    more = start + limit < len(found)
    query = "" if wanted is None else f"&object_id={wanted}"
    return {
        "data": [thin_event(event, store.dice, platform=store.account) for event in shown],
        "next_page_url": f"/v2/core/events?limit={limit}&page={start + limit}{query}"
        if more
        else None,
        "previous_page_url": f"/v2/core/events?limit={limit}&page={max(0, start - limit)}{query}"
        if start
        else None,
    }


def _of(store: Store, owner: str) -> list[Event]:
    return [event for event in store.events_from(0) if event.owner == owner]


def _number(asked: Mapping[str, str], name: str, default: int) -> int:
    text = asked.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise StripeRefusal(400, f"Invalid {name}: {text}", param=name)
    return int(text)
