"""Which request heads are taken at all: those that everybody before us reads as we do.

What HTTP leaves to be understood in two ways is how one request is smuggled behind another, so it
is refused. The parser has refused what is no HTTP; this is what it leaves open.
"""

import re
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Final

# The headers that decide how a request is read.
DECIDING: Final = (b"host", b"upgrade", b"transfer-encoding", b"content-length", b"expect")
_RARE: Final = frozenset((b"upgrade", b"transfer-encoding", b"expect"))
_LENGTH: Final = re.compile(rb"0|[1-9][0-9]{0,15}")


def refusal(
    version: str, target: bytes, named: Mapping[bytes, Sequence[bytes]], *, is_upgrade: bool
) -> HTTPStatus | None:
    """The status for a head that is not taken; ``named`` has the headers that decide, by name."""
    hosts, lengths = named.get(b"host", ()), named.get(b"content-length", ())
    if (
        # What nearly every head is; the rest of the rules is about what these few lack.
        version == "1.1"
        and not is_upgrade
        and target.startswith(b"/")
        and len(hosts) == 1
        and len(lengths) == 1
        and _LENGTH.fullmatch(lengths[0])
        and _RARE.isdisjoint(named)
    ):
        return None
    return _refusal(version, target, named, is_upgrade=is_upgrade)


def _refusal(
    version: str, target: bytes, named: Mapping[bytes, Sequence[bytes]], *, is_upgrade: bool
) -> HTTPStatus | None:
    if version not in ("1.1", "1.0"):
        return HTTPStatus.HTTP_VERSION_NOT_SUPPORTED
    is_odd = (
        is_upgrade
        or b"upgrade" in named
        # A target with a scheme or a host in it names a server twice.
        or not target.startswith(b"/")
        or not _names_one_host(version, named.get(b"host", ()))
        or not _has_one_length(version, named)
    )
    if is_odd:
        return HTTPStatus.BAD_REQUEST
    expected = named.get(b"expect")
    if expected is not None and [value.lower() for value in expected] != [b"100-continue"]:
        return HTTPStatus.EXPECTATION_FAILED
    return None


def _names_one_host(version: str, hosts: Sequence[bytes]) -> bool:
    return len(hosts) == 1 or (not hosts and version == "1.0")


def _has_one_length(version: str, named: Mapping[bytes, Sequence[bytes]]) -> bool:
    """Whether where the body ends is said in one way, that everybody reads alike."""
    for length in named.get(b"content-length", ()):
        # The parser counts thousands of zeros as none, where Python refuses to count at all.
        if not _LENGTH.fullmatch(length):
            return False
    codings = named.get(b"transfer-encoding")
    if codings is None:
        return True
    is_chunked = [value.lower() for value in codings] == [b"chunked"]
    return is_chunked and version != "1.0" and b"content-length" not in named
