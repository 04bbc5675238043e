"""Stripe's payloads in their complete shapes, and the books that each makes.

A file has ``about``, ``topic``, ``value`` and ``books``: what is booked, as a bookkeeper writes it.
"""

import json
from pathlib import Path
from typing import cast

import pytest

from services.ledger.activation.in_force import InForce
from services.ledger.posting_rules import decide
from tests.unit.ledger.telling import Json, books, told

FILES = sorted(Path(__file__).with_name("booked").glob("*.json"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_payload_makes_its_books(path: Path) -> None:
    payload = cast("Json", json.loads(path.read_text()))
    decision = decide(told(str(payload["topic"]), payload["value"]), InForce())
    assert books(decision).splitlines() == payload["books"]


def test_payloads_show_every_kind_of_object_that_books() -> None:
    assert len(FILES) > 40
