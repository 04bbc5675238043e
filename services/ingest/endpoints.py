"""The door's endpoints, as data: which Stripe account, mode and book each one speaks for."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from services.ingest.signature import Secret
from shared.contracts.books import BookData, BookMap, Mode
from shared.contracts.journal import Book

EndpointName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")]
AccountId = Annotated[str, Field(pattern=r"^([A-Za-z0-9_]{1,100})?$")]


class EndpointKind(StrEnum):
    """Whose events an endpoint at Stripe is subscribed to."""

    ACCOUNT = "account"
    CONNECT = "connect"


class _Data(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class EndpointData(_Data):
    """One ``[[endpoints]]`` table. A secret is named by a file's path or by a variable's name.

    ``previous_*`` is the older secret while one is rotated. ``book`` is needed only where the
    books cannot tell it: without an account, beside several books.
    """

    name: EndpointName
    kind: EndpointKind = EndpointKind.ACCOUNT
    mode: Mode | None = None
    account: AccountId = ""
    book: str | None = None
    secret_file: str | None = None
    secret_env: str | None = None
    previous_secret_file: str | None = None
    previous_secret_env: str | None = None

    @model_validator(mode="after")
    def _one_source_each(self) -> Self:
        if (self.secret_file is None) == (self.secret_env is None):
            raise ValueError(f"endpoint {self.name}: name one of secret_file and secret_env")
        if self.previous_secret_file is not None and self.previous_secret_env is not None:
            raise ValueError(
                f"endpoint {self.name}: name one of previous_secret_file and previous_secret_env"
            )
        return self


class EndpointsFile(_Data):
    """The whole TOML file."""

    endpoints: tuple[EndpointData, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _named_once(self) -> Self:
        names = [endpoint.name for endpoint in self.endpoints]
        doubled = sorted({name for name in names if names.count(name) > 1})
        if doubled:
            raise ValueError(f"endpoint named twice: {', '.join(doubled)}")
        return self


@dataclass(frozen=True, slots=True)
class Whose:
    """Whose events are heard under a name: account, mode and book.

    ``mode`` is ``None`` where neither the endpoint nor its book names one; the secret, which
    Stripe gives out per mode, then is the only guard. ``account`` is empty where nobody says it.
    """

    name: str
    mode: Mode | None
    account: str
    book: Book


@dataclass(frozen=True, slots=True)
class Endpoint(Whose):
    """One endpoint in force: its secrets read, its book found.

    Raises:
        ValueError: There is no secret.
    """

    kind: EndpointKind
    secrets: tuple[Secret, ...]

    def __post_init__(self) -> None:
        if not self.secrets:
            raise ValueError(f"endpoint {self.name} has no signing secret")


def endpoint_of(data: EndpointData, secrets: Iterable[Secret], books: BookMap) -> Endpoint:
    """The endpoint in force of its data, its secrets and the books.

    Raises:
        ValueError: The book is not known, not told, or contradicts the endpoint.
    """
    found = book_of(
        books, who=f"endpoint {data.name}", account=data.account, mode=data.mode, name=data.book
    )
    return Endpoint(
        name=data.name,
        kind=data.kind,
        mode=data.mode or found.mode,
        account=data.account,
        book=found.book,
        secrets=tuple(secrets),
    )


def book_of(
    books: BookMap, *, who: str, account: str, mode: Mode | None, name: str | None
) -> BookData:
    """The book that an account in a mode belongs to; ``name`` may only confirm it.

    Raises:
        ValueError: The books do not name the account, several could be meant, or ``name`` or
            ``mode`` says otherwise. Whoever starts with it is told to mend the books.
    """
    if account:
        candidates = [
            b
            for b in books.books
            if account in b.stripe_accounts and (mode is None or b.mode in (None, mode))
        ]
        lacking = f"no book names the Stripe account {account} in this mode"
    elif name is not None:
        candidates = [b for b in books.books if b.name == name]
        lacking = f"there is no book {name!r}"
    else:
        candidates = [b for b in books.books if mode is None or b.mode in (None, mode)]
        lacking = "no book is of this mode"
    if not candidates:
        raise ValueError(f"{who}: {lacking}; mend the books file")
    if len(candidates) > 1:
        raise ValueError(f"{who}: several books could be meant; say account, mode or book")
    (found,) = candidates
    if name is not None and found.name != name:
        raise ValueError(f"{who}: says book {name!r}, but the books file says {found.name!r}")
    if mode is not None and found.mode not in (None, mode):
        raise ValueError(f"{who}: is of mode {mode}, but book {found.name!r} is {found.mode}")
    return found
