"""The watch from outside: whole audits on a schedule, endpoints at Stripe, and silence.

start, then every interval ──▶ each list of each account, some pages a round, fetched if lacking
every round                ──▶ endpoints at Stripe, last webhook, what lacks ──▶ ingest.audits
"""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from prometheus_client import Counter, Gauge

from services.ingest.catch_up import DAY_SECONDS, Fields
from services.ingest.endpoint_status import Trouble, matched_count, registered, troubles
from services.ingest.endpoints import Endpoint
from services.ingest.findings import AUDITED_KINDS, ENDPOINT_KINDS, empty, lacking, silent
from services.ingest.gaps import Looked, longest_seconds
from services.ingest.rhythm import HOUR, history_from, silence
from services.ingest.shell.audit_reports import AuditReports
from services.ingest.shell.gap_lists import AuditedList
from services.ingest.shell.gap_store import GapStore
from services.ingest.shell.gap_walk import GapWalk
from services.ingest.shell.stripe_api import ApiRefused, StripeApi
from shared.contracts.discrepancies import DiscrepancyKind
from shared.runtime import log

# So that a round stays short however long a list is: the walk goes on in the next one.
PAGES_A_ROUND_MAX: Final = 20
# What is this fresh may still come by itself, and the look from the cursor sees to it.
MARGIN_SECONDS: Final = 60

_LOOKED_FOR: Final = frozenset({DiscrepancyKind.EVENT_LIST_EMPTY})
_MISSING = Gauge(
    "tallystick_ingest_missing_now", "Listed at Stripe, not on the log", ["account", "list"]
)
_LONGEST = Gauge(
    "tallystick_ingest_missing_longest_seconds",
    "For how long, of what lacks longest",
    ["account", "list"],
)
_AGE = Gauge("tallystick_ingest_last_event_age_seconds", "Since the last event came", ["account"])
_ENDPOINTS = Gauge(
    "tallystick_ingest_webhook_endpoints",
    "Endpoints at Stripe that send to us",
    ["account", "state"],
)
_AUDITED = Gauge(
    "tallystick_ingest_audit_last_success_timestamp_seconds",
    "When a whole audit last ended",
    ["account"],
)
_FINDINGS = Gauge(
    "tallystick_ingest_audit_findings", "What the audit finds wrong now", ["account", "kind"]
)
_UNASKED = Counter(
    "tallystick_ingest_webhook_endpoints_refused_total", "Times Stripe did not list them"
)
_log = log.get(__name__)


Expectations = Callable[[], Awaitable[Sequence[Trouble]]]


async def nothing_expected() -> Sequence[Trouble]:
    """Nothing is still to be fetched."""
    return ()


@dataclass(frozen=True, slots=True)
class Audited:
    """A list and the store that remembers what it lacks."""

    list: AuditedList
    store: GapStore


