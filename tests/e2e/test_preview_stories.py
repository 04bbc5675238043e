"""Whole stories through `tallystick preview`, as a stranger would write them into a file.

Each story says what Stripe and the bank told, and the books and discrepancies that a bookkeeper
expects. Every story is told forwards, backwards, doubled and shuffled.
"""

import json
import random
from pathlib import Path
from typing import Any, cast

import pytest
from typer.testing import CliRunner

from tallystick.cli.main import build
from tests.support.stories import Json, Story
from tests.support.stories_of_stripe import STRIPE_STORIES
from tests.support.stories_of_the_bank import BANK_STORIES


def preview(tmp_path: Path, lines: list[str], story: Story) -> Json:
    file = tmp_path / "told.jsonl"
    file.write_text("\n".join(lines) + "\n")
    # In this process: seventy-five starts of the command would take longer than all the stories.
    arguments = ["preview", str(file), "--json", "--as-of", str(story.as_of), *story.options]
    done = CliRunner().invoke(build(arguments), arguments)
    assert done.exit_code == 0, done.output
    report: Json = json.loads(done.stdout)
    return report


def tellings(story: Story) -> list[list[str]]:
    told = [json.dumps(line) for line in story.told]
    shuffled = told * 2
    random.Random(7).shuffle(shuffled)
    return [told, told[::-1], shuffled]


@pytest.mark.parametrize("story", [*STRIPE_STORIES, *BANK_STORIES], ids=lambda s: s.name)
def test_preview_of_a_story_gives_the_books_a_bookkeeper_expects(
    story: Story, tmp_path: Path
) -> None:
    for told in tellings(story):
        report = preview(tmp_path, told, story)
        books = {
            (b["account"], b["key"], b["currency"]): int(b["minor"]) for b in report["balances"]
        }
        assert books == story.books
        found = [
            (d["kind"], "*" if d["kind"] == "negative_stripe_balance" else d["subject"],
             int((d["amount"] or {"minor": "0"})["minor"]))
            for d in report["discrepancies"]
        ]  # fmt: skip
        assert sorted(found) == sorted(story.discrepancies)
        matched = {
            (m["line"], tuple(sorted(m["settles"])), int(_minor(m["delta"])))
            for m in report["matches"]
        }
        assert matched == story.matches
        assert len(report["refused"]) == story.refused


def _minor(delta: Any) -> str:
    # An amount in full or bare minor units: the sum is what counts here.
    return str(cast("Json", delta)["minor"] if isinstance(delta, dict) else delta)
