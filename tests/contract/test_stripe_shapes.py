"""The golden archive: one payload of every shape in which Stripe tells an object, with its books.

A file lies in ``shapes/OBJECT/VERSION.WHAT.json`` and has ``about``, ``topic``, ``value``, ``books``
and ``outcomes``; of objects that only name a payment also what is ``behind``, and what ``book`` it
is where that is otherwise than usual (its basis, whether it sells credits). New shapes are added;
none is changed or removed, which ``DIGESTS`` (as ``sha256sum`` writes it) sees to: what was
archived once is read to the same books for ever, by every version of the rules from the one that a
file names (``rules``) to the one before it was booked otherwise (``LAST_BY``).
"""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Final, cast

import pytest

from oracle.model import Books as OracleBooks
from oracle.model import model_of
from oracle.values import Position, Record
from services.ledger.activation.in_force import InForce
from services.ledger.posting_rules import RULES_VERSION, Decision, decide
from services.ledger.readers.evidence import payment_behind
from shared.contracts.books import BookData, BookMap
from tests.unit.ledger.telling import Json, books, said, told

FOLDER: Final = Path(__file__).with_name("shapes")
FILES: Final = sorted(FOLDER.rglob("*.json"))
OBJECTS: Final = {
    "application_fee",
    "balance_transaction",
    "charge",
    "checkout.session",
    "credit_note",
    "dispute",
    "invoice",
    "invoice_payment",
    "payment_intent",
    "payout",
    "refund",
    "topup",
    "transfer",
}
# What Stripe has told since a version alone; everything else is older than the archive.
SINCE: Final = {"invoice_payment": "2025-03-31"}
ONLY_NAME_A_PAYMENT: Final = {"checkout.session", "invoice", "payment_intent"}

# Shapes that later rules book otherwise, and the last version that made the books in the file.
LAST_BY: Final = {
    "charge/2026-10-28.endive.credits": 1,
    "checkout.session/2020-08-27.credits": 1,
    "checkout.session/2026-10-28.endive.credits-of-a-guest": 1,
    "invoice/2026-10-28.endive.accrual-void": 1,
}


def archived(path: Path) -> Json:
    return cast("Json", json.loads(path.read_text(encoding="utf-8")))


def name_of(path: Path) -> str:
    return path.relative_to(FOLDER).as_posix().removesuffix(".json")


def under_each_version() -> Iterator[object]:
    for path in FILES:
        first, last = cast("int", archived(path).get("rules", 1)), LAST_BY.get(name_of(path))
        for version in range(first, (last or RULES_VERSION) + 1):
            yield pytest.param(path, version, id=f"{name_of(path)}-rules-{version}")


every_shape = pytest.mark.parametrize(("path", "version"), list(under_each_version()))


def decision_on(payload: Json, value: object, version: int = RULES_VERSION) -> Decision:
    book = BookData.model_validate(payload.get("book", {}))
    in_force = InForce(BookMap(books=(book,)), rules_version=version)
    return decide(told(str(payload["topic"]), value), in_force)


def shown(payload: Json) -> Json:
    """The object that a payload shows, polled or inside its event."""
    value = cast("Json", payload["value"])
    data = cast("Json", value["data"]) if payload["topic"] == "stripe.events" else {"object": value}
    return cast("Json", data["object"])


@every_shape
def test_shape_makes_its_books(path: Path, version: int) -> None:
    payload = archived(path)
    decision = decision_on(payload, payload["value"], version)
    assert books(decision).splitlines() == payload["books"]
    assert [list(map(str, each)) for each in said(decision)] == payload["outcomes"]


@every_shape
def test_shape_is_read_alike_by_the_oracle(path: Path, version: int) -> None:
    payload = archived(path)
    value = json.dumps(payload["value"]).encode()
    record = Record(Position(str(payload["topic"]), 0, 0), {"book": "main", "id": "m_1"}, value)
    book = cast("Json", payload.get("book", {}))
    lines = [f"{name} = {json.dumps(said)}" for name, said in book.items()]
    model = model_of([record], OracleBooks.of("\n".join(["[[books]]", *lines])).by_rules(version))
    assert not model.unreadable
    booked = {
        str(entry.reference): sorted(
            (str(p.account), p.key, p.amount.currency.code, p.signed_minor) for p in entry.postings
        )
        for entry in decision_on(payload, payload["value"], version).entries
    }
    assert booked == {
        name.reference: sorted(
            (leg.account, leg.key, leg.currency, leg.minor) for leg in tellings[0].fact.legs
        )
        for name, tellings in model.tellings.items()
    }


