"""A real Kafka and a real Postgres as child processes on loopback, for one machine."""

from sandbox.stack.problems import StackProblem
from sandbox.stack.settings import StackSettings
from sandbox.stack.stack import PartStatus, Stack

__all__ = ["PartStatus", "Stack", "StackProblem", "StackSettings"]
