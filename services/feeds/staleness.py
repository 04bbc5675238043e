"""Whether a feed is stale: how long ago it was last read, and what is said of it."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.contracts.audits import AuditReport
from shared.contracts.discrepancies import DiscrepancyKind, discrepancy_id


@dataclass(frozen=True, slots=True)
class FeedState:
    """When an account was last read (or first asked for), how often it has to be, and what failed.

    ``reason`` is what stood in the way the last time, empty where nothing did.
    """

    account: str
    book: str
    since: datetime
    stale_after: timedelta
    reason: str = ""

    def is_stale(self, at: datetime) -> bool:
        """Whether it was not read for too long."""
        return at - self.since > self.stale_after


def report(state: FeedState, *, at: datetime) -> AuditReport:
    """How the feed stands, as a record that opens its discrepancy or resolves it."""
    is_stale = state.is_stale(at)
    since = state.since.isoformat(timespec="seconds").replace("+00:00", "Z")
    kind = DiscrepancyKind.BANK_FEED_STALE
    why = f" ({state.reason})" if state.reason else ""
    return AuditReport(
        id=discrepancy_id(state.book, kind, state.account),
        book=state.book,
        account=state.account,
        discrepancy=kind,
        subject=state.account,
        stands=is_stale,
        since=state.since,
        told_at=at,
        expected=f"a reading every {_span(state.stale_after)} at least",
        found=f"none since {since}" if is_stale else f"the last one at {since}",
        explanation=(
            f"Bank account {state.account} has not been read since {since}{why}: lines and"
            " balances of that time are not known here."
            if is_stale
            else f"Bank account {state.account} is read: the last time at {since}."
        ),
        evidence=(state.reason,) if state.reason else (),
    )


def _span(span: timedelta) -> str:
    seconds = int(span.total_seconds())
    for unit, size in (("day", 86_400), ("hour", 3600), ("minute", 60)):
        if seconds >= size and seconds % size == 0:
            count = seconds // size
            return f"{count} {unit}{'' if count == 1 else 's'}"
    return f"{seconds} seconds"
