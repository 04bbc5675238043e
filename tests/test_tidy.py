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

ROOT: Final = Path(__file__).parents[1]
ROOMS: Final = ("tallystick", "services", "shared", "sandbox", "oracle", "tests")
FILE_LINES_MAX: Final = 400
FUNCTION_LINES_MAX: Final = 60
# What talks to the outside, or asks for the time or for luck, has no place in a core.
IMPURE: Final = frozenset(
    [
        "aiokafka",
        "asyncpg",
        "aiosql",
        "faust",
        "mode",
        "starlette",
        "httpx",
        "stripe",
        "uvicorn",
        "uvloop",
        "prometheus_client",
        "structlog",
        "asyncio",
        "logging",
        "os",
        "random",
        "time",
        "secrets",
        "socket",
        "subprocess",
        "threading",
        "urllib",
        "pathlib",
        "tempfile",
        "shutil",
        "signal",
    ]
)
SHELLS: Final = ("shell", "runtime")
ASSEMBLY: Final = ("config.py", "__main__.py")
# Cores that read a file which belongs to them, at import, as part of their own text.
READS_OWN_DATA: Final = {"services/ledger/chart.py": {"pathlib"}}
MONEY_PATHS: Final = ("shared/contracts", "services", "oracle")
NOT_MONEY: Final = re.compile(r"second|timeout|interval|rate|ratio|score|similar|pause|wait|share")


def files_of(*rooms: str) -> list[Path]:
    return sorted(
        path
        for room in rooms
        for path in (ROOT / room).rglob("*.py")
        if "__pycache__" not in path.parts
    )


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


TREES: Final = {path: ast.parse(path.read_text("utf-8")) for path in files_of(*ROOMS)}


def is_core(path: Path) -> bool:
    """The folder decides: all but shells, runtime and the two files of assembly."""
    parts = path.relative_to(ROOT).parts
    return (
        parts[0] in ("services", "oracle")
        or parts[:2] == ("shared", "contracts")
    ) and not (set(parts) & set(SHELLS) or path.name in ASSEMBLY)  # fmt: skip


def imported(tree: ast.AST) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.lineno, node.module or ""
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def found_in(tree: ast.AST, *kinds: type[ast.AST]) -> Iterator[ast.AST]:
    return (node for node in ast.walk(tree) if isinstance(node, kinds))


def impure_imports(path: Path, tree: ast.AST) -> list[str]:
    allowed = READS_OWN_DATA.get(name_of(path), set())
    return [
        f"{name_of(path)}:{line} imports {name}"
        for line, name in imported(tree)
        if name.split(".")[0] in IMPURE - allowed
        or (set(name.split(".")) & set(SHELLS) and not name.startswith("sandbox"))
    ]


def test_core_file_imports_nothing_that_talks_to_the_outside() -> None:
    wrong = [w for path, tree in TREES.items() if is_core(path) for w in impure_imports(path, tree)]
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
        # A test is a story and may be long; a list of stories longer still.
        and path.parts[len(ROOT.parts)] != "tests"
    }
    assert long == {}


def test_function_is_no_longer_than_a_screen() -> None:
    long: list[str] = []
    for path, tree in TREES.items():
        if path.parts[len(ROOT.parts)] == "tests":
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or 0) - node.lineno + 1
                if lines > FUNCTION_LINES_MAX:
                    long.append(f"{name_of(path)}:{node.lineno} {node.name} has {lines} lines")
    assert long == []


