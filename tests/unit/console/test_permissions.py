import pytest
from pydantic import ValidationError

from services.console.config import ConsoleSettings
from services.console.permissions import Scope, Token, hash_of, token_of
from shared.runtime.settings import SettingsInvalid

READER = Token(name="reader", sha256=hash_of("r"), scopes=frozenset({Scope.READ}))
CLERK = Token(name="clerk", sha256=hash_of("c"), scopes=frozenset(Scope), books=frozenset({"main"}))


@pytest.mark.parametrize("header", ["Bearer c", "bearer c", "BEARER  c "])
def test_token_is_found_by_what_is_presented(header: str) -> None:
    assert token_of((READER, CLERK), header) == CLERK


@pytest.mark.parametrize(
    "header", ["", "c", "Basic c", "Bearer", "Bearer ", "Bearer x", "Bearer C"]
)
def test_token_that_is_not_known_is_none(header: str) -> None:
    assert token_of((READER, CLERK), header) is None


def test_token_opens_its_scopes_and_books_alone() -> None:
    assert READER.opens(Scope.READ, "any")
    assert not READER.opens(Scope.COMMAND, "main")
    assert CLERK.opens(Scope.COMMAND, "main")
    assert not CLERK.opens(Scope.READ, "other")


def test_token_never_shows_its_hash() -> None:
    assert READER.sha256 not in repr(READER)


@pytest.mark.parametrize("sha256", ["", "abc", "Z" * 64, hash_of("x").upper()])
def test_token_with_a_hash_that_is_none_is_refused(sha256: str) -> None:
    with pytest.raises(ValidationError):
        Token(name="x", sha256=sha256, scopes=frozenset())


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.8.8.8"])
def test_console_on_loopback_needs_no_token(host: str) -> None:
    assert ConsoleSettings.load({"TALLYSTICK_CONSOLE_HOST": host}).tokens() == ()


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "console.example"])
def test_console_that_others_can_reach_needs_tokens(host: str) -> None:
    with pytest.raises(SettingsInvalid, match="needs tokens"):
        ConsoleSettings.load({"TALLYSTICK_CONSOLE_HOST": host}).tokens()


def test_console_with_one_hash_has_an_operator() -> None:
    (token,) = ConsoleSettings.load({"TALLYSTICK_CONSOLE_TOKEN_SHA256": hash_of("x")}).tokens()
    assert (token.name, token.scopes) == ("operator", frozenset(Scope))


def test_console_with_a_hash_that_is_none_does_not_start() -> None:
    with pytest.raises(SettingsInvalid) as refused:
        ConsoleSettings.load({"TALLYSTICK_CONSOLE_TOKEN_SHA256": "a secret in clear"}).tokens()
    assert "a secret in clear" not in str(refused.value)
