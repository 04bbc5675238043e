"""The counter of one thread tells a scrape what the library's own would tell."""

import re

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client import Counter as OfTheLibrary

from shared.runtime.counter import Counter

NAME = "tallystick_of_the_test_total"
LABELS = ("outcome", "reason")
VALUES = st.text('ab\\"\n', max_size=2)


def told(registry: CollectorRegistry) -> list[str]:
    """What a scrape says, but for the moment at which the library made its own."""
    text = generate_latest(registry).decode()
    return sorted(line for line in text.splitlines() if not re.search("_created", line))


@given(st.lists(st.tuples(VALUES, VALUES)))
def test_counter_tells_what_the_librarys_own_tells(counted: list[tuple[str, str]]) -> None:
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    mine = Counter(NAME, "Of the test", LABELS, registry=ours)
    other = OfTheLibrary(NAME, "Of the test", LABELS, registry=theirs)
    for values in counted:
        mine.inc(*values)
        other.labels(*values).inc()
    assert told(ours) == told(theirs)
