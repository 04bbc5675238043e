"""Verdicts on disk: real files in a folder of the test."""

import asyncio
import json
import resource
from collections import deque
from collections.abc import Callable, Generator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from services.ingest.shell.verdict_files import VerdictFiles
from services.ingest.shell.verdict_folder import (
    FolderLimits,
    VerdictFolder,
    broken_links,
    files_in,
    lines_of,
)
from shared.runtime.metrics import Health

AT = datetime(2026, 11, 21, 8, tzinfo=UTC)
LIMITS = FolderLimits(file_bytes_max=4_096, files_max=100, days_max=400)


def write(folder: Path, *lines: bytes, at: datetime = AT, limits: FolderLimits = LIMITS) -> None:
    """What one process writes: it begins, writes and ends."""
    writer = VerdictFolder(folder, limits)
    try:
        writer.write(deque(lines), at=at)
    finally:
        writer.close()


def numbers(folder: Path) -> list[object]:
    """The numbers of all lines, file after file."""
    return [line["n"] for path in files_in(folder) for line in lines_of(path) if "n" in line]


def numbered(*values: int) -> list[bytes]:
    return [json.dumps({"n": value, "fill": "x" * 100}).encode() for value in values]


@contextmanager
def files_of_at_most(size: int) -> Generator[None]:
    """Let this process write no file larger than that: a disk that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_folder_and_files_are_for_their_owner_and_group(tmp_path: Path) -> None:
    folder = tmp_path / "data" / "verdicts"
    write(folder, *numbered(1))
    (path,) = files_in(folder)
    assert folder.stat().st_mode & 0o777 == 0o750
    assert path.stat().st_mode & 0o777 == 0o640
    assert path.name == "verdicts-2026-11-21-000001.jsonl"


def test_files_end_by_size_and_each_names_the_digest_of_the_last(tmp_path: Path) -> None:
    writer = VerdictFolder(tmp_path, LIMITS)
    for n in range(200):
        writer.write(deque(numbered(n)), at=AT)
    writer.close()
    assert len(files_in(tmp_path)) > 5
    assert all(path.stat().st_size < 4_096 + 200 for path in files_in(tmp_path))
    assert numbers(tmp_path) == list(range(200))
    assert broken_links(tmp_path) == []


def test_file_ends_with_its_day_and_a_clock_that_goes_back_opens_none_before(
    tmp_path: Path,
) -> None:
    writer = VerdictFolder(tmp_path, LIMITS)
    for n, at in enumerate((AT, AT + timedelta(days=1), AT)):
        writer.write(deque(numbered(n)), at=at)
    writer.close()
    names = [path.name for path in files_in(tmp_path)]
    assert names == ["verdicts-2026-11-21-000001.jsonl", "verdicts-2026-11-22-000001.jsonl"]
    assert numbers(tmp_path) == [0, 1, 2]


def test_next_process_goes_on_in_the_file_of_the_day(tmp_path: Path) -> None:
    for n in range(3):
        write(tmp_path, *numbered(n))
    write(tmp_path, *numbered(3), at=AT + timedelta(days=1))
    assert len(files_in(tmp_path)) == 2
    assert numbers(tmp_path) == [0, 1, 2, 3]
    assert broken_links(tmp_path) == []


def test_line_that_a_death_cut_short_takes_no_other_with_it(tmp_path: Path) -> None:
    write(tmp_path, *numbered(1))
    with files_in(tmp_path)[0].open("ab") as file:
        file.write(b'{"n": 2, "fi')
    write(tmp_path, *numbered(3))
    assert numbers(tmp_path) == [1, 3]
    assert broken_links(tmp_path) == []


def test_file_whose_first_line_was_never_whole_is_begun_anew(tmp_path: Path) -> None:
    write(tmp_path, *numbered(1))
    (tmp_path / "verdicts-2026-11-21-000002.jsonl").write_bytes(b'{"file": "verd')
    write(tmp_path, *numbered(2))
    assert numbers(tmp_path) == [1, 2]
    assert broken_links(tmp_path) == []


@pytest.mark.parametrize("change", ["edited", "gone"])
def test_chain_of_a_file_that_was_touched_is_broken_at_the_next(
    tmp_path: Path, change: str
) -> None:
    for day in range(3):
        write(tmp_path, *numbered(day), at=AT + timedelta(days=day))
    touched = files_in(tmp_path)[1]
    if change == "edited":
        touched.write_bytes(touched.read_bytes().replace(b'"n": 1', b'"n": 9'))
    else:
        touched.unlink()
    (broken,) = broken_links(tmp_path)
    assert broken.file == "verdicts-2026-11-23-000001.jsonl"
    assert ("is not what it was" in broken.why) is (change == "edited")


def test_files_beyond_number_or_age_go_and_the_chain_of_the_rest_holds(tmp_path: Path) -> None:
    few = FolderLimits(file_bytes_max=4_096, files_max=3, days_max=400)
    for day in range(6):
        write(tmp_path, *numbered(day), at=AT + timedelta(days=day), limits=few)
    assert numbers(tmp_path) == [3, 4, 5]
    young = FolderLimits(file_bytes_max=4_096, files_max=100, days_max=1)
    write(tmp_path, *numbered(6), at=AT + timedelta(days=6), limits=young)
    assert numbers(tmp_path) == [5, 6]
    assert broken_links(tmp_path) == []


def test_second_writer_of_a_folder_is_refused(tmp_path: Path) -> None:
    first = VerdictFolder(tmp_path, LIMITS)
    first.write(deque(numbered(1)), at=AT)
    with pytest.raises(OSError, match="temporarily unavailable"):
        write(tmp_path, *numbered(2))
    first.close()
    write(tmp_path, *numbered(3))
    assert numbers(tmp_path) == [1, 3]


def test_file_that_is_a_link_to_elsewhere_is_not_written(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_bytes(b'{"file": "x"}\n')
    folder = tmp_path / "verdicts"
    folder.mkdir()
    (folder / "verdicts-2026-11-21-000001.jsonl").symlink_to(elsewhere)
    with pytest.raises(OSError, match="symbolic links"):
        write(folder, *numbered(1))
    assert elsewhere.read_bytes() == b'{"file": "x"}\n'


async def test_full_disk_is_warned_of_counted_and_told_in_the_file_once_it_goes_on(
    tmp_path: Path,
) -> None:
    health = Health()
    files = VerdictFiles(tmp_path, LIMITS, waiting_max=10, health=health)
    stop = asyncio.Event()
    running = asyncio.create_task(files.run(stop))
    files.take(numbered(0))
    await fact(lambda: numbers_now(tmp_path) == [0])
    with files_of_at_most(files_in(tmp_path)[0].stat().st_size + 50):
        files.take(numbered(1))
        await fact(lambda: "verdicts_dir" in health.warnings)
        files.take(numbered(*range(2, 20)))
        assert not health.reasons
    await fact(lambda: "verdicts_dir" not in health.warnings)
    stop.set()
    await running
    kept = numbers(tmp_path)
    lost = [
        line["lost"] for path in files_in(tmp_path) for line in lines_of(path) if "lost" in line
    ]
    # The line that was cut in the middle was finished, those that waited were written after it.
    assert kept == list(range(len(kept)))
    assert len(kept) >= 11
    assert [len(kept) + int(str(n)) for n in lost] == [20]
    assert broken_links(tmp_path) == []


def numbers_now(folder: Path) -> list[object]:
    return numbers(folder) if folder.is_dir() else []


async def fact(is_so: Callable[[], bool]) -> None:
    """Wait for a fact, with a bound."""
    async with asyncio.timeout(10):
        while not is_so():  # noqa: ASYNC110 - the fact is on disk, and no event tells of it
            await asyncio.sleep(0.02)  # bounded poll: the time-out above
