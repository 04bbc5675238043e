"""Which balance transactions a payout pays out, as Stripe tells it of automatic payouts."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PayoutContents:
    """One record of a payout's contents; the payout's own balance transaction is among them."""

    payout: str
    part: int
    parts: int
    count: int
    balance_transactions: tuple[str, ...]

    @property
    def key(self) -> str:
        """The fact's key."""
        return f"payout_contents:{self.payout}/{self.part}"

    def merged(self, other: "PayoutContents") -> "PayoutContents":
        """Stripe tells the contents of a payout once; of two tellings the fuller."""
        return max(self, other, key=lambda c: (c.count, c.parts, c.balance_transactions))
