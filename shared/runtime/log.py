"""Logs: one line for each happening, a past-tense name and fields, JSON or coloured text."""

import logging
import os
import sys
import time
from collections.abc import Callable, MutableMapping
from typing import Any, Final, Literal

import structlog

from shared.runtime import secrets_file
from shared.runtime.settings import Settings

Logger = structlog.stdlib.BoundLogger
# Libraries that tell each reconnection many times a second; our own loops say it once.
_LOUD: Final = ("aiokafka", "aiokafka.conn", "aiokafka.client", "kafka")
# Libraries that tell each request.
_CHATTY: Final = ("httpx", "httpcore", "stripe")
REPEATED_EVERY_SECONDS: Final = 30.0


class Sparing(logging.Filter):
    """Lets a library's repeated error pass at first and then once in a while, with its count.

    A traceback always passes: it tells a mistake and not an outage.

    Args:
        libraries: Whose errors; their loggers' names, and those under them.
        every_seconds: How long after a line that passed the next of its kind is held back.
        clock: Seconds that only go forward.
    """

    def __init__(
        self,
        libraries: tuple[str, ...],
        *,
        every_seconds: float = REPEATED_EVERY_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__()
        self._libraries = libraries
        self._every = every_seconds
        self._clock = clock
        # By logger and template: when one passed, and how many were held back since. Templates
        # are what stands in the library's code, so there are few.
        self._passed: dict[tuple[str, str], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a record passes."""
        if record.exc_info or record.name.partition(".")[0] not in self._libraries:
            return True
        kind, now = (record.name, str(record.msg)), self._clock()
        before = self._passed.get(kind)
        if before is not None and now - before[0] < self._every:
            self._passed[kind] = (before[0], before[1] + 1)
            return False
        self._passed[kind] = (now, 0)
        if before is not None and before[1]:
            record.msg, record.args = f"{record.getMessage()} ({before[1]} more since)", None
        return True


def configure(settings: Settings, *, service: str) -> None:
    """Set the process's log up; call once, first thing."""
    set_up(level=settings.log_level, form=settings.log_format, service=service)
    for caution in secrets_file.cautions(os.environ):
        get(__name__).warning("secrets.exposed", reason=caution)


def set_up(
    *, level: str = "info", form: Literal["auto", "json", "text"] = "auto", service: str = ""
) -> None:
    """Set the process's log up from plain values; the library's records take the same way."""
    as_text = form == "text" or (form == "auto" and sys.stderr.isatty())
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        structlog.stdlib.PositionalArgumentsFormatter(),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    last: list[structlog.typing.Processor] = (
        # Not the renderer's usual traceback: it shows local variables, and those hold secrets.
        [structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)]
        if as_text
        else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    )

    def add_service(
        _: Any,
        __: str,
        event: MutableMapping[str, Any],  # Any: structlog's own signature
    ) -> MutableMapping[str, Any]:
        if service:
            event.setdefault("service", service)
        return event

    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                add_service,
                *last,
            ],
        )
    )
    handler.addFilter(Sparing(_LOUD))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in _LOUD:
        logging.getLogger(name).setLevel(max(logging.ERROR, root.level))
    for name in _CHATTY:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))


def get(name: str) -> Logger:
    """A logger: ``log.get(__name__).info("entry.booked", reference=…)``."""
    logger: Logger = structlog.stdlib.get_logger(name)
    return logger
