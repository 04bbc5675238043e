"""What can go wrong with the embedded stack, said so that a person can act on it."""

from shared.contracts.errors import Unavailable


class StackProblem(Unavailable):
    """The stack cannot run as things are; the message says what to do.

    Args:
        what: What happened, in one sentence.
        why: The fact behind it.
        fix: What a person does about it.
    """

    def __init__(self, what: str, *, why: str, fix: str) -> None:
        self.what = what
        self.why = why
        self.fix = fix
        super().__init__(f"{what}\n  why: {why}\n  do:  {fix}")


def not_installed(package: str) -> StackProblem:
    """What to say when a package of the embedded stack is missing."""
    return StackProblem(
        "The embedded stack is not installed here",
        why=f"the package {package} is missing; an installation for a cluster goes without it",
        fix="make setup, or set TALLYSTICK_KAFKA_BOOTSTRAP and TALLYSTICK_POSTGRES_DSN",
    )
