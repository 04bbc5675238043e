"""Bytes on a socket, as an attacker sends them, and what comes back."""

import asyncio
import contextlib
import re
import ssl
import time
from dataclasses import dataclass

from tests.support.ingest import HOOK

PATIENCE_SECONDS = 8.0
# A smuggled request asks for this one, which nobody else does.
SMUGGLED = "/webhooks/stripe/smuggled"
HEAD = f"POST {HOOK} HTTP/1.1\r\nHost: door\r\n".encode()
_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})")
INNER = f"POST {SMUGGLED} HTTP/1.1\r\nHost: door\r\nContent-Length: 0\r\n\r\n".encode()


@dataclass(frozen=True)
class Answers:
    """What a peer was told on one connection.

    Attributes:
        statuses: The status of each answer, in order; interim ones are left out.
        is_closed: Whether the other side ended the connection.
    """

    statuses: tuple[int, ...]
    is_closed: bool
    text: bytes


async def exchange(port: int, sent: bytes, *, tls: ssl.SSLContext | None = None) -> Answers:
    """Send bytes and read until the other side has ended the connection, or is done."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=tls)
    told = bytearray()
    is_closed = False
    try:
        writer.write(sent)
        with contextlib.suppress(ConnectionError):
            await writer.drain()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE_SECONDS):
                # Whoever is cut off in mid-sentence sees a reset.
                with contextlib.suppress(ConnectionError):
                    while chunk := await reader.read(65_536):
                        told += chunk
                is_closed = True
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
    return Answers(statuses_of(bytes(told)), is_closed, bytes(told))


async def cut_after(port: int, first: bytes, then: bytes, *, pause: float, count: int) -> float:
    """Send so slowly, and give the seconds after which the door had enough."""
    began = time.monotonic()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)

    async def drip() -> None:
        with contextlib.suppress(ConnectionError):
            writer.write(first)
            for _ in range(count):
                await writer.drain()
                await asyncio.sleep(pause)  # how slow it is, is what it is about
                writer.write(then)

    dripping = asyncio.create_task(drip())
    try:
        async with asyncio.timeout(30):
            with contextlib.suppress(ConnectionError):
                while await reader.read(65_536):
                    pass
    finally:
        dripping.cancel()
        await asyncio.wait({dripping})
        writer.close()
    return time.monotonic() - began


def statuses_of(told: bytes) -> tuple[int, ...]:
    """The statuses of the answers in a stream of them."""
    found = (int(status) for status in _STATUS.findall(told))
    return tuple(status for status in found if status >= 200)


def _with(*lines: str, body: bytes = b"", head: bytes = HEAD) -> bytes:
    return head + "".join(f"{line}\r\n" for line in lines).encode("latin-1") + b"\r\n" + body


_CHUNKED = b"0\r\n\r\n"
_LENGTH = f"Content-Length: {len(_CHUNKED) + len(INNER)}"
_TE = "Transfer-Encoding: chunked"

# What a request may look like to make two readers see two things. Each is followed on the wire by
# a request that only a misled reader would see as one.
CORPUS: dict[str, bytes] = {
    "CL and TE": _with(_LENGTH, _TE, body=_CHUNKED + INNER),
    "TE and CL": _with(_TE, "Content-Length: 4", body=b"5c\r\n" + INNER + b"\r\n0\r\n\r\n"),
    "TE twice, then identity": _with(_TE, "Transfer-Encoding: identity", _LENGTH, body=_CHUNKED + INNER),
    "TE twice, same": _with(_TE, _TE, body=_CHUNKED + INNER),
    "TE xchunked": _with("Transfer-Encoding: xchunked", _LENGTH, body=_CHUNKED + INNER),
    "TE identity": _with("Transfer-Encoding: identity", _LENGTH, body=_CHUNKED + INNER),
    "TE gzip, chunked": _with("Transfer-Encoding: gzip, chunked", body=_CHUNKED + INNER),
    "TE chunked, identity": _with("Transfer-Encoding: chunked, identity", _LENGTH, body=_CHUNKED + INNER),
    "TE chunked, chunked": _with("Transfer-Encoding: chunked, chunked", body=_CHUNKED + INNER),
    "TE with a vertical tab": _with("Transfer-Encoding: \x0bchunked", _LENGTH, body=_CHUNKED + INNER),
    "TE with a form feed": _with("Transfer-Encoding:\x0cchunked", _LENGTH, body=_CHUNKED + INNER),
    "TE quoted": _with('Transfer-Encoding: "chunked"', _LENGTH, body=_CHUNKED + INNER),
    "TE with a semicolon": _with("Transfer-Encoding: chunked;x=1", _LENGTH, body=_CHUNKED + INNER),
    "TE name with a blank": _with("Transfer-Encoding : chunked", _LENGTH, body=_CHUNKED + INNER),
    "TE name with a tab": _with("Transfer-Encoding\t: chunked", _LENGTH, body=_CHUNKED + INNER),
    "TE name behind a blank": _with(" Transfer-Encoding: chunked", _LENGTH, body=_CHUNKED + INNER),
    "TE folded": _with("Transfer-Encoding:", " chunked", _LENGTH, body=_CHUNKED + INNER),
    "TE in HTTP/1.0": _with(_TE, _LENGTH, head=f"POST {HOOK} HTTP/1.0\r\nHost: door\r\n".encode(), body=_CHUNKED + INNER),
    "TE behind a bare LF": HEAD + b"X: y\nTransfer-Encoding: chunked\r\n" + _LENGTH.encode() + b"\r\n\r\n" + _CHUNKED + INNER,
    "TE behind a bare CR": HEAD + b"X: y\rTransfer-Encoding: chunked\r\n" + _LENGTH.encode() + b"\r\n\r\n" + _CHUNKED + INNER,
    "TE behind a NUL": HEAD + b"X: y\0\r\nTransfer-Encoding: chunked\r\n" + _LENGTH.encode() + b"\r\n\r\n" + _CHUNKED + INNER,
    "CL twice, other": _with("Content-Length: 0", f"Content-Length: {len(INNER)}", body=INNER),
    "CL twice, same": _with("Content-Length: 0", "Content-Length: 0", body=INNER),
    "CL a list": _with("Content-Length: 0, 0", body=INNER),
    "CL with a plus": _with("Content-Length: +0", body=INNER),
    "CL negative": _with("Content-Length: -1", body=INNER),
    "CL hexadecimal": _with("Content-Length: 0x0", body=INNER),
    "CL with a blank": _with("Content-Length: 0 1", body=INNER),
    "CL with an underscore": _with("Content-Length: 0_0", body=INNER),
    "CL of words": _with("Content-Length: zero", body=INNER),
    "CL empty": _with("Content-Length: ", body=INNER),
    "CL too large to count": _with("Content-Length: 18446744073709551616", body=INNER),
    "CL of thousands of zeros": _with("Content-Length: " + "0" * 5_000, body=INNER),
    "CL with a zero before it": _with("Content-Length: 00", body=INNER),
    "CL name with a blank": _with("Content-Length : 0", body=INNER),
    "CL folded": _with("Content-Length:", " 0", body=INNER),
    "obs-fold": _with("X: a", " b", "Content-Length: 0", body=INNER),
    "obs-fold with a tab": _with("X: a", "\tb", "Content-Length: 0", body=INNER),
    "bare LF everywhere": _with("Content-Length: 0").replace(b"\r\n", b"\n") + INNER,
    "bare LF at the end": HEAD + b"Content-Length: 0\r\n\n" + INNER,
    "bare CR at the end": HEAD + b"Content-Length: 0\r\r" + INNER,
    "header without a colon": _with("Content-Length 0", body=INNER),
    "header without a name": _with(": x", "Content-Length: 0", body=INNER),
    "header name with bytes": _with("X\xe9: y", "Content-Length: 0", body=INNER),
    "chunk ends with a bare LF": _with(_TE, body=b"1\nx\r\n0\r\n\r\n" + INNER),
    "chunk extension with a bare LF": _with(_TE, body=b"1;a\nx\r\n0\r\n\r\n" + INNER),
    "chunk extension with a bare CR": _with(_TE, body=b"1;a\rx\r\n0\r\n\r\n" + INNER),
    "chunk longer than said": _with(_TE, body=b"1\r\nxx\r\n0\r\n\r\n" + INNER),
    "chunk with 0x": _with(_TE, body=b"0x1\r\nx\r\n0\r\n\r\n" + INNER),
    "chunk negative": _with(_TE, body=b"-1\r\nx\r\n0\r\n\r\n" + INNER),
    "chunk too large to count": _with(_TE, body=b"10000000000000001\r\nx\r\n0\r\n\r\n" + INNER),
    "chunk without a size": _with(_TE, body=b"\r\nx\r\n0\r\n\r\n" + INNER),
    "chunk size behind a blank": _with(_TE, body=b" 1\r\nx\r\n0\r\n\r\n" + INNER),
    "trailer that is a length": _with(_TE, body=b"0\r\nContent-Length: 99\r\n\r\n" + INNER),
    "trailer that is a signature": _with(_TE, body=b"0\r\nStripe-Signature: t=1,v1=00\r\n\r\n" + INNER),
    "Expect of another kind": _with("Expect: 200-ok", "Content-Length: 0", body=INNER),
    "Expect with more behind": _with("Expect: 100-continue, x", "Content-Length: 0", body=INNER),
    "Upgrade to WebSocket": _with("Connection: Upgrade", "Upgrade: websocket", "Content-Length: 0", body=INNER),
    "Upgrade to h2c": _with("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQ", "Content-Length: 0", body=INNER),
    "absolute-form": _with("Content-Length: 0", head=f"POST http://other{HOOK} HTTP/1.1\r\nHost: door\r\n".encode(), body=INNER),
    "authority-form": b"CONNECT door:443 HTTP/1.1\r\nHost: door\r\n\r\n" + INNER,
    "asterisk-form": b"OPTIONS * HTTP/1.1\r\nHost: door\r\n\r\n" + INNER,
    "no host": _with("Content-Length: 0", head=f"POST {HOOK} HTTP/1.1\r\n".encode(), body=INNER),
    "two hosts": _with("Host: other", "Content-Length: 0", body=INNER),
    "HTTP/0.9": f"POST {HOOK}\r\n\r\n".encode() + INNER,
    "HTTP/1.2": _with("Content-Length: 0", head=f"POST {HOOK} HTTP/1.2\r\nHost: door\r\n".encode(), body=INNER),
    "HTTP/2.0": _with("Content-Length: 0", head=f"POST {HOOK} HTTP/2.0\r\nHost: door\r\n".encode(), body=INNER),
    "HTTP/9.9": _with("Content-Length: 0", head=f"POST {HOOK} HTTP/9.9\r\nHost: door\r\n".encode(), body=INNER),
    "HTTP/1.1 and a word": _with("Content-Length: 0", head=f"POST {HOOK} HTTP/1.1 x\r\nHost: door\r\n".encode(), body=INNER),
    "http in small letters": _with("Content-Length: 0", head=f"POST {HOOK} http/1.1\r\nHost: door\r\n".encode(), body=INNER),
    "HTTP/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + INNER,
    "tab in the request line": f"POST\t{HOOK} HTTP/1.1\r\nHost: door\r\nContent-Length: 0\r\n\r\n".encode() + INNER,
    "TLS where none is": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + INNER,
    "target with bytes": b"POST /webhooks/stripe/\xff HTTP/1.1\r\nHost: door\r\nContent-Length: 0\r\n\r\n" + INNER,
    "method of another kind": _with("Content-Length: 0", head=f"P\x00ST {HOOK} HTTP/1.1\r\nHost: door\r\n".encode(), body=INNER),
}  # fmt: skip

# Lawful, if odd: one request each, and what is behind it is not read as another by accident.
LAWFUL: dict[str, bytes] = {
    "pipelined": _with("Content-Length: 0", body=INNER),
    "behind Connection: close": _with("Connection: close", "Content-Length: 0", body=INNER),
    "chunk extension": _with(_TE, "Connection: close", body=b"1;a=b\r\nx\r\n0\r\n\r\n"),
    "Expect": _with("Expect: 100-continue", "Connection: close", "Content-Length: 1", body=b"x"),
    "line breaks ahead": b"\r\n\r\n" + _with("Connection: close", "Content-Length: 0"),
}
