"""Which entries are passed on, and by what: every account that something goes on from."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from services.ledger import accounts
from services.ledger.activation.in_force import BookInForce
from services.ledger.decisions import Remark
from services.ledger.passed_on import PassedOn
from services.ledger.rules import bad_debts, customer_credits
from shared.contracts import references
from shared.contracts.books import Basis
from shared.contracts.discrepancies import DiscrepancyKind
from shared.contracts.journal import Account, Entry
from shared.contracts.messages import OutcomeKind


class _Way(NamedTuple):
    """The kinds of entries that are passed on from an account beside those of commands, and how.

    Kinds that only version 1 books are among them: it told the whole of it at once, so what it had
    booked is cancelled when a later version hears of it.
    """

    kinds: frozenset[str]
    rule: Callable[[Entry, PassedOn], Entry]


_WAYS: Final[Mapping[Account, _Way]] = MappingProxyType(
    {
        accounts.RECEIVABLE: _Way(
            frozenset(
                {
                    "invoice",
                    "invoice_balance_applied",
                    "invoice_paid",
                    "invoice_paid_out_of_band",
                    "invoice_overpaid",
                    "invoice_voided",
                    "invoice_balance_returned",
                    "credit_note",
                    "credit_note_voided",
                    "invoice_uncollectible",
                    "invoice_recovered",
                }
            ),
            bad_debts.bad_debt,
        ),
        accounts.CREDITS: _Way(
            frozenset(
                {
                    "credits_issued",
                    "credits_returned",
                    "credits_assigned",
                    "credits_unassigned",
                }
            ),
            customer_credits.passed_to_customer,
        ),
    }
)
KINDS: Final = frozenset(kind for way in _WAYS.values() for kind in way.kinds)
_BY_COMMAND: Final = "command:"
Place = tuple[Account, str]


def places_of(booked: Entry) -> list[Place]:
    """The accounts and keys that an entry may be passed on from, in order.

    What a person books or reverses there goes on as well: so what he had mended by hand before it
    was told to go on is not counted twice.
    """
    is_by_command = booked.reference.startswith(_BY_COMMAND)
    if not is_by_command and booked.kind not in KINDS:
        return []
    if references.passes_on(booked.reference):
        return []
    return sorted(
        {
            (leg.account, leg.key)
            for leg in booked.postings
            if leg.key
            and leg.account in _WAYS
            and (is_by_command or booked.kind in _WAYS[leg.account].kinds)
        }
    )


def may_be_passed_on(book: BookInForce) -> bool:
    """Whether anything in a book goes on from one key to another."""
    return book.basis is Basis.ACCRUAL or book.data.sells_credits


def passed_on(booked: Entry, on: PassedOn) -> Entry:
    """The entry that passes another on."""
    return _WAYS[on.account].rule(booked, on)


def contradiction(first: PassedOn, told: PassedOn) -> Remark | None:
    """What to say where a key is told to go on elsewhere than was told before: the first stands."""
    if (first.to, first.to_key) == (told.to, told.to_key):
        return None
    return Remark(
        OutcomeKind.CONFLICT,
        DiscrepancyKind.REFERENCE_CONFLICT,
        told.key,
        f"it is told to be of {told.to_key}, and was told to be of {first.to_key} before;"
        " the first stands",
    )
