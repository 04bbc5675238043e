"""The places of a copy, a folder and an S3 over HTTP, by one suite; and what only one can do."""

import asyncio
import logging
import os
import subprocess
import sys
import time
import uuid
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path

import pytest

from sandbox.stack.ports import free_ports
from services.archiver.config import ArchiverSettings, S3Place
from services.archiver.shell.places import store_at
from services.archiver.shell.store import (
    AlreadyThere,
    ArchiveStore,
    DirectoryStore,
    StoreUnavailable,
    require_names_taken_once,
)
from shared.runtime.settings import SettingsInvalid
from tests.support.s3 import bucket_at, s3_server


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    with s3_server() as address:
        yield address


@pytest.fixture(params=["folder", "s3"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncGenerator[ArchiveStore]:
    if request.param == "folder":
        yield DirectoryStore(tmp_path / "deep" / "copy")
    else:
        yield store_at(bucket_at(request.getfixturevalue("s3")).place())


async def test_store_gives_back_what_it_was_given(store: ArchiveStore) -> None:
    data = bytes(range(256)) * 100
    await store.create("segments/a/1", data)
    await store.create("segments/b/2", b"")
    assert await store.read("segments/a/1") == data
    assert await store.beginning("segments/a/1", 10) == data[:10]
    assert await store.beginning("segments/a/1", 1_000_000) == data
    assert await store.names("segments") == ["segments/a/1", "segments/b/2"]
    assert await store.names("segments/a") == ["segments/a/1"]


async def test_store_takes_a_name_once_and_keeps_the_first(store: ArchiveStore) -> None:
    await store.create("segments/a", b"first")
    with pytest.raises(AlreadyThere):
        await store.create("segments/a", b"second")
    assert await store.read("segments/a") == b"first"


async def test_store_that_takes_a_name_once_passes_the_trial_again_and_again(
    store: ArchiveStore,
) -> None:
    await require_names_taken_once(store)
    await require_names_taken_once(store)
    assert await store.names("segments") == []


async def test_store_that_takes_a_name_twice_is_refused(tmp_path: Path) -> None:
    class Forgetful(DirectoryStore):
        async def create(self, name: str, data: bytes) -> None:
            del name
            await super().create(f"segments/{uuid.uuid4()}", data)

    with pytest.raises(SettingsInvalid, match="takes one name twice"):
        await require_names_taken_once(Forgetful(tmp_path))


async def test_store_that_is_empty_has_no_names(store: ArchiveStore) -> None:
    assert await store.names("segments") == []
    assert await store.tidy() == 0


async def test_store_lists_more_than_a_page(store: ArchiveStore) -> None:
    for number in range(40):
        await store.create(f"segments/x/{number:03}", b"-")
    assert len(await store.names("segments/x")) == 40


async def test_store_asked_for_what_it_has_not_says_so(store: ArchiveStore) -> None:
    with pytest.raises(StoreUnavailable):
        await store.read("segments/none")


async def test_folder_shows_no_file_of_a_writer_that_was_killed(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path)
    await store.create("segments/a", b"whole")
    unfinished = tmp_path / "segments" / ".tmp-half"
    unfinished.write_bytes(b"ha")
    assert await store.names("segments") == ["segments/a"]
    assert await store.tidy() == 0  # its writer may still be at work
    os.utime(unfinished, (time.time() - 7_200, time.time() - 7_200))
    assert await store.tidy() == 1
    assert not unfinished.exists()


async def test_folder_that_cannot_be_written_says_why(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(StoreUnavailable, match=r"Not a directory|File exists"):
        await DirectoryStore(tmp_path / "file").create("segments/a", b"")


async def test_bucket_that_does_not_answer_is_unavailable_and_tells_no_key(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    (port,) = free_ports(1)
    settings = ArchiverSettings.load(
        {
            "TALLYSTICK_ARCHIVER_PLACE": "s3://nowhere/x",
            "TALLYSTICK_ARCHIVER_S3_ENDPOINT": f"http://127.0.0.1:{port}",
            "TALLYSTICK_ARCHIVER_S3_ACCESS_KEY_ID": "canary-id",
            "TALLYSTICK_ARCHIVER_S3_SECRET_ACCESS_KEY": "canary-key",
        }
    )
    place = settings.place()
    assert isinstance(place, S3Place)
    with pytest.raises(StoreUnavailable) as caught:
        await store_at(place).names("segments")
    told = f"{caught.value} {caught.value.why} {place!r} {settings!r} {caplog.text}"
    assert "canary" not in told
    assert "\n" not in caught.value.why


def test_folder_names_a_file_only_when_it_is_whole(tmp_path: Path) -> None:
    """A writer killed again and again leaves whole files only."""
    writer = (
        "import asyncio, pathlib, sys\n"
        "from services.archiver.shell.store import DirectoryStore\n"
        "async def main():\n"
        "    store = DirectoryStore(pathlib.Path(sys.argv[1]))\n"
        "    for n in range(10_000):\n"
        "        await store.create(f'segments/{sys.argv[2]}/{n}', bytes(500_000))\n"
        "asyncio.run(main())\n"
    )
    for round_number in range(3):
        process = subprocess.Popen(
            [sys.executable, "-c", writer, str(tmp_path), str(round_number)],
            cwd=Path(__file__).parents[2],
        )
        deadline = time.monotonic() + 30
        while not list(tmp_path.glob(f"segments/{round_number}/?")):
            assert time.monotonic() < deadline
        process.kill()
        process.wait()
    store = DirectoryStore(tmp_path)
    for name in asyncio.run(store.names("segments")):
        assert len(asyncio.run(store.read(name))) == 500_000
