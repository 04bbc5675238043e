"""The variables that a child process is started with."""

import os
from collections.abc import Mapping


def base_environment() -> dict[str, str]:
    """Our own variables, as a child gets them: output unbuffered, so that no log line is lost."""
    return dict(os.environ) | {"PYTHONUNBUFFERED": "1"}


def merged_environment(given: Mapping[str, str]) -> dict[str, str]:
    """Our own variables with others in front of them."""
    variables = base_environment() | dict(given)
    for name in given:
        # Set as a value and as a file, a setting would be refused.
        variables.pop(f"{name}_FILE", None)
    return variables
