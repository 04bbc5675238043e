import os
import subprocess
import sys
from pathlib import Path

from sandbox.stack.process import ProcessRecord, birth, complaints, last_lines, open_log


def test_record_of_a_running_process_is_alive_and_survives_a_file(tmp_path: Path) -> None:
    record = ProcessRecord.of(os.getpid(), settings="s", ports=(1, 2), tied=True)
    record.save(tmp_path / "one.pid")
    assert ProcessRecord.load(tmp_path / "one.pid") == record
    assert record.is_alive
    assert not record.is_orphan


def test_record_of_an_earlier_process_with_the_same_id_is_not_alive() -> None:
    assert not ProcessRecord(os.getpid(), "another birth").is_alive


def test_zombie_does_not_run() -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert birth(child.pid) == ""
    child.wait()


def test_record_whose_owner_is_gone_is_an_orphan() -> None:
    own = ProcessRecord.of(os.getpid())
    assert ProcessRecord(own.pid, own.birth, owner=own.pid, owner_birth="earlier").is_orphan


def test_file_that_is_no_record_counts_as_none(tmp_path: Path) -> None:
    path = tmp_path / "one.pid"
    for text in ("", "{", "17", '{"pid": 1}', '{"pid": 1, "ports": [], "x": 2}'):
        path.write_text(text)
        assert ProcessRecord.load(path) is None
    assert ProcessRecord.load(tmp_path / "missing.pid") is None


def test_large_log_is_put_aside_before_it_is_appended_to(tmp_path: Path) -> None:
    log = tmp_path / "one.log"
    with log.open("wb") as file:
        file.truncate(10_000_001)
    with open_log(log) as file:
        file.write(b"fresh\n")
    assert log.read_text() == "fresh\n"
    assert (tmp_path / "one.log.1").stat().st_size == 10_000_001


def test_last_lines_are_the_last_even_of_bytes_that_are_no_text(tmp_path: Path) -> None:
    log = tmp_path / "one.log"
    log.write_bytes(b"a\nb\n\xff\nd\n")
    assert last_lines(log, 2) == "\ufffd\nd"
    assert last_lines(tmp_path / "missing.log") == "(no log)"


def test_complaints_are_the_first_lines_of_an_error_since_the_start(tmp_path: Path) -> None:
    log = tmp_path / "one.log"
    log.write_text("[main] ERROR of the run before\n")
    since = log.stat().st_size
    with log.open("a") as file:
        file.write("[main] INFO x\n[main] ERROR a - no\njava.net.BindException: taken\nINFO end\n")
    told = "[main] ERROR a - no\njava.net.BindException: taken"
    assert complaints(log, since=since) == told
    assert complaints(log, 1, since=since) == "[main] ERROR a - no"
    assert complaints(tmp_path / "missing.log") == ""
