"""Fixtures that every test may ask for: a running stack and databases of one's own.

`make test` shares the slow tests among several processes, each with a stack of its own.
"""

import os
from collections.abc import Callable, Iterator

import pytest

from tests.support.stack import RunningStack, running_stack

# A broker of a test lives for seconds to minutes: of 20 s of processor time in a simulated month
# Java's second compiler took 8, for code that is never run often enough to pay for it. Every
# broker that a test starts, also through a command, reads this.
os.environ.setdefault("JDK_JAVA_OPTIONS", "-XX:TieredStopAtLevel=1")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the tests of a file together, for they share fixtures; the longest come first.

    A test that kills processes has an installation to itself, so any worker may take it.
    """
    items.sort(key=lambda item: item.get_closest_marker("fault") is None)
    for item in items:
        if item.get_closest_marker("fault") is None:
            item.add_marker(pytest.mark.xdist_group(item.path.name))


@pytest.fixture(scope="session")
def stack() -> Iterator[RunningStack]:
    """A running Kafka and Postgres, shared by all tests of a run."""
    with running_stack() as running:
        yield running


@pytest.fixture(scope="session")
def kafka_bootstrap(stack: RunningStack) -> str:
    """The broker's address; topics are shared, so a test gives its own names or prefixes."""
    return stack.kafka_bootstrap


@pytest.fixture(scope="session")
def fresh_database(stack: RunningStack) -> Iterator[Callable[[], str]]:
    """A function that makes an empty database and gives its address; all are dropped at the end."""
    made: list[str] = []

    def make() -> str:
        made.append(stack.fresh_database())
        return made[-1]

    yield make
    for dsn in made:
        stack.drop_database(dsn)


@pytest.fixture
def database_dsn(stack: RunningStack) -> Iterator[str]:
    """The address of an empty database for one test."""
    dsn = stack.fresh_database()
    yield dsn
    stack.drop_database(dsn)
