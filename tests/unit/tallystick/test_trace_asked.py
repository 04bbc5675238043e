"""What `tallystick trace` is asked for, as people write it."""

import pytest

from services.ledger.shell.reading.tracing import Figure
from tallystick.trace.asked import Asked, Link, Message, Reference, asked


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("assets:stripe:balance", Figure("assets:stripe:balance", None, None)),
        ("assets:stripe:balance USD", Figure("assets:stripe:balance", None, "usd")),
        ("assets:stripe:settling[ch_1]", Figure("assets:stripe:settling", "ch_1", None)),
        ("assets:stripe:settling[a b] eur", Figure("assets:stripe:settling", "a b", "eur")),
        ("assets:stripe:settling/ch_1 usd", Figure("assets:stripe:settling", "ch_1", "usd")),
        ("stripe:payment:ch_1", Reference("stripe:payment:ch_1")),
        ("bank:main:line:l 1:r2", Reference("bank:main:line:l 1:r2")),
        ("stripe.events/3@17", Message("stripe.events", 3, 17)),
        (" stripe.events/3#17 ", Link("stripe.events", 3, 17)),
    ],
)
def test_text_means_a_figure_an_entry_or_a_message(text: str, meant: Asked) -> None:
    assert asked(text) == meant


@pytest.mark.parametrize("text", ["", "ch_1", "assets", "assets:a b c d", "assets:é", "100.00"])
def test_text_that_means_nothing_is_refused_with_what_to_write(text: str) -> None:
    with pytest.raises(ValueError, match="assets:"):
        asked(text)
