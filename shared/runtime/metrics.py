"""What a process tells about itself: ``/livez``, ``/readyz`` with reasons, ``/metrics``."""

import asyncio
import contextlib
import os
import socket
import time
from collections.abc import Callable, Generator
from importlib.metadata import PackageNotFoundError, version
from typing import Final

import uvicorn
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    Gauge,
    generate_latest,
)
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp

from shared.contracts.errors import Unavailable
from shared.runtime import log

LOOPBACK: Final = "127.0.0.1"
# Every metric of ours begins so; units are base units, and no id, address or name of a stranger is
# ever a label.
PREFIX: Final = "tallystick_"
_STOP_POLL_SECONDS: Final = 0.05
# Apart, so that it is told whichever registry a service counts in.
_ABOUT_US: Final = CollectorRegistry()
_BUILD = Gauge(
    f"{PREFIX}build_info", "1, and which version this process is", ["version"], registry=_ABOUT_US
)
_log = log.get(__name__)


def _version() -> str:
    try:
        return version("tallystick")
    except PackageNotFoundError:
        return "source"


_BUILD.labels(_version()).set(1)


class Health:
    """What stands between a process and its work, by name, with the reason in words.

    ``beat`` says that a loop goes round; one which is silent for longer than it said makes the
    process not alive, and a supervisor starts it anew.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._reasons: dict[str, str] = {}
        self._warnings: dict[str, str] = {}
        self._been_ready: set[str] = set()
        self._due: dict[str, float] = {}

    def not_ready(self, name: str, reason: str) -> None:
        """Say why work under this name cannot go on; the log is told once, if it did before."""
        if name in self._been_ready and name not in self._reasons:
            _log.warning("part.away", part=name, reason=reason)
        self._reasons[name] = reason

    def ready(self, name: str) -> None:
        """Say that work under this name goes on."""
        if self._reasons.pop(name, None) is not None and name in self._been_ready:
            _log.info("part.back", part=name)
        self._been_ready.add(name)

    def warn(self, name: str, warning: str) -> None:
        """Say what a person should mend; work goes on. An empty text takes it back."""
        if warning:
            self._warnings[name] = warning
        else:
            self._warnings.pop(name, None)

    def beat(self, name: str, *, next_within_seconds: float) -> None:
        """Say that the loop of this name goes round, and by when it will say so again."""
        self._due[name] = self._clock() + next_within_seconds

    @property
    def reasons(self) -> dict[str, str]:
        """Why the process is not ready; empty when it is."""
        return dict(sorted(self._reasons.items()))

    @property
    def warnings(self) -> dict[str, str]:
        """What a person should mend while the process works on."""
        return dict(sorted(self._warnings.items()))

    @property
    def stalled(self) -> list[str]:
        """The loops that have been silent for too long."""
        now = self._clock()
        return sorted(name for name, due in self._due.items() if due < now)


def health_routes(health: Health, registry: CollectorRegistry = REGISTRY) -> list[BaseRoute]:
    """The three routes, for a service that has an application of its own."""

    async def livez(_: Request) -> Response:
        stalled = health.stalled
        return JSONResponse({"alive": not stalled, "stalled": stalled}, 503 if stalled else 200)

    async def readyz(_: Request) -> Response:
        reasons = health.reasons
        told: dict[str, object] = {"ready": not reasons, "reasons": reasons}
        if health.warnings:
            told["warnings"] = health.warnings
        return JSONResponse(told, 503 if reasons else 200)

    async def metrics(_: Request) -> Response:
        told = generate_latest(registry) + generate_latest(_ABOUT_US)
        return Response(told, media_type=CONTENT_TYPE_LATEST)

    return [Route("/livez", livez), Route("/readyz", readyz), Route("/metrics", metrics)]


def health_app(health: Health, registry: CollectorRegistry = REGISTRY) -> Starlette:
    """An application of the three routes alone."""
    return Starlette(routes=health_routes(health, registry))


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers: the process has its own."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        """Leave the signals alone."""
        yield


async def serve(
    app: ASGIApp, *, host: str = LOOPBACK, port: int, stop: asyncio.Event, **options: object
) -> None:
    """Serve an application until ``stop`` is set; open requests are finished first.

    Raises:
        Unavailable: The address cannot be had.
    """
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=3,
        **options,  # type: ignore[arg-type]  # uvicorn's own keyword arguments, passed through
    )
    server = _Server(config)
    with _bound(host, port) as listening:
        _log.info("http.listening", host=host, port=listening.getsockname()[1])
        serving = asyncio.create_task(server.serve(sockets=[listening]))
        stopping = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            server.should_exit = True
            stopping.cancel()
            await serving


def _bound(host: str, port: int) -> socket.socket:
    """A socket at an address of ours; uvicorn's own would end the process without naming it."""
    made = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((host, port))
    except OSError as error:
        made.close()
        # Of an address the system's words are told; a host that has none brings words of its own.
        number = error.errno or 0
        why = os.strerror(number) if number > 0 else error.strerror
        raise Unavailable(
            f"{host}:{port} cannot be listened on: {why}; end what listens there, or set another"
            " port (docs/reference/settings.md has their names)"
        ) from error
    return made
