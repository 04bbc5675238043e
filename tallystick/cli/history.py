"""What the reconciler knows, for commands that ask its core: from the topics, or from files."""

import asyncio
from collections.abc import Sequence
from datetime import datetime

from services.reconciler.facts.known import Facts
from shared.contracts.errors import Unavailable
from tallystick.cli.preview import lines_of, options_of
from tallystick.cli.reach import kafka_away, settings_here
from tallystick.preview.run import known_in
from tallystick.rules_test.history import known_from_topics


def known_here(
    files: Sequence[str], config: str | None, as_of: str | None
) -> list[tuple[Facts, datetime]]:
    """What is known of each book, and when: of the files, and of the topics where none is named."""
    if files:
        options = options_of(as_of, (), None, config)
        known = known_in([(name, lines_of(name)) for name in files], options)
        return [(each.facts, each.at) for each in known]
    settings = settings_here()
    try:
        found, at = asyncio.run(known_from_topics(settings))
    except Unavailable as error:
        raise kafka_away(settings.kafka_bootstrap, error) from None
    return [(facts, at) for facts in found]
