"""Records posted without waiting, each with a deadline; whoever posts hears of a batch at a time.

    post() ─▶ a lane's batch ─▶ the broker ─▶ told(parcels, None)
                     │ not acknowledged in time, or failed
                     └──────────────────────▶ told(parcels, Unavailable)

``Publisher.publish`` is the same for one record, awaited: a task, a future and a timer for each.
Where thousands a second are on their way these cost more than the record.
"""

import asyncio
import functools
import time
from collections.abc import Callable
from typing import Any, Final, Generic, TypeVar

from shared.contracts.errors import Unavailable
from shared.runtime.kafka import Publisher, RecordTooLarge
from shared.runtime.kafka_client import ERRORS
from shared.runtime.kafka_lanes import Lanes, Row, Told

# A timer that is a moment early does not come again in the same turn.
_LATER_SECONDS_MIN: Final = 0.001
Parcel = TypeVar("Parcel")


class Outbox(Generic[Parcel]):
    """Posts to one topic; ``told`` hears of each parcel exactly once, in any order.

    A parcel is whatever stands for a record, told apart from others by ``hash`` and equality.
    As with the publisher, a record whose deadline passed may still arrive.
    """

    def __init__(
        self,
        publisher: Publisher,
        topic: str,
        told: Callable[[list[Parcel], Unavailable | None], None],
        *,
        timeout_seconds: float,
    ) -> None:
        self._publisher = publisher
        self._topic = topic
        self._told = told
        self._timeout_seconds = timeout_seconds
        # In the order of their deadlines, since all have as long.
        self._due: dict[Parcel, float] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._lanes: Lanes | None = None
        self._settle: Told | None = None

    def post(self, row: Row, parcel: Parcel) -> bool:
        """Take a record; ``False`` where there is something to wait for, and nothing was taken.

        Raises:
            RecordTooLarge: No topic takes a record of this size.
        """
        lanes = self._publisher.lanes
        if lanes is None:
            return False
        if self._settle is None or lanes is not self._lanes:
            self._lanes = lanes
            self._settle = functools.partial(self._settled, lanes)
        try:
            if not lanes.post(self._topic, row, parcel, self._settle):
                return False
        except ERRORS.MessageSizeTooLargeError as error:
            raise RecordTooLarge(str(error)) from error
        self._due[parcel] = time.monotonic() + self._timeout_seconds
        if self._timer is None:
            self._look_in(self._timeout_seconds)
        return True

    def _look_in(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(max(seconds, _LATER_SECONDS_MIN), self._expire)

    def _settled(
        self,
        lanes: Lanes,
        parcels: list[Any],  # Any: parcels, as the lanes know them
        error: Exception | None,
    ) -> None:
        if error is not None:
            self._publisher.drop(lanes)
        # Of those over their deadline it was told already.
        left: list[Parcel] = [each for each in parcels if self._due.pop(each, None) is not None]
        if left:
            self._told(left, None if error is None else _unavailable(error))

    def _expire(self) -> None:
        """Tell of those whose deadline has passed; one timer looks after all."""
        now = time.monotonic()
        late: list[Parcel] = []
        self._timer = None
        for parcel, due in self._due.items():
            if due > now:
                self._look_in(due - now)
                break
            late.append(parcel)
        for parcel in late:
            del self._due[parcel]
        if late:
            text = f"Kafka did not acknowledge in {self._timeout_seconds:g} s"
            self._told(late, Unavailable(text))


def _unavailable(error: Exception) -> Unavailable:
    return Unavailable(f"Kafka: {type(error).__name__}: {error}")
