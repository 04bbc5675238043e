"""The exchange rates that a batch records, as rows: what statements are translated by."""

from pydantic import ValidationError

from services.ledger.shell.booking.batch import Batch
from services.ledger.shell.booking.deciding import Decided
from services.ledger.shell.booking.rows import Row
from services.ledger.shell.queries import SQL
from shared.contracts import topics
from shared.contracts.commands import LEDGER_COMMAND, SetExchangeRate
from shared.contracts.messages import OutcomeKind
from shared.contracts.money import currency_of
from shared.runtime.postgres import Tx


def rate_rows(batch: Batch) -> list[Row]:
    """A row for each rate that this batch is the first to tell; the rate as its decimal text.

    In the order of the parameters of ``add_exchange_rates``.
    """
    return [
        (
            each.book,
            currency_of(told.base).code,
            currency_of(told.quote).code,
            told.on,
            format(told.rate, "f"),
            currency_of(told.base).exponent,
            currency_of(told.quote).exponent,
            each.record.appended_at,
            batch.head_of(each).origin_id,
            each.record.offset,
        )
        for each in batch.decided
        for told in (_rate_of(batch, each),)
        if told is not None
    ]


def _rate_of(batch: Batch, each: Decided) -> SetExchangeRate | None:
    """The rate of a command that was accepted just now: a repeated one answers ``replayed``."""
    if each.record.topic != topics.LEDGER_COMMANDS or each.decision is None:
        return None
    remarks = batch.remarks.get(id(each), [])
    if not any(r.outcome is OutcomeKind.ACCEPTED and r.detail != "replayed" for r in remarks):
        return None
    try:
        command = LEDGER_COMMAND.validate_json(each.record.value)
    except ValidationError:
        return None
    return command if isinstance(command, SetExchangeRate) else None


async def write_rates(tx: Tx, batch: Batch) -> None:
    """Keep the rates that a batch records."""
    rows = rate_rows(batch)
    if rows:
        await tx.execute(SQL["add_exchange_rates"], *map(list, zip(*rows, strict=True)))
