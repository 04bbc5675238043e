"""What a judgement goes by: the open part of a book as the core's facts, and the rules."""

from dataclasses import dataclass, field, replace
from typing import Final

from services.reconciler.facts.kinds import STRIPE_BALANCE
from services.reconciler.facts.known import Facts, Proof
from services.reconciler.rules.matching_rules import MatchingRules, default_rules
from services.reconciler.shell.keeping import stripe_proofs
from services.reconciler.shell.keeping.fact_json import proof_from
from services.reconciler.shell.keeping.memory import SQL, OpenBook
from shared.contracts.books import BookData, BookMap
from shared.runtime.postgres import Tx

WRITE_OFF_MINOR_MAX: Final = 1_000


@dataclass(frozen=True, slots=True)
class Rules:
    """What a judgement goes by beside the facts.

    ``write_off_minor_max`` is what may be written off at once, of a currency of two decimals;
    ``matching`` says how lines are matched.
    """

    books: BookMap
    require_readings: bool = True
    proofs_needed: int = 2
    write_off_minor_max: int = WRITE_OFF_MINOR_MAX
    matching: MatchingRules = field(default_factory=default_rules)

    def book(self, name: str) -> BookData:
        """The data of a book; one that is named nowhere has none."""
        return self.books.named(name) or BookData(name=name)


async def facts_in_hand(tx: Tx, open_book: OpenBook, rules: Rules) -> Facts:
    """All that is known of the open part of a book."""
    book = open_book.book
    rows = await tx.fetch(SQL["proofs_of"], book)
    proofs: tuple[Proof, ...] = tuple(proof_from(row["body"]) for row in rows)
    readings = await tx.fetch(SQL["read_until"], book)
    sums = await tx.fetch(SQL["rest_sums_of"], book, STRIPE_BALANCE)
    return replace(
        Facts.of(open_book.facts.values(), rules.book(book)),
        proofs=proofs,
        stripe_proofs=await stripe_proofs.proofs_of(tx, rules.book(book)),
        standing=tuple(open_book.matches[key] for key in sorted(open_book.matches)),
        read_until={row["account"]: row["at"] for row in readings},
        heard_at={row["account"]: row["told_at"] for row in readings},
        ledger_stripe={row["currency"]: row["minor"] for row in sums},
        ledger_stripe_at={row["currency"]: row["moved_at"] for row in sums if row["moved_at"]},
        require_readings=rules.require_readings,
        proofs_needed=rules.proofs_needed,
        rules=rules.matching,
        accepted=frozenset(open_book.accepted),
    )
