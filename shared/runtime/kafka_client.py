"""aiokafka behind types of our own: the one door to it, since the library brings none.

``KafkaAddress`` is what every function of this package takes; the raw clients stay inside it.
"""

import asyncio
import logging
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, TypeVar

import aiokafka
import aiokafka.admin
import aiokafka.errors

from shared.contracts.errors import Unavailable
from shared.runtime.kafka_batches import read_any_header_name

# Before there is any consumer, one of Faust's too.
read_any_header_name()

LIBRARY: Any = aiokafka  # Any: aiokafka has no types
ADMIN: Any = aiokafka.admin  # Any: as above
ERRORS: Any = aiokafka.errors  # Any: as above
KafkaFault: Any = ERRORS.KafkaError  # Any: as above

RETRY_SECONDS_FIRST: Final = 0.1
RETRY_SECONDS_MAX: Final = 5.0
ANSWER_SECONDS_MAX: Final = 10.0

_Found = TypeVar("_Found")
_log = logging.getLogger(__name__)


class Partition(NamedTuple):
    """One partition of a topic."""

    topic: str
    partition: int

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition}"


@dataclass(frozen=True, slots=True)
class KafkaAddress:
    """Where Kafka is and how to sign in; a bare ``host:port`` is enough on loopback."""

    bootstrap: str
    security_protocol: str = "PLAINTEXT"
    sasl_mechanism: str = "PLAIN"
    sasl_username: str = ""
    sasl_password: str = field(default="", repr=False)
    ca_file: str = ""

    def options(self) -> dict[str, Any]:  # Any: keyword arguments of an untyped library
        """The keyword arguments that every aiokafka client takes."""
        options: dict[str, Any] = {  # Any: as above
            "bootstrap_servers": [part.strip() for part in self.bootstrap.split(",")],
            "security_protocol": self.security_protocol,
        }
        if self.security_protocol.endswith("SSL"):
            options["ssl_context"] = ssl.create_default_context(cafile=self.ca_file or None)
        if self.security_protocol.startswith("SASL"):
            options["sasl_mechanism"] = self.sasl_mechanism
            options["sasl_plain_username"] = self.sasl_username
            options["sasl_plain_password"] = self.sasl_password
        return options


def address_of(where: KafkaAddress | str) -> KafkaAddress:
    """An address, from itself or from ``host:port``."""
    return KafkaAddress(where) if isinstance(where, str) else where


async def patiently(
    act: Callable[[], Awaitable[_Found]],
    *,
    what: str,
    give_up_after_seconds: float,
    retry_on: tuple[type[BaseException], ...] = (Unavailable,),
) -> _Found:
    """The result of ``act``, tried again with growing pauses until it comes or time is up.

    Raises:
        Unavailable: Time is up; the last failure is its cause.
    """
    clock = asyncio.get_running_loop()
    deadline = clock.time() + give_up_after_seconds
    pause = RETRY_SECONDS_FIRST
    while True:
        try:
            return await act()
        except retry_on as error:
            if clock.time() + pause > deadline:
                raise Unavailable(f"{what}: {type(error).__name__}: {error}") from error
            _log.info("%s: waiting, %s: %s", what, type(error).__name__, error)
        await asyncio.sleep(pause)  # the pause between two tries, growing to its bound
        pause = min(pause * 2, RETRY_SECONDS_MAX)


async def started(client: Any) -> Any:  # Any: aiokafka has no types
    """The client, started; what it had opened is closed when it cannot start.

    Raises:
        Unavailable: No broker answers.
    """
    stop = getattr(client, "close", None) or client.stop
    try:
        await client.start()
    except (KafkaFault, OSError) as error:
        await stop()
        raise Unavailable(f"Kafka does not answer: {error}") from error
    except BaseException:
        await stop()
        raise
    return client


@contextmanager
def away_is_unavailable() -> Generator[None]:
    """Kafka's own failures, and those of the way to it, as the one error that callers know.

    Raises:
        Unavailable: Kafka does not answer, or not in time.
    """
    try:
        yield
    except (KafkaFault, OSError) as error:
        raise Unavailable(f"Kafka: {type(error).__name__}: {error}") from error


@asynccontextmanager
async def offsets_client(where: KafkaAddress | str) -> AsyncGenerator[Any]:  # Any: no types
    """A reader without a group for a few questions about offsets, which are answered soon or not.

    Left to itself it would go on asking a broker that is away for two thirds of a minute, and its
    caller would look well meanwhile.

    Raises:
        Unavailable: No broker answers, or not in time.
    """
    client = await started(LIBRARY.AIOKafkaConsumer(**address_of(where).options()))
    try:
        with away_is_unavailable():
            async with asyncio.timeout(ANSWER_SECONDS_MAX):
                yield client
    finally:
        await client.stop()


@asynccontextmanager
async def admin_client(where: KafkaAddress | str) -> AsyncGenerator[Any]:  # Any: no types
    """An administration client for a few questions.

    Raises:
        Unavailable: No broker answers, or it stopped answering meanwhile.
    """
    client = await started(ADMIN.AIOKafkaAdminClient(**address_of(where).options()))
    try:
        with away_is_unavailable():
            yield client
    finally:
        await client.close()
