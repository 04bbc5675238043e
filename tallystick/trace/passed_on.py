"""Entries that two messages make: what the one that booked such an entry says of it."""

from services.ledger.decisions import Decision
from services.ledger.exports.journal import Told
from services.ledger.passing_on import places_of
from shared.contracts.journal import Entry
from shared.contracts.references import followed_by


def said_again(told: Told, decision: Decision) -> tuple[bool, str]:
    """Whether a message has its part in an entry that passes another on, and in words.

    It says where the key goes on to, or tells the entry that goes on; the other message the other.
    """
    followed = followed_by(told.reference)
    legs = {(leg.account, leg.key) for leg in told.legs}
    for on in decision.passed_on:
        if legs == {(on.account, on.key), (on.to, on.to_key)}:
            return True, f"it says where {on.key} goes on to, and {followed} is told by another"
    for entry in decision.entries:
        if entry.reference == followed:
            if any(_moves_on(told, entry, *place) for place in places_of(entry)):
                return True, f"it tells {followed}, and another says where that goes on to"
            return False, f"version {entry.rules_version} makes another {followed} of it"
    return False, f"it neither tells {followed} nor says where that goes on to"


def _moves_on(told: Told, entry: Entry, account: str, key: str) -> bool:
    """Whether what an entry posts to a key is what was taken from there."""
    here = (account, key)
    posted = [leg.signed_minor for leg in entry.postings if (leg.account, leg.key) == here]
    taken = [leg.signed for leg in told.legs if (leg.account, leg.key) == here]
    return bool(taken) and sum(posted) == -sum(taken)
