"""What single messages tell, as the accounting model's table says it: debit positive."""

import pytest

from oracle.currencies import EXPONENTS
from oracle.model import Books, model_of
from shared.contracts.money import CURRENCIES
from tests.unit.oracle.world import (
    CHARGE,
    LINE,
    MANUAL,
    MATCH,
    REFUND,
    TRANSFER,
    Json,
    event,
    legs_of,
    movement,
    records,
    usd,
)

BALANCE = "assets:stripe:balance"
SETTLING = "assets:stripe:settling"
FEES = "expenses:stripe-fees"


def test_charge_captured_debits_settling_and_credits_revenue() -> None:
    assert legs_of(CHARGE) == {
        "stripe:payment:ch_1": [(SETTLING, "ch_1", 10_000), ("revenue:stripe", "", -10_000)]
    }


def test_charge_captured_in_part_tells_the_captured_amount() -> None:
    legs = legs_of(CHARGE | {"amount_captured": 7_000})
    assert legs["stripe:payment:ch_1"][0] == (SETTLING, "ch_1", 7_000)


@pytest.mark.parametrize(
    "change", [{"captured": False}, {"status": "pending"}, {"status": "failed"}]
)
def test_charge_without_money_tells_nothing(change: Json) -> None:
    assert legs_of(CHARGE | change) == {}


def test_charge_that_came_back_tells_the_payment_and_its_failure() -> None:
    legs = legs_of(CHARGE | {"status": "failed", "balance_transaction": "txn_1"})
    assert legs["stripe:payment:ch_1:failed"] == [
        (SETTLING, "ch_1", -10_000),
        ("revenue:stripe", "", 10_000),
    ]
    assert "stripe:payment:ch_1" in legs


def test_destination_charge_owes_its_part_to_the_connected_account() -> None:
    legs = legs_of(CHARGE | {"transfer_data": {"destination": "acct_m", "amount": 9_000}})
    assert sorted(legs["stripe:payment:ch_1"]) == [
        (SETTLING, "ch_1", 10_000),
        ("liabilities:connect", "acct_m", -9_000),
        ("revenue:stripe", "", -1_000),
    ]


def test_destination_charge_without_amount_owes_all_of_it() -> None:
    legs = legs_of(CHARGE | {"transfer_data": {"destination": "acct_m", "amount": None}})
    assert ("liabilities:connect", "acct_m", -10_000) in legs["stripe:payment:ch_1"]
    assert len(legs["stripe:payment:ch_1"]) == 2


def test_charge_with_its_refunds_tells_them_too() -> None:
    legs = legs_of(CHARGE | {"refunds": {"object": "list", "data": [REFUND]}})
    assert set(legs) == {"stripe:payment:ch_1", "stripe:refund:re_1"}


def test_refund_failed_tells_the_refund_and_its_failure() -> None:
    legs = legs_of(REFUND | {"status": "failed"})
    assert legs == {
        "stripe:refund:re_1": [(SETTLING, "re_1", -2_500), ("revenue:refunds", "", 2_500)],
        "stripe:refund:re_1:failed": [(SETTLING, "re_1", 2_500), ("revenue:refunds", "", -2_500)],
    }


def test_refund_of_an_uncaptured_part_is_undone() -> None:
    part = movement("txn_9", "refund", -10, 0, "re_1") | {
        "reporting_category": "partial_capture_reversal"
    }
    told = legs_of(REFUND | {"balance_transaction": part})
    assert told["stripe:refund:re_1:released"] == [
        (SETTLING, "re_1", 2_500),
        ("revenue:refunds", "", -2_500),
    ]
    assert set(told) == {
        "stripe:refund:re_1", "stripe:refund:re_1:released", "stripe:balance_transaction:txn_9"
    }  # fmt: skip


def test_refund_of_an_uncaptured_part_is_no_refund_by_version_1() -> None:
    shown = REFUND | {"reason": "expired_uncaptured_charge"}
    model = model_of(records("stripe.objects", [shown]), Books().by_rules(1))
    assert not model.tellings


def test_transfer_with_reversals_tells_each_of_them() -> None:
    reversals = [
        {
            "id": "trr_1",
            "object": "transfer_reversal",
            "amount": 500,
            "currency": "usd",
            "created": 1,
        },
        {
            "id": "trr_2",
            "object": "transfer_reversal",
            "amount": 300,
            "currency": "usd",
            "created": 1,
            "source_refund": "re_1",
        },
    ]
    legs = legs_of(TRANSFER | {"amount_reversed": 800, "reversals": {"data": reversals}})
    assert legs == {
        "stripe:transfer:tr_1": [
            (SETTLING, "tr_1", -4_000),
            ("liabilities:connect", "acct_m", 4_000),
        ],
        "stripe:transfer_reversal:trr_1": [
            (SETTLING, "trr_1", 500),
            ("liabilities:connect", "acct_m", -500),
        ],
        "stripe:transfer_reversal:trr_2": [
            (SETTLING, "trr_2", 300),
            ("revenue:refunds", "", -300),
        ],
    }


