"""Places where a fault test ends the process as a crash would; off unless set, refused in live."""

import os
from enum import StrEnum
from typing import Final

from shared.runtime.settings import SettingsInvalid

EXIT_CODE: Final = 137


class Failpoint(StrEnum):
    """The places, in the order in which a message passes them."""

    BEFORE_TX = "before_tx"
    MID_TX = "mid_tx"
    AFTER_COMMIT = "after_commit"
    BEFORE_PUBLISH = "before_publish"
    AFTER_PUBLISH = "after_publish"
    BEFORE_HEAD = "before_head"
    AFTER_HEAD = "after_head"


class Failpoints:
    """At most one place that is set, and how often it may be passed before the process ends.

    Args:
        spec: ``NAME`` or ``NAME:N``: end at the N-th passing; empty for none.
        is_live: Whether real money is booked; then nothing may be set.

    Raises:
        SettingsInvalid: No such place, or set in live mode.
    """

    def __init__(self, spec: str = "", *, is_live: bool = False) -> None:
        name, _, count = spec.partition(":")
        if spec and is_live:
            raise SettingsInvalid("a failpoint is set, and there is a book of real money")
        if spec and (name not in set(Failpoint) or not (count or "1").isdigit()):
            known = ", ".join(Failpoint)
            raise SettingsInvalid(f"{spec!r} is no failpoint: {known}, with :N or not")
        self._set = name
        self._left = int(count or 1)

    def reached(self, name: str) -> None:
        """Say that a place is passed."""
        if name != self._set:
            return
        self._left -= 1
        if self._left <= 0:
            os._exit(EXIT_CODE)