class GapWatch:
    """Audits the lists of one key, and watches the way in."""

    def __init__(
        self,
        *,
        api: StripeApi,
        store: GapStore,
        reports: AuditReports,
        lists: Callable[[], Sequence[Audited]],
        ours: Callable[[], Sequence[Endpoint]],
        account: str,
        book: str,
        public_url: str,
        window_days: int,
        grace: timedelta,
        interval: timedelta,
        beat: Callable[[], None],
        expectations: Expectations = nothing_expected,
    ) -> None:
        self._api = api
        self._store = store
        self._reports = reports
        self._lists = lists
        self._ours = ours
        self._account = account
        self._book = book
        self._public_url = public_url
        self._window_seconds = window_days * DAY_SECONDS
        self._grace = grace
        self._is_awaiting = False
        self._interval = interval
        self._beat = beat
        self._expectations = expectations
        self._next_at = datetime.min.replace(tzinfo=UTC)
        self._left: list[Audited] = []
        self._looked: dict[tuple[str, str], Looked] = {}
        self._has_looked = False

    async def look(self) -> None:
        """One round: go on with the audit if it is due, and tell what is wrong now.

        Raises:
            ApiRefused: Stripe refuses the key, or a list to it; all else was looked at.
            Unavailable: Stripe, Kafka or Postgres is away.
        """
        refused: ApiRefused | None = None
        try:
            await self._audit()
        except ApiRefused as error:
            refused = error
        await self._tell()
        if refused is not None:
            raise refused

    async def _audit(self) -> None:
        now = datetime.now(UTC)
        if not self._left:
            if now < self._next_at:
                return
            self._left = list(self._lists())
            self._is_awaiting = False
        until = int(now.timestamp()) - MARGIN_SECONDS
        since = until - self._window_seconds
        pages_left = PAGES_A_ROUND_MAX
        while self._left and pages_left > 0:
            audited = self._left[0]
            walk = GapWalk(
                audited.list, audited.store, is_fetching=True, beat=self._beat, grace=self._grace
            )
            try:
                looked = await walk.step(since, until, pages_max=pages_left)
            except ApiRefused:
                # It has its turn again in the next audit; the others do not wait for it.
                self._left.pop(0)
                raise
            if looked is None:
                return
            self._left.pop(0)
            pages_left -= walk.pages
            self._note(looked)
        if not self._left:
            # What was seen to lack for the first time is looked for again once its grace is over.
            pause = min(self._grace, self._interval) if self._is_awaiting else self._interval
            self._next_at = datetime.now(UTC) + pause
            self._has_looked = True
            _AUDITED.labels(self._account).set_to_current_time()

    def _note(self, looked: Looked) -> None:
        self._looked[looked.account, looked.resource] = looked
        tally = looked.tally
        self._is_awaiting |= any(not missing.reason for missing in looked.missing)
        level = _log.warning if tally.still_lacking or looked.is_suspiciously_empty else _log.info
        level(
            "audit.done",
            account=looked.account,
            list=looked.resource,
            since=looked.since,
            until=looked.until,
            looked_for=tally.looked_for,
            found=tally.found,
            already_had=tally.already_had,
            fetched=tally.fetched,
            still_lacking=tally.still_lacking,
        )

    async def _tell(self) -> None:
        now = datetime.now(UTC)
        found = [*await self._lacking(now), *await self._silent(now)]
        found.extend(await self._expectations())
        unknown = frozenset[DiscrepancyKind]() if self._has_looked else _LOOKED_FOR
        found.extend(empty(self._looked.values(), self._book))
        listed = await self._listed_endpoints()
        if listed is None:
            unknown |= ENDPOINT_KINDS
        else:
            found.extend(self._endpoints(listed))
        await self._reports.tell(found, unknown=unknown)
        for kind in AUDITED_KINDS:
            count = sum(1 for trouble in found if trouble.kind is kind)
            _FINDINGS.labels(self._account, kind.value).set(count)

    async def _lacking(self, now: datetime) -> list[Trouble]:
        """What lacks by now; what came meanwhile, by whichever way, is forgotten."""
        found: list[Trouble] = []
        for audited in self._lists():
            resource, account = audited.list.resource, audited.list.account
            before = await audited.store.missing(resource)
            missing = before
            if before:
                await audited.list.catch_up()
                held = await audited.list.held(before)
                missing = {item_id: m for item_id, m in before.items() if item_id not in held}
                await audited.store.note(resource, before=before, after=missing)
            name = resource.partition("/")[0]
            _MISSING.labels(account, name).set(len(missing))
            _LONGEST.labels(account, name).set(longest_seconds(missing.values(), now))
            found.extend(lacking(resource, missing.values()))
        return found

    async def _silent(self, now: datetime) -> tuple[Trouble, ...]:
        last_event_at = await self._store.last_event_at()
        if last_event_at is not None:
            _AGE.labels(self._account).set(max((now - last_event_at).total_seconds(), 0))
        came = await self._store.webhooks()
        # The hours are asked for only when a whole one has been silent: the rule needs that much.
        if came.last_at is None or now - came.last_at < HOUR:
            return ()
        hours = await self._store.webhook_hours(history_from(came.last_at))
        reigns = silence(hours, first_at=came.first_at, last_at=came.last_at, now=now)
        return silent(self._account, self._book, reigns)

    async def _listed_endpoints(self) -> list[Fields] | None:
        """The endpoints at Stripe; ``None`` where the key may not list them."""
        found: list[Fields] = []
        try:
            async with aclosing(self._api.pages("/v1/webhook_endpoints")) as pages:
                async for page in pages:
                    self._beat()
                    found.extend(page)
        except ApiRefused as error:
            _UNASKED.inc()
            _log.debug("endpoints.refused", reason=str(error))
            return None
        return found

    def _endpoints(self, listed: Sequence[Fields]) -> tuple[Trouble, ...]:
        ours, theirs = self._ours(), registered(listed)
        enabled, disabled = matched_count(ours, theirs, public_url=self._public_url)
        _ENDPOINTS.labels(self._account, "enabled").set(enabled)
        _ENDPOINTS.labels(self._account, "disabled").set(disabled)
        return troubles(ours, theirs, public_url=self._public_url)
