"""Whether Stripe made a delivery: a strict reading of ``Stripe-Signature`` over the raw body.

Standard library only, so that it can be read, and run, apart from everything else. It never
accepts what ``stripe.WebhookSignature.verify_header`` refuses; where it refuses more, the reason
stands at the line. Source: Stripe docs, "Resolve webhook signature verification errors" and
"Verify webhook signatures manually".

    Stripe-Signature: t=1700000000,v1=5257a869…,v1=…,v0=…
    signature = HMAC-SHA256(key = the whole secret, message = t + "." + body), lower-case hex
"""

import hashlib
import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final, NamedTuple

TOLERANCE_SECONDS_DEFAULT: Final = 300
HEADER_CHARACTERS_MAX: Final = 4096
SIGNATURES_MAX: Final = 16

_SCHEME: Final = re.compile(r"[A-Za-z0-9_-]{1,32}")
_TIMESTAMP: Final = re.compile(r"0|[1-9][0-9]{0,11}", re.ASCII)
_SIGNATURE: Final = re.compile(r"[0-9a-f]{64}")
# Nearly every header is of this form, which ``_parsed`` reads in the same way, item by item.
_PLAIN: Final = re.compile(
    r"t=(0|[1-9][0-9]{0,11}),v1=([0-9a-f]{64})(?:,v0=[0-9a-f]{64})?", re.ASCII
)


class SignatureReason(StrEnum):
    """What was found; the words are those of the verdicts."""

    ACCEPTED = "accepted"
    MISSING_HEADER = "missing_header"
    MALFORMED_HEADER = "malformed_header"
    BAD_TIMESTAMP = "bad_timestamp"
    OUT_OF_TOLERANCE = "out_of_tolerance"
    BAD_SIGNATURE = "bad_signature"
    NOT_JSON = "not_json"


# A member is looked up anew each time that it is named.
_ACCEPTED: Final = SignatureReason.ACCEPTED


@dataclass(frozen=True, slots=True)
class Secret:
    """A signing secret and the name that it has in verdicts, which tells nothing of it.

    It is in force from ``valid_from``, inside, to ``valid_until``, outside; without a bound it was,
    or stays.

    Raises:
        ValueError: The secret is blank, or not ASCII without blanks inside, or never in force.
    """

    name: str
    text: str
    valid_from: datetime | None = None
    valid_until: datetime | None = None
    # The HMAC before its first byte: what the key alone does to it is done once.
    _mac: hmac.HMAC = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[!-~]{1,500}", self.text):
            raise ValueError(f"the signing secret {self.name!r} is empty or has odd characters")
        begins, ends = self.valid_from, self.valid_until
        if begins is not None and ends is not None and begins >= ends:
            raise ValueError(f"the signing secret {self.name!r} ends before it begins")
        object.__setattr__(self, "_mac", hmac.new(self.text.encode(), digestmod=hashlib.sha256))

    def signature(self, message: bytes) -> str:
        """The ``v1`` signature of a message: the time as it is written, a dot, and the body."""
        mac = self._mac.copy()
        mac.update(message)
        return mac.hexdigest()

    def is_in_force(self, at: datetime) -> bool:
        """Whether a delivery at that time may be signed with it."""
        has_begun = self.valid_from is None or self.valid_from <= at
        return has_begun and not self.has_ended(at)

    def has_ended(self, at: datetime) -> bool:
        """Whether it will never be in force again."""
        return self.valid_until is not None and self.valid_until <= at

    def __repr__(self) -> str:
        return f"Secret(name={self.name!r}, from={self.valid_from}, until={self.valid_until})"


class SignatureVerdict(NamedTuple):
    """What was found of one delivery; ``secret`` names the one that fitted."""

    reason: SignatureReason
    detail: str
    secret: str = ""
    signed_at: int | None = None

    @property
    def is_accepted(self) -> bool:
        """Whether the delivery is Stripe's and fresh."""
        return self.reason is _ACCEPTED


class _Header(NamedTuple):
    timestamp: str
    signatures: tuple[str, ...]


