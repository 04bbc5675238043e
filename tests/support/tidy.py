"""What the rules of the house look for in the text of a file."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
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
READS_OWN_DATA: Final = {
    "services/ledger/chart.py": {"pathlib"},
    "services/reconciler/rules/bank_calendars.py": {"pathlib"},
    "services/reconciler/rules/matching_rules.py": {"pathlib"},
}
NOT_MONEY: Final = re.compile(r"second|timeout|interval|rate|ratio|score|similar|pause|wait|share")


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


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


# What a reader must know of each: what it waits for and how long, or why it is not run.
EXCUSED: Final = re.compile(r"\b(?:time|asyncio)\.sleep\(|\bpytest\.(?:mark\.)?(?:skip|xfail)")
REASON: Final = re.compile(r"  # (?!noqa|type:|pyright:|fmt:)\w|reason=f?\"")


def unexcused(text: str) -> Iterator[int]:
    """Lines that sleep or skip and do not say why."""
    for number, line in enumerate(text.splitlines(), 1):
        if EXCUSED.search(line) and not REASON.search(line):
            yield number
