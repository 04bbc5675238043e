"""The list of what is not resolved, as a person reads it."""

from datetime import UTC, datetime

from shared.contracts.discrepancies import DiscrepancyKind, DiscrepancyState, Severity
from shared.contracts.messages import DiscrepancyReported
from shared.contracts.money import Money, MoneyOnWire
from tallystick.cli.discrepancies import ABOUT_CHARACTERS_MAX, list_lines

AT = datetime(2026, 11, 20, tzinfo=UTC)


def reported(kind: DiscrepancyKind, subject: str, found: str) -> DiscrepancyReported:
    return DiscrepancyReported(
        id="dsc_0504646c11", revision=1, book="main", discrepancy=kind,
        state=DiscrepancyState.OPEN, subject=subject, found=found, severity=Severity.LOW,
        amount=MoneyOnWire.of(Money.of(25_000, "usd")), opened_at=AT, changed_at=AT, age="0-1",
    )  # fmt: skip


def about(report: DiscrepancyReported) -> str:
    return list_lines([report])[1].partition(report.discrepancy)[2].strip()


def test_a_bank_line_is_listed_by_what_it_says() -> None:
    line = "5fc19dc82031aee4d5a8f4885beccc53.1"
    debit = DiscrepancyKind.UNIDENTIFIED_BANK_DEBIT
    told = reported(debit, line, "-250.00 USD on ops, 2026-11-19: RENT \x1b[1m")
    assert about(told) == "on ops, 2026-11-19: RENT \ufffd[1m"
    assert about(reported(debit, line, "")) == line
    long = about(reported(debit, line, "x" * 200))
    assert (len(long), long[-1]) == (ABOUT_CHARACTERS_MAX, "…")


def test_a_payout_is_listed_by_its_id() -> None:
    told = reported(DiscrepancyKind.PAYOUT_OVERDUE, "po_1", "no bank line")
    assert about(told) == "po_1"


def test_refused_file_is_listed_by_its_name() -> None:
    refused = DiscrepancyReported(
        id="dsc_" + "0" * 32,
        revision=1,
        book="main",
        discrepancy=DiscrepancyKind.STATEMENT_FILE_REFUSED,
        state=DiscrepancyState.OPEN,
        subject="1f3a9c07be21",
        expected="statement file ops-2026-10.sta to be taken",
        found="refused: the sums do not agree",
        opened_at=datetime(2026, 11, 3, tzinfo=UTC),
        changed_at=datetime(2026, 11, 3, tzinfo=UTC),
    )
    listed = "\n".join(list_lines([refused]))
    assert "statement_file_refused ops-2026-10.sta (1f3a9c07be21)" in listed