def with_unknown_fields(value: object) -> object:
    """The same with a field that nobody knows in every object of it."""
    if isinstance(value, dict):
        fields = {k: with_unknown_fields(v) for k, v in cast("Json", value).items()}
        return fields | {"field_of_tomorrow": {"object": "charge", "amount": 1, "x": [None]}}
    if isinstance(value, list):
        return [with_unknown_fields(each) for each in cast("list[object]", value)]
    return value


@every_shape
def test_shape_with_fields_that_nobody_knows_makes_the_same_books(path: Path, version: int) -> None:
    payload = archived(path)
    decision = decision_on(payload, with_unknown_fields(payload["value"]), version)
    assert books(decision).splitlines() == payload["books"]


# Lists of words that Stripe may lengthen and that no booking turns on.
OPEN_LISTS: Final = {
    *("reason", "failure_code", "failure_reason", "method", "source_type", "brand", "funding"),
    *("billing_reason", "capture_method", "confirmation_method", "cancellation_reason"),
    *("network_reason_code", "collection_method", "risk_level"),
    *("reconciliation_status", "api_version"),
}


def with_unknown_words(value: object) -> object:
    """The same with words that nobody knows where Stripe may add some."""
    if isinstance(value, dict):
        return {
            name: "word_of_tomorrow"
            if name in OPEN_LISTS and isinstance(inner, str)
            else with_unknown_words(inner)
            for name, inner in cast("Json", value).items()
        }
    if isinstance(value, list):
        return [with_unknown_words(each) for each in cast("list[object]", value)]
    return value


@every_shape
def test_shape_with_words_that_nobody_knows_makes_the_same_books(path: Path, version: int) -> None:
    payload = archived(path)
    decision = decision_on(payload, with_unknown_words(payload["value"]), version)
    assert books(decision).splitlines() == payload["books"]


@pytest.mark.parametrize(
    "path",
    [path for path in FILES if path.parent.name in ONLY_NAME_A_PAYMENT],
    ids=lambda path: path.relative_to(FOLDER).as_posix().removesuffix(".json"),
)
def test_object_that_moves_no_money_names_the_payment_behind_it(path: Path) -> None:
    payload = archived(path)
    assert payment_behind(path.parent.name, shown(payload)) == payload["behind"]
    details = [r.detail for r in decision_on(payload, payload["value"]).remarks]
    if details and payload["behind"]:
        assert details[0].endswith(f"its money is told by {payload['behind']}")


@pytest.mark.parametrize("odd", [5, [], {}, {"data": 5}, {"data": [1, {"payment": 7}]}, "x" * 300])
@pytest.mark.parametrize("name", ["latest_charge", "charges", "charge", "payments", "invoice"])
def test_link_to_a_payment_in_no_known_form_names_nothing(name: str, odd: object) -> None:
    for kind in ONLY_NAME_A_PAYMENT:
        assert payment_behind(kind, {name: odd}) == ""


def test_archive_has_each_object_in_old_shapes_and_in_those_of_today() -> None:
    assert {path.parent.name for path in FILES} == OBJECTS
    for kind in OBJECTS:
        versions = {path.name[:10] for path in (FOLDER / kind).iterdir()}
        assert min(versions) <= SINCE.get(kind, "2020-08-27"), kind
        assert "2026-10-28" in versions, kind
        assert len(versions) >= (3 if kind in SINCE else 4), kind


def digests() -> Iterator[tuple[str, str]]:
    for line in (FOLDER / "DIGESTS").read_text(encoding="utf-8").splitlines():
        digest, _, name = line.partition("  ")
        yield name, digest


def test_archived_shape_is_never_changed_or_removed() -> None:
    kept = {
        path.relative_to(FOLDER).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in FILES
    }
    assert kept == dict(digests())
