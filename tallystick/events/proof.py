"""The proof of a stored delivery: its bytes verified once more with the header that came along."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from services.ingest.admission import VIA_FETCHED
from services.ingest.signature import Secret, verify
from shared.contracts.envelope import Envelope

# The name that secrets go by of which nobody says whose they are.
ANY_ENDPOINT: Final = ""


class Standing(StrEnum):
    """What the proof came to."""

    ACCEPTED = "accepted"
    FAILED = "failed"
    NO_SECRET = "no_secret"  # noqa: S105  # a word, not a secret
    FETCHED = "fetched"


@dataclass(frozen=True, slots=True)
class Proof:
    """What the stored bytes and their signature say today."""

    standing: Standing
    detail: str
    sha256: str
    secret: str = ""
    signed_at: int | None = None


def proof_of(
    envelope: Envelope, secrets: Mapping[str, Sequence[Secret]], *, tolerance_seconds: int
) -> Proof:
    """The proof of a delivery with the secrets of its endpoint, judged at the time when it came.

    Those of ``ANY_ENDPOINT`` are tried behind them.
    """
    digest = hashlib.sha256(envelope.data).hexdigest()
    if envelope.extension("via") == VIA_FETCHED:
        detail = "fetched through Stripe's API, which signs nothing"
        return Proof(Standing.FETCHED, detail, digest)
    endpoint = envelope.extension("endpoint")
    tried = (*secrets.get(endpoint, ()), *secrets.get(ANY_ENDPOINT, ()))
    known = [secret for secret in tried if secret.is_in_force(envelope.time)]
    if not known:
        detail = f"cannot prove: no secret here for the endpoint {endpoint or 'without a name'}"
        return Proof(Standing.NO_SECRET, detail, digest)
    verdict = verify(
        envelope.data,
        envelope.extension("signature") or None,
        known,
        now_seconds=envelope.time.timestamp(),
        tolerance_seconds=tolerance_seconds,
    )
    if not verdict.is_accepted:
        return Proof(
            Standing.FAILED,
            f"{verdict.reason}: {verdict.detail}",
            digest,
            verdict.secret,
            verdict.signed_at,
        )
    age = envelope.time.timestamp() - (verdict.signed_at or 0)
    detail = (
        f"the signature fits the secret {verdict.secret!r} of the endpoint {endpoint};"
        f" it was made {age:.0f} s before it came"
    )
    return Proof(Standing.ACCEPTED, detail, digest, verdict.secret, verdict.signed_at)
