"""Settings of the feeds: banks from a file or from one address, and accounts by our names."""

from pathlib import Path

import pytest

from services.feeds.config import Bank, FeedsSettings, Provider
from services.feeds.shell.bank_api import BankAccountAt
from services.feeds.shell.bank_reader import accounts_of
from services.feeds.statements.accounts import InterimIs
from shared.runtime.settings import SettingsInvalid

TOLD = (BankAccountAt("account_1", "Operating", "usd"), BankAccountAt("account_2", "jpy", "jpy"))
BANK = Bank("first", Provider.INCREASE, "http://127.0.0.1:1", {}, "key")


def settings(**values: str) -> FeedsSettings:
    return FeedsSettings.load(
        {f"TALLYSTICK_FEEDS_{name.upper()}": value for name, value in values.items()}
    )


def test_one_address_and_key_make_one_bank() -> None:
    (bank,) = settings(bank_base_url="https://bank.test", bank_api_key="k").banks()
    assert (bank.base_url, bank.key, bank.names) == ("https://bank.test", "k", {})
    assert "key" not in repr(bank)


def test_banks_come_from_a_file_with_keys_beside_it_and_in_variables(tmp_path: Path) -> None:
    (tmp_path / "first.key").write_text("one\n")
    (tmp_path / "banks.toml").write_text(
        """
        [[banks]]
        name = "first"
        base_url = "https://first.test"
        key_file = "first.key"
        [[banks.accounts]]
        id = "account_1"
        name = "main"

        [[banks]]
        name = "second"
        base_url = "https://second.test"
        key_env = "SECOND_KEY"
        """
    )
    told = settings(banks_file=str(tmp_path / "banks.toml"))
    first, second = told.banks({"SECOND_KEY": "two"})
    assert (first.key, first.names) == ("one", {"account_1": "main"})
    assert (second.key, second.names) == ("two", {})


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "name a bank"),
        ('[[banks]]\nname = "a"\nbase_url = "https://a"', "name one of key_file and key_env"),
        ('[[banks]]\nname = "a"\nbase_url = "file:///etc"\nkey_env = "K"', "base_url"),
        ('[[banks]]\nname = "a"\nbase_url = "https://a"\nkey = "hidden"', "Extra inputs"),
        ('[[banks]]\nname = "a"\nbase_url = "https://a"\nkey_env = "K"', "its key is empty"),
    ],
)
def test_banks_file_that_does_not_fit_is_refused_without_showing_what_it_holds(
    text: str, word: str, tmp_path: Path
) -> None:
    path = tmp_path / "banks.toml"
    path.write_text(text)
    with pytest.raises(SettingsInvalid, match=word) as refused:
        settings(banks_file=str(path)).banks({})
    assert "hidden" not in str(refused.value)


def test_no_bank_at_all_is_refused() -> None:
    with pytest.raises(SettingsInvalid, match="BANK_BASE_URL"):
        settings().banks()
    with pytest.raises(SettingsInvalid, match="BANK_API_KEY"):
        settings(bank_base_url="https://bank.test").banks()


def test_window_that_is_read_again_cannot_be_made_shorter_than_ten_days() -> None:
    with pytest.raises(SettingsInvalid, match="REREAD_DAYS"):
        settings(reread_days="9")


def test_accounts_that_are_named_are_read_by_our_names_and_no_others() -> None:
    bank = Bank("first", Provider.INCREASE, "http://x", {"account_1": "main"}, "key")
    assert accounts_of(bank, TOLD, {}) == [BankAccountAt("account_1", "main", "usd")]


def test_accounts_that_nobody_names_are_read_by_the_bank_s_names() -> None:
    assert accounts_of(BANK, TOLD, {}) == list(TOLD)


def test_account_that_the_bank_does_not_have_is_said_and_the_others_are_read() -> None:
    names = {"account_9": "main", "account_1": "first"}
    bank = Bank("first", Provider.INCREASE, "http://x", names, "key")
    problems: dict[str, str] = {}
    assert [a.name for a in accounts_of(bank, TOLD, problems)] == ["first"]
    assert problems == {"main": "bank first has no open account account_9"}


def test_bank_s_name_that_is_no_account_name_is_said_and_left_out() -> None:
    problems: dict[str, str] = {}
    told = [BankAccountAt("account_1", "My Account", "usd")]
    assert accounts_of(BANK, told, problems) == []
    assert "which is no account name" in problems["account_1"]


PLAID = """
[[banks]]
name = "plaid"
provider = "plaid"
base_url = "https://production.plaid.test"
key_env = "SECRET"
client_id = "client"
access_token_env = "TOKEN"
[[banks.accounts]]
id = "acc_1"
name = "savings"
[[statements]]
id = "DE89 3704 0044 0532 0130 00"
name = "house"
interim = "posted"
[[csv]]
pattern = "sparkasse-*.csv"
map = "sparkasse.toml"
"""
MAP = """
[csv]
decimal = ","
date_format = "%d.%m.%Y"
account = "A1"
currency = "eur"
[csv.columns]
booked_on = "#1"
amount = "#2"
"""


def test_banks_file_names_plaid_items_accounts_of_files_and_csv_maps(tmp_path: Path) -> None:
    path = tmp_path / "banks.toml"
    path.write_text(PLAID)
    (tmp_path / "sparkasse.toml").write_text(MAP)
    found = settings(banks_file=str(path)).sources({"SECRET": "s", "TOKEN": "t"})
    (bank,) = found.banks
    assert (bank.provider, bank.client_id, bank.access_token) == (Provider.PLAID, "client", "t")
    assert "access_token" not in repr(bank)
    assert [(a.name, a.interim) for a in found.statements] == [("house", InterimIs.POSTED)]
    assert found.csv_map("sparkasse-1.csv") is not None
    assert found.csv_map("other.csv") is None


@pytest.mark.parametrize(
    ("old", "new", "word"),
    [
        ('client_id = "client"\n', "", "name client_id"),
        ('access_token_env = "TOKEN"\n', "", "name client_id"),
        ('provider = "plaid"\n', "", "are Plaid's"),
        ('name = "house"', 'name = "savings"', "account named twice: savings"),
        ('date_format = "%d.%m.%Y"\n', "", "csv.date_format"),
    ],
)
def test_sources_that_do_not_fit_are_refused(old: str, new: str, word: str, tmp_path: Path) -> None:
    path = tmp_path / "banks.toml"
    path.write_text(PLAID.replace(old, new))
    (tmp_path / "sparkasse.toml").write_text(MAP.replace(old, new))
    with pytest.raises(SettingsInvalid, match=word):
        settings(banks_file=str(path)).sources({"SECRET": "s", "TOKEN": "t"})
