"""Which bank accounts a command may name: those of the book, those opened, those that moved."""

from datetime import date, timedelta
from typing import Final

from services.ledger.account_changes import AccountChange
from services.ledger.activation.in_force import BookInForce
from services.ledger.rules.bank import bank_line
from services.ledger.rulings.asking import Asked
from services.ledger.rulings.judging import Recorded, followed
from services.ledger.rulings.standing import Standing
from shared.contracts.books import BankAccount, BookData
from shared.contracts.commands import LEDGER_COMMAND
from shared.contracts.journal import DEFAULT_BOOK
from shared.contracts.messages import OutcomeKind
from shared.contracts.money import MoneyOnWire
from shared.contracts.observations import BankLine
from tests.unit.ledger.judged import NOON, Desk, Json, books_of, usd

AT: Final = NOON - timedelta(days=1)
NAMED: Final = BookInForce(
    BookData(
        bank_accounts=(
            BankAccount(name="main", currency="usd"),
            BankAccount(name="tokyo", currency="jpy"),
        )
    )
)


def capital(account: str, amount: Json | None = None) -> Json:
    return {
        "direction": "contribute",
        "amount": amount or usd(700),
        "account": f"assets:bank:{account}",
        "effective_at": AT,
    }


def yen(minor: int) -> Json:
    return {"minor": str(minor), "currency": "jpy", "exponent": 0}


def told_by_a_bank(desk: Desk, account: str) -> None:
    line = BankLine(
        account=account,
        id="l_1",
        amount=MoneyOnWire.model_validate(usd(5_000)),
        booked_on=date(2024, 6, 1),
    )
    booked = bank_line(line, desk.book)
    assert booked is not None
    desk.standing.take(booked, desk.book, recorded_at=desk.now)


def test_bank_account_that_the_book_names_takes_money_in_its_currency() -> None:
    desk = Desk(NAMED)
    desk.does("owner_capital", **capital("main"))
    desk.does("owner_capital", **capital("tokyo", yen(900)))


def test_bank_account_that_nobody_named_is_refused_with_those_there_are() -> None:
    desk = Desk(NAMED)
    said = desk.refuses("account_known", "owner_capital", **capital("mian"))
    assert said.startswith("the book has no bank account 'mian': it has main, tokyo")
    assert "name one of these" in said
    assert "tallystick accounts open assets:bank:mian" in said
    assert "tallystick activate book-map" in said


def test_every_command_that_posts_or_holds_refuses_a_bank_account_that_nobody_named() -> None:
    desk = Desk(NAMED)
    stray = "assets:bank:mian"
    desk.refuses(
        "account_known", "book_expense", category="compute", amount=usd(1), paid_from=stray
    )
    sides = (
        {"account": stray, "side": "debit", "amount": usd(1)},
        {"account": "equity:owner", "side": "credit", "amount": usd(1)},
    )
    desk.refuses("account_known", "manual_entry", postings=sides)
    desk.refuses("account_known", "place_hold", account=stray, amount=usd(1))
    desk.receives(100)
    desk.does("place_hold", named="h1", account="assets:bank:main", amount=usd(50))
    desk.refuses("account_known", "settle_hold", hold="h1", to=stray)


def test_currency_that_a_named_bank_account_is_not_in_is_refused() -> None:
    desk = Desk(NAMED)
    said = desk.refuses("account_currency", "owner_capital", **capital("tokyo"))
    assert said.startswith("assets:bank:tokyo is in JPY, not in USD")
    assert "equity:exchange" in said


def test_account_that_a_command_opened_takes_money_and_is_closed_when_it_is_empty() -> None:
    desk = Desk(NAMED)
    opened = desk.does("open_account", account="assets:bank:petty", display="Petty cash")
    assert opened.remark.detail == "opened"
    desk.does("owner_capital", **capital("petty"))
    desk.does("owner_capital", **(capital("petty") | {"direction": "withdraw"}))
    desk.does("close_account", account="assets:bank:petty")
    desk.refuses("account_open", "owner_capital", **capital("petty"))


def test_account_that_the_book_names_is_there_and_not_opened_again() -> None:
    Desk(NAMED).refuses(
        "account_unknown", "open_account", account="assets:bank:main", display="Ours"
    )


def test_account_that_a_bank_tells_of_takes_commands_though_nobody_named_it() -> None:
    desk = Desk(NAMED)
    told_by_a_bank(desk, "house")
    desk.does("book_expense", category="compute", amount=usd(1), paid_from="assets:bank:house")


def test_what_stands_on_an_account_of_before_is_reversed_and_moved_away() -> None:
    desk = Desk()
    first = desk.does("owner_capital", named="typo", **capital("mian"))
    desk.does("owner_capital", **capital("mian"))
    desk.book = NAMED
    desk.does("reverse_entry", reference=first.entries[0].reference, reason="typo")
    moved = desk.does(
        "manual_entry",
        postings=(
            {"account": "assets:bank:main", "side": "debit", "amount": usd(700)},
            {"account": "assets:bank:mian", "side": "credit", "amount": usd(700)},
        ),
    )
    assert "Cr assets:bank:mian  7.00 USD" in books_of(moved)
    desk.does("close_account", account="assets:bank:mian")


def test_book_that_names_no_bank_account_takes_any_and_says_which_is_new() -> None:
    desk = Desk()
    first = desk.does("owner_capital", **capital("main"))
    assert first.remark.decided == {"new_banks": ["assets:bank:main"]}
    second = desk.does("owner_capital", **capital("main"))
    assert second.remark.decided is None


def test_decision_of_before_is_followed_though_its_account_is_unheard_of_or_closed_by_now() -> None:
    told = {"kind": "owner_capital", "idempotency_key": "k1", **capital("mian")}
    asked = Asked(LEDGER_COMMAND.validate_python(told, strict=False), NAMED)
    half = Recorded(OutcomeKind.ACCEPTED, "command", "", None, None, ())
    unheard_of = followed(asked, Standing(DEFAULT_BOOK), half, recorded_at=NOON)
    assert "Dr assets:bank:mian  7.00 USD" in books_of(unheard_of)
    standing = Standing(DEFAULT_BOOK)
    closed = AccountChange("assets:bank:mian", 1, "Typo", is_open=False, is_of_chart=True)
    standing.changes[closed.account] = closed
    judged = followed(asked, standing, half, recorded_at=NOON)
    assert "Dr assets:bank:mian  7.00 USD" in books_of(judged)
