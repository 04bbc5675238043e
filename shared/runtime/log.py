"""Logs: one line for each happening, a past-tense name and fields, JSON or coloured text."""

import logging
import sys
from collections.abc import MutableMapping
from typing import Any, Final, Literal

import structlog

from shared.runtime.settings import Settings

Logger = structlog.stdlib.BoundLogger
# Libraries that tell each reconnection many times a second; our own loops say it once.
_LOUD: Final = ("aiokafka", "aiokafka.conn", "aiokafka.client", "kafka")


def configure(settings: Settings, *, service: str) -> None:
    """Set the process's log up; call once, first thing."""
    set_up(level=settings.log_level, form=settings.log_format, service=service)


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
        [structlog.dev.ConsoleRenderer()]
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
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in _LOUD:
        logging.getLogger(name).setLevel(max(logging.ERROR, root.level))


def get(name: str) -> Logger:
    """A logger: ``log.get(__name__).info("entry.booked", reference=…)``."""
    logger: Logger = structlog.stdlib.get_logger(name)
    return logger
