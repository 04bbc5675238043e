"""One look at all lists of all polled accounts, in whatever process asks for it.

The same code as the poller's, safe beside it: what both fetch is one event told twice.
"""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Final

from services.ingest.config import IngestSettings
from services.ingest.gaps import Looked
from services.ingest.polled import PolledAccount
from services.ingest.shell.auditing import Auditing
from services.ingest.shell.connected import ConnectedAccounts
from services.ingest.shell.event_index import READ_MIGRATIONS, READ_SCHEMA, EventIndex
from services.ingest.shell.gap_walk import GapWalk
from services.ingest.shell.gap_watch import Audited
from services.ingest.shell.poll_store import MIGRATIONS, SCHEMA
from services.ingest.shell.polled_accounts import polled_accounts
from services.ingest.shell.stripe_api import ApiRefused, StripeApi
from services.ingest.shell.transaction_index import TransactionIndex
from shared.contracts.errors import Unavailable
from shared.contracts.topics import STRIPE_EVENTS, STRIPE_OBJECTS
from shared.runtime.kafka import Publisher, check_topics
from shared.runtime.migrations import migrate
from shared.runtime.positions import Fenced
from shared.runtime.postgres import Database
from shared.runtime.settings import SettingsInvalid

# A poller beside us reads the same topics into the same index: each time one of the two has to
# begin that reading anew.
FENCED_MAX: Final = 20
FENCED_PAUSE_SECONDS: Final = 0.2


@dataclass(frozen=True, slots=True)
class NotLooked:
    """A list that Stripe refuses to show."""

    account: str
    resource: str
    reason: str


async def look_once(
    settings: IngestSettings,
    *,
    since: int,
    until: int,
    types: tuple[str, ...],
    is_fetching: bool,
    say: Callable[[str], None],
) -> list[Looked | NotLooked]:
    """What a look at each list gives: the polled accounts, and those connected that are asked for.

    Raises:
        SettingsInvalid: There is no key, or it does not fit.
        TopicsInvalid: The topics are missing.
        Unavailable: Stripe, Kafka or Postgres is away.
    """
    books = settings.books()
    accounts = polled_accounts(settings, books)
    if not accounts:
        raise SettingsInvalid(
            "TALLYSTICK_INGEST_STRIPE_API_KEY: not set, so Stripe cannot be asked"
        )
    dsn = settings.postgres_dsn.get_secret_value()
    await migrate(dsn, schema=SCHEMA, folder=MIGRATIONS)
    await migrate(dsn, schema=READ_SCHEMA, folder=READ_MIGRATIONS)
    await check_topics(settings.kafka, [STRIPE_EVENTS, STRIPE_OBJECTS])
    found: list[Looked | NotLooked] = []
    async with AsyncExitStack() as held:
        database = await Database.open(dsn, search_path=SCHEMA, application="tallystick-audit")
        held.push_async_callback(database.close)
        publisher = Publisher(settings.kafka, client_id="ingest-audit")
        held.push_async_callback(publisher.stop)
        events = EventIndex(database, settings.kafka, beat=_nobody_waits)
        transactions = TransactionIndex(database, settings.kafka, beat=_nobody_waits)
        for polled in accounts:
            api = StripeApi(
                polled.key.get_secret_value(),
                base=settings.ingest_stripe_api_base,
                requests_per_second=settings.ingest_requests_per_second,
            )
            held.push_async_callback(api.close)
            auditing = Auditing(
                settings=settings,
                books=books,
                polled=polled,
                database=database,
                publisher=publisher,
                api=api,
                events=events,
                transactions=transactions,
                beat=_nobody_waits,
            )
            lists = auditing.lists(("", *await _connected(api, polled, found)), types)
            window = (since, until)
            found += [await _looked(e, window, is_fetching=is_fetching, say=say) for e in lists]
    return found


async def _connected(
    api: StripeApi, polled: PolledAccount, found: list[Looked | NotLooked]
) -> tuple[str, ...]:
    """The connected accounts that are asked for; a refused list of them is a finding."""
    accounts = ConnectedAccounts(api=api, connected=polled.connected, beat=_nobody_waits)
    try:
        return await accounts.look()
    except ApiRefused as error:
        found.append(NotLooked(polled.whose.account, "connected accounts", str(error)))
        return ()


async def _looked(
    audited: Audited,
    window: tuple[int, int],
    *,
    is_fetching: bool,
    say: Callable[[str], None],
) -> Looked | NotLooked:
    account, resource = audited.list.account, audited.list.resource
    name = f"{account} {resource}".strip()
    pages = 0

    def beat() -> None:
        nonlocal pages
        pages += 1
        say(f"{name}: page {pages}")

    walk = GapWalk(audited.list, audited.store, is_fetching=is_fetching, beat=beat)
    for _ in range(FENCED_MAX):
        try:
            return await walk.whole(*window)
        except Fenced:
            await asyncio.sleep(FENCED_PAUSE_SECONDS)  # the tries are bounded
        except ApiRefused as error:
            return NotLooked(account, resource, str(error))
    raise Unavailable("another process reads the topics into the index all the time")


def _nobody_waits() -> None:
    """No one watches that something moves."""
