"""The OpenAPI 3.1 document of the console."""

from typing import Any, Final

from services.console.reconciling.openapi import act_schema, reconciling_paths
from services.console.statements.page import Form
from services.console.statements.query import DEPTH_MAX
from services.console.statements.report import Kind
from services.console.statements.roll_up import Unit
from services.console.views import LIMIT_DEFAULT, LIMIT_MAX, Json
from shared.contracts.commands import LEDGER_COMMAND

_BOOK: Final = {
    "name": "book",
    "in": "path",
    "required": True,
    "schema": {"type": "string"},
    "description": "the book's name; the only one of a small installation is `main`",
}
_CUSTOMER: Final = {
    "name": "customer",
    "in": "path",
    "required": True,
    "schema": {"type": "string"},
    "description": "the customer's id, an email address, or a payment of nobody yet",
}
_AFTER: Final = {
    "name": "after",
    "in": "query",
    "schema": {"type": "string"},
    "description": "the `next` of the page before",
}
_FORM: Final = {
    "name": "format",
    "in": "query",
    "schema": {"type": "string", "enum": list(Form)},
    "description": "how it is written; without it a page where `Accept` has `text/html`, else JSON",
}
_LIMIT: Final = {
    "name": "limit",
    "in": "query",
    "schema": {"type": "integer", "minimum": 1, "maximum": LIMIT_MAX, "default": LIMIT_DEFAULT},
}
_PROBLEM: Final = {
    "description": "what is wrong",
    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
}
_READ_PROBLEMS: Final = {"400": _PROBLEM, "401": _PROBLEM, "403": _PROBLEM, "404": _PROBLEM,
                         "503": _PROBLEM}  # fmt: skip


