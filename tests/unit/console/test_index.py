"""The page at the console's root: what is there, with links that work."""

import re

import httpx
import pytest
from starlette.routing import Match, Route

from services.console.permissions import Scope, Token, hash_of
from services.console.shell.api import Desk, application
from shared.contracts.books import BookData, BookMap
from shared.runtime.metrics import Health

BOOKS = BookMap(books=(BookData(name="main"), BookData(name="other")))
TOKEN = Token(name="ada", sha256=hash_of("clerk"), scopes=frozenset(Scope))
BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


def desk(*tokens: Token, books: BookMap = BOOKS) -> Desk:
    return Desk(books, tokens, None, None, None, 1, ("console.test",))  # type: ignore[arg-type]  # nothing is read


async def asked(of: Desk, **headers: str) -> httpx.Response:
    transport = httpx.ASGITransport(application(of, Health()))
    async with httpx.AsyncClient(transport=transport, base_url="http://console.test") as http:
        return await http.get("/", headers=headers)


async def test_browser_gets_a_page_whose_links_are_all_routes() -> None:
    answer = await asked(desk(), **BROWSER)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    links = [link.partition("?")[0] for link in re.findall(r'href="([^"]+)"', answer.text)]
    assert "/v1/books/main/trial-balance" in links
    assert "/v1/books/other/discrepancies" in links
    assert {"/livez", "/readyz", "/metrics", "/openapi.json"} <= set(links)
    routes = [each for each in application(desk(), Health()).routes if isinstance(each, Route)]
    for link in links:
        params: dict[str, str] = {}
        scope = {"type": "http", "method": "GET", "path": link, "path_params": params}
        assert any(route.matches(scope)[0] is Match.FULL for route in routes), link


async def test_page_may_load_and_run_nothing() -> None:
    answer = await asked(desk(), **BROWSER)
    policy = answer.headers["content-security-policy"]
    assert policy == (
        "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"
    assert "<script" not in answer.text
    assert "style" not in answer.text


@pytest.mark.parametrize("headers", [{}, {"Accept": "application/json"}, {"Accept": "*/*"}])
async def test_program_gets_the_same_as_json(headers: dict[str, str]) -> None:
    answer = await asked(desk(), **headers)
    assert answer.headers["vary"] == "Accept"
    told = answer.json()
    assert told["service"] == "console"
    assert told["books"]["main"]["trial_balance"] == "/v1/books/main/trial-balance"
    assert told["books"]["other"]["open_discrepancies"] == (
        "/v1/books/other/discrepancies?state=open"
    )
    assert told["ready"] == "/readyz"


async def test_where_a_token_is_needed_no_book_is_named_and_the_page_says_so() -> None:
    page = await asked(desk(TOKEN), **BROWSER)
    assert page.status_code == 200
    assert "main" not in page.text
    assert "other" not in page.text
    assert "bearer token" in page.text
    told = (await asked(desk(TOKEN))).json()
    assert told["books"] == {}
    assert told["reading"] == "/v1/books/{book}/trial-balance and others, with a bearer token"


async def test_name_of_a_book_is_text_on_the_page_and_one_part_of_an_address() -> None:
    odd = BookMap(books=(BookData(name='a/b "<script>'),))
    page = await asked(desk(books=odd), **BROWSER)
    assert "<script" not in page.text
    assert "Book a/b &quot;&lt;script&gt;" in page.text
    assert 'href="/v1/books/a%2Fb%20%22%3Cscript%3E/entries"' in page.text


async def test_page_is_not_given_under_a_name_that_is_not_ours() -> None:
    transport = httpx.ASGITransport(application(desk(), Health()))
    async with httpx.AsyncClient(transport=transport, base_url="http://evil.test") as http:
        assert (await http.get("/", headers=BROWSER)).status_code == 400
