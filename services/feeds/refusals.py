"""What is said of a statement file that was refused, until its bytes are taken."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from shared.contracts.audits import AuditReport
from shared.contracts.discrepancies import DiscrepancyKind, discrepancy_id

# As much of the digest as the folder ``refused/`` and the lists of files show.
DIGEST_CHARACTERS: Final = 12
REASON_CHARACTERS_MAX: Final = 1000


@dataclass(frozen=True, slots=True)
class Refusal:
    """A file that was refused once, and whether that still stands.

    ``since`` is when it was refused first, ``decided_at`` when it was last looked at; ``book`` is
    the one that hears of it, from the first refusal on.
    """

    sha256: str
    name: str
    reason: str
    fix: str
    book: str
    since: datetime
    decided_at: datetime
    stands: bool


def report(refusal: Refusal) -> AuditReport:
    """How the file stands, as a record that opens its discrepancy or resolves it.

    It carries the time of the decision and not of the telling: told late, or twice, it is the same
    record and never covers a later one.
    """
    kind = DiscrepancyKind.STATEMENT_FILE_REFUSED
    subject = refusal.sha256[:DIGEST_CHARACTERS]
    name, reason = refusal.name, _cut(refusal.reason)
    refused = (
        f"Statement file {name} was refused, and nothing of it was taken: {reason}."
        f" To do: {_cut(refusal.fix)}."
    )
    return AuditReport(
        id=discrepancy_id(refusal.book, kind, subject),
        book=refusal.book,
        discrepancy=kind,
        subject=subject,
        stands=refusal.stands,
        since=refusal.since,
        told_at=refusal.decided_at,
        expected=f"statement file {name} to be taken",
        found=f"refused: {reason}" if refusal.stands else "taken",
        explanation=refused if refusal.stands else f"Statement file {name} was taken.",
        evidence=(f"sha256:{refusal.sha256}",),
    )


def _cut(text: str) -> str:
    if len(text) <= REASON_CHARACTERS_MAX:
        return text
    return text[:REASON_CHARACTERS_MAX] + "…"
