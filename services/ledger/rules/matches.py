"""Matches: the reconciler found both halves, and the ledger clears what waited for them.

Whether a match may stand on an account which somebody chose is judged later, see ``rulings``.
"""

from collections.abc import Sequence

from services.ledger import accounts
from services.ledger.activation.in_force import BookInForce
from shared.contracts import references
from shared.contracts.journal import Entry, Line, account, entry
from shared.contracts.messages import Clearing, MatchKind, MatchMade, MatchUndone
from shared.contracts.money import Money


def match_made(made: MatchMade, book: BookInForce) -> Entry | None:
    """Two halves agree: the clearing accounts are cleared as the match says.

        Dr liabilities:suspense[line]           the line's amount
        Cr assets:stripe:in-transit[payout]     each its share

    A match of two currencies clears each against the currency trading account.

        Dr equity:exchange                      what came, in its currency
        Cr assets:stripe:settling[charge]       the same
        Dr assets:stripe:settling[charge]       what was settled, in its currency
        Cr equity:exchange                      the same

    Raises:
        EntryUnbalanced: What it clears does not sum to zero, and it is no exchange.
        AccountInvalid: It names an account that cannot be.
    """
    return entry(
        book=book.name,
        reference=references.match(made.id, made.revision),
        kind="match",
        effective_at=made.effective_at,
        lines=_lines(made.match_kind, made.clears),
        rules_version=book.rules_version,
        description=f"Matched by {made.rule}"[:200],
    )


def match_undone(undone: MatchUndone, book: BookInForce) -> Entry | None:
    """A match no longer holds: every posting of its clearing, on the other side.

    Raises:
        EntryUnbalanced: What it had cleared does not sum to zero, and it was no exchange.
        AccountInvalid: It names an account that cannot be.
    """
    lines = _lines(undone.match_kind, undone.clears)
    return entry(
        book=book.name,
        reference=references.match_undone(undone.id, undone.revision),
        kind="match_undone",
        effective_at=undone.effective_at,
        lines=[line.turned() for line in lines],
        rules_version=book.rules_version,
        description=f"Match undone: {undone.reason}"[:200],
        reverses=references.match(undone.id, undone.revision),
    )


def _lines(kind: MatchKind, clears: Sequence[Clearing]) -> list[Line]:
    lines = [Line(account(c.account), c.amount.money(), c.key) for c in clears]
    if kind is not MatchKind.EXCHANGE:
        return lines
    sums: dict[str, Money] = {}
    for line in lines:
        net = line.net
        code = net.currency.code
        sums[code] = sums[code] + net if code in sums else net
    return [*lines, *(Line(accounts.EXCHANGE, -sums[code]) for code in sorted(sums))]
