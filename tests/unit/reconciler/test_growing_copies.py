"""No set, tuple or list of the core is copied whole in each turn of a loop.

Counting the lines of code that run (``test_speed.py``) does not see it: ``found = found | more`` is
one line and copies all that was found, and ``if key in (one | other)`` copies both for each key. Nor
can a clock on a busy machine. So the code is read.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

CORE = Path(__file__).parents[3] / "services" / "reconciler"
ROOMS = ("acts", "breaks", "evidence", "facts", "findings", "matching", "rules")
_LOOPS = (ast.For, ast.While)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.GeneratorExp, ast.DictComp)
_SET_JOINS = (ast.BitOr, ast.BitAnd, ast.BitXor)
_METHODS = frozenset({"union", "difference", "intersection", "symmetric_difference"})
_JOINS = (ast.BitOr, ast.Add, ast.Sub, ast.BitAnd, ast.BitXor)


def files() -> list[Path]:
    rooms = (path for room in ROOMS for path in (CORE / room).glob("*.py"))
    return sorted([*CORE.glob("*.py"), *rooms])


def copies_of_itself(source: str) -> list[int]:
    """The lines on which a loop gives a name all that it had, and more or less of it."""
    found: set[int] = set()
    for loop in ast.walk(ast.parse(source)):
        if isinstance(loop, _LOOPS):
            for node in ast.walk(loop):
                if isinstance(node, ast.Assign) and len(node.targets) == 1:
                    name = ast.unparse(node.targets[0])
                    if name in _copied(node.value) and name not in _fresh(loop):
                        found.add(node.lineno)
    return sorted(found)


def joined_anew(source: str) -> list[int]:
    """The lines on which each turn of a loop joins two sets that no turn changes."""
    found: set[int] = set()
    for loop in ast.walk(ast.parse(source)):
        if isinstance(loop, _LOOPS):
            turns: list[ast.AST] = [*loop.body]
            bound = _names_bound(loop)
        elif isinstance(loop, _COMPREHENSIONS):
            first, *more = loop.generators
            turns = [*first.ifs, *more, *_elements(loop)]
            bound = _names_bound(loop)
        else:
            continue
        for turn in turns:
            for node in ast.walk(turn):
                if isinstance(node, ast.BinOp) and isinstance(node.op, _SET_JOINS):
                    sides = (node.left, node.right)
                    is_set = all(isinstance(side, ast.Name | ast.Attribute) for side in sides)
                    if is_set and not bound & _names_in(node):
                        found.add(node.lineno)
    return sorted(found)


def _elements(made: ast.expr) -> list[ast.expr]:
    if isinstance(made, ast.DictComp):
        return [made.key, made.value]
    if isinstance(made, ast.ListComp | ast.SetComp | ast.GeneratorExp):
        return [made.elt]
    return []


def _names_bound(loop: ast.AST) -> set[str]:
    """The names that a loop binds or changes."""
    names = (n for n in ast.walk(loop) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store))
    called = (n.func for n in ast.walk(loop) if isinstance(n, ast.Call))
    changed = (c.value for c in called if isinstance(c, ast.Attribute))
    return {n.id for n in names} | {c.id for c in changed if isinstance(c, ast.Name)}


def _names_in(node: ast.AST) -> set[str]:
    return {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}


def _copied(value: ast.expr) -> Iterator[str]:
    """What an expression copies whole: an operand of a join, or what is spread in a display."""
    if isinstance(value, ast.BinOp) and isinstance(value.op, _JOINS):
        for side in (value.left, value.right):
            yield ast.unparse(side)
            yield from _copied(side)
    elif isinstance(value, ast.Set | ast.Tuple | ast.List):
        yield from (ast.unparse(e.value) for e in value.elts if isinstance(e, ast.Starred))
    elif isinstance(value, ast.Dict):
        spread = zip(value.keys, value.values, strict=True)
        yield from (ast.unparse(each) for key, each in spread if key is None)
    elif isinstance(value, ast.Call):
        if isinstance(value.func, ast.Attribute) and value.func.attr in _METHODS:
            yield ast.unparse(value.func.value)
        yield from (name for each in value.args for name in _copied(each))


def _fresh(loop: ast.stmt) -> set[str]:
    """Names that each turn of a loop begins anew: what one turn copies is bounded by the turn."""
    body = loop.body if isinstance(loop, _LOOPS) else []
    begun: set[str] = set()
    for node in body:
        if isinstance(node, ast.Assign) and len(node.targets) == 1:
            name = ast.unparse(node.targets[0])
            if name not in _copied(node.value):
                begun.add(name)
    return begun


@pytest.mark.parametrize("path", files(), ids=lambda path: str(path.relative_to(CORE)))
def test_loop_of_the_core_copies_nothing_whole_in_each_turn(path: Path) -> None:
    source = path.read_text("utf-8")
    lines = source.splitlines()
    found = sorted({*copies_of_itself(source), *joined_anew(source)})
    assert [f"{n}: {lines[n - 1].strip()}" for n in found] == []


@pytest.mark.parametrize(
    "body",
    [
        "found = found | more",
        "found = {*found, more}",
        "found = (*found, more)",
        "found = [*found, more]",
        "found = {**found, **more}",
        "found = found.union(more)",
        "by[key] = by[key] | more",
        "found = frozenset(found | more)",
    ],
)
def test_guard_sees_each_way_to_copy(body: str) -> None:
    assert copies_of_itself(f"for more in many:\n    {body}\n") == [2]


@pytest.mark.parametrize(
    "body", ["found |= more", "found.add(more)", "found.append(more)", "found = set(more)"]
)
def test_guard_lets_what_grows_in_place_be(body: str) -> None:
    assert copies_of_itself(f"for more in many:\n    {body}\n") == []


@pytest.mark.parametrize(
    "source",
    [
        "for key in keys:\n    if key in (one | other): go()",
        "done = [key for key in keys if key in (one | other)]",
        "done = {key: ids & (one | self.other) for key, ids in rows}",
        "while go():\n    left = key in (one & other)",
    ],
)
def test_guard_sees_sets_joined_anew_in_each_turn(source: str) -> None:
    assert joined_anew(source) != []


@pytest.mark.parametrize(
    "source",
    [
        "for key in one | other:\n    go(key)",
        "done = [key for key in one | other]",
        "for ids in rows:\n    left = ids & other",
        "for key in keys:\n    one.add(key)\n    left = one | other",
    ],
)
def test_guard_lets_be_what_is_joined_once_or_changes(source: str) -> None:
    assert joined_anew(source) == []