def floats(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Float literals and conversions that no name of a duration or a likeness explains."""
    for statement in ast.walk(tree):
        if not isinstance(statement, ast.stmt) or isinstance(
            statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.If | ast.For
            | ast.While | ast.With | ast.AsyncWith | ast.Try | ast.AsyncFor | ast.Match
        ):  # fmt: skip
            continue
        text = ast.unparse(statement).lower()
        for node in ast.walk(statement):
            is_literal = isinstance(node, ast.Constant) and type(node.value) is float
            is_cast = (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Name)
                and node.func.id == "float"
            )
            if (is_literal or is_cast) and not NOT_MONEY.search(text):
                yield getattr(node, "lineno", 0), text[:80]


def test_money_path_has_no_float() -> None:
    wrong = [
        f"{name_of(path)}:{line} {text}"
        for path, tree in TREES.items()
        if name_of(path).startswith(MONEY_PATHS) and is_core(path)
        for line, text in floats(tree)
    ]
    assert wrong == []


def test_float_rule_sees_what_is_planted() -> None:
    for planted in ("amount = 1.5 * price", "minor = float(text)", "return 0.5"):
        assert list(floats(ast.parse(planted))), planted
    assert not list(floats(ast.parse("TIMEOUT_SECONDS = 1.5")))


SQL = re.compile(
    r"\s*(select\s.+\sfrom|insert\s+into|update\s.+\sset|delete\s+from|drop\s|truncate\s|copy\s"
    r"|create\s+(table|schema|role|view|database|index))\b",
    re.IGNORECASE | re.DOTALL,
)


def built_sql(tree: ast.AST) -> Iterator[int]:
    """Lines where SQL is put together from strings."""
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr) and any(
            isinstance(part, ast.FormattedValue) for part in node.values
        ):
            literal = "".join(
                part.value
                if isinstance(part, ast.Constant) and isinstance(part.value, str)
                else "x"
                for part in node.values
            )
        elif (
            isinstance(node, ast.BinOp)
            and isinstance(node.op, ast.Mod | ast.Add)
            and isinstance(node.left, ast.Constant)
            and isinstance(node.left.value, str)
        ):
            literal = node.left.value
        elif (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr == "format"
            and isinstance(node.func.value, ast.Constant)
            and isinstance(node.func.value.value, str)
        ):
            literal = node.func.value.value
        else:
            continue
        if SQL.match(literal):
            yield node.lineno


# A name of a schema or a role cannot be a parameter; each of these quotes what it puts in.
QUOTES_NAMES: Final = frozenset(
    {
        "shared/runtime/migrations.py",
        "shared/runtime/postgres.py",
        "services/ledger/shell/rebuild.py",
        "sandbox/stack/probe.py",
    }
)


def test_sql_is_never_put_together_from_strings() -> None:
    wrong = [
        f"{name_of(path)}:{line}"
        for path, tree in TREES.items()
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


# A digest of content may be compared as it likes; one that proves who speaks may not.
PROOF = re.compile(r"digest\(|hmac|signature|\bv1\b|secret|token|sha256", re.IGNORECASE)


def compared_digests(tree: ast.AST) -> Iterator[int]:
    """Lines where a digest, a signature or a secret is compared by ``==``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare) and any(
            isinstance(op, ast.Eq | ast.NotEq | ast.In | ast.NotIn) for op in node.ops
        ):
            sides = [node.left, *node.comparators]
            # Beside a constant or two answers of yes and no there is nothing to find out.
            told = any(isinstance(side, ast.Constant | ast.Compare) for side in sides)
            if not told and any(PROOF.search(ast.unparse(side)) for side in sides):
                yield node.lineno


def test_secrets_and_signatures_are_never_compared_by_equality() -> None:
    wrong = [
        f"{name_of(path)}:{line}"
        for path, tree in TREES.items()
        if name_of(path).startswith(("services/ingest", "services/console"))
        for line in compared_digests(tree)
    ]
    assert wrong == []


def test_digest_rule_sees_what_is_planted() -> None:
    assert list(compared_digests(ast.parse("if expected == signature: pass")))
    assert list(compared_digests(ast.parse("ok = hmac.digest(a, b, c) != given")))
    assert not list(compared_digests(ast.parse("ok = hmac.compare_digest(signature, given)")))


def sleeps(tree: ast.AST) -> Iterator[ast.Call]:
    """Calls of sleep, but for the pause of a loop that waits for a fact."""
    pauses = {
        id(call)
        for loop in found_in(tree, ast.While)
        for call in found_in(loop, ast.Call)
    }  # fmt: skip
    for node in ast.walk(tree):
        is_sleep = isinstance(node, ast.Call) and ast.unparse(node.func) in (
            "time.sleep",
            "asyncio.sleep",
            "sleep",
        )
        if not (isinstance(node, ast.Call) and is_sleep) or id(node) in pauses:
            continue
        # ``sleep(0)`` only lets others go first.
        if [ast.unparse(argument) for argument in node.args] != ["0"]:
            yield node


def test_test_never_sleeps() -> None:
    wrong = [
        f"{name_of(path)}:{node.lineno}"
        for path, tree in TREES.items()
        if name_of(path).startswith("tests/") and not name_of(path).startswith("tests/support/")
        for node in sleeps(tree)
    ]
    assert wrong == []


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
        pytest.skip("not a checkout")
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
