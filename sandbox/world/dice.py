"""Seeded choice without a stream: every answer is a function of the seed and a label.

A generator that hands out numbers in turn gives another world as soon as one call is added. Here
the label says what is decided, so a decision keeps its outcome whatever else is decided.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

Choice = TypeVar("Choice")

_ALPHABET: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_LOWER: Final = "0123456789abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True, slots=True)
class Dice:
    """Answers that are the same for the same seed and label, for ever."""

    seed: int

    def _whole(self, label: str) -> int:
        return int.from_bytes(hashlib.sha256(f"{self.seed}/{label}".encode()).digest())

    def below(self, label: str, limit: int) -> int:
        """A whole number from 0 up to, not including, ``limit``."""
        if limit <= 0:
            raise ValueError(f"no number is below {limit}")
        return self._whole(label) % limit

    def between(self, label: str, low: int, high: int) -> int:
        """A whole number from ``low`` to ``high``, both included."""
        return low + self.below(label, high - low + 1)

    def happens(self, label: str, rate: float) -> bool:
        """Whether something with this rate (0 to 1) happens here."""
        return self.below(label, 1_000_000) < round(rate * 1_000_000)

    def pick(self, label: str, choices: Sequence[Choice]) -> Choice:
        """One of the choices, each as likely as the others."""
        return choices[self.below(label, len(choices))]

    def weighted(self, label: str, weights: Sequence[tuple[Choice, int]]) -> Choice:
        """One of the choices, in proportion to its weight."""
        point = self.below(label, sum(weight for _, weight in weights))
        for choice, weight in weights:
            if point < weight:
                return choice
            point -= weight
        raise ValueError("weights changed while they were read")

    def token(self, label: str, length: int) -> str:
        """Letters and digits in both cases, as in Stripe's ids."""
        return _digits(self._whole(label), _ALPHABET, length)

    def lower_token(self, label: str, length: int) -> str:
        """Lower-case letters and digits, as in Increase's ids."""
        return _digits(self._whole(label), _LOWER, length)

    def number_text(self, label: str, length: int) -> str:
        """Decimal digits, as in an ACH trace number."""
        return _digits(self._whole(label), _LOWER[:10], length)


def _digits(whole: int, alphabet: str, length: int) -> str:
    found: list[str] = []
    for _ in range(length):
        whole, place = divmod(whole, len(alphabet))
        found.append(alphabet[place])
    return "".join(found)
