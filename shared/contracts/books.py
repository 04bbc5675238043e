"""Which book a thing belongs to: data, read from one TOML file, never an endpoint's choice.

A book is one legal entity in one mode. A Stripe account in a mode and a bank account belong to
exactly one book.
"""

from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Self
from zoneinfo import ZoneInfo, available_timezones

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from shared.contracts.journal import DEFAULT_BOOK, Book
from shared.contracts.money import currency_of
from shared.contracts.observations import Name
from shared.contracts.stripe_context import account_named


class Mode(StrEnum):
    """Stripe's two worlds."""

    LIVE = "live"
    TEST = "test"

    @classmethod
    def of(cls, *, livemode: bool) -> "Mode":
        """The mode that an object's ``livemode`` says."""
        return cls.LIVE if livemode else cls.TEST


class Basis(StrEnum):
    """When revenue counts: when it is paid, or when it is invoiced and served."""

    CASH = "cash"
    ACCRUAL = "accrual"


class _Data(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class BankAccount(_Data):
    """A bank account of ours, and the Stripe destinations (``ba_…``, ``card_…``) that are it."""

    name: Name
    currency: str
    destinations: tuple[str, ...] = ()

    @field_validator("currency")
    @classmethod
    def _registered(cls, code: str) -> str:
        return currency_of(code).code


class BookData(_Data):
    """One book: its mode, its Stripe accounts, its bank accounts, its clock.

    ``reporting_currency`` is the one that statements are translated into, beside each currency by
    itself; a book that names none is translated when a reader asks. ``payer_names`` are further
    names under which Stripe's payouts reach the bank (a statement descriptor), beside Stripe's own.
    ``chart`` (the path of a chart of its own) and ``basis`` are what the book begins with; later a
    command puts others in force. A book that ``sells_credits`` keeps what paid charges bought for
    each customer: as much as was paid, or ``credits_per_money`` times that, rounded down.
    """

    name: str = DEFAULT_BOOK
    mode: Mode | None = None
    stripe_accounts: tuple[str, ...] = ()
    bank_accounts: tuple[BankAccount, ...] = ()
    time_zone: str = "UTC"
    reporting_currency: str | None = None
    payer_names: tuple[str, ...] = ()
    chart: str | None = None
    basis: Basis = Basis.CASH
    sells_credits: bool = False
    credits_per_money: Annotated[Decimal, Field(gt=0, max_digits=18)] = Decimal(1)

    @field_validator("time_zone")
    @classmethod
    def _known(cls, name: str) -> str:
        if name not in available_timezones():
            raise ValueError(f"{name!r} is not a time zone of the IANA database")
        return name

    @field_validator("reporting_currency")
    @classmethod
    def _registered(cls, code: str | None) -> str | None:
        return currency_of(code).code if code is not None else None

    @property
    def book(self) -> Book:
        """The book's name as its own type."""
        return Book(self.name)

    @property
    def zone(self) -> ZoneInfo:
        """The book's time zone."""
        return ZoneInfo(self.time_zone)

    def is_own(self, stripe_account: str, context: str = "") -> bool:
        """Whether what an event names is ours; none named means the endpoint's own account.

        A context alone may name our own account, so it is held against the accounts that the book
        names, where it names any.
        """
        if not stripe_account and not self.stripe_accounts:
            return True
        named = {stripe_account, account_named("", context)} - {""}
        return named <= set(self.stripe_accounts)

    def bank_account_of(self, destination: str, currency: str) -> str | None:
        """The bank account that a Stripe destination is, or the only one in that currency.

        Without any bank account named in the data the answer is ``None``: any account in the
        currency may be the one.
        """
        for bank_account in self.bank_accounts:
            if destination and destination in bank_account.destinations:
                return bank_account.name
        same = [b.name for b in self.bank_accounts if b.currency == currency]
        return same[0] if len(same) == 1 else None


class BookMap(_Data):
    """All books of an installation."""

    books: tuple[BookData, ...] = Field(default=(BookData(),), min_length=1)

    @model_validator(mode="after")
    def _each_in_one_book(self) -> Self:
        for what, names in (
            ("book", [b.name for b in self.books]),
            ("bank account", [a.name for b in self.books for a in b.bank_accounts]),
            (
                "Stripe account and mode",
                # A book of no mode takes the account's messages of both.
                [
                    f"{stripe_account} {mode}"
                    for b in self.books
                    for stripe_account in b.stripe_accounts
                    for mode in ((b.mode,) if b.mode else Mode)
                ],
            ),
            (
                "destination",
                [d for b in self.books for a in b.bank_accounts for d in a.destinations],
            ),
        ):
            doubled = sorted({str(name) for name in names if names.count(name) > 1})
            if doubled:
                raise ValueError(f"{what} named twice: {', '.join(doubled)}")
        return self

    def named(self, name: str) -> BookData | None:
        """The book of that name."""
        for book in self.books:
            if book.name == name:
                return book
        return None

    def of_stripe(self, stripe_account: str, mode: Mode) -> BookData | None:
        """The book of a Stripe account in a mode."""
        for book in self.books:
            if stripe_account in book.stripe_accounts and book.mode in (None, mode):
                return book
        return None

    def of_bank(self, bank_account: str) -> BookData | None:
        """The book that names a bank account; the only book takes an account nobody names."""
        for book in self.books:
            if any(a.name == bank_account for a in book.bank_accounts):
                return book
        return self.books[0] if len(self.books) == 1 else None