def verify(
    body: bytes,
    header: str | None,
    secrets: Sequence[Secret],
    *,
    now_seconds: float,
    tolerance_seconds: int = TOLERANCE_SECONDS_DEFAULT,
) -> SignatureVerdict:
    """The verdict on a body and its header, at a moment in Unix seconds.

    Any ``v1`` made with any of the secrets is enough. The tolerance counts in both directions
    and its edge is inside.
    """
    if not header:
        return SignatureVerdict(
            SignatureReason.MISSING_HEADER, "there is no Stripe-Signature header"
        )
    timestamp: str
    signatures: tuple[str, ...]
    plain = _PLAIN.fullmatch(header)
    if plain is not None:
        timestamp, only = plain.groups()
        signatures = (only,)
    else:
        parsed = _parsed(header)
        if isinstance(parsed, SignatureVerdict):
            return parsed
        timestamp, signatures = parsed
    signed_at = int(timestamp)
    name = _fitting_secret(timestamp.encode() + b"." + body, signatures, secrets)
    if name is None:
        return SignatureVerdict(
            SignatureReason.BAD_SIGNATURE,
            "no v1 signature fits the body and a secret of this endpoint",
            signed_at=signed_at,
        )
    # The sum that the library makes, so that not even the rounding of a float differs; put as a
    # claim that must hold, so that a time which is no number refuses.
    if not now_seconds - tolerance_seconds <= signed_at <= now_seconds + tolerance_seconds:
        side = "past" if signed_at < now_seconds else "future"
        return SignatureVerdict(
            SignatureReason.OUT_OF_TOLERANCE,
            f"signed {abs(now_seconds - signed_at):.0f} s in the {side} by this machine's clock,"
            f" more than {tolerance_seconds} s",
            secret=name,
            signed_at=signed_at,
        )
    if not (body.isascii() or _is_utf8(body)):
        return SignatureVerdict(
            SignatureReason.NOT_JSON, "the body is not UTF-8", secret=name, signed_at=signed_at
        )
    return SignatureVerdict(_ACCEPTED, "signature and time are right", name, signed_at)


def signature_of(body: bytes, secret: str, timestamp: str) -> str:
    """The ``v1`` signature of a body at the timestamp as it is written in the header."""
    message = timestamp.encode() + b"." + body
    return hmac.new(secret.encode(), message, hashlib.sha256).hexdigest()


def header_of(body: bytes, secret: str, timestamp: int) -> str:
    """The header that Stripe would send: for tests, the sandbox and ``signature check``."""
    return f"t={timestamp},v1={signature_of(body, secret, str(timestamp))}"


def _parsed(header: str) -> _Header | SignatureVerdict:
    if len(header) > HEADER_CHARACTERS_MAX:
        return _malformed(f"the header is longer than {HEADER_CHARACTERS_MAX} characters")
    values: dict[str, list[str]] = {"t": [], "v1": []}
    for item in header.split(","):
        scheme, equals, value = item.partition("=")
        # The library skips an item that it cannot read; Stripe never sends one, a forger does.
        if not equals or not _SCHEME.fullmatch(scheme):
            return _malformed("an item of the header is not of the form scheme=value")
        if scheme in values:
            values[scheme].append(value)
    timestamps, signatures = values["t"], values["v1"]
    # Of two timestamps the library takes the first; which one was signed is not ours to guess.
    if len(timestamps) != 1:
        return _malformed(f"the header has {len(timestamps)} timestamps, not one")
    if not 0 < len(signatures) <= SIGNATURES_MAX:
        return _malformed(f"the header has {len(signatures)} v1 signatures, not 1 to 16")
    # The library stops with a TypeError at such a v1, though one behind it may fit.
    if not all(signature.isascii() for signature in signatures):
        return _malformed("a v1 signature has characters outside ASCII")
    # A v1 of another form fits nothing; beside a well-formed one it does no harm.
    well_formed = tuple(s for s in signatures if _SIGNATURE.fullmatch(s))
    if not well_formed:
        return _malformed("no v1 signature is 64 lower-case hexadecimal digits")
    # The library also takes +1, 01, 1_0, blanks and digits of other scripts.
    if not _TIMESTAMP.fullmatch(timestamps[0]):
        return SignatureVerdict(
            SignatureReason.BAD_TIMESTAMP, "the timestamp is not plain decimal Unix seconds"
        )
    return _Header(timestamps[0], well_formed)


def _fitting_secret(
    message: bytes, signatures: Sequence[str], secrets: Sequence[Secret]
) -> str | None:
    # Every pair is compared, in constant time, whichever fits: the time tells nothing.
    fitting: str | None = None
    for secret in secrets:
        expected = secret.signature(message)
        for signature in signatures:
            if hmac.compare_digest(expected, signature) and fitting is None:
                fitting = secret.name
    return fitting


def _malformed(detail: str) -> SignatureVerdict:
    return SignatureVerdict(SignatureReason.MALFORMED_HEADER, detail)


def _is_utf8(body: bytes) -> bool:
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True
