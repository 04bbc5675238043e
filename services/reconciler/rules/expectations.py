"""What is expected at the bank: payouts and top-ups, each told several times, by several things."""

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Final

from shared.contracts.money import Money, currency_of


class Expected(StrEnum):
    """What is expected at the bank."""

    PAYOUT = "payout"
    TOPUP = "topup"


class Stage(StrEnum):
    """How far a payout or top-up has come; a later one is never taken back by an earlier one."""

    PENDING = "pending"
    IN_TRANSIT = "in_transit"
    PAID = "paid"
    CANCELED = "canceled"
    FAILED = "failed"

    @property
    def rank(self) -> int:
        """The place in the order of stages."""
        return _STAGES.index(self)

    @property
    def is_over(self) -> bool:
        """Whether the money went back: nothing is expected at the bank any more."""
        return self is Stage.CANCELED or self is Stage.FAILED


_STAGES: Final = tuple(Stage)


@dataclass(frozen=True, slots=True)
class Expectation:
    """A payout or top-up: money that has to show at the bank.

    ``minor`` is Stripe's amount: a payout above zero comes in at the bank, below zero it is taken
    from it; a top-up above zero is taken from the bank. ``stage`` is the furthest seen; the other
    fields are those of one telling, the furthest (``told_stage``, ``told_at``). ``first_hand`` is
    false where only a balance transaction told of the object. ``traces`` are all trace ids told,
    ``other_amounts`` the amounts of the object's own tellings that are not this one.
    """

    id: str
    what: Expected
    stage: Stage
    minor: int
    currency: str
    created: datetime
    arrival: date
    told_stage: Stage
    told_at: datetime
    first_hand: bool = True
    account: str = ""
    destination: str = ""
    method: str = ""
    descriptor: str = ""
    failure: str = ""
    traces: tuple[str, ...] = ()
    other_amounts: tuple[tuple[int, str], ...] = ()

    @property
    def key(self) -> str:
        """The fact's key."""
        return f"expectation:{self.id}"

    @property
    def bank_minor(self) -> int:
        """The amount as the bank shows it: above zero is money in."""
        return self.minor if self.what is Expected.PAYOUT else -self.minor

    @property
    def money(self) -> Money:
        """The amount as the bank shows it."""
        return Money(self.bank_minor, currency_of(self.currency))

    def merged(self, other: "Expectation") -> "Expectation":
        """Both tellings in one: the furthest stage, the furthest telling's fields, all traces."""
        best = max(self, other, key=_telling)
        amounts = {*_own_amounts(self), *_own_amounts(other)} - {(best.minor, best.currency)}
        return Expectation(
            id=best.id,
            what=best.what,
            stage=max(self.stage, other.stage, key=lambda stage: stage.rank),
            minor=best.minor,
            currency=best.currency,
            created=best.created,
            arrival=best.arrival,
            told_stage=best.told_stage,
            told_at=best.told_at,
            first_hand=best.first_hand,
            account=best.account,
            destination=best.destination,
            method=best.method,
            descriptor=best.descriptor,
            failure=best.failure,
            traces=tuple(sorted({*self.traces, *other.traces})),
            other_amounts=tuple(sorted(amounts)),
        )


def _own_amounts(e: Expectation) -> set[tuple[int, str]]:
    """The amounts that the object itself was told with: Stripe never changes one.

    A balance transaction's is no telling of it: it may be of a part, or come first.
    """
    own = {(e.minor, e.currency)} if e.first_hand else set[tuple[int, str]]()
    return own | set(e.other_amounts)


def _telling(e: Expectation) -> tuple[object, ...]:
    content = (
        e.what,
        e.minor,
        e.currency,
        e.created,
        e.arrival,
        e.account,
        e.destination,
        e.method,
        e.descriptor,
        e.failure,
    )
    return (e.first_hand, e.told_stage.rank, e.told_at, *content)
