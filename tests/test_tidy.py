"""The rules of the house that a machine can hold; imports between rooms are import-linter's."""

import ast
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.support.tidy import (
    ROOT,
    built_sql,
    compared_digests,
    floats,
    impure_imports,
    is_core,
    name_of,
    sleeps,
    unexcused,
)

ROOMS: Final = ("tallystick", "services", "shared", "sandbox", "oracle", "tests")
FILE_LINES_MAX: Final = 400
FUNCTION_LINES_MAX: Final = 60
MONEY_PATHS: Final = ("shared/contracts", "services", "oracle")


def files_of(*rooms: str) -> list[Path]:
    return sorted(
        path
        for room in rooms
        for path in (ROOT / room).rglob("*.py")
        if "__pycache__" not in path.parts
    )


Trees = dict[Path, ast.Module]


@pytest.fixture(scope="module")
def trees() -> Iterator[Trees]:
    """Every file as Python reads it, for these tests alone.

    Read at import it would be read by every process that shares the tests, and its millions of
    nodes would stand in the way of each look for garbage until the last test.
    """
    found = {path: ast.parse(path.read_text("utf-8")) for path in files_of(*ROOMS)}
    yield found
    found.clear()


def test_core_file_imports_nothing_that_talks_to_the_outside(trees: Trees) -> None:
    wrong = [w for path, tree in trees.items() if is_core(path) for w in impure_imports(path, tree)]
    assert wrong == []


def test_purity_rule_sees_what_is_planted() -> None:
    path = ROOT / "services/ledger/rules/planted.py"
    for planted in (
        "import asyncpg",
        "from os import environ",
        "import urllib.request",
        "from shared.runtime import kafka",
        "from services.ledger.shell import books",
        "def f():\n    import random",
    ):
        assert is_core(path)
        assert impure_imports(path, ast.parse(planted)), planted
    assert not impure_imports(path, ast.parse("import re, json, hashlib\nfrom lxml import etree"))


def test_file_has_no_more_lines_than_one_idea_needs() -> None:
    long = {
        name_of(path): count
        for path in files_of(*ROOMS)
        if (count := len(path.read_text("utf-8").splitlines())) > FILE_LINES_MAX
    }
    assert long == {}


def test_function_is_no_longer_than_a_screen(trees: Trees) -> None:
    long: list[str] = []
    for path, tree in trees.items():
        if path.parts[len(ROOT.parts)] == "tests":
            continue  # A test is a story told in one place.
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or 0) - node.lineno + 1
                if lines > FUNCTION_LINES_MAX:
                    long.append(f"{name_of(path)}:{node.lineno} {node.name} has {lines} lines")
    assert long == []


def test_money_path_has_no_float(trees: Trees) -> None:
    wrong = [
        f"{name_of(path)}:{line} {text}"
        for path, tree in trees.items()
        if name_of(path).startswith(MONEY_PATHS) and is_core(path)
        for line, text in floats(tree)
    ]
    assert wrong == []


def test_float_rule_sees_what_is_planted() -> None:
    for planted in ("amount = 1.5 * price", "minor = float(text)", "return 0.5"):
        assert list(floats(ast.parse(planted))), planted
    assert not list(floats(ast.parse("TIMEOUT_SECONDS = 1.5")))


# A name of a schema or a role cannot be a parameter; each of these quotes what it puts in.
QUOTES_NAMES: Final = frozenset(
    {
        "shared/runtime/migrations.py",
        "shared/runtime/postgres.py",
        "services/ledger/shell/rebuilding/rebuild.py",
        "sandbox/stack/probe.py",
    }
)


def test_sql_is_never_put_together_from_strings(trees: Trees) -> None:
    wrong = [
        f"{name_of(path)}:{line}"
        for path, tree in trees.items()
        if path.parts[len(ROOT.parts)] != "tests" and name_of(path) not in QUOTES_NAMES
        for line in built_sql(tree)
    ]
    assert wrong == []


def test_sql_rule_sees_what_is_planted() -> None:
    for planted in (
        'f"select a from {table}"',
        '"delete from t where id = %s" % x',
        '"insert into t values (" + x',
        '"update {} set a = 1".format(t)',
    ):
        assert list(built_sql(ast.parse(planted))), planted
    assert not list(built_sql(ast.parse('f"selected {n} rows"')))


def test_secrets_and_signatures_are_never_compared_by_equality(trees: Trees) -> None:
    wrong = [
        f"{name_of(path)}:{line}"
        for path, tree in trees.items()
        if name_of(path).startswith(("services/ingest", "services/console"))
        for line in compared_digests(tree)
    ]
    assert wrong == []


