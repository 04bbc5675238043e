"""What accounts are called at a moment: by commands, by the chart of that time, or by their names."""

from datetime import UTC, datetime
from typing import Any

from services.console.statements.moments import AsOf, moment
from services.console.statements.names import AccountNames, account_names, with_displays
from shared.contracts.books import BookData

ZONE = BookData().zone
OLD = """
[[account]]
name = "assets:bank:NAME"
display = "Cash"
[[account]]
name = "assets:bank:till"
display = "Till"
[[account]]
name = "revenue:stripe"
display = "Stripe Revenue"
"""
NEW = OLD.replace("Stripe Revenue", "Card Sales")


def day(number: int) -> datetime:
    return datetime(2026, 3, number, 12, tzinfo=UTC)


def change(account: str, display: str, on: int, *, of_chart: bool = False) -> dict[str, Any]:
    return {
        "account": account,
        "display": display,
        "is_of_chart": of_chart,
        "recorded_at": day(on),
    }


def names(*changes: dict[str, Any]) -> AccountNames:
    begun = {"charts": {"other": "[]"}, "default_chart": OLD}
    return account_names(
        [
            {"what": "genesis", "book": "main", "value": begun, "recorded_at": day(5)},
            {"what": "chart", "book": "main", "value": NEW, "recorded_at": day(20)},
        ],
        changes,
    )


def at(text: str) -> AsOf:
    return AsOf(effective=moment(text, ZONE, name="as_of"))


def test_chart_of_the_moment_names_accounts_and_families_and_exact_names_go_first() -> None:
    now = names().at(AsOf())
    assert now("assets:bank:main") == "Cash"
    assert now("assets:bank:till") == "Till"
    assert now("assets:bank") == "assets:bank"
    assert now("revenue:stripe") == "Card Sales"
    assert names().at(at("2026-03-19"))("revenue:stripe") == "Stripe Revenue"


def test_moment_before_all_charts_has_the_names_of_the_first() -> None:
    assert names().at(at("2026-01-01"))("revenue:stripe") == "Stripe Revenue"


def test_name_that_a_command_gave_goes_before_the_charts_from_then_on() -> None:
    told = names(
        change("revenue:stripe", "Sales", 10, of_chart=True),
        change("revenue:stripe", "Shop", 12, of_chart=True),
    )
    assert told.at(at("2026-03-09"))("revenue:stripe") == "Stripe Revenue"
    assert told.at(at("2026-03-10"))("revenue:stripe") == "Sales"
    assert told.at(AsOf())("revenue:stripe") == "Shop"
    late = AsOf(at("2026-03-31").effective, at("2026-03-11").effective)
    assert told.at(late)("revenue:stripe") == "Sales"


def test_account_of_no_chart_has_its_first_name_before_it_was_named() -> None:
    told = names(change("assets:fixed", "Machines", 10), change("assets:fixed", "Plant", 12))
    assert told.at(at("2026-01-01"))("assets:fixed") == "Machines"
    assert told.at(AsOf())("assets:fixed") == "Plant"


def test_chart_of_the_books_file_goes_before_those_in_force_and_not_before_commands() -> None:
    told = names(change("revenue:stripe", "Shop", 12, of_chart=True))
    now = told.at(AsOf(), lambda account: f"file's {account}")
    assert now("revenue:stripe") == "Shop"
    assert now("assets:bank:main") == "file's assets:bank:main"


def test_books_without_a_chart_on_record_are_read_by_their_accounts_names() -> None:
    assert account_names([], []).at(AsOf())("assets:bank:main") == "assets:bank:main"


def test_whatever_names_an_account_says_what_it_is_called_as_its_last_field() -> None:
    told = {"lines": [{"account": "revenue:stripe", "net": {"minor": "1"}}, {"account": None}]}
    found = with_displays(told, names().at(AsOf()))
    assert found == {
        "lines": [
            {"account": "revenue:stripe", "net": {"minor": "1"}, "display": "Card Sales"},
            {"account": None},
        ]
    }
    assert list(found["lines"][0])[-1] == "display"
