"""Memo accounts stand in no statement, so they are booked against each other alone."""

from datetime import timedelta

from tests.unit.ledger.judged import NOON, Desk, Json, usd

AT = NOON - timedelta(days=1)


def memo(*legs: tuple[str, str, int, str]) -> Json:
    return {
        "effective_at": AT,
        "postings": [
            {"account": account, "side": side, "amount": usd(minor), "key": key}
            for account, side, minor, key in legs
        ],
    }


def test_entry_between_memo_accounts_and_others_is_refused_because_statements_would_not_hold() -> (
    None
):
    desk = Desk()
    said = desk.refuses(
        "memo_apart",
        "manual_entry",
        **memo(("memo:credits", "debit", 500, "cus_1"), ("equity:owner", "credit", 500, "")),
    )
    assert said.startswith("memo accounts stand in no statement")
    assert "differ by 5.00 USD" in said
    among_themselves = (
        ("memo:credits", "debit", 500, "cus_1"),
        ("memo:credits-issued", "credit", 500, ""),
    )
    others = (("expenses:gas", "debit", 70, ""), ("liabilities:payable", "credit", 70, ""))
    desk.does("manual_entry", **memo(*among_themselves))
    desk.does("manual_entry", **memo(*among_themselves, *others))


def test_held_credits_are_not_settled_to_an_account_of_the_statements() -> None:
    desk = Desk()
    desk.does("grant_credits", customer="cus_1", amount=usd(500))
    placed: Json = {"account": "memo:credits", "key": "cus_1", "amount": usd(500)}
    desk.does("place_hold", named="h1", **placed)
    desk.refuses("memo_apart", "settle_hold", hold="h1", to="revenue:stripe")
    desk.does("settle_hold", hold="h1", to="memo:credits-issued")
