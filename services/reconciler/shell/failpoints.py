"""Places where the process can be made to die at once, for tests of what it has kept by then."""

import os
from typing import Final

from services.reconciler.config import Failpoint, FailpointPlace

EXIT_AT_FAILPOINT: Final = 99


class Failpoints:
    """The failpoint that is set, if any, and how often its place was passed."""

    def __init__(self, failpoint: Failpoint | None) -> None:
        self._failpoint = failpoint
        self._passings = 0

    def passed(self, place: FailpointPlace) -> None:
        """End the process here if it is to end here; no clean-up of any kind."""
        if self._failpoint is None or self._failpoint.place is not place:
            return
        self._passings += 1
        if self._passings == self._failpoint.passing:
            os._exit(EXIT_AT_FAILPOINT)
