"""What the readers understand and what the simulated bank says, by the vendors' own models."""

import json
from importlib.util import find_spec
from typing import Any, cast

import pytest

from sandbox.bank.core import SimulatedBank
from sandbox.bank.facts import BankAccount, Wording
from sandbox.bank.plaid import (
    PlaidStream,
    account_balance_object,
)
from sandbox.bank.shapes import balance_object, line_object, pending_object
from sandbox.world.dice import Dice
from services.feeds import increase, plaid
from shared.contracts.observations import LineState
from tests.support.vendor_models import increase_model, plaid_model

SECOND = 1_790_000_000
# Its library comes as source alone, and the set-up builds nothing: `make vendor-models` brings it.
by_plaid = pytest.mark.skipif(find_spec("plaid") is None, reason="make vendor-models brings it")


@pytest.fixture
def bank() -> SimulatedBank:
    bank = SimulatedBank(Dice(1))
    account = bank.open_account(SECOND, "main", "usd")
    bank.post(SECOND, account.id, 12345, Wording(description="STRIPE", payer="Stripe", trace="T1"))
    bank.post(SECOND, account.id, -1005, Wording(description="RENT", remittance="Flat 2"))
    bank.announce(SECOND, account.id, -700, "CARD")
    return bank


def account_of(bank: SimulatedBank) -> BankAccount:
    return bank.accounts()[0]


def on_wire(value: object, *, amount: str = "1") -> dict[str, object]:
    """A value as our reader takes it from the wire."""
    text = json.dumps(value).replace('"amount": 1,', f'"amount": {amount},')
    return cast("dict[str, object]", plaid.exact_json(text.encode()))


def test_increase_objects_fit_its_own_models_and_are_read_as_those_say(
    bank: SimulatedBank,
) -> None:
    account = account_of(bank)
    for line in bank.every_line():
        shown = line_object(line, account)
        model: Any = increase_model("Transaction", shown)  # Any: fields by name
        told = increase.posted_line(shown)
        assert (told.id, told.amount.minor) == (model.id, model.amount)
        assert told.created_at == model.created_at
        assert told.description == model.description
    for pending in bank.pending():
        shown = pending_object(pending, account)
        model = increase_model("PendingTransaction", shown)
        told = increase.pending_line(shown)
        assert (told.id, told.amount.minor) == (model.id, model.amount)
        assert (told.state is LineState.PENDING) == (model.status == "pending")
    shown = balance_object(account, posted=11340, available=10640)
    model = increase_model("BalanceLookup", shown)
    balance = increase.told_balance(shown, "usd", as_of=None)
    assert balance.ledger.minor == model.current_balance
    assert balance.available is not None
    assert balance.available.minor == model.available_balance


@by_plaid
def test_plaid_page_fits_its_own_model_and_is_read_as_that_says_with_our_sign(
    bank: SimulatedBank,
) -> None:
    account = account_of(bank)
    page = PlaidStream(bank).page(SECOND, account, "", 500)
    model = plaid_model("TransactionsSyncResponse", page)
    told = plaid.changes_of(on_wire(page), account.id)
    assert not told.unreadable
    assert len(told.lines) == len(model.added) == 3
    for line, theirs in zip(told.lines, model.added, strict=True):
        assert line.id == theirs.transaction_id
        assert -line.amount.minor == round(theirs.amount * 100)
        assert line.booked_on == theirs.date
        assert (line.state is LineState.PENDING) == theirs.pending
    assert (told.cursor, told.has_more) == (model.next_cursor, model.has_more)


@by_plaid
def test_plaid_accounts_fit_their_own_model(bank: SimulatedBank) -> None:
    shown = account_balance_object(account_of(bank), posted=11340, available=10640)
    answer: dict[str, object] = {
        "accounts": [shown],
        "item": {
            "available_products": [],
            "billed_products": ["transactions"],
            "consent_expiration_time": None,
            "error": None,
            "institution_id": "ins_1",
            "item_id": "i",
            "update_type": "background",
            "webhook": None,
        },
        "request_id": "r",
    }
    model = plaid_model("AccountsGetResponse", answer)
    (told,) = plaid.accounts_of(on_wire(answer), as_of=None)
    assert told.balance.ledger.minor == round(model.accounts[0].balances.current * 100)
    assert told.currency == "usd"


