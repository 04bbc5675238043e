"""A place where the door dies on purpose, for tests of what it had promised by then."""

import os
from dataclasses import dataclass
from typing import Final

from services.ingest.config import FailpointPlace

EXIT_STATUS: Final = 137


@dataclass(slots=True)
class Failpoint:
    """Ends the process, without any farewell, the Nth time that its place is passed."""

    place: FailpointPlace
    left: int

    def passed(self, place: FailpointPlace) -> None:
        """Say that a place has been reached."""
        if place is not self.place:
            return
        self.left -= 1
        if self.left <= 0:
            os._exit(EXIT_STATUS)
