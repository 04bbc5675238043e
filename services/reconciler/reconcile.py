"""The whole of reconciliation as one pure function of what is known."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from services.reconciler.breaks.at_bank import contradictions, line_breaks, payout_breaks
from services.reconciler.breaks.balances import below_zero, drifts
from services.reconciler.breaks.clearing import clearing_breaks, open_settling, settling_waits
from services.reconciler.breaks.exchange import exchange_matches
from services.reconciler.breaks.in_transit import in_transit_breaks, open_keys
from services.reconciler.breaks.other_currency import in_other_currency
from services.reconciler.breaks.pending import pending_breaks, pending_wakes, pendings_of
from services.reconciler.breaks.resting import Resting
from services.reconciler.breaks.stripe_balance import stripe_balance_breaks
from services.reconciler.breaks.waits import due_look_ups, waits_of
from services.reconciler.facts.kinds import (
    IN_TRANSIT,
    SUSPENSE,
    Concern,
    Leg,
)
from services.reconciler.facts.known import Facts, Proof
from services.reconciler.findings.explain import discrepancy, money
from services.reconciler.findings.found import Discrepancy, Match, Reconciliation, Settles
from services.reconciler.matching.by_hand import by_hand, for_rules, lay_beside
from services.reconciler.matching.candidates import open_in_suspense
from services.reconciler.matching.passes import matched
from services.reconciler.matching.readings import Readings
from services.reconciler.matching.scores import Others, next_best, score_of
from services.reconciler.matching.shelf import Shelf
from services.reconciler.matching.table import Share, Table, Taken
from services.reconciler.rules.calendars import midnight
from services.reconciler.scope import dormant_facts, next_change
from shared.contracts.discrepancies import DiscrepancyKind, match_id
from shared.contracts.messages import MatchKind


@dataclass(slots=True)
class Kept:
    """What one judgement of a book has worked out and the next one need not.

    It decides nothing: with it, without it or with another book's, the same facts give the same.
    """

    readings: Readings = field(default_factory=lambda: Readings(shelf=Shelf()))
    resting: Resting = field(default_factory=Resting)


def reconcile(facts: Facts, *, at: datetime, kept: Kept | None = None) -> Reconciliation:
    """The matches that should stand now and the discrepancies that should be open now.

    The order of the facts does not matter. ``at`` decides what is overdue and whether a match's
    window has closed, nothing else.
    """
    hand = by_hand(facts)
    # A second table is laid only beside what people deal with; else nothing has to be kept.
    texts = Readings() if hand.cleared else None
    resting = Resting()
    if kept is not None:
        texts, resting = kept.readings, kept.resting
    facts = hand.facts
    table = matched(for_rules(hand), at=at, readings=texts)
    lay_beside(table, hand, texts)
    exchanged = exchange_matches(facts)
    settling = open_settling(facts.bookings, exchanged)
    pendings = pendings_of(facts, table, at=at)
    elsewhere = in_other_currency(facts, table)
    awake = resting.awake(facts, table, at=at, elsewhere=elsewhere)
    matches = [*hand.matches, *_matches(facts, table), *exchanged]
    found = [
        *payout_breaks(facts, table, at=at, pendings=pendings, elsewhere=elsewhere, of=awake),
        *line_breaks(facts, table, elsewhere=elsewhere),
        *_drifts(facts),
        *stripe_balance_breaks(facts),
        *_below_zero(facts),
        *clearing_breaks(facts, settling, at=at),
        *_concerns(facts),
        *_audited(facts),
    ]
    troubled = [d.subject for d in found]
    found += pending_breaks(facts, pendings, said=troubled)
    keys = open_keys(facts, table)
    found += in_transit_breaks(keys.values(), facts, troubled=troubled, at=at)
    found += contradictions(facts)
    discrepancies = {d.id: d for d in found}
    waits = [
        *waits_of(facts, table, at=at, elsewhere=elsewhere, of=awake, keys=keys.values()),
        *settling_waits(settling, at=at),
    ]
    wakes = (
        next_change(facts, table, at=at, keys=keys.values(), of=awake),
        resting.wakes_next(),
        *(wait.deadline for wait in waits),
        *pending_wakes(facts, pendings),
    )
    return Reconciliation(
        matches=tuple(sorted(matches, key=lambda m: m.id)),
        discrepancies=tuple(
            sorted(discrepancies.values(), key=lambda d: (d.kind, d.subject, d.id))
        ),
        wake_at=min((wake for wake in wakes if wake is not None and wake > at), default=None),
        dormant=dormant_facts(facts, table, exchanged, found, at=at, keys=keys, pendings=pendings),
        look_ups=due_look_ups(waits, resting.look_ups()),
    )


def _matches(facts: Facts, table: Table) -> list[Match]:
    others = Others(table)
    return [_match(facts, table, others, taken) for taken in table.taken.values()]


def _match(facts: Facts, table: Table, others: Others, taken: Taken) -> Match:
    """A line's match: it clears suspense by the whole line, and each payout by what it got.

    A difference that has a name and an account of its own is posted there.
    """
    line = taken.line
    book = facts.book.name
    sides = [line.key, *(share.candidate.id for share in taken.shares)]
    return Match(
        id=match_id(book, MatchKind.BANK_LINE, sides),
        kind=MatchKind.BANK_LINE,
        book=book,
        effective_at=max(
            midnight(line.booked_on, facts.book.zone),
            *(share.candidate.booked_at for share in taken.shares),
        ),
        clears=(
            Leg(SUSPENSE, line.id, line.currency, line.minor),
            *(
                Leg(IN_TRANSIT, share.candidate.id, line.currency, -cleared)
                for share, cleared in zip(taken.shares, taken.cleared, strict=True)
            ),
            *_difference(taken),
        ),
        rule=taken.rule,
        line=line,
        settles=tuple(_settles(share, line.currency) for share in taken.shares),
        evidence=taken.evidence,
        rules_version=facts.rules.id,
        score=score_of(table, taken),
        difference=taken.difference,
        runner_up=next_best(others, taken),
    )


def _settles(share: Share, currency: str) -> Settles:
    whole = share.candidate.expected.money
    is_all = (share.minor, currency) == (whole.minor, whole.currency.code)
    # Most lines settle all of one payout: the amount is not held twice.
    return Settles(share.candidate.id, whole, whole if is_all else money(share.minor, currency))


def _difference(taken: Taken) -> Iterator[Leg]:
    named = taken.difference
    if named is not None and named.account:
        yield Leg(named.account, "", taken.line.currency, -named.minor)


def _drifts(facts: Facts) -> Iterator[Discrepancy]:
    currencies: defaultdict[str, set[str]] = defaultdict(set)
    for proof in facts.proofs:
        currencies[proof.account].add(proof.currency)
    for proof in drifts(facts.proofs, needed=facts.proofs_needed):
        is_only = len(currencies[proof.account]) == 1
        what = proof.account if is_only else f"{proof.account}/{proof.currency}"
        yield _drift(facts, proof, what)


def _drift(facts: Facts, proof: Proof, what: str) -> Discrepancy:
    bank = money(proof.bank_minor, proof.currency)
    ledger = money(proof.ledger_minor, proof.currency)
    apart = money(proof.drift_minor, proof.currency)
    return discrepancy(
        facts.book.name,
        DiscrepancyKind.BALANCE_DRIFT,
        proof.account,
        apart,
        expected=f"{ledger}, the ledger's cash",
        found=f"{bank}, the bank's balance at {proof.at.isoformat()}",
        explanation=(
            f"Bank account {proof.account} holds {bank} and the ledger has {ledger}:"
            f" {abs(apart)} apart."
        ),
        what=what,
    )


def _below_zero(facts: Facts) -> Iterator[Discrepancy]:
    own = facts.book.stripe_accounts
    account = own[0] if len(own) == 1 else ""
    for below in below_zero(
        facts.stripe_balances, facts.ledger_stripe, facts.ledger_stripe_at, account
    ):
        amount = money(below.minor, below.currency)
        yield discrepancy(
            facts.book.name,
            DiscrepancyKind.NEGATIVE_STRIPE_BALANCE,
            below.subject,
            amount,
            expected="a balance of zero or more",
            found=f"{amount}, {below.source}",
            explanation=f"The Stripe balance is {amount}: refunds, disputes or fees exceed it.",
            what=f"{below.subject}/{below.currency}",
        )


def _concerns(facts: Facts) -> Iterator[Discrepancy]:
    in_suspense = open_in_suspense(facts.bookings)
    for concern in sorted(facts.concerns, key=lambda c: c.key):
        is_unknown = concern.kind is DiscrepancyKind.UNKNOWN_BALANCE_TRANSACTION
        left = [m for (key, _), m in in_suspense.items() if key == concern.subject]
        if is_unknown and left and not any(left):
            continue
        yield _concern(facts, concern)


def _concern(facts: Facts, concern: Concern) -> Discrepancy:
    amount = None
    if concern.minor is not None and concern.currency:
        amount = money(concern.minor, concern.currency)
    what = concern.kind.replace("_", " ")
    return discrepancy(
        facts.book.name,
        concern.kind,
        concern.subject,
        amount,
        expected=_EXPECTED.get(concern.kind, "one consistent telling"),
        found=concern.detail or what,
        explanation=(
            f"{concern.subject}: {what}{f', {concern.detail}' if concern.detail else ''}."
        ),
        evidence=(concern.reference,) if concern.reference else (),
    )


def _audited(facts: Facts) -> Iterator[Discrepancy]:
    for told in sorted(facts.audited, key=lambda a: a.key):
        if told.stands:
            yield discrepancy(
                facts.book.name,
                told.kind,
                told.subject,
                None,
                expected=told.expected,
                found=told.found,
                explanation=told.explanation,
                evidence=told.evidence,
            )


_EXPECTED = {
    DiscrepancyKind.REFUND_FAILED: "the refund to reach the customer",
    DiscrepancyKind.MODE_MISMATCH: "messages of the book's own mode",
    DiscrepancyKind.INVALID_AMOUNT: "an integer amount in a known currency",
    DiscrepancyKind.UNKNOWN_BALANCE_TRANSACTION: "a balance transaction of a known type",
    DiscrepancyKind.MATCH_REFUSED: "the ledger to clear what was matched",
}
