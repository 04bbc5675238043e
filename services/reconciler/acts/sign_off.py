"""A reconciliation signed off: its figures frozen, each chained to the one before."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from pydantic import JsonValue

from services.reconciler.acts.working import NotAllowed
from services.reconciler.findings.explain import money
from shared.contracts.acts import SignOff
from shared.contracts.books import BookData

GENESIS: Final = "0" * 64


@dataclass(frozen=True, slots=True)
class InTransit:
    """What is on its way: to or from one bank account, and to or from nobody says which."""

    minor: int
    unassigned_minor: int


@dataclass(frozen=True, slots=True)
class Figures:
    """What a bank account's reconciliation stands at, up to and with a day.

    ``proven_at`` is the moment of the bank balance that it was last proven by, and what is in
    transit is of the end of that day: two balances of one moment and what lay between them.
    ``lines_since`` were booked after it. ``matches_digest`` is over the ids and revisions of the
    matches that stand.
    """

    proven_on: date | None
    proven_at: datetime | None
    bank_minor: int
    ledger_minor: int
    lines: int
    lines_minor: int
    lines_since: int
    matches: int
    matches_digest: str
    in_transit: InTransit
    open_lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Before:
    """The sign-off of the same account that came last."""

    through: date
    digest: str


def signed_off(act: SignOff, figures: Figures, before: Before | None) -> dict[str, JsonValue]:
    """The frozen figures with their digest.

    Raises:
        NotAllowed: It was signed so far before, or it does not agree and is not forced.
    """
    if before is not None and act.through <= before.through:
        raise NotAllowed(f"{act.account} is signed off through {before.through} already")
    problems = _problems(act, figures)
    if problems and not act.force:
        raise NotAllowed("; ".join(problems))
    frozen = _frozen(act, figures, GENESIS if before is None else before.digest)
    frozen["exceptions"] = list(problems)
    return frozen | {"digest": digest_of(frozen)}


def digest_of(frozen: Mapping[str, JsonValue]) -> str:
    """The SHA-256 over the figures as canonical JSON, the digest before among them."""
    told = {name: value for name, value in frozen.items() if name != "digest"}
    text = json.dumps(told, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class OnItsWay:
    """A key in transit with what stood on it, and where its payout or top-up goes."""

    key: str
    minor: int
    destination: str


def in_transit(
    keys: Iterable[OnItsWay], book: BookData, *, account: str, currency: str
) -> InTransit:
    """What is in transit in a currency, of all that stood on its keys at one moment.

    A key is of the bank account that its payout's destination is; where the destination names
    none, and several accounts of the currency may be the one, it is of no account.
    """
    sums: defaultdict[str | None, int] = defaultdict(int)
    for each in keys:
        sums[book.bank_account_of(each.destination, currency)] += each.minor
    return InTransit(sums[account], sums[None])


def _problems(act: SignOff, figures: Figures) -> tuple[str, ...]:
    found: list[str] = []
    if figures.proven_on is None:
        found.append(f"no bank balance of {act.account} up to {act.through} was proven")
    elif figures.bank_minor != figures.ledger_minor:
        apart = abs(money(figures.bank_minor - figures.ledger_minor, act.currency))
        found.append(f"bank and ledger are {apart} apart on {figures.proven_on}")
    if figures.proven_on is not None and figures.lines_since:
        many = figures.lines_since
        found.append(
            f"{many} {'line was' if many == 1 else 'lines were'} booked after {figures.proven_on},"
            " the day of the last proven balance"
        )
    if figures.open_lines:
        shown = ", ".join(figures.open_lines[:5])
        many = len(figures.open_lines)
        found.append(f"{many} {'line is' if many == 1 else 'lines are'} not explained: {shown}")
    return tuple(found)


def _frozen(act: SignOff, figures: Figures, previous: str) -> dict[str, JsonValue]:
    return {
        "account": act.account,
        "currency": act.currency,
        "through": act.through.isoformat(),
        "proven_on": figures.proven_on.isoformat() if figures.proven_on else None,
        "proven_at": figures.proven_at.isoformat() if figures.proven_at else None,
        "bank_minor": str(figures.bank_minor),
        "ledger_minor": str(figures.ledger_minor),
        "lines": figures.lines,
        "lines_minor": str(figures.lines_minor),
        "matches": figures.matches,
        "matches_digest": figures.matches_digest,
        "in_transit_minor": str(figures.in_transit.minor),
        "in_transit_unassigned_minor": str(figures.in_transit.unassigned_minor),
        "open_lines": list(figures.open_lines),
        "signed_by": act.actor,
        "reason": act.reason,
        "previous": previous,
    }
