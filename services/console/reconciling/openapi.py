"""Reconciliation's part of the OpenAPI document."""

from collections.abc import Callable
from typing import Any, Final

from services.console.views import Json
from shared.contracts.acts import RECONCILER_ACT

REPORTS: Final = (
    "payouts",
    "bank",
    "aging",
    "proof-of-cash",
    "position",
    "lines",
    "custody",
)
_FORMAT: Final = {
    "name": "format",
    "in": "query",
    "schema": {"type": "string", "enum": ["json", "csv", "html"]},
    "description": "else by the `Accept` header: a page for a browser, else JSON",
}


def reconciling_paths(
    book: Json, problems: Json, reading: Callable[[str, list[Json]], Json]
) -> Json:
    """Acts, certificates, reports and sign-offs."""
    path = "/v1/books/{book}"
    days = [_query("from", "the first day"), _query("to", "the last day; else today")]
    name = _in_path("name", "the report") | {"schema": {"type": "string", "enum": list(REPORTS)}}
    account = _query(
        "account", "the bank account, of the reports that are of one; else the first of the book"
    )
    return {
        f"{path}/discrepancies/{{id}}": reading(
            "One discrepancy in its full state", [_in_path("id", "its id")]
        ),
        f"{path}/payouts/{{id}}/certificate": _on_paper(
            "A payout's certificate: three sums that have to agree",
            [book, _in_path("id", "the payout"), _FORMAT],
            problems,
        ),
        f"{path}/reconciliation/reports/{{name}}": _on_paper(
            "A report, with the clocks of both sides",
            [book, name, *days, account, _FORMAT],
            problems,
        ),
        f"{path}/reconciliation/sign-offs": reading(
            "Reconciliations signed off, and whether their chain holds", []
        ),
        f"{path}/reconciliation/acts/{{key}}": reading(
            "What became of an act", [_in_path("key", "its name, as the act's answer told it")]
        ),
        f"{path}/reconciliation/acts": _acting(book),
    }


def act_schema() -> Json:
    """The body of an act: the contract without what address, header and token say."""
    schema: dict[str, Any] = RECONCILER_ACT.json_schema(  # Any: a JSON Schema
        ref_template="#/components/schemas/Act/$defs/{model}"
    )
    for definition in schema.get("$defs", {}).values():
        for name in ("book", "actor", "idempotency_key"):
            definition.get("properties", {}).pop(name, None)
        if "required" in definition:
            definition["required"] = [n for n in definition["required"] if n != "idempotency_key"]
    return schema


def _acting(book: Json) -> Json:
    answers = {
        "201": "carried out",
        "200": "the same request under the same key was carried out before",
        "202": "taken, not yet decided: look at `Location`",
        "400": "the request is no act",
        "401": "no token",
        "403": "the token does not open this: it takes the scope `reconcile`",
        "404": "no such book",
        "409": "the key was used for another act",
        "413": "the body is too large",
        "415": "the body is not JSON",
        "422": "refused, with the reason",
        "503": "not taken: try again under the same key",
    }
    key = {
        "name": "Idempotency-Key",
        "in": "header",
        "required": True,
        "schema": {"type": "string", "minLength": 1, "maxLength": 500},
    }
    return {
        "post": {
            "summary": "Work discrepancies; match, take back, write off, sign off by hand",
            "security": [{"bearer": []}],
            "parameters": [book, key],
            "requestBody": {
                "required": True,
                "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Act"}}},
            },
            "responses": {status: {"description": about} for status, about in answers.items()},
        }
    }


def _on_paper(about: str, parameters: list[Json], problems: Json) -> Json:
    forms: Json = {
        "application/json": {"schema": {"type": "object"}},
        "text/csv": {"schema": {"type": "string"}},
        "text/html": {"schema": {"type": "string"}},
    }
    return {
        "get": {
            "summary": about,
            "parameters": parameters,
            "responses": {"200": {"description": about, "content": forms}, **problems},
        }
    }


def _in_path(name: str, about: str) -> Json:
    return {
        "name": name,
        "in": "path",
        "required": True,
        "schema": {"type": "string"},
        "description": about,
    }


def _query(name: str, about: str) -> Json:
    return {"name": name, "in": "query", "schema": {"type": "string"}, "description": about}
