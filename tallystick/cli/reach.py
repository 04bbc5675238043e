"""Where Kafka and Postgres are for a command: the environment, else the stack of this folder."""

import os

from sandbox.stack import Stack
from sandbox.stack.ports import LOOPBACK
from shared.runtime.settings import Settings, variables
from tallystick.cli.problems import ExitCode, Problem
from tallystick.local_books import books_variables
from tallystick.local_key import key_variables
from tallystick.preflight import stack_settings
from tallystick.processes import KAFKA_VARIABLE, POSTGRES_VARIABLE


def settings_here() -> Settings:
    """The common settings; addresses that the environment leaves out are the running stack's.

    Raises:
        SettingsInvalid: The environment does not make settings.
    """
    return Settings.load(variables_here())


def variables_here() -> dict[str, str]:
    """Our variables; addresses that they leave out are the running stack's."""
    given = {name: value for name, value in os.environ.items() if value or not _is_address(name)}
    here = Stack(stack_settings())
    # Where a stack that is not running would be: its own port is told, not somebody else's.
    stack = {KAFKA_VARIABLE: f"{LOOPBACK}:{here.settings.kafka_port}"} | {
        name: value for name, value in here.environment().items() if value
    }
    told = variables(given)
    stack = {
        name: value
        for name, value in stack.items()
        if name not in told and f"{name}_FILE" not in told
    }
    books = books_variables(here.settings, given)
    return books | key_variables(here.settings, given) | stack | given


def _is_address(name: str) -> bool:
    return name in {KAFKA_VARIABLE, POSTGRES_VARIABLE}


def require_database(settings: Settings) -> str:
    """The database's address.

    Raises:
        Problem: The environment gives none, and no stack runs here.
    """
    dsn = settings.postgres_dsn.get_secret_value()
    if dsn:
        return dsn
    raise Problem(
        "There is no database to compare with",
        why=f"{POSTGRES_VARIABLE} is not set, and no stack runs in this folder",
        fix="start it with `tallystick up` or `tallystick run`, or set the address",
        code=ExitCode.UNREACHABLE,
    )


def kafka_away(bootstrap: str, error: BaseException) -> Problem:
    """What to say of a broker that does not answer."""
    is_given = bool(os.environ.get(KAFKA_VARIABLE) or os.environ.get(f"{KAFKA_VARIABLE}_FILE"))
    if is_given:
        fix = f"check {KAFKA_VARIABLE}, the network, and that the broker runs"
    else:
        fix = f"start it with `tallystick up` or `tallystick run`, or set {KAFKA_VARIABLE}"
    return Problem(
        f"Kafka does not answer at {bootstrap}",
        why=str(error),
        fix=fix,
        code=ExitCode.UNREACHABLE,
    )