MOVEMENTS: dict[str, tuple[Json, list[tuple[str, str, int]]]] = {
    "a charge": (
        movement("t", "charge", 10_000, 320, "ch_1"),
        [(BALANCE, "", 9_680), (SETTLING, "ch_1", -10_000), (FEES, "", 320)],
    ),
    "a charge whose fee is above it": (
        movement("t", "charge", 10, 30, "ch_1"),
        [(BALANCE, "", -20), (SETTLING, "ch_1", -10), (FEES, "", 30)],
    ),
    "a refund": (
        movement("t", "refund", -2_500, 0, "re_1"),
        [(BALANCE, "", -2_500), (SETTLING, "re_1", 2_500)],
    ),
    "an instant payout": (
        movement("t", "payout", -5_000, 50, "po_1"),
        [("assets:stripe:in-transit", "po_1", 5_000), (BALANCE, "", -5_050), (FEES, "", 50)],
    ),
    "a payout that failed": (
        movement("t", "payout_failure", 5_000, 0, "po_1"),
        [("assets:stripe:in-transit", "po_1", -5_000), (BALANCE, "", 5_000)],
    ),
    "a top-up": (
        movement("t", "topup", 5_000, 0, "tu_1"),
        [("assets:stripe:in-transit", "tu_1", -5_000), (BALANCE, "", 5_000)],
    ),
    "a dispute's withdrawal": (
        movement("t", "adjustment", -10_000, 1_500, "du_1", reporting_category="dispute"),
        [(BALANCE, "", -11_500), ("expenses:disputes", "du_1", 10_000), (FEES, "", 1_500)],
    ),
    "a dispute reinstated, a fee given back": (
        movement("t", "adjustment", 10_000, -1_500, "du_1", reporting_category="dispute_reversal"),
        [(BALANCE, "", 11_500), ("expenses:disputes", "du_1", -10_000), (FEES, "", -1_500)],
    ),
    "an application fee": (
        movement("t", "application_fee", 123, 0, "fee_1"),
        [(BALANCE, "", 123), ("revenue:application-fees", "", -123)],
    ),
    "Stripe's own bill": (
        movement("t", "stripe_fee", -250, 0, None),
        [(BALANCE, "", -250), (FEES, "", 250)],
    ),
    "a reserve held": (
        movement("t", "reserve_hold", -900, 0, "rsv_1"),
        [(BALANCE, "", -900), (SETTLING, "rsv_1", 900)],
    ),
    "the reserve's own leg": (
        movement("t", "reserve_hold", 900, 0, "rsv_1", balance_type="risk_reserved"),
        [("assets:stripe:reserve", "", 900), (SETTLING, "rsv_1", -900)],
    ),
    "an uncaptured part, keyed by its charge": (
        movement(
            "t", "refund", -3_000, -90, REFUND,  # type: ignore[arg-type]  # expanded
            reporting_category="partial_capture_reversal",
        ),
        [(BALANCE, "", -2_910), (SETTLING, "ch_1", 3_000), (FEES, "", -90)],
    ),
    "a type without a rule": (
        movement("t", "quantum_rebate", 777, 0, "qr_1"),
        [(BALANCE, "", 777), ("liabilities:suspense", "t", -777)],
    ),
    "a known type without its source": (
        movement("t", "charge", 777, 7, None),
        [(BALANCE, "", 770), ("liabilities:suspense", "t", -770)],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MOVEMENTS)
def test_balance_transaction_of(name: str) -> None:
    told, expected = MOVEMENTS[name]
    assert sorted(legs_of(told)["stripe:balance_transaction:t"]) == sorted(expected)


def test_dispute_tells_the_balance_transactions_inside_it() -> None:
    inside = movement("t", "adjustment", -10_000, 0, "du_1", reporting_category="dispute")
    told = {"id": "du_1", "object": "dispute", "balance_transactions": [inside]}
    assert set(legs_of(told)) == {"stripe:balance_transaction:t"}


@pytest.mark.parametrize(
    "change",
    [
        {"amount_captured": 10.5},
        {"amount_captured": "1000"},
        {"amount_captured": True},
        {"amount_captured": 10**30 + 1},
        {"amount_captured": -5},
        {"currency": "zzz"},
    ],
)
def test_charge_that_is_no_money_is_refused_and_its_refund_still_told(change: Json) -> None:
    told = CHARGE | change | {"refunds": {"data": [REFUND]}}
    model = model_of(records("stripe.objects", [told]), Books())
    assert len(model.refused) == 1
    assert {name.reference for name in model.tellings} == {"stripe:refund:re_1"}


def test_net_that_is_not_amount_less_fee_is_refused() -> None:
    told = movement("t", "charge", 100, 3, "ch_1") | {"net": 98}
    model = model_of(records("stripe.objects", [told]), Books())
    assert len(model.refused) == 1
    assert not model.tellings


@pytest.mark.parametrize(
    "value", [b"", b"[]", b"null", b'{"object": "event"}', b"\xff", b'{"a": NaN}', b"[" * 100_000]
)
def test_event_that_cannot_be_read_is_counted_and_tells_nothing(value: bytes) -> None:
    model = model_of(records("stripe.events", [value]), Books())
    assert len(model.unreadable) == 1
    assert not model.tellings


def test_event_of_another_account_tells_nothing() -> None:
    told = event("evt_1", "charge.succeeded", CHARGE, account="acct_other")
    assert not model_of(records("stripe.events", [told]), Books()).tellings
    assert not model_of(records("stripe.events", [told], foreign="true"), Books()).tellings
    own = Books.of('[[books]]\nname = "main"\nstripe_accounts = ["acct_other"]')
    assert model_of(records("stripe.events", [told]), own).tellings


def test_event_of_the_other_mode_tells_nothing() -> None:
    live = Books.of('[[books]]\nname = "main"\nmode = "live"')
    told = event("evt_1", "charge.succeeded", CHARGE)
    assert not model_of(records("stripe.events", [told]), live).tellings


def test_bank_line_changed_tells_the_reversal_of_the_form_before_and_the_new_form() -> None:
    told = LINE | {"revision": 2, "previous": usd(6_000)}
    assert legs_of(told, "bank.observations") == {
        "bank:main:line:l_1:r1:reversed": [
            ("assets:bank:main", "", -6_000),
            ("liabilities:suspense", "l_1", 6_000),
        ],
        "bank:main:line:l_1:r2": [
            ("assets:bank:main", "", 7_000),
            ("liabilities:suspense", "l_1", -7_000),
        ],
    }


def test_bank_line_removed_tells_no_new_form() -> None:
    told = LINE | {"revision": 2, "previous": usd(7_000), "state": "removed"}
    assert "bank:main:line:l_1:r2" not in legs_of(told, "bank.observations")


def test_bank_line_pending_tells_nothing() -> None:
    assert legs_of(LINE | {"state": "pending"}, "bank.observations") == {}


@pytest.mark.parametrize("day", ["0001-01-01", "9999-12-31"])
def test_bank_line_of_a_day_that_means_never_cannot_be_read(day: str) -> None:
    model = model_of(records("bank.observations", [LINE | {"booked_on": day}]), Books())
    assert (len(model.unreadable), model.tellings) == (1, {})


@pytest.mark.parametrize("at", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z"])
def test_match_at_a_time_that_means_never_cannot_be_read(at: str) -> None:
    told = records("reconciliation.matches", [MATCH | {"effective_at": at}])
    model = model_of(told, Books())
    assert (len(model.unreadable), model.tellings) == (1, {})


def test_match_that_posts_a_difference_to_a_result_has_a_leg_without_a_key() -> None:
    fee = {"account": "expenses:bank-fees", "key": "", "amount": MATCH["clears"][0]["amount"]}
    told = MATCH | {"clears": [fee, *MATCH["clears"][1:]]}
    legs = legs_of(told, "reconciliation.matches")["match:mtc_1:1"]
    assert ("expenses:bank-fees", "") in [(account, key) for account, key, _ in legs]


def test_match_made_and_undone_are_each_others_reversal() -> None:
    made = legs_of(MATCH, "reconciliation.matches")["match:mtc_1:1"]
    undone = legs_of(MATCH | {"kind": "match_undone"}, "reconciliation.matches")
    assert undone["match:mtc_1:1:undone"] == [(a, k, -minor) for a, k, minor in made]


def test_match_in_two_currencies_gives_each_rest_to_exchange() -> None:
    told = MATCH | {
        "match_kind": "exchange",
        "clears": [
            {"account": SETTLING, "key": "ch_1", "amount": usd(-10_000, "eur")},
            {"account": SETTLING, "key": "ch_1", "amount": usd(10_850)},
        ],
    }
    assert sorted(legs_of(told, "reconciliation.matches")["match:mtc_1:1"]) == sorted(
        [
            (SETTLING, "ch_1", -10_000),
            (SETTLING, "ch_1", 10_850),
            ("equity:exchange", "", 10_000),
            ("equity:exchange", "", -10_850),
        ]
    )


def test_manual_entry_tells_its_postings() -> None:
    assert legs_of(MANUAL, "ledger.commands") == {
        "command:k_1": [("assets:bank:main", "", 500), ("equity:owner", "", -500)]
    }


def test_manual_entry_off_balance_is_refused() -> None:
    postings = [MANUAL["postings"][0]]
    model = model_of(records("ledger.commands", [MANUAL | {"postings": postings}]), Books())
    assert len(model.refused) == 1


def test_oracles_currencies_are_those_of_the_contracts() -> None:
    assert {c.code: c.exponent for c in CURRENCIES.values()} == EXPONENTS
