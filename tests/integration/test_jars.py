"""Jars from a repository that serves something else than what was locked."""

import gc
import hashlib
import threading
import warnings
from collections.abc import Generator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from sandbox.stack import StackProblem
from sandbox.stack.jars import Jar, JarLock, ensure_jars


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        del format, args


@pytest.fixture
def mirror(tmp_path: Path) -> Generator[tuple[str, Path]]:
    root = tmp_path / "mirror"
    root.mkdir()
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(root))) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", root
        server.shutdown()
        thread.join()
    # jgo leaves the answers that it did not like unclosed; let them go here, not in another test.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


def publish(root: Path, content: bytes) -> None:
    folder = root / "org" / "example" / "tally" / "1.0"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tally-1.0.jar").write_bytes(content)


def lock_of(content: bytes) -> JarLock:
    jar = Jar("org.example", "tally", "1.0", hashlib.sha256(content).hexdigest())
    return JarLock("1.0", "d" * 64, (jar,))


def test_locked_jar_is_fetched_from_a_mirror(tmp_path: Path, mirror: tuple[str, Path]) -> None:
    url, root = mirror
    publish(root, b"the jar")
    said: list[str] = []
    folder = ensure_jars(
        tmp_path / "cache", mirror=url, progress=said.append, lock=lock_of(b"the jar")
    )
    assert (folder / "tally-1.0.jar").read_bytes() == b"the jar"
    assert said == ["Kafka: fetched 1 of 1 jars"]
    assert [each.name for each in folder.parent.iterdir()] == [folder.name]


def test_jar_with_another_sum_is_refused_and_not_kept(
    tmp_path: Path, mirror: tuple[str, Path]
) -> None:
    url, root = mirror
    publish(root, b"something else")
    with pytest.raises(StackProblem, match="not the file that was locked"):
        ensure_jars(tmp_path / "cache", mirror=url, lock=lock_of(b"the jar"))
    assert list((tmp_path / "cache").rglob("*.jar")) == []


def test_jar_that_is_nowhere_is_explained_with_the_way_out(
    tmp_path: Path, mirror: tuple[str, Path]
) -> None:
    url, _ = mirror
    with pytest.raises(StackProblem, match="TALLYSTICK_STACK_MAVEN_REPOSITORY"):
        ensure_jars(tmp_path / "cache", mirror=url, lock=lock_of(b"the jar"))
