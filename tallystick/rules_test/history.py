"""What has happened, as the reconciler knows it: from the topics, or from files."""

from collections import defaultdict
from contextlib import aclosing
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from services.reconciler.facts.kinds import Fact
from services.reconciler.facts.known import Facts
from services.reconciler.facts.readers import facts_of
from services.reconciler.facts.rulings import Ruling
from services.reconciler.rules.matching_rules import MatchingRules, rules_of
from services.reconciler.shell.judging.acts import rulings_of
from shared.contracts import topics
from shared.contracts.acts import ACT_DECIDED
from shared.contracts.books import BookData
from shared.contracts.errors import Refused, Unreadable
from shared.runtime.kafka_whole import whole
from shared.runtime.settings import Settings
from tallystick.cli.problems import ExitCode, Problem
from tallystick.preview.reconciling import known_of

READ: Final = (
    topics.STRIPE_EVENTS,
    topics.STRIPE_OBJECTS,
    topics.BANK_OBSERVATIONS,
    topics.LEDGER_ENTRIES,
    topics.DECISIONS,
)


def rules_from(path: Path) -> MatchingRules:
    """The rules of a file.

    Raises:
        Problem: It cannot be read, or does not make rules.
    """
    try:
        return rules_of(path.read_text("utf-8"))
    except OSError as error:
        raise Problem(
            f"The rules {path} cannot be read",
            why=error.strerror or str(error),
            fix="check the path",
            code=ExitCode.USAGE,
        ) from None
    except (Unreadable, UnicodeDecodeError) as error:
        raise Problem(
            f"The rules {path} cannot be used",
            why=str(error),
            fix="compare with services/reconciler/rules/rules.toml, "
            "or see docs/howto/try-other-rules.md",
            code=ExitCode.USAGE,
        ) from None


def ruled_by(decision: bytes) -> tuple[str, list[Ruling]]:
    """The book of a decision on record, and what people ruled by it: facts like any other."""
    told = ACT_DECIDED.validate_json(decision)
    return told.book, rulings_of(told)


async def known_from_topics(settings: Settings) -> tuple[list[Facts], datetime]:
    """What the topics tell of each book up to their ends now; what cannot be read is left out.

    Raises:
        Unavailable: Kafka is away.
    """
    books = settings.books()
    told: defaultdict[str, list[Fact]] = defaultdict(list)
    async with aclosing(whole(settings.kafka, READ)) as records:
        async for record in records:
            if record.topic == topics.DECISIONS:
                ruled_in, rulings = ruled_by(record.value)
                told[ruled_in].extend(rulings)
                continue
            try:
                book, facts = facts_of(
                    record.topic, record.envelope(), received_at=record.appended_at, books=books
                )
            except Refused:
                continue
            told[book].extend(facts)
    return [
        known_of(books.named(name) or BookData(name=name), facts)
        for name, facts in sorted(told.items())
        if name
    ], datetime.now(UTC)
