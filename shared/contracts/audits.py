"""What a look from outside finds wrong, at the way in or in the books: said, and taken back."""

from pydantic import AwareDatetime, BaseModel, ConfigDict

from shared.contracts.discrepancies import DiscrepancyKind


class AuditReport(BaseModel):
    """One finding of an audit in its full state; the last record of an id is how it stands.

    ``id`` is the discrepancy's: a function of the book, what is wrong, and ``subject``. ``stands``
    is false once it is mended. ``since`` is when it was first seen, by our clock, and stays the
    same while it stands; a finding that came back has a new one.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    id: str
    book: str
    account: str = ""
    discrepancy: DiscrepancyKind
    subject: str
    stands: bool
    since: AwareDatetime
    told_at: AwareDatetime
    expected: str = ""
    found: str = ""
    explanation: str = ""
    evidence: tuple[str, ...] = ()
