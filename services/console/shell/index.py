"""What stands at the console's root: where everything is, for a person and for a program."""

from collections.abc import Iterable
from html import escape
from typing import Final
from urllib.parse import quote

from services.console.views import Json

# The page loads nothing, runs nothing, sends nothing and stands in no frame.
CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_FORMS: Final = (
    "<p>The books to read. Statements and reports are pages, and data with"
    " <code>?format=csv</code> or <code>?format=json</code>; the rest is JSON, in which amounts are"
    " whole minor units and debit is positive.</p>"
)
_VIEWS: Final = (
    ("trial_balance", "trial-balance", "totals by account and currency"),
    ("trial_balance_as_of", "statements/trial-balance", "the same as a statement, as of any time"),
    ("balance_sheet", "statements/balance-sheet", "assets, liabilities, equity"),
    ("income_statement", "statements/income-statement", "what was earned and spent"),
    ("cash_flow", "statements/cash-flow", "where cash came from and went"),
    ("solvency", "statements/solvency", "whether what is owed can be paid"),
    ("general_ledger", "statements/general-ledger", "every account's postings"),
    ("balances", "balances", "what each account holds"),
    ("open_items", "open-items", "what waits for its other half"),
    ("entries", "entries", "the journal"),
    ("open_discrepancies", "discrepancies?state=open", "what is wrong now"),
    ("discrepancies", "discrepancies", "what is wrong or was"),
    ("payouts", "reconciliation/reports/payouts", "payouts of the last month, reconciled"),
    ("custody", "reconciliation/reports/custody", "from charge to bank line"),
    ("position", "reconciliation/reports/position", "bank and Stripe against the ledger"),
    ("aging", "reconciliation/reports/aging", "how long what is wrong has been so"),
    ("sign_offs", "reconciliation/sign-offs", "reconciliations signed off"),
)
_HEALTH: Final = (
    ("alive", "/livez", "whether the process is alive"),
    ("ready", "/readyz", "whether it can answer, and if not, why"),
    ("metrics", "/metrics", "for Prometheus"),
    ("openapi", "/openapi.json", "every address with what it takes and gives"),
)


def told(books: Iterable[str], *, needs_token: bool) -> Json:
    """The addresses as data. Where reading needs a token no book is named to whoever has none."""
    by = ", with a bearer token" if needs_token else ""
    return {
        "service": "console",
        **{name: path for name, path, _ in _HEALTH},
        "reading": f"/v1/books/{{book}}/trial-balance and others{by}",
        "books": {}
        if needs_token
        else {book: {name: _address(book, path) for name, path, _ in _VIEWS} for book in books},
    }


def page(books: Iterable[str], *, needs_token: bool) -> str:
    """The same as a page with links."""
    parts = [
        "<!doctype html>",
        '<html lang="en">',
        '<meta charset="utf-8">',
        "<title>Tallystick console</title>",
        "<h1>Tallystick console</h1>",
        _FORMS,
    ]
    if needs_token:
        parts.append(
            "<p>Reading needs a bearer token, which a browser does not send by itself:"
            " <code>curl -H 'Authorization: Bearer …'</code> with the addresses of"
            ' <a href="/openapi.json">openapi.json</a>.</p>'
        )
    else:
        for book in books:
            rows = [(_address(book, path), path, about) for _, path, about in _VIEWS]
            parts += [f"<h2>Book {escape(book)}</h2>", *_list(rows)]
    parts += ["<h2>This service</h2>", *_list((path, path, about) for _, path, about in _HEALTH)]
    return "\n".join([*parts, "</html>", ""])


def _address(book: str, path: str) -> str:
    return f"/v1/books/{quote(book, safe='')}/{path}"


def _list(rows: Iterable[tuple[str, str, str]]) -> list[str]:
    items = [
        f'<li><a href="{escape(address)}">{escape(name)}</a>: {escape(about)}</li>'
        for address, name, about in rows
    ]
    return ["<ul>", *items, "</ul>"]
