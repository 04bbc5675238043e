"""The table of an export as a Parquet file, by arro3; the one file that knows it.

Minor units are ``decimal128(38, 0)``, times are timestamps in UTC. The rows of sums stand at the
end as in CSV; there is no seal, since a Parquet file that was cut off cannot be opened.
"""

from collections.abc import Iterable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from services.ledger.exports.journal import Tally, Told
from services.ledger.exports.table import COLUMNS, Cell, Row, posting_rows, trailer_rows
from shared.contracts.errors import Refused

if TYPE_CHECKING:
    from arro3.core import RecordBatch, Schema

ROWS_AT_ONCE: Final = 10_000
ROWS_IN_A_GROUP: Final = 50_000
_WHOLE: Final = {"sequence": 64, "offset": 64, "posting": 32, "exponent": 32, "partition": 32}
_TIMES: Final = ("effective_at", "recorded_at")


class ParquetMissing(Refused):
    """The optional library is not installed."""

    reason = "parquet_missing"


def require_parquet() -> None:
    """Look whether the library is there.

    Raises:
        ParquetMissing: It is not.
    """
    if find_spec("arro3") is None or find_spec("arro3.io") is None:
        raise ParquetMissing("Parquet needs two packages more: pip install 'tallystick[parquet]'")


def write_parquet(told: Iterable[Sequence[Told]], tally: Tally, path: Path) -> None:
    """Write entries as they come; the tally is of them, and is read when they have ended."""
    from arro3.core import RecordBatchReader  # noqa: PLC0415  # optional, loaded when asked for
    from arro3.io import write_parquet as write  # noqa: PLC0415  # as above

    schema = _schema()
    batches = (_batch(rows, schema) for rows in _stretches(told, tally))
    write(
        RecordBatchReader.from_batches(schema, batches),
        path,
        compression="zstd(3)",
        max_row_group_size=ROWS_IN_A_GROUP,
        key_value_metadata={"tallystick": "tallystick.export.v1"},
    )


def _stretches(told: Iterable[Sequence[Told]], tally: Tally) -> Iterator[list[Row]]:
    rows: list[Row] = []
    for stretch in told:
        for each in stretch:
            rows.extend(posting_rows(each))
            if len(rows) >= ROWS_AT_ONCE:
                yield rows
                rows = []
    rows.extend(trailer_rows(tally))
    yield rows


def _schema() -> "Schema":
    from arro3.core import DataType, Field, Schema  # noqa: PLC0415  # as above

    kinds = {
        name: DataType.int64() if bits == 64 else DataType.int32() for name, bits in _WHOLE.items()
    }
    kinds |= {name: DataType.timestamp("us", tz="UTC") for name in _TIMES}
    kinds |= {"minor": DataType.decimal128(38, 0), "rules_version": DataType.int32()}
    return Schema([Field(name, kinds.get(name, DataType.utf8())) for name in COLUMNS])


def _batch(rows: Sequence[Row], schema: "Schema") -> "RecordBatch":
    from arro3.core import Array, DataType, RecordBatch  # noqa: PLC0415  # as above

    arrays: list[Array] = []
    for name, column in zip(COLUMNS, zip(*rows, strict=True), strict=True):
        of = schema.field(name).type
        if name in _WHOLE or name == "rules_version":
            arrays.append(Array(column, of))
        else:
            text: list[Cell] = [None if cell is None else str(cell) for cell in column]
            made = Array(text, DataType.utf8())
            # Postgres counts more digits than Python's own integers of 64 bits: text is exact.
            arrays.append(made.cast(of) if name in _TIMES or name == "minor" else made)
    kind: Any = RecordBatch  # Any: the stubs of its makers name a type that they do not have
    batch: RecordBatch = kind.from_arrays(arrays, schema=schema)
    return batch
