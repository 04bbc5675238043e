"""Point 6: the same figures in each form: table, CSV, JSON, HTTP and the published SQL views."""

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import quote

import asyncpg
import orjson

from tests.walk import atelier
from tests.walk.atelier import ALL, BOOK, EXPONENTS, JPY, USD, sums
from tests.walk.figures import STATEMENTS, of_csv, of_json, of_sql, written
from tests.walk.standing import ROOT
from tests.walk.walking import Json, Walk

POINT = "6"
AT = "/v1/books/atelier"
# What stands in each answer beside its figures, and differs from one reading to the next.
OF_THE_READING: Final = ("as_of", "read_at", "is_provisional", "waiting_for")
# The same statement for the command line, over HTTP and in SQL.
MARCH: Final = (("--as-of", "2026-03-31"), "as_of=2026-03-31")
SPRING: Final = (
    ("--from", "2026-02-01", "--to", "2026-03-31"),
    "from=2026-02-01&to=2026-03-31",
)
ASKED: Final[Mapping[str, tuple[tuple[str, ...], str]]] = {
    "trial-balance": MARCH,
    "balance-sheet": MARCH,
    "income-statement": SPRING,
    "cash-flow": SPRING,
    "solvency": MARCH,
}
IN_SQL: Final = {
    "trial-balance": "select account, currency, debit_minor, credit_minor"
    " from ledger_read.trial_balance_as_of('atelier', '2026-03-31')",
    "balance-sheet": "select account, currency, minor"
    " from ledger_read.balance_sheet_as_of('atelier', '2026-03-31')",
    "income-statement": "select account, currency, minor"
    " from ledger_read.income_statement_between('atelier', '2026-02-01', '2026-03-31')",
    "cash-flow": "select account, currency, minor"
    " from ledger_read.cash_flow_between('atelier', '2026-02-01', '2026-03-31')"
    " where activity <> 'income'",
}
RATIOS: Final = ("current_ratio", "quick_ratio", "debt_to_equity")


def walk(w: Walk) -> None:
    """Each statement in each form, and what the HTTP API and the views promise beside it."""
    atelier.tell(w)
    for name in STATEMENTS:
        _one_statement(w, name)
    _solvency_in_sql(w)
    _translated_in_sql(w)
    _movements_in_sql(w)
    _roles(w)
    _openapi(w)
    _paging(w)
    _etags(w)
    _tokens_and_refusals(w)


def _one_statement(w: Walk, name: str) -> None:
    words, query = ASKED[name]
    said = w.cli("report", name, *words, "--book", BOOK, "--format", "json")
    told = said.json
    path = f"{AT}/statements/{name}?{query}"
    over_http = w.http("GET", path, token="reader")
    w.same(
        POINT,
        f"{name}: over HTTP it is the JSON of the command line, word for word",
        _steady(over_http.json()) == _steady(told),
        True,
    )
    csv = w.cli("report", name, *words, "--book", BOOK, "--format", "csv").out
    same = w.http("GET", f"{path}&format=csv", token="reader")
    w.same(
        POINT,
        f"{name}: the CSV of both is the same, {len(csv.splitlines())} lines of it",
        (same.text.replace("\r\n", "\n").strip(), same.headers["content-type"].partition(";")[0]),
        (csv.replace("\r\n", "\n").strip(), "text/csv"),
    )
    if name == "solvency":
        return
    _figures(w, name, told, csv, w.cli("report", name, *words, "--book", BOOK).out)


def _figures(w: Walk, name: str, told: Json, csv: str, table: str) -> None:
    figures = of_json(told)
    # Currency trading is a line of its own there, beside the sections of JSON.
    beside = {("cash-flow", "exchange"), ("income-statement", "exchange")}
    of_it = {
        place: amount
        for place, amount in of_csv(csv).items()
        if (name, place[1].rpartition(":")[2]) not in beside
    }
    w.same(POINT, f"{name}: CSV and JSON have the same figures", of_it, figures)
    missing = [
        (account, its)
        for (currency, account), amount in figures.items()
        for its in [written(amount, EXPONENTS[currency])]
        if not re.search(rf"\({re.escape(account)}\)\s+-?{re.escape(its)}\b", table)
    ]
    w.same(
        POINT, f"{name}: the table writes each of {len(figures)} beside its account", missing, []
    )
    in_sql = of_sql(w.sql(IN_SQL[name]))
    in_sql = {p: m for p, m in in_sql.items() if (name, p[1].rpartition(":")[2]) not in beside}
    w.same(POINT, f"{name}: the published function has the same figures", in_sql, figures)


