"""Ports on loopback: which are free, and who sits on those that are not."""

import contextlib
import os
import secrets
import socket
import tempfile
import time
from pathlib import Path
from typing import Final

import psutil

from sandbox.stack.problems import StackProblem

LOOPBACK: Final = "127.0.0.1"
FREE_PORT_MIN: Final = 20_000
FREE_PORT_MAX: Final = 32_000
TRIES_MAX: Final = 1_000
GIVEN_SECONDS: Final = 180.0
PORT_MAX: Final = 65_535


def is_free(port: int) -> bool:
    """Whether we could listen on the port now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # Servers set this too: a connection that is closing does not hold the port.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except (OSError, OverflowError):
            return False
    return True


def answers(port: int) -> bool:
    """Whether somebody listens on the port."""
    with contextlib.suppress(OSError), socket.create_connection((LOOPBACK, port), timeout=1):
        return True
    return False


def free_ports(count: int) -> tuple[int, ...]:
    """Ports that are free now, all different, and given to nobody else in the last minutes.

    Who gets a port listens on it only later: the server on it may be the last of ten to start.

    They lie below the range from which the system gives ports to outgoing connections: a client
    that keeps trying a server which is down could otherwise be given the server's own port.
    """
    found: set[int] = set()
    for _ in range(TRIES_MAX):
        if len(found) == count:
            return tuple(found)
        port = FREE_PORT_MIN + secrets.randbelow(FREE_PORT_MAX - FREE_PORT_MIN)
        if is_free(port) and _is_ours(port):
            found.add(port)
    raise StackProblem(
        f"No {count} free ports were found",
        why=f"{TRIES_MAX} ports between {FREE_PORT_MIN} and {FREE_PORT_MAX} were tried",
        fix="see with `ss -ltn` who holds them, or set the ports by hand (TALLYSTICK_STACK_…_PORT)",
    )


def _is_ours(port: int) -> bool:
    """Whether nobody of this machine was given the port lately; from now on it is ours."""
    folder = Path(tempfile.gettempdir()) / f"tallystick-ports-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    given = folder / str(port)
    with contextlib.suppress(FileNotFoundError):
        if time.time() - given.stat().st_mtime < GIVEN_SECONDS:
            return False
        given.unlink()
    try:
        given.touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


def holder(port: int) -> str:
    """Who listens on the port, as far as the system tells us."""
    with contextlib.suppress(psutil.Error, OSError):
        for connection in psutil.net_connections(kind="tcp"):
            is_listener = connection.status == psutil.CONN_LISTEN
            if is_listener and connection.laddr and connection.laddr.port == port:
                if connection.pid is None:
                    break
                name = psutil.Process(connection.pid).name()
                return f"process {connection.pid} ({name}) listens on it"
    return "another process listens on it"


def _other(port: int) -> int:
    return port + 1000 if port + 1000 <= PORT_MAX else port - 1000


def require_free(port: int, *, purpose: str, setting: str, can_pick: bool = True) -> None:
    """Refuse to go on when a port is taken; ``can_pick``: the setting takes 0 for any free one.

    Raises:
        StackProblem: Somebody listens on it.
    """
    if is_free(port):
        return
    raise StackProblem(
        f"Port {port}, which {purpose} needs, is taken",
        why=holder(port),
        fix=f"stop that process, or choose another port: {setting}={_other(port)}"
        + (" (0 picks one)" if can_pick else ""),
    )
