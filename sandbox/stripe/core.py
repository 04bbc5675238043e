"""The simulated Stripe as one thing: memory, payments, payouts, platform business, billing."""

from dataclasses import dataclass

from sandbox.stripe.billing import Billing
from sandbox.stripe.payments import Payments
from sandbox.stripe.payouts import Payouts
from sandbox.stripe.platform import Platform
from sandbox.stripe.store import Store
from sandbox.world.dice import Dice


@dataclass(frozen=True, slots=True)
class SimulatedStripe:
    """A Stripe account and what can happen to it; deterministic from its seed."""

    store: Store
    payments: Payments
    payouts: Payouts
    platform: Platform
    billing: Billing

    @classmethod
    def opened(cls, *, account: str, livemode: bool, dice: Dice) -> "SimulatedStripe":
        """A new account without any history."""
        store = Store(account, livemode, dice)
        payments = Payments(store)
        platform, billing = Platform(store, payments), Billing(store, payments)
        return cls(store, payments, Payouts(store), platform, billing)
