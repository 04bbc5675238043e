"""Fetches what the embedded stack needs: ``python -m sandbox.stack``. Starts nothing.

``python -m sandbox.stack warm`` also lets Kafka learn to start faster, which takes a start.
"""

import sys
import time

from sandbox.stack.jars import ensure_jars
from sandbox.stack.problems import StackProblem
from sandbox.stack.settings import StackSettings
from sandbox.stack.warm import warm

PLAIN_LINE_EVERY_SECONDS = 5.0


class Progress:
    """Lines for a person who waits: one that is written over on a terminal, few elsewhere."""

    def __init__(self) -> None:
        self._last = 0.0

    def __call__(self, text: str) -> None:
        """Show a line."""
        if sys.stderr.isatty():
            sys.stderr.write(f"\r  {text}\033[K")
        elif time.monotonic() - self._last > PLAIN_LINE_EVERY_SECONDS:
            self._last = time.monotonic()
            sys.stderr.write(f"  {text}\n")
        sys.stderr.flush()


def main(*words: str) -> int:
    """Fetch the jars, and ``warm``; 0, or 3 with the way out when that cannot be done."""
    settings, progress = StackSettings(), Progress()
    try:
        if words == ("warm",):
            warm(settings, progress)
        else:
            ensure_jars(settings.cache_dir, mirror=settings.maven_repository, progress=progress)
    except StackProblem as problem:
        sys.stderr.write(f"\n{problem}\n")
        return 3
    if sys.stderr.isatty():
        sys.stderr.write("\r\033[K")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
