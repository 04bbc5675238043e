"""Entries behind the last that was published, and what a mark or a message says of them."""

from datetime import UTC, datetime
from typing import Final

import pytest

from services.ledger.proof.unpublished import (
    Mark,
    Message,
    Unpublished,
    cause_problem,
    passed_problem,
    position_problem,
)

AT: Final = datetime(2026, 7, 1, tzinfo=UTC)
ENTRY: Final = Unpublished(8, "stripe:payment:ch_1", 40, "evt_1", AT)
MARK: Final = Mark(40, 7, "ledger.outcomes/1@9")


def test_entry_of_a_message_that_was_not_passed_may_stand_behind_a_mark() -> None:
    assert passed_problem(ENTRY, MARK) == ""


def test_entry_that_was_published_with_the_mark_may_be_of_a_message_before_it() -> None:
    assert passed_problem(ENTRY._replace(sequence=7, caused_offset=39), MARK) == ""


def test_entry_of_a_message_that_was_passed_is_named_with_the_mark() -> None:
    said = passed_problem(ENTRY._replace(caused_offset=39), MARK)
    assert said == (
        "its message, at offset 39, had been passed without it: all entries of the messages before"
        " offset 40 end with entry 7, tells ledger.outcomes/1@9"
    )


@pytest.mark.parametrize(
    ("messages", "end", "said"),
    [
        ({40: Message("evt_1", AT)}, 41, ""),
        ({}, 40, "its message does not exist: it says offset 40, and the topic ends before 40"),
        ({}, 41, "its message does not exist: the topic has no record at offset 40"),
        (
            {40: Message("evt_2", AT)},
            41,
            "its message at offset 40 is 'evt_2', and it says 'evt_1'",
        ),
        (
            {40: Message("evt_1", datetime(2026, 7, 2, tzinfo=UTC))},
            41,
            (
                "its message at offset 40 was recorded at 2026-07-02T00:00:00+00:00, and it says"
                " 2026-07-01T00:00:00+00:00"
            ),
        ),
    ],
)
def test_cause_of_an_entry_is_asked_of_its_topic(
    messages: dict[int, Message], end: int, said: str
) -> None:
    assert cause_problem(ENTRY, messages, first=0, end=end) == said


def test_cause_that_a_topic_no_longer_keeps_is_not_asked() -> None:
    assert cause_problem(ENTRY, {}, first=41, end=50) == ""


def test_position_lies_between_the_mark_and_the_end_of_the_topic() -> None:
    assert position_problem(40, MARK, 40) == ""
    assert "all before offset 40 was published" in position_problem(39, MARK, 40)
    assert "the topic ends before 40" in position_problem(41, MARK, 40)
    assert position_problem(41, None, None) == ""
