"""The histogram of one thread tells a scrape what the library's own would tell."""

import re

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client import Histogram as OfTheLibrary

from shared.runtime.histogram import Histogram

BOUNDS = (0.001, 0.25, 1, 10)
NAME = "tallystick_of_the_test_seconds"


def told(registry: CollectorRegistry) -> str:
    """What a scrape says, but for the moment at which the library made its own."""
    text = generate_latest(registry).decode()
    return "\n".join(line for line in text.splitlines() if not re.search("_created", line))


@given(st.lists(st.sampled_from(BOUNDS) | st.floats(0, 100)))
def test_histogram_tells_what_the_librarys_own_tells(values: list[float]) -> None:
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    mine = Histogram(NAME, "Of the test", buckets=BOUNDS, registry=ours)
    other = OfTheLibrary(NAME, "Of the test", buckets=BOUNDS, registry=theirs)
    for value in values:
        mine.observe(value)
        other.observe(value)
    assert told(ours) == told(theirs)
