"""Any bytes as a delivery at the door, judged: what a fuzzer drives."""

from typing import Final

from services.ingest.admission import Admitted
from services.ingest.signature import header_of
from tests.support.deliveries import (
    ENDPOINT,
    NOW,
    SECRET,
    THIN_ENDPOINT,
    TRUE_SNAPSHOT,
    TRUE_THIN,
    Delivery,
    judged,
)

_BOTH: Final = ((TRUE_SNAPSHOT, ENDPOINT), (TRUE_THIN, THIN_ENDPOINT))
_KINDS: Final = 4
# What a fuzzer may put in: words of the header and of an event.
WORDS: Final = (
    *(b"t=", b"v1=", b"v0=", b",", str(NOW).encode(), b"v2.core.event", b"event", b"livemode"),
    *(b"account", b"context", b"acct_own", b"related_object", b"api_version", b"created", b"data"),
    *(b"object", b"\\ud800", b"NaN", b"1e999", b"true", b"false", b"null", b'":', b"\xc3\xa9"),
)


def seeds() -> tuple[bytes, ...]:
    """True deliveries, one for each way in which bytes are read."""
    return tuple(
        bytes([kind * len(_BOTH) + number]) + (true.header.encode() if kind < 2 else true.body)
        for kind in range(_KINDS)
        for number, (true, _) in enumerate(_BOTH)
    )


def judge_bytes(data: bytes) -> None:
    """Judge what bytes make: the first says how, the rest are a header, a body, a signed body.

    Raises:
        AssertionError: The door took what it must not, or the library would not have taken it.
    """
    first, rest = data[:1] or b"\0", data[1:]
    kind, number = divmod(first[0] % (_KINDS * len(_BOTH)), len(_BOTH))
    true, endpoint = _BOTH[number]
    match kind:
        case 0:
            # As the server hands a header on: each byte a character.
            judged(Delivery(true.body, rest.decode("latin-1")), endpoint)
        case 1:
            judged(Delivery(true.body, f"{true.header},{rest.decode('latin-1')}"), endpoint)
        case 2:
            told = judged(Delivery(rest, true.header), endpoint)
            assert not isinstance(told, Admitted) or rest == true.body
        case _:
            judged(Delivery(rest, header_of(rest, SECRET, NOW)), endpoint)
