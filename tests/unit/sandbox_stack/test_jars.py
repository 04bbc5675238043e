from pathlib import Path

import pytest

from sandbox.stack import StackProblem
from sandbox.stack.jars import LOCK_FILE, Jar, JarLock, ensure_jars, jar_dir, read_lock, wrong_jars


def test_lock_names_the_release_and_a_sum_for_every_jar() -> None:
    lock = read_lock()
    assert lock.kafka_version == "4.3.0"
    assert len(lock.jars) > 40
    assert all(len(jar.sha256) == 64 and int(jar.sha256, 16) for jar in lock.jars)
    assert {"kafka-clients", "kafka-raft", "slf4j-simple"} <= {jar.artifact for jar in lock.jars}
    assert len({jar.filename for jar in lock.jars}) == len(lock.jars)


def test_lock_names_no_host() -> None:
    text = LOCK_FILE.read_text()
    assert "://" not in text
    assert ".org/" not in text


def test_wrong_jars_are_the_missing_and_the_changed(tmp_path: Path) -> None:
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    right, changed, missing = (Jar("g", name, "1", empty) for name in ("a", "b", "c"))
    (tmp_path / right.filename).write_bytes(b"")
    (tmp_path / changed.filename).write_bytes(b"x")
    assert wrong_jars(tmp_path, JarLock("1", "d", (right, changed, missing))) == (changed, missing)


def test_jars_that_are_there_and_right_need_no_network(tmp_path: Path) -> None:
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    lock = JarLock("1", "d" * 64, (Jar("g", "a", "1", empty),))
    folder = jar_dir(tmp_path, lock)
    folder.mkdir()
    (folder / "a-1.jar").write_bytes(b"")
    assert ensure_jars(tmp_path, mirror="http://127.0.0.1:1", lock=lock) == folder


def test_cache_that_cannot_be_written_is_explained(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    with pytest.raises(StackProblem, match="TALLYSTICK_STACK_CACHE_DIR"):
        ensure_jars(blocked)
