"""Amounts as a person writes them: exact, or refused."""

import pytest

from tallystick.amounts import AmountInvalid, amount_on_wire, place_of, posting_on_wire


@pytest.mark.parametrize(
    ("text", "minor", "currency", "exponent"),
    [
        ("12.50 usd", "1250", "usd", 2),
        ("12.5USD", "1250", "usd", 2),
        ("12 usd", "1200", "usd", 2),
        ("500 jpy", "500", "jpy", 0),
        ("0.001 kwd", "1", "kwd", 3),
        ("1.000000000000000001 eth", "1000000000000000001", "eth", 18),
        ("1.50000 usd", "150", "usd", 2),
        ("90071992547409.93 usd", "9007199254740993", "usd", 2),
    ],
)
def test_amount_is_read_to_the_last_minor_unit(
    text: str, minor: str, currency: str, exponent: int
) -> None:
    assert amount_on_wire(text) == {"minor": minor, "currency": currency, "exponent": exponent}


@pytest.mark.parametrize(
    "text",
    ["", "12.50", "usd", "12.505 usd", "0 usd", "0.00 usd", "-5 usd", "1e3 usd", "1,50 usd", "1_0 usd",
     "٣ usd", "5 usx", "nan usd", "12.5.0 usd", "99999999999999999999999999999999 usd", "1" * 31 + " usd"],
)  # fmt: skip
def test_text_that_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(AmountInvalid):
        amount_on_wire(text)


@pytest.mark.parametrize(
    ("text", "why", "way_out"),
    [
        ("1500.5 jpy", "has more decimals than jpy, which has 0", "write whole jpy"),
        ("1.2345 kwd", "has more decimals than kwd, which has 3", "write at most 3 decimals"),
        ("5 usx", "unknown currency 'usx'", "name a currency by its ISO 4217 code"),
        ("1" + "0" * 31 + " usd", "is past 10^30 minor units", "book it in parts"),
        ("1" + "0" * 300 + " usd", "is past 10^30 minor units", "book it in parts"),
        ("-5 usd", "is no amount of usd above zero", "digits and a point, above zero"),
        ("12.50", "is no amount and currency", "write it as '12.50 usd'"),
    ],
)
def test_refused_amount_says_why_and_how_to_write_it(text: str, why: str, way_out: str) -> None:
    with pytest.raises(AmountInvalid) as refused:
        amount_on_wire(text)
    assert why in str(refused.value)
    assert way_out in refused.value.way_out


def test_posting_is_account_key_and_amount() -> None:
    assert posting_on_wire("assets:stripe:settling[ch_1=2]=5 usd", "debit") == {
        "account": "assets:stripe:settling",
        "key": "ch_1=2",
        "side": "debit",
        "amount": {"minor": "500", "currency": "usd", "exponent": 2},
    }
    with pytest.raises(AmountInvalid, match="is no posting"):
        posting_on_wire("assets:bank:main 5 usd", "debit")


def test_place_is_account_and_key() -> None:
    assert place_of("liabilities:payable[acme]") == ("liabilities:payable", "acme")
    assert place_of("assets:bank:main") == ("assets:bank:main", "")
