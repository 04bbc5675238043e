"""The endpoints in force while their file and their secrets change."""

import asyncio
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from prometheus_client import REGISTRY

from services.ingest.config import IngestSettings
from services.ingest.endpoints import Endpoint
from services.ingest.shell.endpoint_file import EndpointFile
from shared.contracts.books import BookMap
from shared.runtime.metrics import Health
from shared.runtime.settings import SettingsInvalid

START = datetime(2026, 11, 21, tzinfo=UTC)
ONE = '[[endpoints]]\nname = "main"\nsecret_file = "main.secret"\n'
TWO = ONE + '[[endpoints]]\nname = "more"\nsecret_file = "more.secret"\n'
DATED = """
[[endpoints]]
name = "main"
[[endpoints.secrets]]
id = "old"
file = "main.secret"
until = 2026-11-22
"""


class Watched:
    """An endpoints file in a folder of its own, watched as the door does it."""

    def __init__(self, folder: Path, text: str = ONE) -> None:
        self.folder = folder
        self.now = START
        self.health = Health()
        self.used: list[Mapping[str, Endpoint]] = []
        self.on_use: Callable[[], None] = lambda: None
        self.write(text)
        self.secret("whsec_one")
        (folder / "more.secret").write_text("whsec_more")
        self.file = EndpointFile(
            self._load,
            self._use,
            self.health,
            look_seconds=0.05,
            clock=lambda: self.now,
        )

    def write(self, text: str) -> None:
        (self.folder / "endpoints.toml").write_text(text)

    def secret(self, text: str) -> None:
        (self.folder / "main.secret").write_text(text)

    def secrets(self) -> list[str]:
        return [secret.text for secret in self.used[-1]["main"].secrets]

    def warning(self) -> str:
        return self.health.warnings.get("endpoints", "")

    def _use(self, endpoints: Mapping[str, Endpoint]) -> None:
        self.used.append(endpoints)
        self.on_use()

    def _load(self) -> Mapping[str, Endpoint]:
        path = str(self.folder / "endpoints.toml")
        settings = IngestSettings.load({"TALLYSTICK_INGEST_ENDPOINTS_FILE": path})
        return settings.endpoints(BookMap(), {}, at=self.now)


def measured(name: str) -> float | None:
    return REGISTRY.get_sample_value(name)


async def test_endpoints_that_did_not_change_are_not_swapped(tmp_path: Path) -> None:
    watched = Watched(tmp_path)
    await watched.file.look()
    watched.write(ONE + "# a remark\n")
    await watched.file.look()
    assert len(watched.used) == 1
    assert watched.warning() == ""


async def test_changed_file_comes_into_force(tmp_path: Path) -> None:
    watched = Watched(tmp_path)
    watched.write(TWO)
    await watched.file.look()
    assert sorted(watched.used[-1]) == ["main", "more"]
    assert measured("tallystick_ingest_endpoints") == 2


async def test_changed_secret_comes_into_force_though_the_endpoints_file_is_as_it_was(
    tmp_path: Path,
) -> None:
    watched = Watched(tmp_path)
    # Of the same length, and perhaps within the same tick of the file system's clock.
    watched.secret("whsec_two")
    await watched.file.look()
    assert watched.secrets() == ["whsec_two"]


@pytest.mark.parametrize(
    "broken",
    ["[[endpoints", "endpoints = []", ONE.replace("main.secret", "nowhere"), ONE + "x = 1\n", ""],
)
async def test_broken_file_leaves_the_older_endpoints_in_force_and_says_so(
    tmp_path: Path, broken: str
) -> None:
    watched = Watched(tmp_path)
    watched.write(broken)
    await watched.file.look()
    assert watched.secrets() == ["whsec_one"]
    assert watched.warning().startswith("the older endpoints are in force: ")
    assert watched.health.reasons == {}
    assert measured("tallystick_ingest_endpoints_is_refused") == 1
    watched.write(TWO)
    await watched.file.look()
    assert sorted(watched.used[-1]) == ["main", "more"]
    assert watched.warning() == ""
    assert measured("tallystick_ingest_endpoints_is_refused") == 0


async def test_file_that_is_gone_or_a_secret_that_is_emptied_changes_nothing(
    tmp_path: Path,
) -> None:
    watched = Watched(tmp_path)
    watched.secret("\n")
    await watched.file.look()
    (tmp_path / "endpoints.toml").unlink()
    await watched.file.look()
    assert watched.secrets() == ["whsec_one"]
    assert len(watched.used) == 1
    assert "No such file" in watched.warning()


async def test_secret_that_ends_while_the_door_is_open_is_warned_of(tmp_path: Path) -> None:
    watched = Watched(tmp_path, DATED)
    assert watched.warning() == ""
    watched.now += timedelta(days=1)
    await watched.file.look()
    assert "no signing secret is in force: main" in watched.warning()
    assert measured("tallystick_ingest_endpoints_without_secret") == 1
    watched.write(ONE)
    await watched.file.look()
    assert watched.warning() == ""


def test_file_that_is_broken_at_the_start_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsInvalid):
        Watched(tmp_path, "[[endpoints")


async def test_watch_swaps_by_itself_until_it_is_stopped(tmp_path: Path) -> None:
    watched = Watched(tmp_path)
    stop = asyncio.Event()
    watched.write(TWO)
    # Looking goes on until something has come into force.
    watched.on_use = stop.set
    async with asyncio.timeout(10):
        await watched.file.watch(stop)
    assert sorted(watched.used[-1]) == ["main", "more"]


async def test_secret_of_two_endpoints_is_warned_of_once_and_both_stay_in_force(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    watched = Watched(tmp_path, TWO.replace("more.secret", "main.secret"))
    await watched.file.look()
    assert sorted(watched.used[-1]) == ["main", "more"]
    assert watched.warning() == "one secret stands for main (current), more (current)"
    assert measured("tallystick_ingest_secrets_doubled") == 1
    assert caplog.text.count("endpoints.secret_doubled") == 1
    assert "whsec_one" not in caplog.text
    watched.write(ONE)
    await watched.file.look()
    assert watched.warning() == ""
    assert measured("tallystick_ingest_secrets_doubled") == 0
