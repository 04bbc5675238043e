"""What was asked for by name and when, from the topic that asks for it."""

from collections import defaultdict
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import datetime

from shared.contracts.look_ups import LookUp, LookUpAsked
from shared.contracts.topics import LOOK_UPS
from shared.runtime.kafka_whole import whole
from shared.runtime.settings import Settings


@dataclass(slots=True)
class Asked:
    """How often one thing was looked up, when last, and the last time at each place.

    Of each deadline that passed it counts once, however many places were looked at.
    """

    deadlines: set[datetime] = field(default_factory=set[datetime])
    last: dict[tuple[LookUp, str], LookUpAsked] = field(
        default_factory=dict[tuple[LookUp, str], LookUpAsked]
    )

    @property
    def times(self) -> int:
        """How often it was looked up."""
        return len(self.deadlines)

    @property
    def last_asked(self) -> datetime | None:
        """When it was asked for last."""
        return max((each.asked_at for each in self.last.values()), default=None)

    def also(self, asked: LookUpAsked) -> None:
        """Count a look-up; one that comes twice counts once."""
        self.deadlines.add(asked.deadline)
        place = asked.look_up, asked.where
        known = self.last.get(place)
        if known is None or known.asked_at < asked.asked_at:
            self.last[place] = asked


async def asked_from_topic(settings: Settings) -> dict[tuple[str, str], Asked]:
    """What was looked up, by book and by what is waited for.

    Raises:
        Unavailable: Kafka is away.
    """
    found: defaultdict[tuple[str, str], Asked] = defaultdict(Asked)
    async with aclosing(whole(settings.kafka, (LOOK_UPS,))) as records:
        async for record in records:
            asked = LookUpAsked.model_validate_json(record.value)
            found[asked.book, asked.subject].also(asked)
    return dict(found)
