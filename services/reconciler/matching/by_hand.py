"""Rulings applied: what people have matched and written off stands before any rule runs.

What they settle is taken off what is due, as if it had been booked by hand, and their lines are
kept from the rules; so the passes see only what is left. A ruling that the facts contradict (its
line is gone or has another amount, its payout has failed, the ledger has refused to write it off)
has no effect, and the rules have both sides again.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Final

from services.reconciler.facts.kinds import IN_TRANSIT, SUSPENSE, Booking, Leg, Line
from services.reconciler.facts.known import Facts
from services.reconciler.facts.rulings import Ruled, Ruling
from services.reconciler.findings.explain import money
from services.reconciler.findings.found import Match, Settles
from services.reconciler.matching.readings import Readings
from services.reconciler.matching.shelf import shelf_of
from services.reconciler.matching.table import Table, table_of
from services.reconciler.rules.calendars import midnight
from services.reconciler.rules.expectations import Expectation
from shared.contracts.discrepancies import DiscrepancyKind, match_id
from shared.contracts.messages import MatchKind
from shared.contracts.observations import LineState

BY_HAND: Final = "by_hand"
WRITTEN_OFF: Final = "written_off"
_AT: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(slots=True)
class ByHand:
    """What follows from rulings.

    ``facts`` have what was settled taken off what is due; ``cleared`` says of each line that is
    kept from the rules how much of it is done with; ``together`` which objects a line goes with.
    """

    facts: Facts
    cleared: dict[str, int] = field(default_factory=dict[str, int])
    matches: list[Match] = field(default_factory=list[Match])
    together: dict[str, set[str]] = field(default_factory=dict[str, set[str]])


@dataclass(slots=True)
class _Hands:
    """What lies before the rulings while they are applied, in order."""

    facts: Facts
    lines: Mapping[str, Line]
    expected: Mapping[str, Expectation]
    booked_at: Mapping[str, datetime]
    found: ByHand
    moved: dict[tuple[str, str], int]
    refused: frozenset[str]

    def left(self, line: Line) -> int:
        """What of a line no ruling has dealt with."""
        return line.minor - self.found.cleared.get(line.key, 0)


def by_hand(facts: Facts) -> ByHand:
    """The rulings of a book applied to its facts, in the order in which they were decided."""
    found = ByHand(facts)
    if not facts.rulings:
        return found
    hands = _Hands(
        facts,
        {li.key: li for li in facts.lines if li.state is LineState.POSTED and li.minor},
        {e.id: e for e in facts.expectations if not e.stage.is_over},
        _booked_at(facts),
        found,
        defaultdict(int),
        frozenset(c.subject for c in facts.concerns if c.kind is DiscrepancyKind.MATCH_REFUSED),
    )
    for ruling in sorted(facts.rulings, key=lambda r: (r.what is Ruled.WRITE_OFF, r.number, r.key)):
        match ruling.what:
            case Ruled.MATCH:
                _match(hands, ruling)
            case Ruled.HOLD:
                if ruling.line_key in hands.lines:
                    found.cleared.setdefault(ruling.line_key, 0)
            case Ruled.WRITE_OFF:
                _write_off(hands, ruling)
            case Ruled.RELEASE:
                continue
    found.facts = replace(facts, bookings=(*facts.bookings, *_as_booked(hands)))
    return found


def _booked_at(facts: Facts) -> dict[str, datetime]:
    """When what rulings name was taken out of the balance, where something is still due of it."""
    named = {name for ruling in facts.rulings for name in ruling.objects}
    expected = tuple(e for e in facts.expectations if e.id in named)
    shelf = shelf_of(replace(facts, expectations=expected))
    return {c.id: c.booked_at for c in shelf.candidates.values()}


def for_rules(hand: ByHand) -> Facts:
    """The facts that the rules see: the lines that people deal with are kept from them."""
    if not hand.cleared:
        return hand.facts
    lines = tuple(line for line in hand.facts.lines if line.key not in hand.cleared)
    return replace(hand.facts, lines=lines)


def lay_beside(table: Table, hand: ByHand, readings: Readings | None = None) -> None:
    """Put the lines that people deal with beside the table: what is left of them is theirs."""
    if not hand.cleared:
        return
    whole = table_of(hand.facts, readings)
    lines = {line.key: line for line in hand.facts.lines}
    for key in sorted(hand.cleared.keys() & whole.evidence.keys()):
        table.evidence[key] = whole.evidence[key]
        table.by_hand[key] = whole.by_hand.get(key, lines[key].minor) - hand.cleared[key]


def _match(hands: _Hands, ruling: Ruling) -> None:
    line = hands.lines.get(ruling.line_key)
    settled = [(hands.expected.get(name), share) for name, share in ruling.shares]
    whole = sum(share for _, share in settled)
    if line is None or line.currency != ruling.currency or not _is_part(whole, line.minor):
        return
    owners = [(e, share) for e, share in settled if e is not None and e.currency == line.currency]
    if len(owners) != len(settled):
        return
    book, zone = hands.facts.book.name, hands.facts.book.zone
    hands.found.cleared[line.key] = hands.found.cleared.get(line.key, 0) + whole
    hands.found.together.setdefault(line.key, set()).update(e.id for e, _ in owners)
    for e, share in owners:
        hands.moved[e.id, line.currency] -= share
    hands.found.matches.append(
        Match(
            id=match_id(book, MatchKind.BANK_LINE, [line.key, *(e.id for e, _ in owners)]),
            kind=MatchKind.BANK_LINE,
            book=book,
            effective_at=max(
                midnight(line.booked_on, zone),
                *(hands.booked_at.get(e.id, e.created) for e, _ in owners),
            ),
            clears=(
                Leg(SUSPENSE, line.id, line.currency, whole),
                *(Leg(IN_TRANSIT, e.id, line.currency, -share) for e, share in owners),
            ),
            rule=BY_HAND,
            line=line,
            settles=tuple(
                Settles(e.id, e.money, money(share, line.currency)) for e, share in owners
            ),
            evidence=_said(ruling),
        )
    )


def _write_off(hands: _Hands, ruling: Ruling) -> None:
    book = hands.facts.book.name
    name = match_id(book, MatchKind.WRITE_OFF, [ruling.name, ruling.to])
    line = hands.lines.get(ruling.line_key)
    expected = hands.expected.get(ruling.object)
    if name in hands.refused:
        return
    if line is not None and line.currency == ruling.currency:
        if not _is_part(ruling.minor, hands.left(line)):
            return
        hands.found.cleared[line.key] = hands.found.cleared.get(line.key, 0) + ruling.minor
        waits = Leg(SUSPENSE, line.id, line.currency, ruling.minor)
        result = Leg(ruling.to, "", line.currency, -ruling.minor)
    elif expected is not None and expected.currency == ruling.currency:
        hands.moved[expected.id, expected.currency] -= ruling.minor
        waits = Leg(IN_TRANSIT, expected.id, expected.currency, -ruling.minor)
        result = Leg(ruling.to, "", expected.currency, ruling.minor)
    else:
        return
    hands.found.matches.append(
        Match(
            id=name,
            kind=MatchKind.WRITE_OFF,
            book=book,
            effective_at=ruling.at,
            clears=(waits, result),
            rule=WRITTEN_OFF,
            evidence=_said(ruling),
        )
    )


def _is_part(minor: int, whole: int) -> bool:
    """Whether an amount is a part of another, or all of it."""
    return 0 < minor <= whole or whole <= minor < 0


def _said(ruling: Ruling) -> tuple[str, ...]:
    said = f"{ruling.actor or 'somebody'}: {ruling.reason}" if ruling.reason else ruling.actor
    return (said,) if said else ()


def _as_booked(hands: _Hands) -> Iterable[Booking]:
    """What was settled and written off, in the form of entries that people booked."""
    return [
        Booking(
            f"ruling:{name}", "manual_entry", _AT, _AT, (Leg(IN_TRANSIT, name, currency, minor),)
        )
        for (name, currency), minor in sorted(hands.moved.items())
        if minor
    ]
