"""What was asked for by name and when, from the topic that asks for it."""

from collections import defaultdict
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import datetime

from shared.contracts.look_ups import LookUpAsked
from shared.contracts.topics import LOOK_UPS
from shared.runtime.kafka_whole import whole
from shared.runtime.settings import Settings


@dataclass(slots=True)
class Asked:
    """How often one thing was looked up, and when last: once for each deadline that passed."""

    deadlines: set[datetime] = field(default_factory=set[datetime])
    last_asked: datetime | None = None

    @property
    def times(self) -> int:
        """How often it was looked up."""
        return len(self.deadlines)

    def also(self, asked: LookUpAsked) -> None:
        """Count a look-up; one that comes twice counts once."""
        self.deadlines.add(asked.deadline)
        last = self.last_asked
        self.last_asked = asked.asked_at if last is None else max(last, asked.asked_at)


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
