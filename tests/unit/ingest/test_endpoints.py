"""Endpoints as data: which account, mode and book, and what makes them contradictory."""

import pytest
from pydantic import ValidationError

from services.ingest.endpoints import (
    Endpoint,
    EndpointData,
    EndpointKind,
    EndpointsFile,
    endpoint_of,
)
from services.ingest.signature import Secret
from shared.contracts.books import BookData, BookMap, Mode

SECRETS = (Secret("current", "whsec_1"),)
BOOKS = BookMap(
    books=(
        BookData(name="main", mode=Mode.LIVE, stripe_accounts=("acct_1",)),
        BookData(name="trial", mode=Mode.TEST, stripe_accounts=("acct_1",)),
        BookData(name="sister", mode=Mode.LIVE, stripe_accounts=("acct_2",)),
    )
)


def data(*, account: str = "", mode: Mode | None = None, book: str | None = None) -> EndpointData:
    return EndpointData(name="main", account=account, mode=mode, book=book, secret_env="SECRET")


def test_endpoint_of_an_account_in_a_mode_belongs_to_the_book_that_names_it() -> None:
    assert endpoint_of(data(account="acct_1", mode=Mode.TEST), SECRETS, BOOKS).book == "trial"
    assert endpoint_of(data(account="acct_2"), SECRETS, BOOKS).book == "sister"


def test_endpoint_without_account_or_mode_belongs_to_the_only_book_and_has_its_mode() -> None:
    endpoint = endpoint_of(data(), SECRETS, BookMap(books=(BookData(mode=Mode.TEST),)))
    assert (endpoint.book, endpoint.mode) == ("main", Mode.TEST)


def test_endpoint_without_account_belongs_to_the_only_book_of_its_mode() -> None:
    assert endpoint_of(data(mode=Mode.TEST), SECRETS, BOOKS).book == "trial"


def test_endpoint_may_name_its_book_where_the_books_cannot_tell() -> None:
    assert endpoint_of(data(book="sister"), SECRETS, BOOKS).book == "sister"


@pytest.mark.parametrize(
    ("contradicting", "words"),
    [
        (data(account="acct_9"), "no book names the Stripe account acct_9"),
        (data(account="acct_2", mode=Mode.TEST), "no book names the Stripe account acct_2"),
        (data(account="acct_1"), "several books could be meant"),
        (data(mode=Mode.LIVE), "several books could be meant"),
        (data(), "several books could be meant"),
        (data(account="acct_2", book="main"), "says book 'main', but the books file says 'sister'"),
        (data(book="nowhere"), "there is no book 'nowhere'"),
        (data(book="trial", mode=Mode.LIVE), "is of mode live, but book 'trial' is test"),
    ],
)
def test_endpoint_that_contradicts_the_books_is_refused(
    contradicting: EndpointData, words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        endpoint_of(contradicting, SECRETS, BOOKS)


def test_endpoint_without_a_secret_cannot_be_built() -> None:
    with pytest.raises(ValueError, match="has no signing secret"):
        endpoint_of(data(mode=Mode.TEST), (), BOOKS)


@pytest.mark.parametrize(
    "sources",
    [
        {},
        {"secret_env": "A", "secret_file": "b"},
        {"secret_env": "A", "previous_secret_env": "B", "previous_secret_file": "c"},
    ],
)
def test_endpoint_names_exactly_one_source_of_each_secret(sources: dict[str, str]) -> None:
    with pytest.raises(ValidationError, match="name one of"):
        EndpointData.model_validate({"name": "main", **sources})


@pytest.mark.parametrize("name", ["", "a/b", "../x", "a b", "é", "-a", "a" * 65])
def test_endpoint_name_that_is_no_path_segment_is_refused(name: str) -> None:
    with pytest.raises(ValidationError):
        EndpointData(name=name, secret_env="SECRET")


def test_endpoints_file_names_each_endpoint_once() -> None:
    twice = {"endpoints": [{"name": "a", "secret_env": "A"}, {"name": "a", "secret_env": "B"}]}
    with pytest.raises(ValidationError, match="endpoint named twice: a"):
        EndpointsFile.model_validate(twice)


def test_endpoints_file_refuses_a_word_that_it_does_not_know() -> None:
    with pytest.raises(ValidationError, match="secret"):
        EndpointsFile.model_validate({"endpoints": [{"name": "a", "secret": "whsec_1"}]})


def test_endpoint_shows_no_secret() -> None:
    endpoint = endpoint_of(data(mode=Mode.TEST), SECRETS, BOOKS)
    assert isinstance(endpoint, Endpoint)
    assert endpoint.kind is EndpointKind.ACCOUNT
    assert "whsec_1" not in repr(endpoint)
