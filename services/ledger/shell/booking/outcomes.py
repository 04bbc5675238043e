"""What was not simply booked, as rows: outcomes, and records that are kept with their bytes."""

from collections.abc import Mapping, Sequence
from typing import Final

import orjson
from pydantic import JsonValue

from services.ledger.posting_rules import Remark
from services.ledger.shell.booking.batch import Batch
from services.ledger.shell.booking.deciding import Decided, Refusal
from services.ledger.shell.booking.rows import DEAD_LETTER_COLUMNS, OUTCOME_COLUMNS, Row
from shared.contracts.discrepancies import DiscrepancyKind
from shared.contracts.messages import OutcomeKind
from shared.contracts.topics import LEDGER_COMMANDS
from shared.runtime.postgres import Tx

_TEXT_LENGTH_MAX: Final = 2_000
# Names stand in an index, whose rows are at most a third of a page whatever the script.
_SUBJECT_LENGTH_MAX: Final = 500
_BOOK_LENGTH_MAX: Final = 100


async def write_outcomes(tx: Tx, batch: Batch) -> None:
    """Write what a batch has to say beside its entries, and the records that cannot be booked."""
    outcomes: list[Row] = []
    letters: list[Row] = []
    for each in batch.decided:
        remarks = batch.remarks.get(id(each), [])
        if not remarks and each.refusal is None:
            continue
        origin_id = batch.head_of(each).origin_id
        poison = each.refusal or _poison_in(each, remarks)
        if poison is not None:
            letters.append(_letter_row(each, poison, origin_id))
        if each.refusal is not None:
            reason, detail = each.refusal.reason, each.refusal.detail
            remarks = [Remark(OutcomeKind.REFUSED, reason, each.subject, detail)]
        for ordinal, remark in enumerate(remarks, 1):
            outcomes.append(_outcome_row(each, remark, origin_id=origin_id, ordinal=ordinal))
    batch.booked.outcomes = len(outcomes)
    if outcomes:
        await tx.copy_records_to_table("outcomes", records=outcomes, columns=OUTCOME_COLUMNS)
    if letters:
        await tx.copy_records_to_table("dead_letters", records=letters, columns=DEAD_LETTER_COLUMNS)


def _poison_in(each: Decided, remarks: Sequence[Remark]) -> Refusal | None:
    """Why a record is kept as a letter though it was read: something in it can never be booked.

    An asker has the answer to a command, and of a message of the other mode a discrepancy tells;
    both were read as they were meant.
    """
    if each.record.topic == LEDGER_COMMANDS:
        return None
    found = [
        remark
        for remark in remarks
        if remark.outcome is OutcomeKind.REFUSED and remark.reason != DiscrepancyKind.MODE_MISMATCH
    ]
    if not found:
        return None
    said = dict.fromkeys(f"{remark.subject}: {remark.detail}" for remark in found)
    return Refusal(str(found[0].reason), "; ".join(said))


def _outcome_row(each: Decided, remark: Remark, *, origin_id: int, ordinal: int) -> Row:
    amount = remark.amount
    return (
        origin_id,
        each.record.offset,
        ordinal,
        remark.outcome.value,
        str(remark.reason),
        _text(each.book, _BOOK_LENGTH_MAX),
        _text(remark.subject, _SUBJECT_LENGTH_MAX),
        _text(remark.detail),
        _text(remark.reference) if remark.reference is not None else None,
        amount.minor if amount is not None else None,
        amount.currency.code if amount is not None else None,
        amount.currency.exponent if amount is not None else None,
        _text(each.message_id),
        each.record.appended_at,
        _json(remark.decided) if remark.decided is not None else None,
    )


def _json(decided: Mapping[str, JsonValue]) -> object:
    """A decision as the database's JSON takes it, which has no NUL in a text."""
    return orjson.loads(orjson.dumps(decided).replace(b"\\u0000", b"\\ufffd"))


def _letter_row(each: Decided, refusal: Refusal, origin_id: int) -> Row:
    record = each.record
    headers = [(name, value.hex()) for name, value in record.headers]
    return (
        origin_id,
        record.offset,
        refusal.reason,
        _text(refusal.detail),
        record.key,
        record.value,
        orjson.dumps(headers),
        record.appended_at,
    )


def _text(said: str, length_max: int = _TEXT_LENGTH_MAX) -> str:
    """Text that the database takes, whatever the outside put into it."""
    return said[:length_max].replace("\x00", "\ufffd").encode(errors="replace").decode()
