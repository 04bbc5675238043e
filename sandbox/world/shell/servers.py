"""Both APIs and the world in one process, on loopback, until a signal."""

import asyncio
import contextlib
import signal
import socket
from collections.abc import Generator

import uvicorn
from starlette.types import ASGIApp

from sandbox.bank.shell import api as bank_api
from sandbox.bank.shell.plaid import PlaidFace
from sandbox.stripe.shell import api as stripe_api
from sandbox.world.commands import CommandRefused
from sandbox.world.faults import FaultGate
from sandbox.world.jsons import JsonObject
from sandbox.world.shell.control import Control
from sandbox.world.shell.dated import Dated
from sandbox.world.shell.faulty import Faulty
from sandbox.world.shell.runner import Report, Runner

LOOPBACK = "127.0.0.1"


class SignallessServer(uvicorn.Server):
    """A server that leaves signals to the process."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Capture none."""
        yield


def apps(runner: Runner, *, api_keys: frozenset[str], webhook_url: str) -> tuple[ASGIApp, ASGIApp]:
    """The two ASGI applications of a running world: Stripe's and the bank's."""
    gates = {"stripe": FaultGate(), "bank": FaultGate()}
    control = Control(runner, gates=gates)
    state = runner.world.state
    stripe = stripe_api.StripeApi(
        stripe_api.Source(
            store=state.stripe.store,
            api_keys=api_keys,
            now=lambda: runner.world.now,
            is_delivered=runner.is_delivered,
            webhook_url=webhook_url,
            begun_at=state.plan.start_at,
            is_endpoint_disabled=lambda: runner.is_endpoint_disabled,
        )
    )

    def command(given: JsonObject) -> JsonObject:
        try:
            return runner.command(given)
        except CommandRefused as refusal:
            raise bank_api.BankRefusal(
                400, "invalid_parameters_error", "The parameters are not valid.", str(refusal)
            ) from refusal

    bank = bank_api.BankApi(
        bank_api.BankSource(
            bank=state.bank, api_keys=api_keys, now=lambda: runner.world.now, command=command
        )
    )
    plaid = PlaidFace(state.bank, secrets=api_keys, now=lambda: runner.world.now)
    return (
        Faulty(stripe.app(*control.routes()), gates["stripe"], stripe_api.excuse),
        # Who reads a balance takes the answer's date for the time that the balance is of.
        Dated(
            Faulty(bank.app(*control.routes(), *plaid.routes()), gates["bank"], bank_api.excuse),
            lambda: runner.world.now,
        ),
    )


def bound(port: int) -> socket.socket:
    """A listening socket on loopback; port 0 takes a free one.

    Raises:
        OSError: The port is taken.
    """
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((LOOPBACK, port))
        # From now on whoever is told the address is not refused, only answered a little later.
        listener.listen()
    except OSError:
        listener.close()
        raise
    return listener


def address(listener: socket.socket) -> str:
    """Where a socket is to be reached."""
    return f"http://{LOOPBACK}:{listener.getsockname()[1]}"


async def serve(
    runner: Runner,
    *,
    stripe_socket: socket.socket,
    bank_socket: socket.socket,
    api_keys: frozenset[str],
    webhook_url: str,
    report: Report,
) -> None:
    """Serve both APIs and let the world live, until SIGTERM or SIGINT."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    listeners = (stripe_socket, bank_socket)
    servers: list[SignallessServer] = []
    for app in apps(runner, api_keys=api_keys, webhook_url=webhook_url):
        config = uvicorn.Config(
            app,
            log_level="warning",
            access_log=False,
            lifespan="off",
            ws="none",
            # Stripe tells what time it is; a world with a time of its own has none to tell.
            date_header=runner.is_on_wall_clock,
            timeout_graceful_shutdown=1,
        )
        servers.append(SignallessServer(config))
    tasks = [
        asyncio.create_task(server.serve(sockets=[listener]))
        for server, listener in zip(servers, listeners, strict=True)
    ]
    living = asyncio.create_task(runner.run())
    report(
        {
            "event": "ready",
            "stripe": address(stripe_socket),
            "bank": address(bank_socket),
            **runner.clock(),
        }
    )
    stopped = asyncio.create_task(stopping.wait())
    done, _ = await asyncio.wait({stopped, living}, return_when=asyncio.FIRST_COMPLETED)
    if living in done and stopped not in done and living.exception() is None:
        # The world is over and nothing is left to send; it stays to be asked.
        await stopping.wait()
    for server in servers:
        server.should_exit = True
    living.cancel()
    stopped.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    with contextlib.suppress(asyncio.CancelledError):
        await living
