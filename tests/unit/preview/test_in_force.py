"""A preview by another basis, chart or rules version, and by what its lines put in force."""

import json
from typing import Final

from services.ledger.chart import DEFAULT_CHART, chart_of
from shared.contracts.books import Basis
from tallystick.preview.options import Options
from tallystick.preview.report import Report
from tallystick.preview.run import preview
from tests.unit.ledger.invoicing import invoice, line

RENT: Final = '\n[[account]]\nname = "expenses:rent"\ndisplay = "Rent"\n'


def billed(number: int) -> dict[str, object]:
    shown = invoice(line(id=f"il_{number}", days=30), id=f"in_{number}")
    return {"topic": "stripe.objects", "value": shown}


def asked(**said: object) -> dict[str, object]:
    return {"topic": "ledger.commands", "value": {"book": "main", **said}}


def reported(lines: list[dict[str, object]], options: Options = Options()) -> Report:  # noqa: B008  # frozen
    return preview([("lines", [json.dumps(each).encode() for each in lines])], options)


def references(report: Report) -> list[str]:
    return [entry.reference for entry in report.entries]


def test_preview_by_accrual_books_invoices_and_by_cash_none() -> None:
    assert references(reported([billed(1)])) == []
    found = references(reported([billed(1)], Options(basis=Basis.ACCRUAL)))
    assert found == ["stripe:invoice:in_1"]


def test_line_that_puts_accrual_in_force_holds_for_the_lines_behind_it() -> None:
    command = asked(kind="activate", idempotency_key="k", what="basis", value="accrual")
    assert references(reported([billed(1), command, billed(2)])) == ["stripe:invoice:in_2"]


def test_line_that_names_positions_is_refused_since_lines_have_none() -> None:
    position = {"topic": "stripe.objects", "partition": 0, "offset": 9}
    command = asked(
        kind="activate", idempotency_key="k", what="basis", value="accrual", positions=[position]
    )
    report = reported([command, billed(1)])
    assert references(report) == []
    assert "is no input of the ledger" in report.refused[0].reason


def test_preview_by_a_chart_lets_commands_post_to_its_accounts() -> None:
    amount = {"minor": "700", "currency": "usd", "exponent": 2}
    entry = asked(
        kind="manual_entry",
        idempotency_key="k",
        effective_at="2026-11-21T00:00:00Z",
        postings=[
            {"account": "expenses:rent", "side": "debit", "amount": amount},
            {"account": "equity:owner", "side": "credit", "amount": amount},
        ],
    )
    chart = chart_of(DEFAULT_CHART.read_text("utf-8") + RENT)
    assert references(reported([entry])) == []
    assert references(reported([entry], Options(chart=chart))) == ["command:k"]
