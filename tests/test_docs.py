"""The documents: links lead somewhere, and commands that stand in code blocks exist."""

import re
import shlex
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

import pytest
from typer.testing import CliRunner

from tallystick.cli.main import build
from tallystick.cli.verbs import VERBS

ROOT: Final = Path(__file__).parents[1]
PAGES: Final = sorted(
    [
        *ROOT.glob("*.md"),
        *(ROOT / "docs").rglob("*.md"),
        *(ROOT / "services").rglob("README.md"),
        *(ROOT / "sandbox").rglob("README.md"),
    ]
)
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
HEADING = re.compile(r"^#{1,6}\s+(.*?)\s*$", re.MULTILINE)
SPAN = re.compile(r"`(tallystick [^`]+)`")


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    text = FENCE.sub("", page.read_text("utf-8"))
    return {
        re.sub(r"[^\w\- ]", "", heading.replace("`", "").lower()).replace(" ", "-")
        for heading in HEADING.findall(text)
    }


def broken_links(page: Path) -> list[str]:
    broken: list[str] = []
    for target in LINK.findall(FENCE.sub("", page.read_text("utf-8"))):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        there = (page.parent / path).resolve() if path else page
        if not there.exists() or (
            anchor and there.suffix == ".md" and anchor not in anchors(there)
        ):
            broken.append(target)
    return broken


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_of_page_lead_somewhere(page: Path) -> None:
    assert broken_links(page) == []


def test_link_check_sees_what_is_planted(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# One `two`\n[a](#one-two) [b](page.md#one-two) [c](none.md) [d](#none)\n")
    assert broken_links(page) == ["none.md", "#none"]


def commands(page: Path) -> Iterator[str]:
    """Command lines of shell blocks, and of `tallystick …` in the running text."""
    text = page.read_text("utf-8")
    for language, block in FENCE.findall(text):
        if language in ("", "sh", "bash", "shell", "console"):
            yield from (line.removeprefix("$ ") for line in block.splitlines() if line.strip())
    yield from SPAN.findall(FENCE.sub("", text))


def words(line: str) -> list[str]:
    try:
        return shlex.split(line, comments=True)
    except ValueError:
        return line.split()


def asked_of_tallystick(line: str) -> list[str] | None:
    """The verbs that a command line gives to ``tallystick``; ``None`` when it is none."""
    found = words(line)
    if found[:2] == ["python", "-m"]:
        found = found[2:]
    if not found or found[0].rsplit("/", 1)[-1] != "tallystick":
        return None
    plain = (word.rstrip(",") for word in found[1:])
    return [word for word in plain if re.fullmatch(r"[a-z][a-z-]*", word)]


@cache
def subcommands(verb: str) -> str:
    arguments = [verb, "--help"]
    return CliRunner().invoke(build(arguments), arguments).stdout


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_tallystick_commands_of_page_exist(page: Path) -> None:
    known = {verb.name for verb in VERBS}
    apps = {verb.name for verb in VERBS if verb.attribute == "app"}
    for line in commands(page):
        asked = asked_of_tallystick(line)
        if not asked:
            continue
        assert asked[0] in known, line
        if asked[0] in apps and len(asked) > 1:
            assert re.search(rf"\b{asked[1]}\b", subcommands(asked[0])), line


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_make_targets_of_page_exist(page: Path) -> None:
    targets = set(
        re.findall(r"^([a-z][\w-]*):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    )
    for line in commands(page):
        found = words(line)
        if found[:1] == ["make"] and len(found) > 1 and "=" not in found[1]:
            assert found[1] in targets, line


def test_glossary_is_in_order_and_names_nothing_twice() -> None:
    named = re.findall(
        r"^\| \*\*([^*]+)\*\*", (ROOT / "docs/glossary.md").read_text("utf-8"), re.MULTILINE
    )
    assert named == sorted(set(named), key=str.lower)
