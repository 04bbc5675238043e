"""Refused statement files: one discrepancy each, by their bytes, until those are taken."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from services.feeds.refusals import REASON_CHARACTERS_MAX, Refusal, report
from services.reconciler.facts.kinds import Audited
from services.reconciler.facts.known import Facts, fold
from services.reconciler.facts.readers import facts_of
from services.reconciler.findings.found import Discrepancy
from services.reconciler.reconcile import reconcile
from shared.contracts.audit_messages import audit_message
from shared.contracts.books import BookData, BookMap
from shared.contracts.discrepancies import BreakClass, DiscrepancyKind, discrepancy_id
from shared.contracts.topics import FEEDS_AUDITS

AT = datetime(2026, 11, 21, 9, tzinfo=UTC)
REFUSAL = Refusal(
    sha256="1f3a9c" + "0" * 58,
    name="november.xml",
    reason="statement 9 does not add up",
    fix="ask the bank for the file again, whole",
    book="main",
    since=AT,
    decided_at=AT,
    stands=True,
)
TAKEN = replace(REFUSAL, reason="", fix="", stands=False, decided_at=AT + timedelta(hours=1))


def judged(*refusals: Refusal) -> tuple[Discrepancy, ...]:
    """What the reconciler holds for wrong once it has heard these."""
    facts: list[Audited] = []
    for refusal in refusals:
        envelope = audit_message(report(refusal), source="bank/files")
        book, heard = facts_of(FEEDS_AUDITS, envelope, received_at=AT, books=BookMap())
        assert book == refusal.book
        facts.extend(fact for fact in heard if isinstance(fact, Audited))
    known = tuple(fact for fact in fold(facts).values() if isinstance(fact, Audited))
    return reconcile(Facts(BookData(name="main"), audited=known), at=AT).discrepancies


def test_refused_file_is_one_discrepancy_with_its_name_its_reason_and_the_way_out() -> None:
    (found,) = judged(REFUSAL)
    assert found.id == discrepancy_id(
        "main", DiscrepancyKind.STATEMENT_FILE_REFUSED, "1f3a9c000000"
    )
    assert found.break_class is BreakClass.STALE_FEED
    assert found.amount is None
    assert found.expected == "statement file november.xml to be taken"
    assert found.found == "refused: statement 9 does not add up"
    assert found.explanation == (
        "Statement file november.xml was refused, and nothing of it was taken: statement 9 does"
        " not add up. To do: ask the bank for the file again, whole."
    )
    assert found.evidence == (f"sha256:{REFUSAL.sha256}",)


def test_file_that_is_refused_again_is_the_same_discrepancy_in_the_same_words() -> None:
    again = replace(REFUSAL, decided_at=AT + timedelta(hours=1))
    assert judged(REFUSAL, again) == judged(REFUSAL)


def test_file_that_is_taken_after_all_is_none_in_whatever_order_it_is_heard() -> None:
    assert judged(REFUSAL, TAKEN) == judged(TAKEN, REFUSAL) == ()


def test_two_files_of_one_name_are_two_discrepancies() -> None:
    other = replace(REFUSAL, sha256="ab" * 32)
    assert len(judged(REFUSAL, other)) == 2
    assert [found.subject for found in judged(REFUSAL, other, TAKEN)] == ["abababababab"]


def test_report_says_when_it_was_decided_and_since_when_it_stands() -> None:
    told = report(replace(REFUSAL, decided_at=AT + timedelta(hours=1)))
    assert (told.since, told.told_at) == (AT, AT + timedelta(hours=1))
    assert told == report(replace(REFUSAL, decided_at=AT + timedelta(hours=1)))


def test_reason_that_is_very_long_is_cut() -> None:
    told = report(replace(REFUSAL, reason="x" * 100_000))
    assert told.found == "refused: " + "x" * REASON_CHARACTERS_MAX + "…"
