"""Any statement file: which format it is in, and its statements."""

from collections.abc import Iterable
from typing import Final, assert_never

from services.feeds.statements.bai2 import read_bai2
from services.feeds.statements.camt import read_camt
from services.feeds.statements.csv_map import CsvMap, read_csv
from services.feeds.statements.mt940 import read_mt940
from services.feeds.statements.ofx import read_ofx
from services.feeds.statements.values import Format, StatementFile, StatementRefused

HEAD_BYTES: Final = 4096
_BOMS: Final = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")


def sniffed(head: bytes) -> Format | None:
    """The format that a file begins like; CSV begins like nothing, so its map has to be named."""
    for bom in _BOMS:
        head = head.removeprefix(bom)
    # In 16-bit characters every other byte of a tag is zero.
    text = head.replace(b"\0", b"").lstrip()
    if text.startswith(b"OFXHEADER") or b"<OFX>" in text or b"<?OFX" in text:
        return Format.OFX
    if text.startswith(b"<"):
        return Format.CAMT
    if text.startswith(b"01,"):
        return Format.BAI2
    if text.startswith(b":20:") or b"\n:20:" in text.replace(b"\r", b"\n") or b"{4:" in text:
        return Format.MT940
    return None


def read_statements(
    chunks: Iterable[bytes], form: Format, *, csv_map: CsvMap | None = None
) -> StatementFile:
    """The statements of a file, each of which adds up as far as it says enough.

    Raises:
        StatementRefused: It is not that, or cannot be right; nothing of it is taken.
    """
    match form:
        case Format.CAMT:
            return read_camt(chunks)
        case Format.MT940:
            return read_mt940(chunks)
        case Format.BAI2:
            return read_bai2(chunks)
        case Format.OFX:
            return read_ofx(chunks)
        case Format.CSV:
            if csv_map is None:
                raise StatementRefused(
                    "a CSV file is read by a map of its columns, and none is named for it",
                    fix="give --map FILE, or a [[csv]] table with its pattern in the banks file",
                )
            return read_csv(chunks, csv_map)
        case _:
            assert_never(form)