def _steady(told: Json) -> Json:
    return {name: value for name, value in told.items() if name not in OF_THE_READING}


def _solvency_in_sql(w: Walk) -> None:
    told = w.cli("report", "solvency", *MARCH[0], "--book", BOOK, "--format", "json").json
    found = {
        row["currency"]: [
            None if row[name] is None else f"{row[name]:.2f}" for name in RATIOS
        ] + [int(row["net_equity_minor"])]
        for row in w.sql("select * from ledger_read.solvency_as_of('atelier', '2026-03-31')")
    }  # fmt: skip
    expected = {
        s["currency"]: [s[name]["value"] for name in RATIOS] + [int(s["net_equity"]["minor"])]
        for s in told["statements"]
    }
    w.same(POINT, "solvency: the published function has the same ratios", found, expected)


def _translated_in_sql(w: Walk) -> None:
    rows = w.sql("select * from ledger_read.translated('atelier', 'usd', 2, null, '2026-03-31')")
    of, found = sums(until=atelier.MARCH), 0
    for row in rows:
        found += int(row["at_closing_rate_minor"]) if row["account"].startswith("assets") else 0
    expected = atelier.in_dollars(
        {place: amount for place, amount in of.items() if place[0].startswith("assets")},
        atelier.MARCH,
    )
    w.same(POINT, "translated in SQL: assets at the closing rate", found, expected)


def _movements_in_sql(w: Walk) -> None:
    rows = w.sql(
        "select account, key, currency, direction, minor, reference from ledger_read.movements"
        " where book = 'atelier' and effective_at < '2026-06-30'"
    )
    found = sorted(
        (
            *(row["reference"], row["account"], row["key"], row["currency"]),
            int(row["minor"]) * (1 if row["direction"] == "debit" else -1),
        )
        for row in rows
    )
    told = sorted(
        (each.reference, leg.account, leg.key, leg.currency, leg.minor)
        for each in ALL
        for leg in each.legs
    )
    w.holds(
        POINT,
        "movements in SQL: every posting of the story, and no other",
        found == told,
        f"{len(found)} postings, {len(told)} told, {len(set(found) ^ set(told))} differ",
    )


def _roles(w: Walk) -> None:
    refused: list[str] = []
    for query in (
        "select count(*) from ledger.entries",
        "delete from ledger_read.entries",
        "update ledger_read.balances set minor = 0",
    ):
        try:
            w.sql(query)
        except (
            asyncpg.InsufficientPrivilegeError,
            asyncpg.ObjectNotInPrerequisiteStateError,
        ) as error:
            refused.append(type(error).__name__)
    w.holds(
        POINT,
        "the role of the views reads no table of the ledger and writes nothing",
        len(refused) == 3,
        refused,
        command="set role ledger_reader; select …; delete …; update …",
    )


def _openapi(w: Walk) -> None:
    told = w.http("GET", "/openapi.json", token="").json()
    kept = orjson.loads((ROOT / "docs" / "reference" / "openapi.json").read_bytes())
    w.holds(
        POINT,
        "the OpenAPI that is served is the one in the reference",
        told["paths"] == kept["paths"] and told["openapi"].startswith("3."),
        f"OpenAPI {told['openapi']}, {len(told['paths'])} paths",
    )
    prefix = "/v1/books/{book}/statements/"
    paths = [path for path in told["paths"] if path.startswith(prefix)]
    seen: dict[str, int] = {}
    for path in paths:
        here = path.replace("{book}", BOOK).replace("{account}", quote(USD))
        answer = w.http("GET", f"{here}?as_of=2026-03-31", token="reader")
        seen[path.removeprefix(prefix)] = answer.status_code
    w.same(
        POINT,
        "every statement that it lists answers",
        seen,
        dict.fromkeys(
            [*STATEMENTS, "accounts/{account}", "general-ledger", "roll-up"], 200
        ),
        command=f"GET {prefix}…",
    )  # fmt: skip


