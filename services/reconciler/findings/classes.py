"""What sort of break a discrepancy is, how much it matters, and how long it stands."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from types import MappingProxyType
from typing import Final
from zoneinfo import ZoneInfo

from shared.contracts.discrepancies import BreakClass, DiscrepancyKind, Severity
from shared.contracts.money import Money

B, K, S = BreakClass, DiscrepancyKind, Severity

CLASSES: Final[Mapping[DiscrepancyKind, BreakClass]] = MappingProxyType(
    {
        K.PAYOUT_OVERDUE: B.MISSING_IN_BANK,
        K.TOPUP_OVERDUE: B.MISSING_IN_BANK,
        K.PAYOUT_AMOUNT_MISMATCH: B.AMOUNT_MISMATCH,
        K.PAYOUT_FAILED: B.RETURNED,
        K.REFUND_FAILED: B.RETURNED,
        K.DUPLICATE_BANK_CREDIT: B.DUPLICATE_BANK,
        K.UNIDENTIFIED_BANK_CREDIT: B.UNIDENTIFIED_RECEIPT,
        K.UNIDENTIFIED_BANK_DEBIT: B.UNIDENTIFIED_DEBIT,
        K.BALANCE_DRIFT: B.BALANCE_DRIFT,
        K.BOOKS_DIFFER: B.BALANCE_DRIFT,
        K.NEGATIVE_STRIPE_BALANCE: B.OVERDRAWN,
        K.EVENT_CONFLICT: B.DUPLICATE_LEDGER,
        K.REFERENCE_CONFLICT: B.DUPLICATE_LEDGER,
        K.MODE_MISMATCH: B.MISSING_IN_LEDGER,
        K.INVALID_AMOUNT: B.MISSING_IN_LEDGER,
        K.UNKNOWN_BALANCE_TRANSACTION: B.MISSING_IN_LEDGER,
        K.CLEARING_OVERDUE: B.MISSING_IN_LEDGER,
        K.EVENT_MISSING: B.MISSING_IN_LEDGER,
        K.BALANCE_TRANSACTION_MISSING: B.MISSING_IN_LEDGER,
        K.EVENTS_SILENT: B.STALE_FEED,
        K.BANK_FEED_STALE: B.STALE_FEED,
        K.STATEMENT_FILE_REFUSED: B.STALE_FEED,
        K.EVENT_LIST_EMPTY: B.STALE_FEED,
        K.WEBHOOK_ENDPOINT_MISSING: B.STALE_FEED,
        K.WEBHOOK_ENDPOINT_DISABLED: B.STALE_FEED,
        K.WEBHOOK_ENDPOINT_MISCONFIGURED: B.STALE_FEED,
        K.AMBIGUOUS_MATCH: B.AMBIGUOUS,
        K.PENDING_CHANGED: B.PENDING_CHANGED,
        K.MATCH_REFUSED: B.MISSING_IN_LEDGER,
    }
)
# What one message shows once and nothing takes back: only a person can close it.
ONE_SHOT: Final = frozenset(
    {
        K.PAYOUT_FAILED,
        K.REFUND_FAILED,
        K.EVENT_CONFLICT,
        K.REFERENCE_CONFLICT,
        K.MODE_MISMATCH,
        K.INVALID_AMOUNT,
        K.MATCH_REFUSED,
    }
)
# Banks and rails rest at weekends: what waits for them ages by business days.
_OF_RAILS: Final = frozenset(
    {K.PAYOUT_OVERDUE, K.TOPUP_OVERDUE, K.PAYOUT_AMOUNT_MISMATCH, K.PENDING_CHANGED}
)

_BASE: Final[Mapping[BreakClass, Severity]] = MappingProxyType(
    {
        B.TIMING_IN_TRANSIT: S.INFO,
        B.MISSING_IN_BANK: S.HIGH,
        B.MISSING_IN_LEDGER: S.HIGH,
        B.UNIDENTIFIED_RECEIPT: S.MEDIUM,
        B.UNIDENTIFIED_DEBIT: S.HIGH,
        B.AMOUNT_MISMATCH: S.MEDIUM,
        B.FEE_DIFF: S.LOW,
        B.FX_DIFF: S.LOW,
        B.DUPLICATE_BANK: S.HIGH,
        B.DUPLICATE_LEDGER: S.HIGH,
        B.PARTIAL: S.LOW,
        B.RETURNED: S.HIGH,
        B.PENDING_CHANGED: S.MEDIUM,
        B.BALANCE_DRIFT: S.CRITICAL,
        B.STALE_FEED: S.HIGH,
        B.AMBIGUOUS: S.MEDIUM,
        B.OVERDRAWN: S.HIGH,
    }
)
# Bounds of amounts in minor units of a currency with two decimals, and what they add.
_SMALL_BELOW: Final = 1_000
_LARGE_FROM: Final = 1_000_000
_GREAT_FROM: Final = 100_000_000
# An amount that has fallen by less than a fifth keeps the severity that it had.
_STICKY_NUMERATOR: Final = 5
_STICKY_DENOMINATOR: Final = 4
_TWO_DECIMALS: Final = 2

# The first day of each bucket, counted from the day on which it became wrong, and its name.
BUCKETS: Final = (
    (0, "0-1"),
    (2, "2-3"),
    (4, "4-7"),
    (8, "8-30"),
    (31, "31-60"),
    (61, "61-90"),
    (91, "90+"),
)
_OLD_FROM: Final = 8
_VERY_OLD_FROM: Final = 61
_WEEKEND: Final = 5
_LOOKED_AHEAD_MAX: Final = 140


def class_of(kind: DiscrepancyKind) -> BreakClass:
    """The class of a kind where nothing finer is known."""
    return CLASSES.get(kind, B.MISSING_IN_LEDGER)


def severity_of(
    break_class: BreakClass, amount: Money | None, age: int, *, last: Severity | None = None
) -> Severity:
    """How much it matters: by class, a step up or down by amount, steps up by days of age.

    ``last`` is what was said of it before: it goes down only when the amount has fallen by a
    fifth below the bound, so that an amount that wavers around a bound does not.
    """
    found = _severity(break_class, _scaled(amount), age)
    if last is None or found.rank >= last.rank:
        return found
    held = _scaled(amount)
    held = None if held is None else held * _STICKY_NUMERATOR // _STICKY_DENOMINATOR
    if _severity(break_class, held, age).rank >= last.rank:
        return last
    return found


def _severity(break_class: BreakClass, minor: int | None, age: int) -> Severity:
    rank = _BASE[break_class].rank
    if minor is not None:
        rank += (minor >= _LARGE_FROM) + (minor >= _GREAT_FROM) - (minor < _SMALL_BELOW)
    rank += (age >= _OLD_FROM) + (age >= _VERY_OLD_FROM)
    return list(Severity)[max(0, min(rank, len(Severity) - 1))]


def _scaled(amount: Money | None) -> int | None:
    """Minor units as if the currency had at most two decimals; one with none stays as it is."""
    if amount is None:
        return None
    beyond = max(0, amount.currency.exponent - _TWO_DECIMALS)
    return int(abs(amount.minor) // 10**beyond)


def days_open(kind: DiscrepancyKind, since: date, at: datetime, zone: ZoneInfo) -> int:
    """How many days it is wrong, business days where a rail is waited for; never below zero."""
    return _days(kind in _OF_RAILS, since, _day(at, zone))


def bucket_of(days: int) -> str:
    """The aging bucket of a number of days."""
    return next(name for first, name in reversed(BUCKETS) if days >= first)


def ages_at(kind: DiscrepancyKind, since: date, at: datetime, zone: ZoneInfo) -> datetime | None:
    """When the next bucket begins; ``None`` in the last one."""
    day = _next_bucket_day(kind in _OF_RAILS, since, _day(at, zone))
    if day is None:
        return None
    return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)


@lru_cache(maxsize=4096)
def _next_bucket_day(is_rail: bool, opened: date, today: date) -> date | None:  # noqa: FBT001  # cached: by place
    now = _days(is_rail, opened, today)
    following = next((first for first, _ in BUCKETS if first > now), None)
    if following is None:
        return None
    day = max(opened, today)
    for _ in range(_LOOKED_AHEAD_MAX):
        day += timedelta(days=1)
        if _days(is_rail, opened, day) >= following:
            return day
    return None


@lru_cache(maxsize=4096)
def _days(is_rail: bool, opened: date, today: date) -> int:  # noqa: FBT001  # cached: by place
    if today <= opened:
        return 0
    if not is_rail:
        return (today - opened).days
    weeks, rest = divmod((today - opened).days, 7)
    begun = (opened.weekday() + step for step in range(1, rest + 1))
    return weeks * 5 + sum(day % 7 < _WEEKEND for day in begun)


def _day(at: datetime, zone: ZoneInfo) -> date:
    return at.astimezone(zone).date()
