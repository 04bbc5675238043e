"""A demo as a child process, seen and hurt from outside."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any, Final

from sandbox.stack.process import ProcessRecord, last_lines

POLL_SECONDS: Final = 0.05
START_SECONDS_MAX: Final = 120.0

Json = dict[str, Any]  # Any: the world's JSON


class RunningDemo:
    """One `tallystick demo`, its folder, and what it is made of."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.folder = folder
        self.options = options
        self.said = folder.parent / f"{folder.name}.out"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, anew or where it was cut off."""
        with self.said.open("ab") as out:
            self._process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "tallystick",
                    "demo",
                    "--dir",
                    str(self.folder),
                    *self.options,
                ],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                env=os.environ | {"COLUMNS": "180"},
            )

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """The demo's own process."""
        assert self._process is not None
        return self._process

    @property
    def output(self) -> str:
        """All that it has said, over all its starts."""
        return self.said.read_text("utf-8", errors="replace")

    def wait(self, seconds: float) -> int:
        """Its exit code, once it is over."""
        return self.process.wait(timeout=seconds)

    def until(self, fact: Callable[[], bool], what: str, seconds: float = 120.0) -> None:
        """Wait for a fact; a demo that ends meanwhile never will bring it about."""
        deadline = time.monotonic() + seconds
        while not fact():
            assert self.process.poll() is None, f"it ended before {what}:\n{self.output[-4000:]}"
            assert time.monotonic() < deadline, f"{what}: not in {seconds} s\n{self.output[-4000:]}"
            time.sleep(POLL_SECONDS)  # bounded poll: the deadline above

    def progress(self) -> Json:
        """How far the world is; empty while it does not answer."""
        try:
            port = json.loads((self.folder / "demo.json").read_text("utf-8"))["ports"]["stripe"]
            url = f"http://127.0.0.1:{port}/sim/progress"
            with urllib.request.urlopen(url, timeout=5) as answer:
                told: Json = json.load(answer)
                return told
        except (OSError, ValueError, urllib.error.URLError):
            return {}

    def answered(self) -> int:
        """How many deliveries were answered 2xx so far."""
        return int(self.progress().get("deliveries_answered", 0))

    def record(self, name: str) -> ProcessRecord | None:
        """The process of that name, if it runs now."""
        found = ProcessRecord.load(self.folder / "processes" / f"{name}.pid")
        return found if found is not None and found.is_alive else None

    def kill(self, name: str) -> None:
        """End a service at once, as soon as it runs."""
        found: list[ProcessRecord] = []

        def runs() -> bool:
            record = self.record(name)
            found[:] = [] if record is None else [record]
            return record is not None

        self.until(runs, f"{name} runs")
        os.kill(found[0].pid, signal.SIGKILL)
        self.until(lambda: not found[0].is_alive, f"{name} is gone")

    def kill_everything(self) -> None:
        """End the demo itself at once; the system takes its children with it."""
        children = [
            record
            for file in sorted((self.folder / "processes").glob("*.pid"))
            if (record := ProcessRecord.load(file)) is not None
        ]
        self.process.kill()
        self.process.wait(timeout=30)
        deadline = time.monotonic() + 30
        while any(child.is_alive for child in children):
            assert time.monotonic() < deadline, "children outlived the demo"
            time.sleep(POLL_SECONDS)  # bounded poll: the deadline above

    def logs(self, lines: int = 15) -> str:
        """The ends of all logs, for a report of what went wrong."""
        return "\n".join(
            f"--- {log.name}\n{last_lines(log, lines)}"
            for log in sorted((self.folder / "logs").glob("*.log"))
        )


@contextlib.contextmanager
def demo(folder: Path, *options: str) -> Generator[RunningDemo]:
    """A demo that has begun, and that is gone afterwards."""
    folder.parent.chmod(0o755)
    running = RunningDemo(folder, *options)
    running.start()
    try:
        yield running
    finally:
        if running.process.poll() is None:
            running.process.terminate()
            try:
                running.process.wait(timeout=60)
            except subprocess.TimeoutExpired:
                running.process.kill()
                running.process.wait(timeout=30)
