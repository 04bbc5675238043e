"""The example consumers in four languages, built in a folder of their own and run for real."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlencode, urlsplit

import pytest

EXAMPLES: Final = Path(__file__).parents[2] / "examples"
BUILD_SECONDS_MAX: Final = 240
RUN_SECONDS_MAX: Final = 90


@dataclass(frozen=True, slots=True)
class Language:
    """How the example in one language is made and started.

    Attributes:
        tools: Programs that it needs; without them there is nothing to try.
        fetch: Commands that bring what it is built with; they need the outside world.
        build: Commands that build it.
        start: The program, run in the folder of the example.
    """

    name: str
    tools: tuple[str, ...]
    fetch: tuple[tuple[str, ...], ...]
    build: tuple[tuple[str, ...], ...]
    start: tuple[str, ...]


LANGUAGES: Final = (
    Language("python", (), (), (), (sys.executable, "consumer.py")),
    Language(
        "typescript",
        ("node", "npm"),
        (("npm", "ci", "--loglevel=error"),),
        (("npx", "tsc"),),
        ("node", "dist/consumer.js"),
    ),
    Language(
        "go",
        ("go",),
        (("go", "mod", "download"),),
        (("go", "vet", "."), ("go", "build", "-o", "consumer", ".")),
        ("./consumer",),
    ),
    Language(
        "java",
        ("java", "javac", "mvn"),
        (("mvn", "-q", "-B", "dependency:copy-dependencies", "-DoutputDirectory=target/lib"),),
        (("mvn", "-q", "-B", "compile"),),
        ("java", "-cp", f"target/classes{os.pathsep}target/lib/*", "examples.Consumer"),
    ),
)


@dataclass(frozen=True, slots=True)
class Example:
    """A built example."""

    language: Language
    folder: Path

    def run(self, told: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
        """Run it to the end that the topics have."""
        environment = os.environ | told
        return subprocess.run(
            [*self.language.start, "--to-end"],
            cwd=self.folder,
            env=environment,
            check=False,
            capture_output=True,
            text=True,
            timeout=RUN_SECONDS_MAX,
        )


def built(language: Language, scratch: Path) -> Example:
    """The example of a language, built in ``scratch``; skips where that cannot be tried."""
    missing = [tool for tool in language.tools if shutil.which(tool) is None]
    if missing:
        pytest.skip(f"no {' and no '.join(missing)} here")  # not every machine has every language
    shutil.copytree(
        EXAMPLES, scratch / "examples", ignore=shutil.ignore_patterns("node_modules", "target")
    )
    folder = scratch / "examples" / language.name
    for command in language.fetch:
        done = _done(command, folder)
        if done.returncode:
            why = done.stderr[-300:]
            pytest.skip(f"{language.name}: {why}")  # its libraries come from outside
    for command in language.build:
        done = _done(command, folder)
        assert done.returncode == 0, f"{' '.join(command)}: {done.stdout}{done.stderr}"
    return Example(language, folder)


def addresses(kafka_bootstrap: str, postgres_dsn: str) -> dict[str, str]:
    """The variables that say where Kafka and Postgres are."""
    parts = urlsplit(postgres_dsn)
    signed_in = urlencode({"user": parts.username or "", "password": parts.password or ""})
    return {
        "KAFKA_BOOTSTRAP": kafka_bootstrap,
        "POSTGRES_DSN": postgres_dsn,
        "POSTGRES_URL": f"jdbc:postgresql://{parts.hostname}:{parts.port}{parts.path}?{signed_in}",
    }


def _done(command: tuple[str, ...], folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=folder,
        check=False,
        capture_output=True,
        text=True,
        timeout=BUILD_SECONDS_MAX,
    )
