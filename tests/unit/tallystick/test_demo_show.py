"""What the demo prints, on a terminal however narrow."""

import io

from rich.console import Console

from tallystick.demo.proof import Proof, Row
from tallystick.demo.show import trial_balance


def test_no_currency_and_no_amount_is_cut_on_a_narrow_terminal() -> None:
    rows = (
        Row("liabilities:customer-balance", "usd", 2, -31_985, -31_985),
        Row("memo:credits", "usd", 2, 123_456_789_012, 1),
        Row("equity:exchange", "eur", 2, 5, 5),
    )
    out = Console(file=(told := io.StringIO()), width=40)
    trial_balance(out, Proof(rows, (), (), ()))
    lines = [line.split() for line in told.getvalue().splitlines()]
    assert ["liabilities:customer-balance", "USD", "319.85", "-319.85", "equal"] in lines
    assert ["memo:credits", "USD", "1234567890.12", "0.01", "DIFFERS"] in lines
    assert "…" not in told.getvalue()
