"""Matches that name an account which somebody chose, before the books: booked, or refused for ever.

    liabilities:suspense, assets:stripe:in-transit, …   of the rules: nobody chose it, never asked
    expenses:bank-fees, revenue:other, …                of a write-off, or of a difference that is
                                                        posted by its name: a person's, or a file's

What a match settles is a fact, and the accounts that wait for it are never asked. The account that
takes the rest was named by somebody, so it is held to the rules that hold for whoever names one.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from services.ledger import accounts
from services.ledger.decisions import NO_BOOKING, Remark, subject_of
from services.ledger.rules.refusals import CommandRefused
from services.ledger.rules.usable import usable
from services.ledger.rulings.cases import Case
from services.ledger.rulings.standing import Wanted
from shared.contracts.journal import Entry, Posting
from shared.contracts.messages import OutcomeKind

OF_THE_RULES: Final = frozenset(
    {
        accounts.SUSPENSE,
        accounts.STRIPE_IN_TRANSIT,
        accounts.STRIPE_SETTLING,
        accounts.CONNECT,
        accounts.EXCHANGE,
    }
)
_WAY_OUT: Final = "write it off, or book by hand what it clears, on an account that is open"


def is_judged(named: Iterable[str]) -> bool:
    """Whether one of the accounts that a match's entry names was chosen by somebody."""
    return any(account not in OF_THE_RULES for account in named)


def wanted_by_match(booked: Entry) -> Wanted:
    """What must be known before a match is judged: its accounts, and whether it stands already."""
    named = (booked.reference, booked.reverses)
    return Wanted(
        accounts=frozenset(str(posting.account) for posting in _chosen(booked)),
        references=frozenset(name for name in named if name is not None),
    )


def refusal_of_match(booked: Entry, case: Case, refused: Mapping[str, Remark]) -> Remark | None:
    """Why a match, or its undoing, is not booked; ``None``: it may be.

    ``refused`` are earlier refusals by reference: what was refused stays refused however often it
    is told, for somebody may have booked it by hand. What is booked already passes, to its claim.
    """
    if booked.reference in case.standing.entries:
        return None
    if booked.reference in refused:
        return refused[booked.reference]
    if booked.reverses is not None and booked.reverses not in case.standing.entries:
        said = f"nothing was booked of {booked.reverses}, so nothing of it is undone"
        return Remark(OutcomeKind.NOTHING_TO_BOOK, NO_BOOKING, subject_of(booked.reference), said)
    try:
        for posting in _chosen(booked):
            _require_usable(posting, case, is_undoing=booked.reverses is not None)
    except CommandRefused as why:
        return _remark(booked, why)
    return None


def _chosen(booked: Entry) -> list[Posting]:
    return [posting for posting in booked.postings if posting.account not in OF_THE_RULES]


def _require_usable(posting: Posting, case: Case, *, is_undoing: bool) -> None:
    """Refuse an account that is not there, or closed, or kept by others.

    The account of what is undone stands in the books, be it of the chart or not: a match of before
    this was asked can be taken back as well.
    """
    if is_undoing and case.find(posting.account) is None:
        return
    try:
        usable(posting.account, case.find, key=posting.key)
    except CommandRefused as why:
        # Whoever asks for an entry may name another account; a match was decided elsewhere.
        said = str(why).removesuffix(f"; {why.way_out}")
        raise CommandRefused(said, rule=why.rule, values=why.values, way_out=_WAY_OUT) from None


def _remark(booked: Entry, why: CommandRefused) -> Remark:
    return Remark(
        OutcomeKind.REFUSED,
        why.rule,
        subject_of(booked.reference),
        str(why),
        booked.reference,
        decided={
            "rule": why.rule,
            "values": dict(sorted(why.values.items())),
            "way_out": why.way_out,
        },
    )