@by_plaid
def test_every_field_that_is_read_of_plaid_is_one_that_its_models_know() -> None:
    transaction = plaid_model_type("transaction", "Transaction")
    for name in [
        "transaction_id",
        "account_id",
        "date",
        "datetime",
        "authorized_datetime",
        "payment_meta",
        "name",
        "pending",
        "original_description",
        "check_number",
        "merchant_name",
        "counterparties",
        "amount",
        "pending_transaction_id",
        "iso_currency_code",
        "unofficial_currency_code",
    ]:
        assert name in transaction, name
    meta = plaid_model_type("payment_meta", "PaymentMeta")
    assert {"reference_number", "ppd_id", "by_order_of", "reason", "payer"} <= set(meta)


def plaid_model_type(module: str, name: str) -> dict[str, object]:
    from importlib import import_module  # noqa: PLC0415 - the library has no types

    found: Any = import_module(f"plaid.model.{module}")  # Any: as above
    types: dict[str, object] = dict(getattr(found, name).openapi_types)
    return types


LINE: dict[str, Any] = {  # JSON: values of any kind
    "transaction_id": "t1",
    "account_id": "a1",
    "amount": 1,
    "date": "2026-11-19",
    "iso_currency_code": "USD",
    "pending": False,
    "name": "X",
}


@pytest.mark.parametrize(
    ("text", "currency", "minor"),
    [
        ("12.34", "USD", -1234),
        ("-12.34", "USD", 1234),
        ("-0.00", "USD", 0),
        ("0.1", "USD", -10),
        ("1e2", "USD", -10_000),
        ("90071992547409.93", "USD", -9_007_199_254_740_993),
        ("5", "JPY", -5),
        ("1.234", "KWD", -1234),
    ],
)
def test_plaid_amount_is_exact_from_its_text(text: str, currency: str, minor: int) -> None:
    value = on_wire(LINE | {"iso_currency_code": currency}, amount=text)
    assert plaid.line_of(value).amount.minor == minor


@pytest.mark.parametrize(
    "change",
    [
        {"amount": "1"},
        {"amount": True},
        {"amount": None},
        {"amount": 10**60},
        {"date": "2026-02-30"},
        {"date": None},
        {"transaction_id": ""},
        {"iso_currency_code": None},
        {"datetime": "noon"},
    ],
)
def test_plaid_line_that_makes_no_sense_is_counted_and_the_others_are_told(
    change: dict[str, object],
) -> None:
    page = {
        "added": [LINE | change, LINE | {"transaction_id": "t2"}],
        "modified": [],
        "removed": [],
        "next_cursor": "c",
        "has_more": False,
    }
    told = plaid.changes_of(page, "a1")
    assert [line.id for line in told.lines] == ["t2"]
    assert len(told.unreadable) == 1


def test_plaid_fraction_of_a_cent_and_no_number_are_refused() -> None:
    value = on_wire(LINE, amount="1.005")
    page = {"added": [value], "modified": [], "removed": [], "next_cursor": "c", "has_more": False}
    assert "decimals" in plaid.changes_of(page, "a1").unreadable[0]
    with pytest.raises(ValueError, match="NaN"):
        plaid.exact_json(b'{"amount": NaN}')


def test_debt_of_a_card_is_below_zero() -> None:
    card = {
        "account_id": "a1",
        "type": "credit",
        "balances": {"current": 25, "available": 75, "iso_currency_code": "USD"},
    }
    (told,) = plaid.accounts_of({"accounts": [card]}, as_of=None)
    assert (told.balance.ledger.minor, told.balance.available) == (-2500, None)
