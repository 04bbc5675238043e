"""What the feeds are told by their environment: which banks, which accounts, how often."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Annotated, ClassVar, Final, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator

from shared.contracts.observations import Name
from shared.runtime.settings import PREFIX, Settings, SettingsInvalid, variables

_ADDRESS: Final = r"^https?://[^\s/]+(/[^\s]*)?$"
Address = Annotated[str, Field(pattern=_ADDRESS)]


class Provider(StrEnum):
    """Whose shape an API has."""

    INCREASE = "increase"


class _Data(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class AccountData(_Data):
    """An account: the bank's id for it, and the name that the books know."""

    id: str = Field(min_length=1, max_length=200)
    name: Name


class BankData(_Data):
    """One ``[[banks]]`` table. Without accounts every open one is read, by the bank's own names."""

    name: Name
    provider: Provider = Provider.INCREASE
    base_url: Address
    key_file: str | None = None
    key_env: str | None = None
    accounts: tuple[AccountData, ...] = ()

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.key_file is None) == (self.key_env is None):
            raise ValueError(f"bank {self.name}: name one of key_file and key_env")
        return self


class BanksFile(_Data):
    """The whole TOML file."""

    banks: tuple[BankData, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _named_once(self) -> Self:
        for what, names in (
            ("bank", [bank.name for bank in self.banks]),
            ("account", [a.name for bank in self.banks for a in bank.accounts]),
            ("account id", [a.id for bank in self.banks for a in bank.accounts]),
        ):
            doubled = sorted({name for name in names if names.count(name) > 1})
            if doubled:
                raise ValueError(f"{what} named twice: {', '.join(doubled)}")
        return self


@dataclass(frozen=True, slots=True)
class Bank:
    """A bank to be read; ``names`` are our names by the bank's account ids."""

    name: str
    provider: Provider
    base_url: str
    names: Mapping[str, str]
    key: str = field(repr=False)


class FeedsSettings(Settings):
    """The settings of the feeds."""

    area: ClassVar[str] = "FEEDS"

    feeds_host: str = Field(default="127.0.0.1", description="where health and metrics are")
    feeds_port: int = Field(default=8402, ge=1, le=65535, description="their port")
    feeds_banks_file: Path | None = Field(
        default=None, description="TOML file with the banks and their accounts"
    )
    feeds_bank_base_url: Address | None = Field(
        default=None, description="address of the one bank, without a file"
    )
    feeds_bank_api_key: SecretStr = Field(
        default=SecretStr(""), description="its key; one that may only read"
    )
    feeds_poll_interval_seconds: float = Field(
        default=300.0, ge=0.05, le=86_400, description="the pause between two readings"
    )
    feeds_lookback_days: int = Field(
        default=90, ge=0, le=36_500, description="how far the very first reading looks back"
    )
    feeds_reread_days: int = Field(
        default=10, ge=10, le=3_650, description="how much before the newest line is read again"
    )
    feeds_balance_tries: int = Field(
        default=3, ge=1, le=20, description="readings until the balance stands still around one"
    )
    feeds_timeout_seconds: float = Field(
        default=20.0, gt=0, le=300, description="how long a bank may take for an answer"
    )

    def banks(self, environment: Mapping[str, str] | None = None) -> tuple[Bank, ...]:
        """The banks to be read, their keys read.

        Raises:
            SettingsInvalid: None is named, a key is lacking, or the file does not fit.
        """
        try:
            if self.feeds_banks_file is None:
                return (self._only_bank(),)
            given = variables(environment)
            return _from_file(self.feeds_banks_file, given)
        except (OSError, ValueError) as error:
            raise SettingsInvalid(f"{PREFIX}FEEDS_…: {error}") from None

    def _only_bank(self) -> Bank:
        if self.feeds_bank_base_url is None:
            raise ValueError("set TALLYSTICK_FEEDS_BANKS_FILE or TALLYSTICK_FEEDS_BANK_BASE_URL")
        key = self.feeds_bank_api_key.get_secret_value()
        if not key:
            raise ValueError("set TALLYSTICK_FEEDS_BANK_API_KEY or …_API_KEY_FILE")
        return Bank("bank", Provider.INCREASE, self.feeds_bank_base_url, {}, key)


def _from_file(path: Path, environment: Mapping[str, str]) -> tuple[Bank, ...]:
    try:
        file = BanksFile.model_validate(tomllib.loads(path.read_text("utf-8")))
    except ValidationError as error:
        # Without the input: someone may have written a key where its file's name belongs.
        told = error.errors(include_input=False, include_url=False)
        said = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in told)
        raise ValueError(f"{path}: {said}") from None
    return tuple(
        Bank(
            name=data.name,
            provider=data.provider,
            base_url=data.base_url,
            names={account.id: account.name for account in data.accounts},
            key=_key_of(data, path.parent, environment),
        )
        for data in file.banks
    )


def _key_of(data: BankData, folder: Path, environment: Mapping[str, str]) -> str:
    if data.key_file is not None:
        # A relative path means: beside the banks file.
        key = (folder / data.key_file).read_text("utf-8").strip()
    else:
        key = environment.get(data.key_env or "", "").strip()
    if not key:
        raise ValueError(f"bank {data.name}: its key is empty")
    return key