def test_digest_rule_sees_what_is_planted() -> None:
    assert list(compared_digests(ast.parse("if expected == signature: pass")))
    assert list(compared_digests(ast.parse("ok = hmac.digest(a, b, c) != given")))
    assert not list(compared_digests(ast.parse("ok = hmac.compare_digest(signature, given)")))


def test_test_never_sleeps(trees: Trees) -> None:
    # What makes load at a rate must pause; a test has nothing to pause for.
    lawful = ("tests/support/", "tests/bench/")
    wrong = [
        f"{name_of(path)}:{node.lineno}"
        for path, tree in trees.items()
        if name_of(path).startswith("tests/") and not name_of(path).startswith(lawful)
        for node in sleeps(tree)
    ]
    assert wrong == []


def test_pause_and_skip_carry_a_reason_on_the_line() -> None:
    wrong = [
        f"{name_of(path)}:{number}"
        for path in files_of(*ROOMS)
        for number in unexcused(path.read_text("utf-8"))
    ]
    assert wrong == []


def test_reason_rule_sees_what_is_planted() -> None:
    for planted in ("time", "asyncio"):
        bare = f"await {planted}.sleep" + "(0.1)"
        assert list(unexcused(bare)) == [1]
        assert not list(unexcused(f"{bare}  # bounded poll: the deadline above"))


def test_todo_names_an_issue() -> None:
    marker = re.compile(r"\b(TODO|FIXME|XXX)\b(?!.*#\d+)")  # the rule's own words: see issue #3
    wrong = [
        f"{name_of(path)}:{number}"
        for path in files_of(*ROOMS)
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
        if marker.search(line) and "marker" not in line
    ]
    assert wrong == []


def test_any_and_ignores_carry_a_reason_on_the_line() -> None:
    ignored = re.compile(r"#\s*(?:type|pyright):\s*ignore(?!\[[\w\-, ]+\]\s*[#\-]\s*\S)")
    wrong = [
        f"{name_of(path)}:{number} {line.strip()[:80]}"
        for path in files_of(*ROOMS)
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
        if ignored.search(line) and "ignored" not in line and "re.compile" not in line
    ]
    assert wrong == []


def test_service_has_a_page_settings_and_one_place_of_assembly() -> None:
    for service in sorted((ROOT / "services").iterdir()):
        if not service.is_dir() or service.name.startswith("_"):
            continue
        missing = [
            f for f in ("README.md", "config.py", "__main__.py") if not (service / f).is_file()
        ]
        assert missing == [], service.name
        lines = (service / "__main__.py").read_text("utf-8").splitlines()
        assert len(lines) < 100, f"{service.name}/__main__.py puts parts together and no more"


def test_migration_has_a_reason_and_numbers_have_no_gap() -> None:
    for folder in (ROOT / "services").rglob("migrations"):
        files = sorted(folder.glob("*.sql"))
        assert [int(file.name[:4]) for file in files] == list(range(1, len(files) + 1)), folder
        for file in files:
            assert re.fullmatch(r"\d{4}_[a-z0-9_]+\.sql", file.name), file
            assert file.read_text("utf-8").startswith("-- "), f"{file}: why?"


def test_query_has_a_name_and_a_line_about_it() -> None:
    for file in (ROOT / "services").rglob("shell/sql/*.sql"):
        lines = file.read_text("utf-8").splitlines()
        named = [i for i, line in enumerate(lines) if line.startswith("-- name: ")]
        assert named, file
        for i in named:
            assert lines[i + 1].startswith("-- "), f"{file}:{i + 2} says what no row means"


def test_sql_names_its_columns() -> None:
    star = re.compile(r"select\s+\*", re.IGNORECASE)
    wrong = [
        f"{file.relative_to(ROOT)}:{number}"
        for file in (ROOT / "services").rglob("*.sql")
        for number, line in enumerate(file.read_text("utf-8").splitlines(), 1)
        if star.search(line.split("--")[0]) and "count(*)" not in line
    ]
    assert wrong == []


def test_project_names_no_path_of_this_machine() -> None:
    git = shutil.which("git")
    if git is None or not (ROOT / ".git").exists():
        pytest.skip("not a checkout")  # asks git, which an archive lacks
    listed = subprocess.run(
        [git, "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True, text=True
    ).stdout.split("\0")
    place = re.compile(re.escape(os.fspath(ROOT)) + r"\b")
    wrong = [
        name
        for name in listed
        if name
        and (ROOT / name).is_file()
        and place.search((ROOT / name).read_text("utf-8", "ignore"))
    ]
    assert wrong == []


def test_imports_between_rooms_are_as_pyproject_says() -> None:
    done = subprocess.run(
        [Path(sys.executable).parent / "lint-imports", "--no-cache"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
