"""A stranger reads the copy with nothing but the page that describes it."""

import base64
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from services.archiver.records import CopiedRecord
from services.archiver.segments import GENESIS, Compression, Lineage, sealed, stretch_of

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "archive-format.md"
LINES_MAX = 40

RECORDS = [
    CopiedRecord(3, 1_795_000_000_000, b"key", b"{}", (("ce_id", b"evt_1"), ("no", None))),
    CopiedRecord(5, 1_795_000_000_001, None, None, ()),
    CopiedRecord(6, -1, b"", b"\xff\x00\n", (("naïve", b""),)),
]


def the_reader() -> str:
    (found,) = re.findall(r"```python\n(.+?)```", PAGE.read_text("utf-8"), re.DOTALL)
    assert len(found.splitlines()) <= LINES_MAX
    return str(found)


def read_by_the_page(data: bytes, folder: Path) -> subprocess.CompletedProcess[str]:
    (folder / "reader.py").write_text(the_reader(), "utf-8")
    (folder / "one.segment").write_bytes(data)
    # Isolated, in a folder of its own: nothing of ours can be imported.
    return subprocess.run(
        [sys.executable, "-I", "-S", "reader.py", "one.segment"],
        cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip


def file_of(compression: Compression) -> bytes:
    return sealed(
        Lineage("c", "stripe.events", "id", 0),
        stretch_of(3, 9, RECORDS),
        previous=GENESIS,
        sealed_at="2026-11-21T08:00:00Z",
        compression=compression,
    )[1]


def decoded(value: str | None) -> bytes | None:
    return None if value is None else base64.b64decode(value)


@pytest.mark.parametrize("compression", Compression)
def test_reader_of_the_page_gives_every_byte(compression: Compression, tmp_path: Path) -> None:
    done = read_by_the_page(file_of(compression), tmp_path)
    assert done.stderr == ""
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert [
        CopiedRecord(
            each["offset"],
            each["timestamp_ms"],
            decoded(each["key"]),
            decoded(each["value"]),
            tuple((name, decoded(value)) for name, value in each["headers"]),
        )
        for each in told
    ] == RECORDS


def test_reader_of_the_page_refuses_a_changed_record(tmp_path: Path) -> None:
    data = file_of(Compression.NONE).replace(b"evt_1", b"evt_2")
    done = read_by_the_page(data, tmp_path)
    assert done.returncode != 0
    assert done.stdout == ""


def test_page_names_every_field_of_the_header() -> None:
    head = file_of(Compression.NONE).split(b"\n")[1]
    page = PAGE.read_text("utf-8")
    assert [name for name in json.loads(head) if f"`{name}`" not in page] == []
