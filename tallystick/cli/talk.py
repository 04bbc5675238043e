"""What a command says while it works: stdout is for data, stderr for people."""

import os
import shutil
import sys
import time
from typing import Final

PLAIN_LINE_EVERY_SECONDS: Final = 0.5
# What a table is made for where there is no terminal to ask; programs take --json.
COLUMNS_USUAL: Final = 120


def columns_here() -> int:
    """How wide what is printed may be: the terminal's columns, or those that COLUMNS says."""
    return shutil.get_terminal_size((COLUMNS_USUAL, 24)).columns


class Talk:
    """Progress on stderr: a line that is written over on a terminal, plain lines elsewhere."""

    def __init__(self) -> None:
        self._is_live = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
        self._started = time.monotonic()
        self._last_kind = ""
        self._last_at = 0.0

    def __call__(self, text: str) -> None:
        """Say what happens now; it may be written over by what happens next."""
        if self._is_live:
            sys.stderr.write(f"\r{text}\033[K")
            sys.stderr.flush()
            return
        # Counting lines ("3 of 46") are many; off a terminal a few of them are enough.
        kind = "".join(letter for letter in text if not letter.isdigit())
        now = time.monotonic()
        if kind != self._last_kind or now - self._last_at > PLAIN_LINE_EVERY_SECONDS:
            self._last_kind, self._last_at = kind, now
            sys.stderr.write(f"{text}\n")
            sys.stderr.flush()

    def done(self, text: str) -> None:
        """Say what stays."""
        sys.stderr.write(f"\r{text}\033[K\n" if self._is_live else f"{text}\n")
        sys.stderr.flush()
