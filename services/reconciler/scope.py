"""What belongs together: which facts can affect one another, and which are done with.

A shell loads the facts that are not dormant and, for a new fact, those that share a hook with it,
and so on; work then grows with what is open, never with history.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from itertools import chain
from typing import Final

from services.reconciler.breaks.in_transit import OpenKey
from services.reconciler.breaks.pending import Pending, is_awaited
from services.reconciler.evidence.references import Evidence
from services.reconciler.evidence.spelling import handles_of_line, handles_of_names
from services.reconciler.facts.kinds import (
    CONNECT,
    IN_TRANSIT,
    MATCH_KINDS,
    SETTLING,
    SUSPENSE,
    BalanceTransaction,
    Booking,
    Concern,
    Fact,
    Line,
    Transfer,
)
from services.reconciler.facts.known import Facts
from services.reconciler.facts.rulings import Ruling
from services.reconciler.findings.found import Discrepancy, Match
from services.reconciler.matching.candidates import Candidate
from services.reconciler.matching.table import WEAK_RULES, Table, Taken
from services.reconciler.rules.calendars import SETTLING_TIME, due_at, waited_until
from services.reconciler.rules.expectations import Expectation
from shared.contracts.discrepancies import DiscrepancyKind
from shared.contracts.messages import MatchKind, MatchMade

_NAME: Final = "name:"
_TEXT: Final = "text:"


def hooks(fact: Fact) -> frozenset[str]:
    """What a fact can be met by.

    Two facts of which one is dormant, and that no hooks bring together, directly or through
    others, do not affect one another. What brings them together is told by ``meeting``.
    """
    match fact:
        case Expectation():
            names = {f"{_NAME}{handle}" for handle in handles_of_names(fact)}
            return frozenset({f"object:{fact.id}", *names})
        case Line():
            texts = {f"{_TEXT}{handle}" for handle in handles_of_line(fact)}
            replaced = {f"line:{fact.account}/{fact.replaces}"} if fact.replaces else set[str]()
            return frozenset({fact.key, f"suspense:{fact.id}", *texts, *replaced})
        case Booking():
            return _booking_hooks(fact)
        case Ruling():
            return frozenset(
                {fact.key, *([fact.line_key] if fact.line_key else ())}
                | {f"object:{name}" for name in fact.objects}
            )
        case Transfer():
            charge = fact.source_transaction
            return frozenset({f"transfer:{fact.id}", *([f"payment:{charge}"] if charge else [])})
        case BalanceTransaction():
            return frozenset({f"balance_transaction:{fact.id}"})
        case Concern():
            if fact.kind is DiscrepancyKind.UNKNOWN_BALANCE_TRANSACTION:
                return frozenset({fact.key, f"suspense:{fact.subject}"})
            if fact.kind is DiscrepancyKind.MATCH_REFUSED:
                return frozenset({fact.key, f"refused:{fact.subject}"})
            return frozenset({fact.key})
        case _:
            return frozenset({fact.key})


def meeting(hook: str) -> str:
    """The hook that one brings its fact together with: most meet their like.

    A line's text meets the names of what is expected and never another line's text, for a bank
    writes much the same around every line: by their words all lines would know one another.
    """
    for one, other in ((_NAME, _TEXT), (_TEXT, _NAME)):
        if hook.startswith(one):
            return other + hook.removeprefix(one)
    return hook


def match_hooks(made: MatchMade) -> frozenset[str]:
    """What a standing match holds together: its line and what the line settles, or its keys."""
    found = {f"object:{settled.object}" for settled in made.settles}
    if made.line is not None:
        found.add(f"line:{made.line.account}/{made.line.id}")
    found |= {f"settling:{leg.key}" for leg in made.clears if leg.account == SETTLING}
    if made.match_kind is MatchKind.WRITE_OFF:
        found |= {f"object:{leg.key}" for leg in made.clears if leg.account == IN_TRANSIT}
        found |= {f"suspense:{leg.key}" for leg in made.clears if leg.account == SUSPENSE}
        found.add(f"refused:{made.id}")
    for reference in made.evidence:
        parts = reference.split(":")
        if len(parts) > 2 and parts[0] == "stripe" and parts[1] in {"payment", "transfer"}:
            found.add(f"{parts[1]}:{parts[2]}")
    return frozenset(found)


def _booking_hooks(booking: Booking) -> frozenset[str]:
    found = {booking.key}
    for leg in booking.legs:
        if leg.account == SETTLING:
            found.add(f"settling:{leg.key}")
        elif leg.account == IN_TRANSIT:
            found.add(f"object:{leg.key}")
        elif leg.account == SUSPENSE:
            found.add(f"suspense:{leg.key}")
    parts = booking.reference.split(":")
    if len(parts) > 2 and parts[0] == "stripe":
        is_connect = any(leg.account == CONNECT for leg in booking.legs)
        if parts[1] == "balance_transaction" or is_connect:
            found.add(f"{parts[1]}:{parts[2]}")
    return frozenset(found)


def dormant_facts(
    facts: Facts,
    table: Table,
    exchanged: Iterable[Match],
    found: Iterable[Discrepancy],
    *,
    at: datetime,
    keys: Iterable[str],
    pendings: Sequence[Pending] = (),
) -> frozenset[str]:
    """The keys of facts that nothing is open about: settled, windows closed, keys at zero.

    A pending line is held as long as what it names is waited for, and one that was replaced as
    long as the line in its place. ``keys`` stand open in transit.
    """
    troubled = {d.subject for d in found if d.id not in facts.accepted}
    accepted = {d.subject for d in found if d.id in facts.accepted}
    waiting = set(keys) - accepted
    done_lines = _dealt_with(facts, table) - {pending.line.key for pending in pendings}
    done_objects = {
        e.id
        for e in chain(table.over.values(), table.shelf.cleared)
        if e.id not in table.settled and e.id not in troubled
    } - waiting
    together = {
        key: tuple(share.candidate.id for share in taken.shares)
        for key, taken in table.taken.items()
    }
    held = troubled | waiting
    for key, ids in together.items():
        if held.isdisjoint(ids) and not _is_in_window(table.taken[key], at):
            done_lines.add(key)
            done_objects.update(ids)
    known = _known(facts) if facts.rulings else set[str]()
    for ruling in facts.rulings:
        if ruling.line_key and ruling.objects:
            owners = {*together.get(ruling.line_key, ()), *(ruling.objects & known)}
            together[ruling.line_key] = tuple(sorted(owners))
    open_lines = table.evidence.keys() - table.taken.keys() - done_lines
    # What an open line names has to be known with it: it could pass for unpaid, or for unknown.
    done_objects -= {owner for key in open_lines for owner in _named(table.evidence[key])}
    done_objects -= {owner for pending in pendings for owner in pending.named}
    while apart := _apart(facts.lines, together, done_lines, done_objects):
        done_lines -= apart
        done_objects -= {owner for key in apart for owner in together.get(key, ())}
    done_objects -= {owner for k, ids in together.items() if k not in done_lines for owner in ids}
    done_lines -= _replaced_by_open(facts.lines, done_lines)
    return frozenset(
        chain(
            done_lines,
            (f"expectation:{e}" for e in done_objects),
            (told.key for told in facts.audited if not told.stands),
            (told.key for told in facts.contents),
            _done_concerns(facts, found),
            _done_rulings(facts, done_lines, done_objects),
            _dormant_bookings(facts, exchanged, done_objects, done_lines, troubled),
        )
    )


def _dealt_with(facts: Facts, table: Table) -> set[str]:
    """Lines that no rule and nobody has anything more to do with."""
    return {key for key, left in table.by_hand.items() if not left} | {
        line.key
        for line in facts.lines
        # One that is pending is waited for: it is posted, changed, or looked for until it is gone.
        if line.key not in table.evidence and not is_awaited(line)
    }


def _replaced_by_open(lines: Iterable[Line], done_lines: set[str]) -> set[str]:
    """Pending lines in whose place one has come that is not done with."""
    return {
        f"line:{line.account}/{line.replaces}"
        for line in lines
        if line.replaces and line.key not in done_lines
    }


def _known(facts: Facts) -> set[str]:
    return {expected.id for expected in facts.expectations}


def _done_concerns(facts: Facts, found: Iterable[Discrepancy]) -> set[str]:
    """Concerns that nothing is said of any more, or that a person closed for good."""
    stands = {(d.kind, d.subject) for d in found if d.id not in facts.accepted}
    return {c.key for c in facts.concerns if (c.kind, c.subject) not in stands}


def _done_rulings(facts: Facts, done_lines: set[str], done_objects: set[str]) -> set[str]:
    """Rulings that are about nothing that is open; a fact that comes wakes them again."""
    if not facts.rulings:
        return set()
    lines = {line.key for line in facts.lines} - done_lines
    objects = _known(facts) - done_objects
    return {
        ruling.key
        for ruling in facts.rulings
        if ruling.line_key not in lines and not ruling.objects & objects
    }


def _apart(
    lines: Iterable[Line],
    together: Mapping[str, Sequence[str]],
    done_lines: set[str],
    done_objects: set[str],
) -> set[str]:
    """Lines that would be let go without what they settle, or without one of the same id.

    What a person clears by hand names a line's id alone: all that bear it have to be known.
    """
    open_ids = {line.id for line in lines if line.key not in done_lines}
    namesakes = {line.key for line in lines if line.id in open_ids}
    unsettled = {key for key, ids in together.items() if not done_objects.issuperset(ids)}
    return done_lines & (namesakes | unsettled)


def _is_in_window(taken: Taken, at: datetime) -> bool:
    """Whether something new may still undo what an amount alone has matched."""
    if taken.rule not in WEAK_RULES:
        return False
    return any(share.candidate.closed_at > at for share in taken.shares)


def _named(evidence: Evidence) -> set[str]:
    return {*evidence.strong, *(owner for owners in evidence.partial for owner in owners)}


def _dormant_bookings(
    facts: Facts,
    exchanged: Iterable[Match],
    done_objects: set[str],
    done_lines: set[str],
    troubled: set[str],
) -> set[str]:
    """Bookings, transfers and balance transactions that only meet what is done with."""
    sums: dict[tuple[str, str], int] = {}
    legs = [leg for b in facts.bookings if b.kind not in MATCH_KINDS for leg in b.legs]
    for leg in (*legs, *(leg for match in exchanged for leg in match.clears)):
        if leg.account == SETTLING:
            sums[leg.key, leg.currency] = sums.get((leg.key, leg.currency), 0) + leg.minor
    open_keys = {key for (key, _), minor in sums.items() if minor}
    open_objects = _known(facts) - done_objects if facts.bookings else set[str]()
    line_ids = {line.id for line in facts.lines if line.key not in done_lines}
    done: set[str] = set()
    for booking in facts.bookings:
        waits = any(
            (leg.account == SETTLING and leg.key in open_keys)
            or (leg.account == IN_TRANSIT and leg.key in open_objects)
            or (leg.account == SUSPENSE and (leg.key in line_ids or leg.key in troubled))
            for leg in booking.legs
        )
        if not waits:
            done.add(booking.key)
    waiting = {b.reference for b in facts.bookings if b.key not in done}
    done |= {
        t.key
        for t in facts.balance_transactions
        if f"stripe:balance_transaction:{t.id}" not in waiting
    }
    done |= {t.key for t in facts.transfers}
    return done


def next_change(
    facts: Facts,
    table: Table,
    *,
    at: datetime,
    keys: Iterable[OpenKey],
    of: Collection[Candidate],
) -> datetime | None:
    """The next time after ``at`` at which the answer may change though nothing new is told.

    ``keys`` stand open in transit; ``of`` are the candidates to look at, where others rest.
    """
    zone = facts.book.zone
    expected = [*(candidate.expected for candidate in of), *table.shelf.cleared]
    times = [due_at(e, zone, facts.rules) for e in expected]
    times += [candidate.closed_at for candidate in of if table.is_open(candidate.id)]
    if facts.require_readings:
        times += [waited_until(e) for e in expected]
    times += [
        share.candidate.closed_at
        for taken in table.taken.values()
        if taken.rule in WEAK_RULES
        for share in taken.shares
    ]
    times += [
        booking.known_at + SETTLING_TIME
        for booking in facts.bookings
        if any(leg.account == SETTLING for leg in booking.legs)
    ]
    times += [key.since + SETTLING_TIME for key in keys]
    return min((time for time in times if time > at), default=None)
