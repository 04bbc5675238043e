"""What a way of matching answers: what each line settles, and what is wrong with what."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Final

from sandbox.reconbench.model import Line as MadeLine
from sandbox.reconbench.model import Payout, World
from services.reconciler.facts.kinds import Fact, Line
from services.reconciler.facts.known import Facts, fold
from services.reconciler.findings.found import Discrepancy, Match, Reconciliation
from services.reconciler.matching.table import OVER, SHORT
from services.reconciler.rules.expectations import Expectation, Expected, Stage
from services.reconciler.rules.matching_rules import MatchingRules, default_rules
from shared.contracts.books import BankAccount, BookData
from shared.contracts.discrepancies import BreakClass, DiscrepancyKind
from shared.contracts.observations import LineState

K = DiscrepancyKind
CLASSES: Final[Mapping[DiscrepancyKind, str]] = MappingProxyType(
    {
        K.PAYOUT_OVERDUE: "missing_in_bank",
        K.TOPUP_OVERDUE: "missing_in_bank",
        K.PAYOUT_FAILED: "returned",
        K.DUPLICATE_BANK_CREDIT: "duplicate_bank",
        K.UNIDENTIFIED_BANK_CREDIT: "unidentified_receipt",
        K.UNIDENTIFIED_BANK_DEBIT: "unidentified_debit",
        K.AMBIGUOUS_MATCH: "ambiguous",
        K.PENDING_CHANGED: "pending_changed",
    }
)
_OF_LINES: Final = frozenset(
    {
        K.DUPLICATE_BANK_CREDIT,
        K.UNIDENTIFIED_BANK_CREDIT,
        K.UNIDENTIFIED_BANK_DEBIT,
        K.AMBIGUOUS_MATCH,
        K.PENDING_CHANGED,
    }
)
# What a match says of its line by the name of the difference.
_DIFFERENCES: Final[Mapping[str, str]] = MappingProxyType(
    {SHORT: "amount_mismatch", OVER: "amount_mismatch", "fee": "fee_diff", "exchange": "fx_diff"}
)


@dataclass(slots=True)
class Answers:
    """What lines settle, by their ids, and the class of break of what is wrong."""

    settled: dict[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    of_lines: dict[str, str] = field(default_factory=dict[str, str])
    of_payouts: dict[str, str] = field(default_factory=dict[str, str])


def facts_of(world: World, rules: MatchingRules | None = None) -> Facts:
    """What the reconciler knows of a made world when all is told."""
    told: list[Fact] = [
        _expectation(each) if isinstance(each, Payout) else _line(each) for each in world.records()
    ]
    accounts = tuple(
        BankAccount(name=name, currency=currency) for currency, name in world.accounts.items()
    )
    known = Facts.of(fold(told).values(), BookData(bank_accounts=accounts))
    return replace(known, rules=rules or default_rules())


def answers_of(result: Reconciliation) -> Answers:
    """What a reconciliation says, line by line and payout by payout."""
    answers = Answers()
    for match in result.matches:
        if match.line is not None:
            answers.settled[match.line.id] = tuple(sorted(s.object for s in match.settles))
            if said := _of_match(match):
                answers.of_lines[match.line.id] = said
    for found in result.discrepancies:
        if found.kind in _OF_LINES:
            answers.of_lines[found.subject] = _of_discrepancy(found)
        elif found.kind in CLASSES:
            answers.of_payouts[found.subject] = _of_discrepancy(found)
        elif found.kind is K.PAYOUT_AMOUNT_MISMATCH:
            _take_mismatch(answers, found)
    return answers


def _take_mismatch(answers: Answers, found: Discrepancy) -> None:
    """Its class: of the lines that settle it, where some do; else of the payout."""
    if found.break_class is BreakClass.FX_DIFF:
        answers.of_payouts[found.subject] = BreakClass.FX_DIFF
    elif found.break_class is BreakClass.PENDING_CHANGED:
        for line, settled in answers.settled.items():
            if found.subject in settled and line in answers.of_lines:
                answers.of_lines[line] = BreakClass.PENDING_CHANGED


def _of_match(match: Match) -> str:
    return "" if match.difference is None else _DIFFERENCES.get(match.difference.name, "")


def _of_discrepancy(found: Discrepancy) -> str:
    said: object = getattr(found, "break_class", None)
    return str(said) if said else CLASSES[found.kind]


def _expectation(made: Payout) -> Expectation:
    stage = Stage(made.status)
    return Expectation(
        id=made.id,
        what=Expected.PAYOUT,
        stage=stage,
        minor=made.minor,
        currency=made.currency,
        created=made.created,
        arrival=made.arrival,
        told_stage=stage,
        told_at=made.created,
        method=made.method,
        traces=(made.trace,) if made.trace else (),
    )


def _line(made: MadeLine) -> Line:
    return Line(
        account=made.account,
        id=made.id,
        revision=made.revision,
        state=LineState(made.state),
        minor=made.minor,
        currency=made.currency,
        booked_on=made.booked_on,
        description=made.description,
        reference=made.reference,
        counterparty=made.counterparty,
    )
