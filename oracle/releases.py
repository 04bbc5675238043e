"""What clock ticks release, held within what lines can earn at all.

A tick's entry takes from what stands unearned of lines and gives all of it to revenue. Over all
ticks no line earns more than its deferral, or of the other sign. What each tick has to release is
worked out in ``clock.py``.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from oracle.invoices import REVENUE, UNEARNED
from oracle.journal import Booked
from oracle.report import Difference
from oracle.values import Fact, Leg, Model, Name, reversed_legs


def is_release(entry: Booked, model: Model) -> bool:
    """Whether an entry says that a clock tick made it."""
    return entry.name.reference.startswith("release:") and entry.caused_by in model.ticks


def fact_of(entry: Booked) -> Fact:
    """The entry as a fact, of which nothing else tells."""
    return Fact(entry.name, tuple(sorted(entry.legs)))


def reversed_releases(
    released: Iterable[Booked], reversals: Mapping[Name, Name]
) -> Iterator[tuple[Name, Fact]]:
    """The reversals of releases that somebody asked for; today they are refused."""
    by_name = {entry.name: entry for entry in released}
    for name, undone in reversals.items():
        entry = by_name.get(undone)
        if entry is not None:
            yield name, Fact(name, tuple(sorted(reversed_legs(entry.legs))), undone.reference)


def release_differences(
    released: Iterable[Booked], expected: Iterable[tuple[Name, Fact]]
) -> Iterator[Difference]:
    """Legs that no release has, and lines that earn what they do not have."""
    known = list(expected)
    deferred, by_hand = _deferred(known), _by_hand(known)
    earned: Counter[tuple[str, str, str]] = Counter()
    for entry in released:
        odd = [leg for leg in entry.legs if not _belongs(leg)]
        if odd:
            yield Difference(
                "release_odd", entry.name.reference, "unearned and revenue", str(odd[0].account),
                entry.caused_by,
            )  # fmt: skip
        for leg in entry.legs:
            if leg.account == UNEARNED:
                earned[entry.name.book, leg.key, leg.currency] += leg.minor
    for (book, line, currency), minor in sorted(earned.items()):
        at = (book, line, currency)
        most = deferred[at]
        least, greatest = min(most, 0) - by_hand[at], max(most, 0) + by_hand[at]
        if not least <= minor <= greatest:
            yield Difference(
                "released_too_much", f"{book}:{UNEARNED}[{line}]:{currency}", str(most), str(minor)
            )


def _deferred(expected: Iterable[tuple[Name, Fact]]) -> Counter[tuple[str, str, str]]:
    """What each line of an invoice has to earn."""
    sums: Counter[tuple[str, str, str]] = Counter()
    for name, fact in expected:
        if name.reference.startswith("stripe:invoice_line:") and not fact.reverses:
            for leg in fact.legs:
                if leg.account == UNEARNED:
                    sums[name.book, leg.key, leg.currency] -= leg.minor
    return sums


def _by_hand(expected: Iterable[tuple[Name, Fact]]) -> Counter[tuple[str, str, str]]:
    """What commands have moved of each line, on either side: the next tick moves it back."""
    sums: Counter[tuple[str, str, str]] = Counter()
    for name, fact in expected:
        if name.reference.startswith("command:"):
            for leg in fact.legs:
                if leg.account == UNEARNED:
                    sums[name.book, leg.key, leg.currency] += abs(leg.minor)
    return sums


def _belongs(leg: Leg) -> bool:
    return (leg.account == UNEARNED and bool(leg.key)) or (leg.account == REVENUE and not leg.key)
