"""What the doctor says of records that a service could not read."""

import asyncio
from collections.abc import Iterator
from typing import Final

from shared.contracts.errors import Unavailable
from shared.runtime.kafka_client import KafkaAddress, address_of
from tallystick.dead_letters import open_now, sentence
from tallystick.doctor import Finding, good, warning

COUNT_SECONDS_MAX: Final = 15.0
_SUBJECT: Final = "dead letters"


def dead_letter_findings(where: KafkaAddress | str) -> Iterator[Finding]:
    """Whether a dead letter is open; nothing, where Kafka or its topics are not there."""
    try:
        found = asyncio.run(open_now(address_of(where), seconds_max=COUNT_SECONDS_MAX))
    except Unavailable:
        # What stands above has said that already.
        return
    if found.found or found.unread:
        yield warning(
            _SUBJECT,
            sentence(found),
            "tallystick dead-letters list; see docs/howto/handle-dead-letters.md",
        )
    else:
        yield good(_SUBJECT, sentence(found))
