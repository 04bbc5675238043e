"""What a payment leaves in the balance: exchange, fees, and the day it becomes available.

All in whole numbers; a rate is a whole number of millionths. Where a share is not whole the half
is rounded up, once, and that result is the fact: nothing is computed back from it.
"""

from dataclasses import dataclass
from typing import Final

from sandbox.stripe.facts import Fee
from sandbox.world.calendar import business_day_from, day_of, midnight
from sandbox.world.dice import Dice

MICROS: Final = 1_000_000
EXPONENTS: Final = {"usd": 2, "eur": 2, "gbp": 2, "jpy": 0, "kwd": 3}

_CENTRES: Final = {("eur", "usd"): 1_082_000, ("gbp", "usd"): 1_271_000}
"""Middle of the rates, in millionths of a settlement minor unit per minor unit paid."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FeeTerms:
    """What Stripe takes of a card payment: a share in basis points and a fixed part."""

    basis_points: int
    fixed: int
    dispute: int


_TERMS: Final = {
    "usd": FeeTerms(basis_points=290, fixed=30, dispute=1_500),
    "eur": FeeTerms(basis_points=150, fixed=25, dispute=2_000),
    "gbp": FeeTerms(basis_points=150, fixed=20, dispute=2_000),
    "jpy": FeeTerms(basis_points=360, fixed=0, dispute=1_300),
    "kwd": FeeTerms(basis_points=290, fixed=100, dispute=5_000),
}
_INTERNATIONAL_BASIS_POINTS: Final = 150
_CONVERSION_BASIS_POINTS: Final = 100
_PENDING_BUSINESS_DAYS: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """An amount as it reaches the balance."""

    amount: int
    currency: str
    fees: tuple[Fee, ...] = ()
    exchange_rate_micros: int | None = None

    @property
    def fee(self) -> int:
        """All fees together."""
        return sum(fee.amount for fee in self.fees)

    @property
    def net(self) -> int:
        """What the balance gains."""
        return self.amount - self.fee


def share(amount: int, basis_points: int) -> int:
    """A share in basis points, the half rounded up."""
    return (amount * basis_points + 5_000) // 10_000


def exchanged(amount: int, rate_micros: int) -> int:
    """An amount in another currency, of either sign, the half rounded away from zero."""
    size = (abs(amount) * rate_micros + MICROS // 2) // MICROS
    return size if amount >= 0 else -size


def rate_of_day(dice: Dice, *, source: str, target: str, at: int) -> int:
    """The day's rate in millionths: the centre, up to 1.5 % to either side.

    Raises:
        KeyError: The two currencies are not exchanged in this world.
    """
    centre = _CENTRES[source, target]
    spread = centre * 15 // 1_000
    return dice.between(f"rate/{source}/{target}/{day_of(at)}", centre - spread, centre + spread)


def settled_charge(
    dice: Dice, *, amount: int, currency: str, settles_in: str, at: int
) -> Settlement:
    """What a charge brings: its amount in the settlement currency and Stripe's fee."""
    terms = _TERMS[settles_in]
    if currency == settles_in:
        fee = share(amount, terms.basis_points) + terms.fixed
        return Settlement(amount=amount, currency=currency, fees=(_processing(fee, currency),))
    rate = rate_of_day(dice, source=currency, target=settles_in, at=at)
    gross = exchanged(amount, rate)
    points = terms.basis_points + _INTERNATIONAL_BASIS_POINTS + _CONVERSION_BASIS_POINTS
    fee = share(gross, points) + terms.fixed
    return Settlement(
        amount=gross,
        currency=settles_in,
        fees=(_processing(fee, settles_in),),
        exchange_rate_micros=rate,
    )


def settled_movement(
    dice: Dice, *, amount: int, currency: str, settles_in: str, at: int
) -> Settlement:
    """A refund, dispute or return at the rate of its own day, without a fee."""
    if currency == settles_in:
        return Settlement(amount=amount, currency=currency)
    rate = rate_of_day(dice, source=currency, target=settles_in, at=at)
    return Settlement(
        amount=exchanged(amount, rate), currency=settles_in, exchange_rate_micros=rate
    )


def dispute_fee(currency: str) -> Fee:
    """What Stripe takes for a dispute in a settlement currency."""
    return Fee(
        amount=_TERMS[currency].dispute,
        currency=currency,
        type="stripe_fee",
        description="Dispute fee",
    )


def available_on(at: int) -> int:
    """When a charge of this second can be paid out: two business days on."""
    return midnight(business_day_from(day_of(at), count=_PENDING_BUSINESS_DAYS))


def _processing(amount: int, currency: str) -> Fee:
    return Fee(
        amount=amount,
        currency=currency,
        type="stripe_fee",
        description="Stripe processing fees",
    )
