"""Which heads are taken: those that have one meaning. The corpus on sockets is in integration."""

from http import HTTPStatus

import pytest

from services.ingest.http_rules import refusal

Named = dict[bytes, list[bytes]]
HOST: Named = {b"host": [b"door"]}
BAD = HTTPStatus.BAD_REQUEST

TAKEN: dict[str, tuple[str, Named]] = {
    "nothing but a host": ("1.1", HOST),
    "no host in 1.0": ("1.0", {}),
    "a length": ("1.1", HOST | {b"content-length": [b"0"]}),
    "chunks": ("1.1", HOST | {b"transfer-encoding": [b"Chunked"]}),
    "continue": ("1.1", HOST | {b"expect": [b"100-Continue"]}),
}
REFUSED: dict[str, tuple[str, Named, HTTPStatus]] = {
    "no host": ("1.1", {}, BAD),
    "two hosts": ("1.1", {b"host": [b"a", b"a"]}, BAD),
    "two hosts in 1.0": ("1.0", {b"host": [b"a", b"b"]}, BAD),
    "another version": ("2.0", HOST, HTTPStatus.HTTP_VERSION_NOT_SUPPORTED),
    "a version that is long gone": ("0.9", HOST, HTTPStatus.HTTP_VERSION_NOT_SUPPORTED),
    "an upgrade": ("1.1", HOST | {b"upgrade": [b"h2c"]}, BAD),
    "a length with zeros before it": ("1.1", HOST | {b"content-length": [b"007"]}, BAD),
    "a length without an end": ("1.1", HOST | {b"content-length": [b"1" * 17]}, BAD),
    "a signed length": ("1.1", HOST | {b"content-length": [b"+1"]}, BAD),
    "an empty length": ("1.1", HOST | {b"content-length": [b""]}, BAD),
    "one good and one odd length": ("1.1", HOST | {b"content-length": [b"1", b"x"]}, BAD),
    "chunks and a length": (
        "1.1",
        HOST | {b"transfer-encoding": [b"chunked"], b"content-length": [b"1"]},
        BAD,
    ),
    "chunks in 1.0": ("1.0", HOST | {b"transfer-encoding": [b"chunked"]}, BAD),
    "another coding": ("1.1", HOST | {b"transfer-encoding": [b"gzip, chunked"]}, BAD),
    "chunks twice": ("1.1", HOST | {b"transfer-encoding": [b"chunked", b"chunked"]}, BAD),
    "another expectation": (
        "1.1",
        HOST | {b"expect": [b"200-ok"]},
        HTTPStatus.EXPECTATION_FAILED,
    ),
}


@pytest.mark.parametrize("name", TAKEN)
def test_head_with_one_meaning_is_taken(name: str) -> None:
    version, named = TAKEN[name]
    assert refusal(version, b"/webhooks/stripe/main", named, is_upgrade=False) is None


@pytest.mark.parametrize("name", REFUSED)
def test_head_with_two_meanings_is_refused(name: str) -> None:
    version, named, status = REFUSED[name]
    assert refusal(version, b"/webhooks/stripe/main", named, is_upgrade=False) is status


@pytest.mark.parametrize("target", [b"http://door/", b"*", b"door:80", b""])
def test_target_that_names_a_server_is_refused(target: bytes) -> None:
    assert refusal("1.1", target, HOST, is_upgrade=False) is BAD


def test_request_that_the_parser_takes_for_an_upgrade_is_refused() -> None:
    assert refusal("1.1", b"/", HOST, is_upgrade=True) is BAD
