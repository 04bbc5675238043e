"""Fixtures that every test may ask for: a running stack and databases of one's own.

`make test` shares the slow tests among several processes, each with a stack of its own.
"""

import os
from collections.abc import Callable, Iterator
from typing import Final

import pytest

from shared.runtime import log
from tests.support.furnishing import furnish
from tests.support.stack import RunningStack, running_stack

# A broker of a test lives for seconds to minutes: of 20 s of processor time in a simulated month
# Java's second compiler took 8, for code that is never run often enough to pay for it. Every
# broker that a test starts, also through a command, reads this.
os.environ.setdefault("JDK_JAVA_OPTIONS", "-XX:TieredStopAtLevel=1")

OWN_INSTALLATION: Final = ("test_demo.py", "test_lossy_webhooks.py")
# Files whose tests need each other's fixtures or broker and take long together; any other order
# is as right, and slower.
LONGEST_FILES: Final = (
    "test_projector_faults.py",
    "test_stack.py",
    "test_reconciler_recovery.py",
    "test_events_cli.py",
    "test_installation.py",
    "test_generations.py",
    "test_prove_command.py",
    "test_preview_stories.py",
    "test_reconciler_pipeline.py",
    "test_preview_of_mirrored_objects.py",
    "test_trace_command.py",
    "test_example_consumers.py",
    "test_dead_letters.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the tests of a file together, for they share fixtures; the longest come first.

    A test with an installation to itself, to kill processes of it or to see it whole, may be
    taken by any worker. What is long and begun late is waited for by all the others.
    """
    items.sort(key=_place)
    for item in items:
        if not _has_own_installation(item):
            item.add_marker(pytest.mark.xdist_group(item.path.name))


def _has_own_installation(item: pytest.Item) -> bool:
    return item.get_closest_marker("fault") is not None or item.path.name in OWN_INSTALLATION


def _place(item: pytest.Item) -> int:
    if _has_own_installation(item):
        return 0
    name = item.path.name
    return 1 + LONGEST_FILES.index(name) if name in LONGEST_FILES else 1 + len(LONGEST_FILES)


@pytest.fixture(autouse=True)
def _log_as_in_a_service() -> None:
    """A command that a test ran in this process set the log up for its own: ``caplog`` sees all."""
    log.set_up(level="info", form="json")


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


@pytest.fixture(scope="session")
def furnished(stack: RunningStack) -> Iterator[str]:
    """The address of a database with the tables of every service, to be copied."""
    dsn = stack.fresh_database("furnished")
    furnish(dsn)
    yield dsn
    stack.drop_database(dsn)


@pytest.fixture
def database_dsn(stack: RunningStack, furnished: str) -> Iterator[str]:
    """The address of a database for one test, as all services leave it before their first message.

    A copy costs less than an empty one that each service brings up to date by itself.
    """
    dsn = stack.fresh_database(like=furnished)
    yield dsn
    stack.drop_database(dsn)


@pytest.fixture
def empty_database_dsn(stack: RunningStack) -> Iterator[str]:
    """The address of a database for one test in which no service ever was."""
    dsn = stack.fresh_database()
    yield dsn
    stack.drop_database(dsn)
