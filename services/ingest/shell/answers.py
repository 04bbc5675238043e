"""The door's answers as the bytes that go over the wire."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Final, NamedTuple

import orjson

Header = tuple[bytes, bytes]

RETRY_AFTER_SECONDS: Final = 5
# Not now: by the rate of one peer, or by what all together ask of us.
LATER: Final = (429, 503)


class Answer(NamedTuple):
    """An answer of ours: status, JSON, and what else its head says.

    Whatever is no acceptance ends its connection: an unread body would be taken for the next
    request.
    """

    status: int
    body: bytes
    headers: tuple[Header, ...] = ()
    closes: bool = True


def problem(status: int, reason: str, detail: str, *headers: Header) -> Answer:
    """A refusal; one that is for now says when to come again."""
    if status in LATER:
        headers = (*headers, (b"retry-after", b"%d" % RETRY_AFTER_SECONDS))
    return Answer(status, orjson.dumps({"error": {"reason": reason, "detail": detail}}), headers)


ACCEPTED: Final = Answer(200, b'{"received":true}', closes=False)
ONLY_POST: Final = problem(405, "method", "only POST", (b"allow", b"POST"))
FAILED: Final = problem(500, "internal", "the door failed; send it again")


def written(
    answer: Answer, default_headers: Sequence[Header], *, closes: bool, has_body: bool = True
) -> bytes:
    """An answer's bytes; that to HEAD has no body, and tells the length of what it would be."""
    lines = [b"HTTP/1.1 %d %s" % (answer.status, HTTPStatus(answer.status).phrase.encode())]
    lines += [
        b"%s: %s" % header
        for header in (
            *default_headers,
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(answer.body)),
            *answer.headers,
        )
    ]
    if closes:
        lines.append(b"connection: close")
    return b"\r\n".join([*lines, b"", answer.body if has_body else b""])


class Ready:
    """The bytes of the one answer that nearly every delivery gets.

    They change with the headers that the server gives to all, which it makes anew each second.
    """

    __slots__ = ("_default_headers", "_text")

    def __init__(self) -> None:
        self._default_headers: Sequence[Header] | None = None
        self._text = b""

    def accepted(self, default_headers: Sequence[Header]) -> bytes:
        """The acceptance on a connection that goes on."""
        if default_headers is not self._default_headers:
            self._default_headers = default_headers
            self._text = written(ACCEPTED, default_headers, closes=False)
        return self._text
