"""What stands in the journal behind the last that was published, held against what was told of it.

Whoever appends an entry can give it a right link. He cannot give it a message: those before a
progress mark have been published with all that they caused, and those behind the topic's end do
not exist.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple


class Mark(NamedTuple):
    """A telling that all entries of an origin's messages before an offset were published.

    ``sequence`` is the last of them, or a later one that was published too.
    """

    next_offset: int
    sequence: int
    witness: str


class Message(NamedTuple):
    """A message as it stands on its topic, as far as an entry says which one caused it."""

    id: str
    recorded_at: datetime


class Unpublished(NamedTuple):
    """An entry that no witness has told of."""

    sequence: int
    reference: str
    caused_offset: int
    message_id: str
    recorded_at: datetime


def passed_problem(entry: Unpublished, mark: Mark) -> str:
    """Why an entry cannot stand behind a mark; empty: it can."""
    if entry.sequence <= mark.sequence or entry.caused_offset >= mark.next_offset:
        return ""
    return (
        f"its message, at offset {entry.caused_offset}, had been passed without it: all entries of"
        f" the messages before offset {mark.next_offset} end with entry {mark.sequence}, tells"
        f" {mark.witness}"
    )


def cause_problem(
    entry: Unpublished, messages: Mapping[int, Message], *, first: int, end: int
) -> str:
    """Why no message of a topic that goes from one offset to another caused it; empty: one may.

    A message before the first one is not there to be asked.
    """
    at = entry.caused_offset
    if at >= end:
        return f"its message does not exist: it says offset {at}, and the topic ends before {end}"
    if at < first:
        return ""
    told = messages.get(at)
    if told is None:
        return f"its message does not exist: the topic has no record at offset {at}"
    if told.id != entry.message_id:
        return f"its message at offset {at} is {told.id!r}, and it says {entry.message_id!r}"
    if told.recorded_at != entry.recorded_at:
        return (
            f"its message at offset {at} was recorded at {told.recorded_at.isoformat()}, and it"
            f" says {entry.recorded_at.isoformat()}"
        )
    return ""


def position_problem(next_offset: int, mark: Mark | None, end: int | None) -> str:
    """Why an origin's position cannot be; empty: it can."""
    if mark is not None and next_offset < mark.next_offset:
        return (
            f"its position says that offset {next_offset} is next, and {mark.witness} tells that"
            f" all before offset {mark.next_offset} was published"
        )
    if end is not None and next_offset > end:
        return f"its position says that offset {next_offset} is next; the topic ends before {end}"
    return ""
