"""The door's endpoints, as data: path, kind, payload, account, mode, book, version, secrets."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from enum import StrEnum
from typing import Annotated, Final, Self

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    model_validator,
)

from services.ingest.signature import Secret
from shared.contracts.books import BookData, BookMap, Mode
from shared.contracts.journal import Book

ROUTE: Final = "/webhooks/stripe/"
CURRENT: Final = "current"
PREVIOUS: Final = "previous"
_SECRET_PREFIXES: Final = ("whsec_", "sk_live_", "sk_test_", "rk_live_", "rk_test_")

EndpointName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")]
AccountId = Annotated[str, Field(pattern=r"^([A-Za-z0-9_]{1,100})?$")]
# Two or more parts are allowed, but none that a proxy would take for "here" or "above".
_Path = Annotated[
    str,
    Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*(/[A-Za-z0-9][A-Za-z0-9_-]*)*$", max_length=128),
]
_ApiVersion = Annotated[str, Field(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}(\.[a-z0-9_]{1,40})?$")]


def _midnight(value: object) -> object:
    """A day of TOML, without a time, is its first moment in UTC."""
    if isinstance(value, date) and not isinstance(value, datetime):
        return datetime.combine(value, time(), UTC)
    return value


def _in_utc(moment: datetime) -> datetime:
    """The same moment, which is compared and shown in UTC."""
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("lies outside the calendar in UTC") from None


_Moment = Annotated[AwareDatetime, BeforeValidator(_midnight), AfterValidator(_in_utc)]


class EndpointKind(StrEnum):
    """Whose events an endpoint at Stripe is subscribed to."""

    ACCOUNT = "account"
    CONNECT = "connect"


class Payload(StrEnum):
    """Whether an endpoint at Stripe is sent objects as they were, or their names alone."""

    SNAPSHOT = "snapshot"
    THIN = "thin"


class _Data(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def is_secret(word: str) -> bool:
    """Whether a word has the form of one of Stripe's secrets."""
    return word.strip().startswith(_SECRET_PREFIXES)


def _refuse_secrets_themselves(*words: str | None) -> None:
    """Raises: ValueError: A secret stands where its name or its place belongs: names are logged."""
    if any(word is not None and is_secret(word) for word in words):
        raise ValueError("a secret stands where something is to be named: its id, file or variable")


class SecretData(_Data):
    """One signing secret: its id in verdicts, where its text is, and when it is in force.

    ``file`` is a path, a relative one beside the endpoints file; ``env`` a variable's name, of the
    environment or of the encrypted secrets file. ``from`` and ``until`` are times with an offset,
    or days in UTC.
    """

    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
    file: str | None = None
    env: str | None = None
    valid_from: _Moment | None = Field(default=None, alias="from")
    valid_until: _Moment | None = Field(default=None, alias="until")

    @model_validator(mode="after")
    def _is_one_source_and_no_secret(self) -> Self:
        _refuse_secrets_themselves(self.id, self.file, self.env)
        if (self.file is None) == (self.env is None):
            raise ValueError(f"secret {self.id}: name one of file and env")
        if self.valid_from and self.valid_until and self.valid_from >= self.valid_until:
            raise ValueError(f"secret {self.id}: until is not after from")
        return self


