"""The bytes of the door's answers, as a parser of HTTP reads them."""

import json

import httptools
import pytest

from services.ingest.shell.answers import ACCEPTED, FAILED, ONLY_POST, Ready, problem, written

DATE = [(b"date", b"Sat, 21 Nov 2026 04:05:06 GMT")]
LATER_DATE = [(b"date", b"Sat, 21 Nov 2026 04:05:07 GMT")]


class Read:
    """What a client reads."""

    def __init__(self, text: bytes) -> None:
        self.headers: dict[bytes, bytes] = {}
        self.body = b""
        self.is_whole = False
        parser = httptools.HttpResponseParser(self)
        parser.feed_data(text)
        self.status = parser.get_status_code()

    def on_header(self, name: bytes, value: bytes) -> None:
        assert name not in self.headers
        self.headers[name] = value

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.is_whole = True


def test_acceptance_is_a_whole_answer_on_a_connection_that_goes_on() -> None:
    told = Read(Ready().accepted(DATE))
    assert (told.status, told.body, told.is_whole) == (200, b'{"received":true}', True)
    assert told.headers[b"content-type"] == b"application/json"
    assert told.headers[b"date"] == DATE[0][1]
    assert b"connection" not in told.headers


def test_acceptance_has_the_date_of_its_second() -> None:
    ready = Ready()
    assert ready.accepted(DATE) is ready.accepted(DATE)
    assert Read(ready.accepted(LATER_DATE)).headers[b"date"] == LATER_DATE[0][1]


def test_acceptance_on_a_connection_that_ends_says_so() -> None:
    assert Read(written(ACCEPTED, DATE, closes=True)).headers[b"connection"] == b"close"


@pytest.mark.parametrize("status", [400, 403, 404, 408, 413, 415])
def test_refusal_says_why_and_ends_the_connection(status: int) -> None:
    told = Read(written(problem(status, "a_word", 'a "text"'), DATE, closes=True))
    assert told.status == status
    assert json.loads(told.body) == {"error": {"reason": "a_word", "detail": 'a "text"'}}
    assert told.headers[b"connection"] == b"close"
    assert b"retry-after" not in told.headers


@pytest.mark.parametrize("status", [429, 503])
def test_refusal_for_now_says_when_to_come_again(status: int) -> None:
    told = Read(written(problem(status, "a_word", ""), DATE, closes=True))
    assert int(told.headers[b"retry-after"]) > 0


def test_refusal_of_a_method_names_the_one_that_there_is() -> None:
    told = Read(written(ONLY_POST, DATE, closes=True))
    assert (told.status, told.headers[b"allow"]) == (405, b"POST")


def test_answer_to_head_has_no_body() -> None:
    text = written(ONLY_POST, DATE, closes=True, has_body=False)
    assert text.endswith(b"\r\n\r\n")
    assert b"content-length: %d" % len(ONLY_POST.body) in text


def test_failure_of_ours_is_a_500() -> None:
    assert Read(written(FAILED, [], closes=True)).status == 500
