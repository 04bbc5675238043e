from pathlib import Path

import pytest

from shared.runtime.migrations import MigrationInvalid, read_migrations
from shared.runtime.postgres import load_queries


def test_migrations_are_read_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    (tmp_path / "0002_more.sql").write_text("select 2")
    (tmp_path / "0001_first.sql").write_text("select 1")
    assert [m.name for m in read_migrations(tmp_path)] == ["0001_first", "0002_more"]


@pytest.mark.parametrize("names", [["1_x.sql"], ["0002_x.sql"], ["0001_x.sql", "0003_y.sql"]])
def test_migrations_with_a_gap_or_another_name_are_refused(
    tmp_path: Path, names: list[str]
) -> None:
    for name in names:
        (tmp_path / name).write_text("select 1")
    with pytest.raises(MigrationInvalid):
        read_migrations(tmp_path)


def test_queries_are_loaded_by_name_from_all_files_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "a.sql").write_text("-- name: one\n-- What one is.\nselect $1::text\n")
    (tmp_path / "b.sql").write_text("-- name: two!\nupdate t set a = 'x:y'\n")
    queries = load_queries(tmp_path)
    assert set(queries) == {"one", "two"}
    assert "$1::text" in queries["one"]
    assert "'x:y'" in queries["two"]


def test_queries_of_one_name_in_two_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.sql").write_text("-- name: one\nselect 1\n")
    (tmp_path / "b.sql").write_text("-- name: one\nselect 2\n")
    with pytest.raises(ValueError, match="stands twice"):
        load_queries(tmp_path)
