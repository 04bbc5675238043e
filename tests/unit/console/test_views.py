import pytest
from starlette.routing import Route

from services.console import views
from services.console.openapi import document
from services.console.shell.api import Desk, application
from services.console.views import BadRequest
from shared.contracts.books import BookMap
from shared.runtime.metrics import Health


def test_trial_balance_says_so_when_it_does_not_balance() -> None:
    rows = [
        {"account": "assets:a", "currency": "usd", "exponent": 2, "debit_minor": 10**25 + 1,
         "credit_minor": 0, "net_minor": 10**25 + 1},
        {"account": "equity:b", "currency": "usd", "exponent": 2, "debit_minor": 0,
         "credit_minor": 10**25, "net_minor": -(10**25)},
    ]  # fmt: skip
    told = views.trial_balance(rows)
    assert told["is_balanced"] is False
    assert told["totals"][0]["debit"] == {
        "minor": str(10**25 + 1),
        "currency": "usd",
        "exponent": 2,
    }
    assert views.trial_balance([])["is_balanced"] is True


def test_cursor_comes_back_as_the_place_it_was_made_of() -> None:
    assert views.place(views.cursor("a/b:ü", 3, 7), str, int, int) == ("a/b:ü", 3, 7)


@pytest.mark.parametrize(
    "text", ["x", "!!!", "W10", "é", views.cursor("a", "b"), views.cursor(True)]
)
def test_cursor_of_something_else_is_refused(text: str) -> None:
    with pytest.raises(BadRequest):
        views.place(text, str)


@pytest.mark.parametrize("text", ["0", "-1", "1001", "9" * 5000, "ten", "١", "1.0"])  # noqa: RUF001 - a digit that is none of ours
def test_limit_out_of_bounds_is_refused(text: str) -> None:
    with pytest.raises(BadRequest):
        views.limit(text)


def test_limit_left_out_is_the_default() -> None:
    assert views.limit("") == views.LIMIT_DEFAULT
    assert views.limit("1000") == 1000


def test_openapi_document_names_every_route_and_no_other() -> None:
    nothing = Desk(BookMap(), (), None, None, None, 1, ())  # type: ignore[arg-type]  # no request is made
    routes = [route for route in application(nothing, Health()).routes if isinstance(route, Route)]
    served = {
        (route.path.replace(":path}", "}"), method.lower())
        for route in routes
        for method in route.methods or ()
        if method != "HEAD"
    }
    described = {(path, method) for path, verbs in document()["paths"].items() for method in verbs}
    assert described == served
