"""The two halves of a matter in two currencies: what the object says and what was settled.

A charge in euros that is settled in dollars leaves its key open in both currencies for good,
since no message carries both amounts. Its match clears each against ``equity:exchange``.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from services.reconciler.facts.kinds import CONNECT, MATCH_KINDS, SETTLING, Booking, Leg
from services.reconciler.facts.known import Facts
from services.reconciler.findings.found import Match
from shared.contracts.discrepancies import match_id
from shared.contracts.messages import MatchKind
from shared.contracts.money import MINOR_MAX

SETTLED: Final = "object_and_balance_transaction"
TRANSFERRED: Final = "charge_and_transfer"

_SUCCESS: Final = "done"
_FAILURE: Final = "failed"
_FAILURE_CATEGORIES: Final = frozenset(
    {"charge_failure", "refund_failure", "transfer_failure", "payment_failure_refund"}
)
_REFUNDS: Final = frozenset({"refund", "payment_refund"})
_OBJECTS: Final = ("payment", "refund", "transfer", "transfer_reversal")


@dataclass(frozen=True, slots=True)
class _Half:
    """One entry's leg on a key."""

    booking: Booking
    leg: Leg


def exchange_matches(facts: Facts) -> list[Match]:
    """The matches of halves in two currencies; entries that a match caused take no part."""
    kinds = {b.id: b.category or b.type for b in facts.balance_transactions}
    types = {b.id: b.type for b in facts.balance_transactions}
    by_key: defaultdict[str, list[_Half]] = defaultdict(list)
    for booking in facts.bookings:
        if booking.kind in MATCH_KINDS:
            continue
        for leg in booking.legs:
            if leg.account == SETTLING:
                by_key[leg.key].append(_Half(booking, leg))
    found = [
        match
        for key in sorted(by_key)
        for match in _settled(facts, key, by_key[key], kinds=kinds, types=types)
    ]
    return [*found, *_transferred(facts)]


def _settled(
    facts: Facts,
    key: str,
    halves: Iterable[_Half],
    *,
    kinds: Mapping[str, str],
    types: Mapping[str, str],
) -> Iterable[Match]:
    """One match for what was done, one for what failed: so neither waits for the other."""
    objects: defaultdict[str, list[_Half]] = defaultdict(list)
    movements: list[_Half] = []
    for half in halves:
        what, identity, failed = _read(half.booking.reference)
        if what in _OBJECTS:
            objects[_FAILURE if failed else _SUCCESS].append(half)
        elif what == "balance_transaction" and identity:
            movements.append(half)
    settled: defaultdict[str, list[_Half]] = defaultdict(list)
    done_sign = sum(half.leg.minor for half in objects[_SUCCESS])
    for half in movements:
        _, identity, _ = _read(half.booking.reference)
        group = _group(half, kinds.get(identity), types.get(identity, ""), done_sign, objects)
        if group is None:
            return
        settled[group].append(half)
    for group in (_SUCCESS, _FAILURE):
        match = _pair(
            facts,
            objects[group],
            settled[group],
            sides=[f"{SETTLING}[{key}]", group],
            rule=SETTLED,
        )
        if match is not None:
            yield match


def _group(
    half: _Half,
    category: str | None,
    kind: str,
    done_sign: int,
    objects: Mapping[str, list[_Half]],
) -> str | None:
    """Whether a movement settles what was done or what failed; ``None`` where it cannot be told."""
    if category is not None:
        named = {category, kind}
        # A refund only ever goes out: money that comes in under its name is that of its failure.
        is_back = not named.isdisjoint(_REFUNDS) and half.leg.minor < 0
        return _FAILURE if is_back or named & _FAILURE_CATEGORIES else _SUCCESS
    if done_sign and (half.leg.minor > 0) != (done_sign > 0):
        return _SUCCESS
    if not objects.get(_FAILURE):
        return _SUCCESS if done_sign else None
    return None


def _read(reference: str) -> tuple[str, str, bool]:
    """What a reference is of: the kind of object, its id, and whether it is of its failure."""
    parts = reference.split(":")
    if len(parts) < 3 or parts[0] != "stripe":
        return "", "", False
    return parts[1], parts[2], parts[-1] == "failed"


def _pair(
    facts: Facts, one: list[_Half], other: list[_Half], *, sides: list[str], rule: str
) -> Match | None:
    """A match of two halves, each in one currency, not the same, with opposite signs."""
    first, second = _sums(one), _sums(other)
    if len(first) != 1 or len(second) != 1 or set(first) == set(second):
        return None
    ((first_code, first_minor),) = first.items()
    ((second_code, second_minor),) = second.items()
    if first_minor * second_minor >= 0 or max(abs(first_minor), abs(second_minor)) > MINOR_MAX:
        return None
    leg = one[0].leg
    return Match(
        id=match_id(facts.book.name, MatchKind.EXCHANGE, sides),
        kind=MatchKind.EXCHANGE,
        book=facts.book.name,
        effective_at=max(half.booking.effective_at for half in (*one, *other)),
        clears=(
            Leg(leg.account, leg.key, first_code, -first_minor),
            Leg(leg.account, leg.key, second_code, -second_minor),
        ),
        rule=rule,
        evidence=tuple(sorted({half.booking.reference for half in (*one, *other)})),
    )


def _sums(halves: Iterable[_Half]) -> dict[str, int]:
    sums: defaultdict[str, int] = defaultdict(int)
    for half in halves:
        sums[half.leg.currency] += half.leg.minor
    return dict(sums)


def _transferred(facts: Facts) -> list[Match]:
    """What a charge owes a connected account in one currency and a transfer paid in another.

    A charge that failed owes nothing more: its transfer is an advance until it is reversed, and
    the reversal meets it in its own currency.
    """
    sources = {t.id: t.source_transaction for t in facts.transfers if t.source_transaction}
    owed: defaultdict[tuple[str, str], list[_Half]] = defaultdict(list)
    paid: defaultdict[tuple[str, str], list[_Half]] = defaultdict(list)
    returned: set[str] = set()
    for booking in facts.bookings:
        what, identity, failed = _read(booking.reference)
        if what == "payment" and failed:
            returned.add(identity)
        if failed or what not in {"payment", "transfer"}:
            continue
        for leg in booking.legs:
            if leg.account != CONNECT:
                continue
            if what == "payment":
                owed[identity, leg.key].append(_Half(booking, leg))
            elif identity in sources:
                paid[sources[identity], leg.key].append(_Half(booking, leg))
    pairs = (
        _pair(
            facts,
            owed[charge, key],
            paid[charge, key],
            sides=[f"{CONNECT}[{key}]", charge],
            rule=TRANSFERRED,
        )
        for charge, key in sorted(owed.keys() & paid.keys())
        if charge not in returned
    )
    return [match for match in pairs if match is not None]