def _paging(w: Walk) -> None:
    for day in range(2, 7):
        _put_in(w, f"2026-07-0{day}T00:00:00Z", f"page-{day}")
    path = f"{AT}/statements/accounts/{quote(JPY)}?from=2026-07-01"
    found: list[str] = []
    after, linked, pages = "", 0, 0
    while pages == 0 or after:
        given = f"&after={after}" if after else ""
        answer = w.http("GET", f"{path}&limit=2{given}", token="reader")
        told = answer.json()
        found += [each["reference"] for each in told["lines"]]
        if pages == 0:
            # What comes between two pages, before the place that was read, moves no page.
            _put_in(w, "2026-07-01T00:00:00Z", "between-pages")
        after, pages = told.get("next") or "", pages + 1
        linked += 'rel="next"' in answer.headers.get("link", "")
    w.same(
        POINT,
        "an account by pages of two, something booked between them: each line once, in order",
        (found, pages, linked),
        ([f"command:desk:page-{day}" for day in range(2, 7)], 3, 2),
        command=f"GET {path}&limit=2&after=…",
    )
    references: list[str] = []
    after = ""
    while True:
        query = f"?limit=5{f'&after={after}' if after else ''}"
        told = w.http("GET", f"{AT}/entries{query}", token="reader").json()
        references += [each["reference"] for each in told["entries"]]
        after = told.get("next") or ""
        if not after:
            break
    wanted = {each.reference for each in ALL}
    w.holds(
        POINT,
        "all entries by pages of five: each of the story once",
        wanted <= set(references) and len(references) == len(set(references)),
        f"{len(references)} entries, {len(wanted - set(references))} of the story missing",
        command=f"GET {AT}/entries?limit=5&after=…",
    )


def _put_in(w: Walk, at: str, key: str) -> None:
    answer = w.ask(BOOK, atelier.capital(1, at, "jpy"), key=key)
    assert answer.status_code in (200, 201), answer.text


def _etags(w: Walk) -> None:
    path = f"{AT}/statements/balance-sheet?as_of=2026-03-31"
    first = w.http("GET", path, token="reader")
    tag = first.headers["etag"]
    again = w.http("GET", path, token="reader", If_None_Match=tag)
    w.same(
        POINT,
        "what was read before and did not change is answered 304, empty",
        (first.status_code, again.status_code, again.content, again.headers.get("etag")),
        (200, 304, b"", tag),
    )
    other = w.http("GET", path + "&reporting=eur", token="reader", If_None_Match=tag)
    w.same(POINT, "another question has another tag", other.status_code, 200)
    _put_in(w, "2026-07-07T00:00:00Z", w.new("etag"))
    changed = w.http("GET", path, token="reader", If_None_Match=tag)
    w.holds(
        POINT,
        "after something was booked the tag is another, and the answer whole",
        changed.status_code == 200 and changed.headers["etag"] != tag,
        f"{changed.status_code}, {tag} and {changed.headers.get('etag')}",
    )


def _tokens_and_refusals(w: Walk) -> None:
    path = f"{AT}/statements/trial-balance"
    seen = {
        "no token": w.http("GET", path, token="").status_code,
        "a token that may only command another book": w.http(
            "GET", path, token="agent"
        ).status_code,
        "no such book": w.http(
            "GET", "/v1/books/nobody/statements/trial-balance", token="reader"
        ).status_code,
    }
    w.holds(
        POINT,
        "who may not read is refused, and what is not there is not found",
        seen["no token"] == 401
        and seen["a token that may only command another book"] == 403
        and seen["no such book"] == 404,
        seen,
        command=f"GET {path}",
    )
    wrong = w.http("GET", f"{path}?as_of=2026-02-30", token="reader")
    w.holds(
        POINT,
        "a day that is none is named",
        400 <= wrong.status_code < 500 and "2026-02-30" in wrong.text,
        f"{wrong.status_code}: {wrong.text}",
    )
    page = w.http("GET", f"{path}?as_of=2026-03-31", token="reader", Accept="text/html")
    w.holds(
        POINT,
        "in a browser the same address is a page with the same figure",
        page.headers["content-type"].startswith("text/html") and "10,900.00" in page.text,
        f"{page.headers['content-type']}, {len(page.text)} characters",
    )
