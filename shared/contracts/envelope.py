"""CloudEvents 1.0 in Kafka's binary mode: attributes in headers, the data as the record's value.

Source: CloudEvents specification 1.0.2 and its Kafka protocol binding, section 3.2. The prefix is
``ce_``; extension attributes are lower-case letters and digits.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Final

from shared.contracts.errors import Unreadable

SPEC_VERSION: Final = "1.0"
_SPEC_BYTES: Final = SPEC_VERSION.encode()
_CONTENT_TYPE: Final = ("content-type", b"application/json")
_REQUIRED: Final = ("id", "source", "type")
_OPTIONAL: Final = ("subject", "dataschema")
_EXTENSION = re.compile(r"[a-z0-9]{1,20}")
_EMPTY: Final[Mapping[str, str]] = MappingProxyType({})

Headers = tuple[tuple[str, bytes], ...]


@dataclass(frozen=True, slots=True)
class Envelope:
    """The attributes of one record and its bytes.

    ``extensions`` are CloudEvents extension attributes by name (``book``, ``account``,
    ``livemode``, ``endpoint``, ``via``, ``signature``, ``verdict``, ``traceparent``).
    """

    id: str
    source: str
    type: str
    time: datetime
    data: bytes
    subject: str = ""
    dataschema: str = ""
    extensions: Mapping[str, str] = field(default_factory=lambda: _EMPTY)

    def headers(self) -> Headers:
        """The record's headers, in a fixed order."""
        rows = [
            ("ce_specversion", _SPEC_BYTES),
            ("ce_id", self.id.encode()),
            ("ce_source", self.source.encode()),
            ("ce_type", self.type.encode()),
            ("ce_time", rfc3339(self.time).encode()),
        ]
        if self.subject:
            rows.append(("ce_subject", self.subject.encode()))
        if self.dataschema:
            rows.append(("ce_dataschema", self.dataschema.encode()))
        for name in sorted(self.extensions):
            value = self.extensions[name]
            if value:
                shown = name if name == "traceparent" else f"ce_{name}"
                rows.append((shown, value.encode()))
        rows.append(_CONTENT_TYPE)
        return tuple(rows)

    def extension(self, name: str) -> str:
        """An extension attribute, empty when it is not there."""
        return self.extensions.get(name, "")


def envelope_of(headers: Iterable[tuple[str, bytes]], data: bytes) -> Envelope:
    """The envelope that a record carries.

    Raises:
        Unreadable: A required attribute is missing, or a header is not UTF-8.
    """
    found: dict[str, str] = {}
    for name, value in headers:
        if not name.startswith("ce_") and name != "traceparent":
            continue
        try:
            found[name.removeprefix("ce_")] = value.decode()
        except UnicodeDecodeError:
            raise Unreadable(f"header {name} is not UTF-8") from None
    missing = [name for name in (*_REQUIRED, "time") if not found.get(name)]
    if missing:
        raise Unreadable(f"CloudEvents attributes missing: {', '.join(missing)}")
    if found.get("specversion") != SPEC_VERSION:
        raise Unreadable(f"CloudEvents version {found.get('specversion', '')!r} is not known")
    known = {*_REQUIRED, *_OPTIONAL, "specversion", "time"}
    extensions = {
        name: value
        for name, value in found.items()
        if name not in known and _EXTENSION.fullmatch(name)
    }
    return Envelope(
        id=found["id"],
        source=found["source"],
        type=found["type"],
        time=instant_of(found["time"]),
        data=data,
        subject=found.get("subject", ""),
        dataschema=found.get("dataschema", ""),
        extensions=MappingProxyType(extensions),
    )


def rfc3339(at: datetime) -> str:
    """An aware time as RFC 3339 in UTC: ``2026-11-21T04:05:06Z``, microseconds when there are."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def instant_of(text: str) -> datetime:
    """The aware UTC time of RFC 3339 text.

    Raises:
        Unreadable: Not such text, without an offset, or outside the years 1 to 9999 in UTC.
    """
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise Unreadable(f"{text[:40]!r} is not an RFC 3339 time") from None
    if at.tzinfo is None:
        raise Unreadable(f"{text[:40]!r} has no offset from UTC")
    try:
        return at.astimezone(UTC)
    except OverflowError:
        raise Unreadable(f"{text[:40]!r} lies outside the calendar") from None
