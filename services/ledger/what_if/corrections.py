"""Correcting history: what was booked stays, and commands book what makes up the difference.

A what-if tells which facts the books would tell otherwise. What they lack is told again where it
can be, see ``telling_again``. Each of the others becomes

    reverse_entry      the entry as it was booked, named, turned round
    manual_entry       the entry as it would be, saying which fact it corrects

or, where an entry cannot be reversed by hand (it moves an account that repeats what somebody else
keeps, a match made it, a bank told it, a clock tick released it, or it was reversed before), one
``manual_entry`` of the difference alone, in which what both sides say alike does not move. What is
left then is told, and not forced.
"""

import hashlib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from services.ledger.chart import Chart
from services.ledger.rules.commands import OF_A_BANK, OF_THE_RECONCILER
from services.ledger.rules.revenue_release import RELEASED
from services.ledger.what_if.suppositions import EntryDifference
from shared.contracts.commands import BookManualEntry, ManualPosting, ReverseEntry, Side
from shared.contracts.journal import Entry, Reference
from shared.contracts.money import Currency, Money, MoneyOnWire

CORRECTING: Final = "correct:"
_KEY_DIGITS: Final = 32
_OF_OTHERS: Final = OF_THE_RECONCILER | OF_A_BANK | {RELEASED}

Correcting = ReverseEntry | BookManualEntry
_Leg = tuple[str, str, Currency]


class Step(StrEnum):
    """What a command does of a correction."""

    REVERSE = "reverse"
    ANEW = "anew"
    UNDO = "undo"


@dataclass(frozen=True, slots=True)
class Correction:
    """The commands that correct one fact; none, where no command can, and why."""

    reference: str
    commands: tuple[Correcting, ...]
    why_not: str = ""


def correction(
    apart: EntryDifference,
    chart: Chart,
    *,
    effective_at: datetime | None,
    reason: str,
    reversed_before: Collection[str] = (),
) -> Correction:
    """The commands that make the books say of a fact what they would say, from a day on.

    Without a day it is the one on which they are recorded.
    Their keys are a function of the fact and of what it would be, so that the same correction asked
    for twice is made once. ``reversed_before`` are references that some entry reverses already.
    """
    here, there = apart.here, apart.there
    mirrors = sorted({account for account in _accounts(here) if _is_mirror(chart, account)})
    is_reversible = here is not None and not (
        mirrors or here.kind in _OF_OTHERS or here.reference in reversed_before
    )
    # What is booked anew is moved whole after a reversal, and by the difference without one.
    moved = _net(there, 1) if here is None or is_reversible else _difference(here, there)
    touched = sorted({name for name, _, _ in moved if _is_mirror(chart, name)})
    if touched:
        return Correction(
            apart.reference,
            (),
            f"{', '.join(touched)} always equals what Stripe says, and takes no command",
        )
    commands: list[Correcting] = []
    why = f"{reason}: {apart.reference} {apart.apart}"[:1000]
    if here is not None and is_reversible:
        commands.append(
            ReverseEntry(
                idempotency_key=key_of(apart, Step.REVERSE),
                book=here.book,
                reference=here.reference,
                effective_at=effective_at,
                reason=why,
            )
        )
    if moved:
        commands.append(
            BookManualEntry(
                idempotency_key=key_of(apart, Step.ANEW),
                book=apart.entry.book,
                effective_at=effective_at,
                postings=tuple(_posting(leg, minor) for leg, minor in sorted(moved.items())),
                description=f"Corrects {apart.reference}"[:1000],
                reason=why,
            )
        )
    return Correction(apart.reference, tuple(commands))


def undoing(
    apart: EntryDifference, by_hand: Reference, *, effective_at: datetime | None, reason: str
) -> ReverseEntry:
    """The command that takes back what an earlier correction booked for a fact.

    For one that was corrected by hand, and is told now under its own reference.
    """
    return ReverseEntry(
        idempotency_key=key_of(apart, Step.UNDO),
        book=apart.entry.book,
        reference=by_hand,
        effective_at=effective_at,
        reason=f"{reason}: {apart.reference} is told again, and stands by itself"[:1000],
    )


def key_of(apart: EntryDifference, step: Step) -> str:
    """The idempotency key of a command that corrects a fact: of the fact and what it would be."""
    said = apart.there.digest() if apart.there is not None else b""
    told = f"{apart.entry.book}\x1f{apart.reference}\x1f{said.hex()}"
    return f"{CORRECTING}{step}:{hashlib.sha256(told.encode()).hexdigest()[:_KEY_DIGITS]}"


def _accounts(*entries: Entry | None) -> Iterable[str]:
    return (p.account for each in entries if each is not None for p in each.postings)


def _is_mirror(chart: Chart, account: str) -> bool:
    known = chart.find(account)
    return known is not None and known.is_mirror


def _net(entry: Entry | None, sign: int) -> dict[_Leg, int]:
    moved: dict[_Leg, int] = {}
    for posting in entry.postings if entry is not None else ():
        leg = (str(posting.account), posting.key, posting.amount.currency)
        moved[leg] = moved.get(leg, 0) + sign * posting.signed_minor
    return {leg: minor for leg, minor in moved.items() if minor}


def _difference(here: Entry | None, there: Entry | None) -> Mapping[_Leg, int]:
    moved = _net(there, 1)
    for leg, minor in _net(here, -1).items():
        moved[leg] = moved.get(leg, 0) + minor
    return {leg: minor for leg, minor in moved.items() if minor}


def _posting(leg: _Leg, minor: int) -> ManualPosting:
    account, key, currency = leg
    return ManualPosting(
        account=account,
        side=Side.DEBIT if minor > 0 else Side.CREDIT,
        amount=MoneyOnWire.of(Money(abs(minor), currency)),
        key=key,
    )
