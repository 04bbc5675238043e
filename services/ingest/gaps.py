"""Gaps between Stripe's lists and the log: what was looked for, had, fetched, and still lacks.

Every id counts once:

    looked for = found at Stripe + on the log though Stripe does not list it
    found      = already had + fetched + still lacking
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from services.ingest.catch_up import DAY_SECONDS, Fields

EVENTS: Final = "events"
BALANCE_TRANSACTIONS: Final = "balance_transactions"
TYPES_MAX: Final = 20
# Stripe keeps its event list for so long; balance transactions it lists for ever.
EVENT_LIST_DAYS: Final = 30
MISSING_SHOWN_MAX: Final = 1_000
_TYPE_CHARACTERS_MAX: Final = 100


@dataclass(frozen=True, slots=True)
class Item:
    """One item of a list: its id, Stripe's time of it, its kind, and itself as told."""

    id: str
    created: int
    kind: str
    value: Fields


def item_of(value: Fields) -> Item | None:
    """The item of a list; ``None`` for what has no id or no time."""
    item_id, created, kind = value.get("id"), value.get("created"), value.get("type")
    if not isinstance(item_id, str) or type(created) is not int:
        return None
    if not 0 < len(item_id) <= 255 or not item_id.isprintable():
        return None
    return Item(item_id, created, kind if isinstance(kind, str) else "", value)


@dataclass(frozen=True, slots=True)
class Missing:
    """An item that Stripe lists and the log lacks.

    ``since`` is when we first saw that, by our clock. ``reason`` says why it cannot be fetched;
    empty, it is given its time to come by itself.
    """

    id: str
    created: int
    since: datetime
    reason: str = ""
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Tally:
    """What one look at a list gave."""

    found: int = 0
    already_had: int = 0
    fetched: int = 0
    still_lacking: int = 0
    unlisted: int = 0

    @property
    def looked_for(self) -> int:
        """Every id that there is by either side."""
        return self.found + self.unlisted

    def plus(self, other: "Tally") -> "Tally":
        """Both together."""
        return Tally(
            self.found + other.found,
            self.already_had + other.already_had,
            self.fetched + other.fetched,
            self.still_lacking + other.still_lacking,
            self.unlisted + other.unlisted,
        )


NOTHING: Final = Tally()


@dataclass(frozen=True, slots=True)
class Looked:
    """The report of one list of one account, within a window of Stripe's time.

    ``expected`` is how many the log has of what Stripe still lists.
    """

    account: str
    resource: str
    since: int
    until: int
    tally: Tally
    missing: tuple[Missing, ...] = ()
    expected: int = 0

    @property
    def is_suspiciously_empty(self) -> bool:
        """Whether Stripe listed nothing at all of a time of which the log has something."""
        return self.tally.found == 0 and self.expected > 0

    def closed(self, *, on_the_log: int, expected: int) -> "Looked":
        """The report once it is known how much of the window is on the log, fetched or not."""
        unlisted = max(0, on_the_log - self.tally.already_had - self.tally.fetched)
        return replace(self, tally=replace(self.tally, unlisted=unlisted), expected=expected)


def type_sets(types: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    """Types in as many sets as Stripe takes in one question; one empty set asks for all."""
    every = sorted(set(types))
    if not every:
        return ((),)
    return tuple(tuple(every[at : at + TYPES_MAX]) for at in range(0, len(every), TYPES_MAX))


def resource_of(types: Sequence[str]) -> str:
    """The name under which it is remembered how far the list of some types has been read."""
    if not types:
        return EVENTS
    return f"{EVENTS}/{hashlib.sha256(' '.join(sorted(types)).encode()).hexdigest()[:16]}"


def types_of(text: str) -> tuple[str, ...]:
    """Event types of a comma-separated list.

    Raises:
        ValueError: One is no plain type; Stripe's list takes no wildcards in a set.
    """
    found = tuple(word.strip() for word in text.split(",") if word.strip())
    for word in found:
        plain = word.replace(".", "").replace("_", "")
        if len(word) > _TYPE_CHARACTERS_MAX or not plain.isascii() or not plain.isalnum():
            raise ValueError(
                f"{word!r} is no event type; name them one by one, as charge.succeeded"
            )
    return found


def reach(since: int, *, now: int, margin_days: int = 0) -> int:
    """From when on Stripe's event list tells of a window that begins at ``since``."""
    return max(since, now - (EVENT_LIST_DAYS - margin_days) * DAY_SECONDS)


def longest_seconds(missing: Iterable[Missing], now: datetime) -> float:
    """For how long the item that lacks for longest has been known to lack; 0 when none does."""
    return max((max((now - m.since).total_seconds(), 0.0) for m in missing), default=0.0)


def changes(
    before: Mapping[str, Missing], after: Mapping[str, Missing]
) -> tuple[tuple[Missing, ...], tuple[str, ...]]:
    """What to remember and what to forget of what lacks."""
    put = tuple(m for item_id, m in sorted(after.items()) if before.get(item_id) != m)
    return put, tuple(sorted(before.keys() - after.keys()))


def held_against(
    items: Iterable[Item],
    held: AbstractSet[str],
    known: Mapping[str, Missing],
    *,
    now: datetime,
    grace: timedelta,
) -> tuple[tuple[Item, ...], dict[str, Missing]]:
    """What of a page is to be fetched now, and all that lacks by now.

    The grace counts from when we first saw an item in the list and not on the log, both by our own
    clock: its ``created`` is by another's. What was refused once is not due again.
    """
    lacking = [item for item in items if item.id not in held]
    after = {item_id: m for item_id, m in known.items() if item_id not in held}
    for item in lacking:
        after.setdefault(item.id, Missing(item.id, item.created, now, "", item.kind))
    due = tuple(
        item
        for item in lacking
        if not after[item.id].reason and now - after[item.id].since >= grace
    )
    return due, after


def after_fetching(
    missing: Mapping[str, Missing], due: Iterable[Item], refused: Mapping[str, str]
) -> dict[str, Missing]:
    """What lacks once these were fetched, but for those that were refused."""
    after = dict(missing)
    for item in due:
        if item.id in refused:
            after[item.id] = replace(after[item.id], reason=refused[item.id])
        else:
            after.pop(item.id, None)
    return after


def audited_to(cursor: int | None, newest: int | None, missing: Iterable[Missing]) -> int | None:
    """The cursor of a list after a whole pass: never past an item that may still come."""
    reached = [c for c in (cursor, newest) if c is not None]
    if not reached:
        return None
    return min([max(reached), *(m.created for m in missing if not m.reason)])
