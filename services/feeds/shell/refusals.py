"""Refused statement files, told on ``feeds.audits``, and taken back once their bytes are taken."""

from typing import Final

from services.feeds.refusals import Refusal, report
from services.feeds.shell.file_store import FileStore
from shared.contracts.audit_messages import audit_message
from shared.contracts.topics import FEEDS_AUDITS
from shared.runtime.kafka import Publication, Publisher

PUBLISH_SECONDS_MAX: Final = 30.0
TOLD_AT_ONCE: Final = 500


async def tell_refusals(files: FileStore, publisher: Publisher, *, first_book: str) -> None:
    """Tell how refused files stand, where that is not acknowledged.

    Raises:
        Unavailable: Kafka or Postgres is away; the next time tells the same.
    """
    while untold := await files.untold_refusals(TOLD_AT_ONCE, first_book=first_book):
        await publisher.publish_all([_publication(one) for one in untold], PUBLISH_SECONDS_MAX)
        await files.told_refusals(untold)


def _publication(refusal: Refusal) -> Publication:
    told = report(refusal)
    return Publication(FEEDS_AUDITS, told.id.encode(), audit_message(told, source="bank/files"))
