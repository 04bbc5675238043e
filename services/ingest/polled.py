"""Whose API is polled: own accounts, each with its key, and the connected ones behind each."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, TypeAdapter, model_validator

from services.ingest.catch_up import Speaker
from services.ingest.endpoints import EndpointName, Whose, book_of
from shared.contracts.books import BookMap, Mode

ALL: Final = "all"

_ConnectedId = Annotated[str, Field(pattern=r"^[A-Za-z0-9_]{1,100}$")]
_CONNECTED: Final = TypeAdapter(_ConnectedId)


class AccountData(BaseModel):
    """One ``[[accounts]]`` table: an own Stripe account, and where its API key is.

    ``api_key_file`` is a path, a relative one beside the accounts file; ``api_key_env`` a
    variable's name. ``connected_accounts`` are asked on behalf of, or ``"all"`` that it has.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: EndpointName
    account: Annotated[str, Field(pattern=r"^[A-Za-z0-9_]{1,100}$")]
    mode: Mode | None = None
    api_key_file: str | None = None
    api_key_env: str | None = None
    connected_accounts: tuple[_ConnectedId, ...] | Literal["all"] = ()

    @model_validator(mode="after")
    def _has_one_key(self) -> Self:
        if (self.api_key_file is None) == (self.api_key_env is None):
            raise ValueError(f"account {self.name}: name one of api_key_file and api_key_env")
        return self


class AccountsFile(BaseModel):
    """The whole TOML file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    accounts: tuple[AccountData, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _named_once(self) -> Self:
        names = [each.name for each in self.accounts]
        doubled = sorted({name for name in names if names.count(name) > 1})
        if doubled:
            raise ValueError(f"account named twice: {', '.join(doubled)}")
        return self


@dataclass(frozen=True, slots=True)
class Connected:
    """The connected accounts that are asked on behalf of: those named, or all there are."""

    accounts: tuple[str, ...] = ()
    is_all: bool = False

    @classmethod
    def of(cls, told: Iterable[str] | str) -> "Connected":
        """From a list of accounts, comma-separated in a setting, or the word ``all``.

        Raises:
            ValueError: One of them is not an account's id.
        """
        words = told.split(",") if isinstance(told, str) else told
        named = tuple(dict.fromkeys(word.strip() for word in words if word.strip()))
        if ALL in named:
            return cls(is_all=True)
        return cls(tuple(_CONNECTED.validate_python(name) for name in named))


@dataclass(frozen=True, slots=True)
class PolledAccount:
    """An own account whose API is asked by a key of its own."""

    whose: Whose
    mode: Mode
    key: SecretStr
    connected: Connected

    @property
    def name(self) -> str:
        """Its name in logs and on the health page."""
        return self.whose.name


def mode_of_key(key: str, mode: Mode | None, *, who: str) -> Mode:
    """The mode that an API key belongs to, which its own text says.

    Raises:
        ValueError: There is no key, it does not say, or it is of another mode than ``mode``.
    """
    if not key:
        raise ValueError(f"{who}: the API key is empty")
    told = [each for each in Mode if f"_{each}_" in key]
    found = told[0] if told else mode
    if found is None:
        raise ValueError(f"{who}: the API key does not say its mode; set the mode")
    if mode not in (None, found):
        raise ValueError(f"{who}: the API key is of {found} mode, the setting of {mode}")
    return found


def polled_account(data: AccountData, key: str, books: BookMap) -> PolledAccount:
    """An account of the accounts file, with its key.

    Raises:
        ValueError: The key's mode is another, or the books do not name the account in it.
    """
    who = f"account {data.name}"
    mode = mode_of_key(key, data.mode, who=who)
    book = book_of(books, who=who, account=data.account, mode=mode, name=None)
    whose = Whose(data.name, mode, data.account, book.book)
    return PolledAccount(whose, mode, SecretStr(key), Connected.of(data.connected_accounts))


def each_once(accounts: Iterable[PolledAccount]) -> tuple[PolledAccount, ...]:
    """The accounts, if none is polled twice.

    Raises:
        ValueError: Two have the same account in the same mode.
    """
    found = tuple(accounts)
    said = [f"{each.whose.account} {each.mode}" for each in found]
    doubled = sorted({each for each in said if said.count(each) > 1})
    if doubled:
        raise ValueError(f"Stripe account polled twice: {', '.join(doubled)}")
    return found


def speaker_for(account: str, polled: PolledAccount, books: BookMap, *, version: str) -> Speaker:
    """Who tells what is asked for an account by the key of a polled one.

    A connected account that no book names tells in the polled account's book, as foreign: it is
    on record and books nothing.
    """
    if account in ("", polled.whose.account):
        return Speaker(polled.whose.account, polled.mode, str(polled.whose.book), version)
    found = books.of_stripe(account, polled.mode)
    book = str(polled.whose.book) if found is None else found.name
    return Speaker(account, polled.mode, book, version, is_foreign=found is None)
