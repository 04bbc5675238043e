"""Where Kafka and Postgres are for a command: the environment, else the stack of this folder."""

import os

from sandbox.stack import Stack
from shared.runtime.settings import Settings
from tallystick.processes import KAFKA_VARIABLE, POSTGRES_VARIABLE


def settings_here() -> Settings:
    """The common settings; addresses that the environment leaves out are the running stack's.

    Raises:
        SettingsInvalid: The environment does not make settings.
    """
    given = {name: value for name, value in os.environ.items() if value or not _is_address(name)}
    stack = {
        name: value
        for name, value in Stack().environment().items()
        if value and name not in given and f"{name}_FILE" not in given
    }
    return Settings.load(stack | given)


def _is_address(name: str) -> bool:
    return name in {KAFKA_VARIABLE, POSTGRES_VARIABLE}
