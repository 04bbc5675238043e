"""Many acts decided one after the other: what they cost together, and what each of them sees."""

import sys
from collections import Counter
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, timedelta
from types import FrameType

from services.reconciler.acts.deciding import Asked, matched_by_hand, unmatched, written_off
from services.reconciler.acts.working import NotAllowed
from services.reconciler.facts.kinds import Fact
from services.reconciler.matching.readings import Readings
from shared.contracts.acts import MatchByHand, UnmatchLines, WriteOff
from tests.support.reconciler_facts import SOON, facts_of, line, payout

Wish = MatchByHand | UnmatchLines | WriteOff
ACTS = 12
NAMES = [f"po_1QK7mWLkdIwHu7ixRt5v{n:04d}" for n in range(3 * ACTS)]


def wish(kind: type[Wish], **what: object) -> Wish:
    return kind.model_validate({"idempotency_key": "k", "reason": "why", **what})


def match(line_id: str, name: str, *, force: bool = False) -> Wish:
    pair = {"lines": [{"account": "ops", "id": line_id}], "objects": [{"object": name}]}
    return wish(MatchByHand, matches=[pair], force=force)


def book() -> list[Fact]:
    """A third is named by its line, a third differs by a little, and a third has twins."""
    told: list[Fact] = []
    for n, name in enumerate(NAMES):
        day = date(2026, 11, 9) + timedelta(days=n % 3)
        minor = 5_000 if n % 3 == 2 else 10_000 + 101 * n
        text = (f"STRIPE {name}", "CASH DEPOSIT ACME", "STRIPE PAYOUT")[n % 3]
        told += payout(name, minor, arrival=day), line(text, minor, id=f"l{n}", on=day)
    return told


def wishes() -> list[Wish]:
    """Strangers and twins matched by hand, some of them with what the one before has taken."""
    found: list[Wish] = []
    for n in range(1, 3 * ACTS, 3):
        found += (
            match(f"l{n}", NAMES[n]),
            match(f"l{n}", NAMES[n]),
            match(f"l{n + 1}", NAMES[n + 1]),
        )
        found += match(f"l{n - 1}", NAMES[n + 1], force=True), match(f"l{n + 1}", NAMES[n + 1])
        found.append(wish(UnmatchLines, lines=[{"account": "ops", "id": f"l{n - 1}"}]))
        rest = {"object": NAMES[n - 1], "account": "expenses:bank-fees"}
        found.append(wish(WriteOff, items=[rest]))
    return found


def decided(told: Sequence[Fact], asked_for: Sequence[Wish], *, apart: bool) -> list[str]:
    """What becomes of each act; ``apart`` as if nothing had been decided or read before."""
    facts, said, readings = list(told), list[str](), Readings()
    for number, act in enumerate(asked_for, 1):
        asked = Asked(number, "ada", "why", SOON)
        texts = Readings() if apart else readings
        try:
            match act:
                case MatchByHand():
                    rulings = matched_by_hand(facts_of(facts), act, asked, texts)
                case UnmatchLines():
                    rulings = unmatched(facts_of(facts), act, asked, texts)
                case WriteOff():
                    rulings = written_off(facts_of(facts), act, asked, texts, minor_max=1_000_000)
        except NotAllowed as error:
            said.append(f"refused: {error}")
            continue
        facts += rulings
        said.append(repr(rulings))
    return said


@contextmanager
def calls() -> Generator[Counter[str]]:
    """How often each function is called: work, whatever else the machine does."""
    count: Counter[str] = Counter()

    def seen(frame: FrameType, event: str, argument: object) -> None:
        del argument
        if event == "call":
            count[frame.f_code.co_name] += 1

    before = sys.getprofile()
    sys.setprofile(seen)
    try:
        yield count
    finally:
        sys.setprofile(before)


def test_each_act_of_a_bulk_sees_what_the_acts_before_it_did() -> None:
    together = decided(book(), wishes(), apart=False)

    assert together == decided(book(), wishes(), apart=True)
    assert sum(each.startswith("refused") for each in together) >= ACTS
    assert sum("Ruling(" in each for each in together) >= ACTS


def test_bulk_of_acts_reads_each_line_once_and_reconciles_nothing() -> None:
    told, asked_for = book(), wishes()
    with calls() as count:
        decided(told, asked_for, apart=False)

    assert count["evidence_of"] == len(NAMES)
    assert count["index_of"] == 1
    assert count["reconcile"] == 0
    assert count["matched"] <= len(asked_for)


def test_act_that_does_not_ask_what_the_rules_settle_runs_none_of_them() -> None:
    with calls() as count:
        decided(book(), [match("l0", NAMES[0], force=True)], apart=False)

    assert count["matched"] == 0


def test_line_whose_text_changes_and_payout_that_comes_are_read_anew() -> None:
    readings, told = Readings(), book()
    facts = facts_of(told)
    before = readings.evidence(facts, facts.lines)
    changed = facts_of([*told, payout("po_1NEWmWLkdIwHu7ixRt5vXa2B")])
    other = replace(facts.lines[0], description="STRIPE po_1NEWmWLkdIwHu7ixRt5vXa2B", revision=2)

    assert dict(before[other.key].strong) == {NAMES[0]: 0}
    assert dict(readings.evidence(changed, [other])[other.key].strong) == {
        "po_1NEWmWLkdIwHu7ixRt5vXa2B": 0
    }
