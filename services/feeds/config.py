"""What the feeds are told by their environment: which banks, which accounts, how often."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, ClassVar, Final, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator

from services.feeds.statements.accounts import InterimIs, StatementAccount, normal_id
from services.feeds.statements.csv_map import CsvMap, CsvMapFile
from shared.contracts.observations import Name
from shared.runtime.settings import PREFIX, Settings, SettingsInvalid, variables

_ADDRESS: Final = r"^https?://[^\s/]+(/[^\s]*)?$"
Address = Annotated[str, Field(pattern=_ADDRESS)]


class Provider(StrEnum):
    """Whose shape an API has."""

    INCREASE = "increase"
    PLAID = "plaid"


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
    client_id: str | None = Field(default=None, min_length=1, max_length=200)
    access_token_file: str | None = None
    access_token_env: str | None = None
    accounts: tuple[AccountData, ...] = ()

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.key_file is None) == (self.key_env is None):
            raise ValueError(f"bank {self.name}: name one of key_file and key_env")
        token = (self.access_token_file, self.access_token_env)
        if self.provider is not Provider.PLAID:
            if self.client_id is not None or token != (None, None):
                raise ValueError(f"bank {self.name}: client_id and access_token are Plaid's")
        elif self.client_id is None or token.count(None) != 1:
            raise ValueError(
                f"bank {self.name}: name client_id, and one of access_token_file and _env"
            )
        elif not self.accounts:
            raise ValueError(f"bank {self.name}: name its accounts; Plaid's names are no names")
        return self


class StatementAccountData(_Data):
    """One ``[[statements]]`` table: an account that files tell; ``id`` is their name for it.

    What interim reports tell as booked (camt.052 and .054, MT942) is only announced until the
    statement of the day comes, or ``posted`` at once, where there are never any statements.
    """

    id: str = Field(min_length=1, max_length=200)
    name: Name
    interim: InterimIs = InterimIs.PENDING
    stale_after_days: int | None = Field(default=None, ge=1, le=366)


class CsvData(_Data):
    """One ``[[csv]]`` table: the map by which files of such a name are read."""

    pattern: str = Field(min_length=1, max_length=200)
    map: str = Field(min_length=1, max_length=400)


class BanksFile(_Data):
    """The whole TOML file."""

    banks: tuple[BankData, ...] = ()
    statements: tuple[StatementAccountData, ...] = ()
    csv: tuple[CsvData, ...] = ()

    @model_validator(mode="after")
    def _named_once(self) -> Self:
        if not (self.banks or self.statements):
            raise ValueError("name a bank ([[banks]]) or an account of files ([[statements]])")
        polled = [account for bank in self.banks for account in bank.accounts]
        for what, names in (
            ("bank", [bank.name for bank in self.banks]),
            ("account", [*(a.name for a in polled), *(a.name for a in self.statements)]),
            ("account id", [a.id for a in polled]),
            ("account id", [normal_id(a.id) for a in self.statements]),
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
    client_id: str = ""
    access_token: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Sources:
    """Where bank observations come from: banks that are asked, and accounts that files tell.

    ``maps`` are CSV maps by the pattern of a file's name.
    """

    banks: tuple[Bank, ...] = ()
    statements: tuple[StatementAccount, ...] = ()
    maps: tuple[tuple[str, CsvMap], ...] = ()

    def csv_map(self, name: str) -> CsvMap | None:
        """The map of a file by its name; the first pattern that fits."""
        return next((m for pattern, m in self.maps if fnmatchcase(name, pattern)), None)


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
    feeds_stale_after_seconds: float = Field(
        default=3600.0,
        ge=1,
        le=30 * 86_400,
        description="a polled account that was not read for so long is told as stale",
    )
    feeds_accounts_seconds: float = Field(
        default=60.0, ge=0.05, le=86_400, description="how often banks and accounts are read again"
    )
    feeds_look_ups_seconds: float = Field(
        default=5.0,
        ge=0.05,
        le=3600,
        description="how often it is looked whether an account is to be read beside its turn",
    )
    feeds_look_ups_pause_seconds: float = Field(
        default=60.0,
        ge=0,
        le=86_400,
        description="the pause between two such readings of one account: banks limit their calls",
    )
    feeds_statements_folder: Path | None = Field(
        default=None, description="folder that statement files are dropped into"
    )
    feeds_statements_look_seconds: float = Field(
        default=5.0, ge=0.05, le=3600, description="the pause between two looks into it"
    )
    feeds_statement_bytes_max: int = Field(
        default=128 * 1024 * 1024,
        ge=1024,
        le=2**31,
        description="the largest statement file that is read",
    )

    def sources(self, environment: Mapping[str, str] | None = None) -> Sources:
        """The banks and accounts, with keys and maps read; read anew at each call.

        Raises:
            SettingsInvalid: None is named, a key is lacking, or the file does not fit.
        """
        try:
            if self.feeds_banks_file is None:
                return Sources(banks=(self._only_bank(),))
            given = variables(environment)
            return _from_file(self.feeds_banks_file, given)
        except (OSError, ValueError) as error:
            raise SettingsInvalid(f"{PREFIX}FEEDS_…: {error}") from None

    def banks(self, environment: Mapping[str, str] | None = None) -> tuple[Bank, ...]:
        """The banks to be asked, their keys read.

        Raises:
            SettingsInvalid: As for ``sources``.
        """
        return self.sources(environment).banks

    def _only_bank(self) -> Bank:
        if self.feeds_bank_base_url is None:
            raise ValueError("set TALLYSTICK_FEEDS_BANKS_FILE or TALLYSTICK_FEEDS_BANK_BASE_URL")
        key = self.feeds_bank_api_key.get_secret_value()
        if not key:
            raise ValueError("set TALLYSTICK_FEEDS_BANK_API_KEY or …_API_KEY_FILE")
        return Bank("bank", Provider.INCREASE, self.feeds_bank_base_url, {}, key)


def csv_map_from(path: Path) -> CsvMap:
    """The map of a CSV file's columns, from its TOML file.

    Raises:
        ValueError: It does not fit.
        OSError: It cannot be read.
    """
    try:
        return CsvMapFile.model_validate(tomllib.loads(path.read_text("utf-8"))).csv
    except ValidationError as error:
        raise ValueError(f"{path}: {_said(error)}") from None
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def _said(error: ValidationError) -> str:
    # Without the input: someone may have written a key where its file's name belongs.
    told = error.errors(include_input=False, include_url=False)
    return "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in told)


def _from_file(path: Path, environment: Mapping[str, str]) -> Sources:
    try:
        file = BanksFile.model_validate(tomllib.loads(path.read_text("utf-8")))
    except ValidationError as error:
        raise ValueError(f"{path}: {_said(error)}") from None
    banks = tuple(
        Bank(
            name=data.name,
            provider=data.provider,
            base_url=data.base_url,
            names={account.id: account.name for account in data.accounts},
            key=_key_of(data, path.parent, environment),
            client_id=data.client_id or "",
            access_token=_token_of(data, path.parent, environment),
        )
        for data in file.banks
    )
    statements = tuple(
        StatementAccount(a.id, a.name, a.interim, a.stale_after_days) for a in file.statements
    )
    maps = tuple((c.pattern, csv_map_from(path.parent / c.map)) for c in file.csv)
    return Sources(banks, statements, maps)


def _token_of(data: BankData, folder: Path, environment: Mapping[str, str]) -> str:
    if data.provider is not Provider.PLAID:
        return ""
    token = (
        (folder / data.access_token_file).read_text("utf-8").strip()
        if data.access_token_file is not None
        else environment.get(data.access_token_env or "", "").strip()
    )
    if not token:
        raise ValueError(f"bank {data.name}: its access token is empty")
    return token


def _key_of(data: BankData, folder: Path, environment: Mapping[str, str]) -> str:
    if data.key_file is not None:
        # A relative path means: beside the banks file.
        key = (folder / data.key_file).read_text("utf-8").strip()
    else:
        key = environment.get(data.key_env or "", "").strip()
    if not key:
        raise ValueError(f"bank {data.name}: its key is empty")
    return key
