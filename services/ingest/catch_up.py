"""Catching up with Stripe's API: which windows to list, and what of them is news.

A cursor is the newest ``created`` that was told, in Stripe's own time: the clock of this machine
decides nothing, so its skew loses nothing. Windows overlap, and what was told before is known by
the digest of its content.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Final, cast

from shared.contracts.books import BookMap, Mode
from shared.contracts.envelope import Envelope
from shared.contracts.errors import Unreadable
from shared.contracts.topics import stripe_key

OBJECT_TYPE: Final = "com.stripe.object"
VIA_POLL: Final = "poll"
DAY_SECONDS: Final = 86_400
_TEXT_CHARACTERS_MAX: Final = 255
_CHARGE_UNDONE: Final = ("partial_capture_reversal", "charge_failure")

Fields = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Window:
    """Unix seconds from ``since``, inside, to ``until``, outside; without it, to whatever comes."""

    since: int
    until: int | None = None


def start_of(*, cursor: int | None, now: int, overlap: int, lookback: int) -> int:
    """Where a listing begins: ``overlap`` before its cursor; ``lookback`` ago on a first run."""
    return max(0, now - lookback if cursor is None else cursor - overlap)


def cuts(*, since: int, now: int, span: int) -> Iterator[int | None]:
    """Where the windows of a listing end, oldest first; the last one is open.

    What is longer than ``span`` is cut, so that a long catch-up keeps what it has done. By a
    clock that is behind ours such an end may be still to come: each window therefore begins
    where the cursor stands, not where the one before it ended.
    """
    while now - since > span:
        since += span
        yield since
    yield None


@dataclass(frozen=True, slots=True)
class Speaker:
    """Whose API it is: an account, its mode and book, and the version that answers.

    ``is_foreign`` where the account is in no book: a connected one that was asked to be told.
    """

    account: str
    mode: Mode
    book: str
    api_version: str
    is_foreign: bool = False


@dataclass(frozen=True, slots=True)
class Telling:
    """An object as the API told it, ready to be published if its content is news."""

    object_id: str
    digest: bytes
    created: int | None
    envelope: Envelope
    key: bytes


def telling(
    value: Fields,
    speaker: Speaker,
    *,
    told_at: datetime,
    envelope_type: str = OBJECT_TYPE,
    beside: str = "",
) -> Telling:
    """The record that an object of the API becomes; ``beside`` another object, where it is named.

    Raises:
        Unreadable: It has neither an id nor a kind, or a number that is none.
    """
    # A balance has no id: it is the only one of its account, so its kind names it.
    object_id = value.get("id") or value.get("object")
    if not _is_name(object_id):
        raise Unreadable("an object of Stripe's API has no id")
    try:
        digest, data = digest_of(value), json_bytes(value)
    except ValueError:
        raise Unreadable(f"object {object_id} has a number that JSON does not know") from None
    livemode = value.get("livemode")
    is_live = livemode if isinstance(livemode, bool) else speaker.mode is Mode.LIVE
    created = value.get("created")
    return Telling(
        object_id=str(object_id),
        digest=digest,
        created=created if type(created) is int else None,
        envelope=Envelope(
            id=f"{object_id}:{digest.hex()[:16]}",
            source=f"stripe/{speaker.account or speaker.book}",
            type=envelope_type,
            time=told_at,
            data=data,
            subject=beside or str(object_id),
            extensions=MappingProxyType(
                {
                    "account": speaker.account,
                    "book": speaker.book,
                    "livemode": "true" if is_live else "false",
                    "stripeversion": speaker.api_version,
                    "via": VIA_POLL,
                    **({"foreign": "true"} if speaker.is_foreign else {}),
                }
            ),
        ),
        key=stripe_key(speaker.account, beside or str(object_id)),
    )


def json_bytes(value: object) -> bytes:
    """JSON as the API told it: fields in their order, integers whole, floats by shortest text."""
    return json.dumps(value, separators=(",", ":"), allow_nan=False).encode()


def digest_of(value: Fields) -> bytes:
    """SHA-256 of what an object says, whatever the order of its fields."""
    canonical = json.dumps(value, separators=(",", ":"), sort_keys=True, allow_nan=False)
    return hashlib.sha256(canonical.encode()).digest()


def with_source(transaction: Fields) -> tuple[Fields, ...]:
    """A balance transaction as the API tells it unexpanded, and its source as a record apart.

    So a charge that changes later does not change its balance transaction's content. A refund that
    is one only in form (the uncaptured part of an authorization, a returned debit) stays inside:
    only there is it told what it is, and whose charge the transaction is about.
    """
    source = transaction.get("source")
    if not isinstance(source, dict):
        return (transaction,)
    fields = cast("dict[str, object]", source)
    if fields.get("object") == "refund" and _undoes_a_charge(transaction):
        return (transaction,)
    return (dict(transaction) | {"source": fields.get("id")}, fields)


def _undoes_a_charge(transaction: Fields) -> bool:
    return (
        transaction.get("type") == "payment_failure_refund"
        or transaction.get("reporting_category") in _CHARGE_UNDONE
    )


def news(tellings: Iterable[Telling], known: Mapping[str, bytes]) -> tuple[Telling, ...]:
    """The tellings whose content differs from the last known, each object once, in order."""
    latest: dict[str, Telling] = {}
    for told in tellings:
        # Two sources of one page may be one object (a charge and its returned debit).
        latest[told.object_id] = told
    return tuple(t for t in latest.values() if known.get(t.object_id) != t.digest)


def furthest(cursor: int | None, tellings: Iterable[Telling]) -> int | None:
    """The cursor after these tellings: the newest ``created`` of all."""
    told = [t.created for t in tellings if t.created is not None]
    return max([*told, *([] if cursor is None else [cursor])], default=None)


def book_name(books: BookMap, *, account: str, mode: Mode, fallback: str) -> str:
    """The book of a polled account."""
    found = books.of_stripe(account, mode) if account else None
    return found.name if found is not None else fallback


def _is_name(text: object) -> bool:
    return isinstance(text, str) and 0 < len(text) <= _TEXT_CHARACTERS_MAX and text.isprintable()