def document() -> Json:
    """The whole document."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Tallystick console",
            "version": "1.0.0",
            "description": (
                "The books to read, and commands to the ledger. Amounts are integers of minor"
                " units as text. Each answer says as of which positions it holds."
            ),
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": {
            "/": _health("What is here: a page for a browser, else JSON"),
            "/livez": _health("Whether the process is alive"),
            "/readyz": _health("Whether it can answer, and if not, why"),
            "/metrics": _health("Metrics in Prometheus's text format"),
            "/openapi.json": _health("This document"),
            "/v1/books/{book}/trial-balance": _reading(
                "Totals by account and currency, and whether they balance", []
            ),
            "/v1/books/{book}/balances": _reading(
                "Balances by account and currency, debit positive",
                [_query("account", "an account, and those under it")],
            ),
            "/v1/books/{book}/open-items": _reading(
                "Keys of clearing accounts that do not stand at zero", [_AFTER, _LIMIT]
            ),
            "/v1/books/{book}/entries": _reading(
                "Entries with their postings, by input partition and sequence", [_AFTER, _LIMIT]
            ),
            "/v1/books/{book}/credits": _reading(
                "Customers with credits, what of them is held, and what is available",
                [_AFTER, _LIMIT],
            ),
            "/v1/books/{book}/credits/{customer}": _reading(
                "A customer's credits in each currency, and what they moved by, the last first",
                [_CUSTOMER, _AFTER, _LIMIT],
            ),
            **_statements(),
            "/v1/books/{book}/discrepancies": _reading(
                "Discrepancies in their full state",
                [_query("state", "open, acknowledged, explained or resolved"), _AFTER, _LIMIT],
            ),
            **reconciling_paths(_BOOK, _READ_PROBLEMS, _reading),
            "/v1/books/{book}/commands": _commanding(),
            "/v1/books/{book}/commands/{key}": _reading(
                "What became of the commands under an idempotency key",
                [{"name": "key", "in": "path", "required": True, "schema": {"type": "string"}}],
            ),
        },
        "components": {
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
            "schemas": {"Problem": _problem(), "Command": _command(), "Act": act_schema()},
        },
        "security": [{"bearer": []}, {}],
    }


def _statements() -> Json:
    """The paths of the statements; each answer has an ``ETag`` of what it holds for."""
    standing = [
        _query("as_of", "a day, or a time with its zone: what took effect later does not count"),
        _query("recorded_as_of", "the same for when facts were recorded"),
        _query("currency", "only this currency by itself"),
        _query("reporting", "the currency to translate all into; empty: none, not the book's own"),
    ]
    span = [_query("from", "the first day"), _query("to", "the last day")]
    listed = [*standing[:2], *span]
    path = "/v1/books/{book}/statements"
    under = _query("account", "an account, and those under it")
    account = {
        "name": "account",
        "in": "path",
        "required": True,
        "schema": {"type": "string"},
        "description": "the account's name; 404 where nothing was ever booked on it",
    }
    made: Json = {
        f"{path}/{kind}": _reading(
            f"{kind.value.replace('-', ' ').capitalize()}, each currency by itself and all in one",
            [*standing, *(span if kind.is_of_a_period else [])],
        )
        for kind in Kind
    } | {
        f"{path}/accounts/{{account}}": _reading(
            "An account's postings by time with its running balance",
            [account, *listed, _AFTER, _LIMIT],
        ),
        f"{path}/general-ledger": _reading(
            "Every account's statement, one after the other", [under, *listed, _AFTER, _LIMIT]
        ),
        f"{path}/roll-up": _reading(
            "Turnover by account prefix, by key, by tag or by span of time",
            [*_roll_up_words(), under, *listed],
        ),
    }
    for told in made.values():
        told["get"]["parameters"].append(_FORM)
        answers = told["get"]["responses"]
        answers["200"]["content"] |= {
            name: {"schema": {"type": "string"}} for name in ("text/csv", "text/html")
        }
        answers["200"]["headers"] = {
            "ETag": {"schema": {"type": "string"}},
            "Link": {"schema": {"type": "string"}, "description": "the next page of a list"},
        }
        answers["304"] = {"description": "nothing has changed since the `If-None-Match` answer"}
    return made


def _roll_up_words() -> list[Json]:
    """What a roll-up may be asked for beside an account and a time."""
    by = {
        "name": "by",
        "in": "query",
        "schema": {
            "type": "string",
            "enum": ["account", "key", "tag", *Unit],
            "default": "account",
        },
        "description": "what to sum up by; by key what stood under each key of an account, with"
        " `from` what each turned over",
    }
    depth = {
        "name": "depth",
        "in": "query",
        "schema": {"type": "integer", "minimum": 1, "maximum": DEPTH_MAX, "default": DEPTH_MAX},
        "description": "how many segments of an account's name are kept",
    }
    tags = _query(
        "tags",
        "slices named here: `NAME=ACCOUNT,ACCOUNT;NAME=…`, by tag or by a span of time; by key they"
        " may name keys, `NAME=ACCOUNT[KEY],…`",
    )
    return [by, depth, tags]


def _problem() -> Json:
    return {
        "type": "object",
        "required": ["error", "detail"],
        "properties": {
            "error": {"type": "string"},
            "detail": {"type": "string"},
            "way_out": {"type": "string"},
        },
    }


def _command() -> Json:
    """The body of a command: the contract without what address, header and token say."""
    schema: dict[str, Any] = LEDGER_COMMAND.json_schema(  # Any: a JSON Schema
        ref_template="#/components/schemas/Command/$defs/{model}"
    )
    for definition in schema.get("$defs", {}).values():
        for name in ("book", "actor", "idempotency_key"):
            definition.get("properties", {}).pop(name, None)
        if "required" in definition:
            definition["required"] = [n for n in definition["required"] if n != "idempotency_key"]
    return schema


def _query(name: str, about: str) -> Json:
    return {"name": name, "in": "query", "schema": {"type": "string"}, "description": about}


def _health(about: str) -> Json:
    return {"get": {"summary": about, "security": [], "responses": {"200": {"description": about}}}}


def _reading(about: str, parameters: list[Json]) -> Json:
    return {
        "get": {
            "summary": about,
            "parameters": [_BOOK, *parameters],
            "responses": {
                "200": {
                    "description": about,
                    "content": {
                        "application/json": {
                            "schema": {"type": "object", "required": ["book", "as_of"]}
                        }
                    },
                }
            }
            | _READ_PROBLEMS,
        }
    }


def _commanding() -> Json:
    answers = {
        "201": "booked, or carried out",
        "200": "the same request under the same key was carried out before",
        "202": "taken, not yet decided: look at `Location`",
        "400": "the request is no command",
        "401": "no token",
        "403": "the token does not open this",
        "404": "no such book",
        "409": "the key was used for another command",
        "413": "the body is too large",
        "415": "the body is not JSON",
        "422": "refused, with the reason",
        "503": "not taken: try again under the same key",
    }
    return {
        "post": {
            "summary": "Ask the ledger for an entry, or record an exchange rate",
            "security": [{"bearer": []}],
            "parameters": [
                _BOOK,
                {
                    "name": "Idempotency-Key",
                    "in": "header",
                    "required": True,
                    "schema": {"type": "string", "minLength": 1, "maxLength": 500},
                },
            ],
            "requestBody": {
                "required": True,
                "content": {
                    "application/json": {"schema": {"$ref": "#/components/schemas/Command"}}
                },
            },
            "responses": {status: {"description": about} for status, about in answers.items()},
        }
    }
