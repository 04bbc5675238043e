"""The books of a sandbox are what commands of its folder read, unless another file is given."""

from pathlib import Path

import pytest

from sandbox.stack import StackSettings
from tallystick.local_books import VARIABLE, books_file, books_variables, sandbox_folder


def test_folder_without_a_sandbox_names_no_books(tmp_path: Path) -> None:
    assert books_variables(StackSettings(dir=tmp_path), {}) == {}


@pytest.mark.parametrize(
    ("environment", "is_named"),
    [({}, True), ({VARIABLE: ""}, True), ({VARIABLE: "books.toml"}, False)],
)
def test_books_of_a_sandbox_are_named_where_no_other_file_is(
    tmp_path: Path, environment: dict[str, str], *, is_named: bool
) -> None:
    settings = StackSettings(dir=tmp_path)
    path = books_file(sandbox_folder(settings))
    path.parent.mkdir(parents=True)
    path.touch()
    wanted = {VARIABLE: str(path)} if is_named else {}
    assert books_variables(settings, environment) == wanted
