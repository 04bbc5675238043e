"""The message that carries a finding of an audit, whoever found it."""

from typing import Final

from shared.contracts.audits import AuditReport
from shared.contracts.envelope import Envelope
from shared.contracts.schemas import MESSAGE_TYPES, type_of

AUDIT_REPORT_TYPE: Final = type_of(AuditReport)


def audit_message(report: AuditReport, *, source: str) -> Envelope:
    """A finding as a message of its own: told again it is another one, with the same key."""
    return Envelope(
        id=f"{report.id}/{report.told_at.isoformat()}",
        source=source,
        type=AUDIT_REPORT_TYPE,
        time=report.told_at,
        data=report.model_dump_json().encode(),
        subject=report.subject,
        dataschema=MESSAGE_TYPES[AUDIT_REPORT_TYPE].schema_id,
        extensions={"book": report.book},
    )