class EndpointData(_Data):
    """One ``[[endpoints]]`` table.

    ``path`` is the endpoint's name unless said. Secrets are ``[[endpoints.secrets]]`` tables, or in
    short ``secret_file`` or ``secret_env``, with ``previous_secret_file`` or
    ``previous_secret_env`` for the older one. ``book`` is needed only where the books cannot tell
    it: without an account, beside several books.
    """

    name: EndpointName
    path: _Path | None = None
    kind: EndpointKind = EndpointKind.ACCOUNT
    payload: Payload = Payload.SNAPSHOT
    mode: Mode | None = None
    account: AccountId = ""
    book: str | None = None
    api_version: _ApiVersion | None = None
    secrets: tuple[SecretData, ...] = ()
    secret_file: str | None = None
    secret_env: str | None = None
    previous_secret_file: str | None = None
    previous_secret_env: str | None = None

    @model_validator(mode="after")
    def _has_secrets_in_one_form(self) -> Self:
        short = (self.secret_file, self.secret_env)
        previous = (self.previous_secret_file, self.previous_secret_env)
        named = (self.name, self.path, self.account, self.book)
        _refuse_secrets_themselves(*named, *short, *previous)
        if self.secrets:
            if any(source is not None for source in (*short, *previous)):
                raise ValueError(
                    f"endpoint {self.name}: name its secrets as [[endpoints.secrets]]"
                    " or in the short form, not both"
                )
        elif (self.secret_file is None) == (self.secret_env is None):
            raise ValueError(f"endpoint {self.name}: name one of secret_file and secret_env")
        elif None not in previous:
            raise ValueError(
                f"endpoint {self.name}: name one of previous_secret_file and previous_secret_env"
            )
        ids = [secret.id for secret in self.secrets]
        doubled = sorted({found for found in ids if ids.count(found) > 1})
        if doubled:
            raise ValueError(f"endpoint {self.name}: secret named twice: {', '.join(doubled)}")
        if self.payload is Payload.THIN and self.api_version is not None:
            raise ValueError(f"endpoint {self.name}: a thin event has no API version to expect")
        return self

    def named_secrets(self) -> tuple[SecretData, ...]:
        """The secrets in their long form, in their order."""
        if self.secrets:
            return self.secrets
        short = [SecretData(id=CURRENT, file=self.secret_file, env=self.secret_env)]
        file, variable = self.previous_secret_file, self.previous_secret_env
        if file is not None or variable is not None:
            short.append(SecretData(id=PREVIOUS, file=file, env=variable))
        return tuple(short)


class EndpointsFile(_Data):
    """The whole TOML file."""

    endpoints: tuple[EndpointData, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _named_once(self) -> Self:
        for what, names in (
            ("endpoint", [endpoint.name for endpoint in self.endpoints]),
            ("path", [endpoint.path or endpoint.name for endpoint in self.endpoints]),
        ):
            doubled = sorted({name for name in names if names.count(name) > 1})
            if doubled:
                raise ValueError(f"{what} named twice: {', '.join(doubled)}")
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

    ``path`` stands behind ``/webhooks/stripe/``. ``api_version`` is what it is set to at Stripe;
    without one any version is expected.

    Raises:
        ValueError: There is no secret.
    """

    kind: EndpointKind
    secrets: tuple[Secret, ...]
    payload: Payload = Payload.SNAPSHOT
    path: str = ""
    api_version: str = ""

    def __post_init__(self) -> None:
        if not self.secrets:
            raise ValueError(f"endpoint {self.name} has no signing secret")
        if not self.path:
            object.__setattr__(self, "path", self.name)

    def secrets_in_force(self, at: datetime) -> tuple[Secret, ...]:
        """The secrets that a delivery at that time may be signed with."""
        secrets = self.secrets
        if len(secrets) == 1:
            # Nearly always: a secret is rotated a few days a year.
            return secrets if secrets[0].is_in_force(at) else ()
        return tuple(secret for secret in secrets if secret.is_in_force(at))


def endpoint_of(
    data: EndpointData, secrets: Iterable[Secret], books: BookMap, *, at: datetime | None = None
) -> Endpoint:
    """The endpoint in force of its data, its secrets and the books.

    Raises:
        ValueError: The book is not known, not told, or contradicts the endpoint; or by ``at``,
            where it is told, every secret has ended.
    """
    found = book_of(
        books, who=f"endpoint {data.name}", account=data.account, mode=data.mode, name=data.book
    )
    endpoint = Endpoint(
        name=data.name,
        kind=data.kind,
        mode=data.mode or found.mode,
        account=data.account,
        book=found.book,
        secrets=tuple(secrets),
        payload=data.payload,
        path=data.path or data.name,
        api_version=data.api_version or "",
    )
    if at is not None and all(secret.has_ended(at) for secret in endpoint.secrets):
        raise ValueError(f"endpoint {data.name}: every signing secret has ended: name a new one")
    return endpoint


def doubled_secrets(endpoints: Iterable[Endpoint]) -> tuple[tuple[str, ...], ...]:
    """Secrets that stand more than once, each as the places where: ``endpoint (secret's id)``.

    Stripe gives each endpoint a secret of its own. With one for two, whoever has it speaks at both,
    and a delivery for the one is accepted at the other, as of its account, mode and book.
    """
    holders: dict[str, list[str]] = {}
    for endpoint in endpoints:
        for secret in endpoint.secrets:
            holders.setdefault(secret.text, []).append(f"{endpoint.name} ({secret.name})")
    return tuple(tuple(held) for held in holders.values() if len(held) > 1)


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
