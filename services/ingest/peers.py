"""Who really sent a request: the socket's peer, or whom our own proxies say that they saw.

Each trusted proxy writes at the right end of ``X-Forwarded-For`` the address it was spoken to
from. So the list is read from the right, one entry for each hop that we trust, and what stands
further left is only what somebody claims. ``Forwarded``, ``X-Real-IP`` and the like are not read.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv6Address
from typing import Final

from services.ingest.allow_list import Address, Network, address_of

UNKNOWN: Final = ""
_HEADER: Final = b"x-forwarded-for"
_ENTRY_BYTES_MAX: Final = 64
_PORT_MAX: Final = 65_535
_IPV4_COLONS: Final = 1
# An IPv6 sender has a whole /64 to itself, so its rate is that network's.
_IPV6_SENDER_BITS: Final = 64

Header = tuple[bytes, bytes]


# Compared by identity: there is one of them, and it is part of a key that is asked for at each
# delivery.
@dataclass(frozen=True, slots=True, eq=False)
class ProxyRule:
    """How many proxies stand before the door, and where they may be.

    ``proxies`` empty means: whoever speaks to the door is one.
    """

    hops: int = 0
    proxies: tuple[Network, ...] = ()

    def __post_init__(self) -> None:
        if self.hops < 0:
            raise ValueError(f"{self.hops} trusted hops")

    def trusts(self, address: Address) -> bool:
        """Whether a proxy of ours may be at an address."""
        return not self.proxies or any(address in network for network in self.proxies)


def real_peer(socket_peer: str, headers: Sequence[Header], rule: ProxyRule) -> str:
    """The address of who sent a request, or ``UNKNOWN`` where our proxies did not say it.

    A request that did not come from a proxy of ours is its socket's, whatever its headers say.
    """
    if not rule.hops:
        return address_text(socket_peer)
    return _walked(socket_peer, _from_the_right(headers, rule.hops), rule)


@lru_cache(maxsize=4_096)
def address_text(text: str) -> str:
    """One way to write an address, or ``UNKNOWN`` for what is none."""
    address = _address(text)
    return UNKNOWN if address is None else str(address)


@lru_cache(maxsize=4_096)
def sender_of(peer: str) -> str:
    """Under which name a peer's rate is kept: its address, or its /64."""
    address = _address(peer)
    if not isinstance(address, IPv6Address):
        return peer
    return f"{int(address) >> (128 - _IPV6_SENDER_BITS):x}/64"


@lru_cache(maxsize=4_096)
def is_proxy(peer: str, rule: ProxyRule) -> bool:
    """Whether a socket's peer is a proxy of ours, and so speaks for everybody."""
    address = _address(peer)
    return bool(rule.hops) and address is not None and rule.trusts(address)


def is_loopback(peer: str) -> bool:
    """Whether a peer is on this machine: a proxy that we were not told of, or a test."""
    return peer.startswith("127.") or peer == "::1"


@lru_cache(maxsize=4_096)
def _walked(socket_peer: str, entries: tuple[bytes, ...], rule: ProxyRule) -> str:
    peer = _address(socket_peer)
    if peer is None or not rule.trusts(peer):
        return UNKNOWN if peer is None else str(peer)
    # The nearest proxy is the socket's peer itself; each entry tells of the one before it.
    for number, entry in enumerate(entries, start=1):
        seen = _entry_address(entry)
        if seen is None:
            return UNKNOWN
        if number == rule.hops or not rule.trusts(seen):
            # Either the last that we trust, or somebody who went around a proxy.
            return str(seen)
    return UNKNOWN


def _from_the_right(headers: Iterable[Header], count: int) -> tuple[bytes, ...]:
    # Several lines are one list, in their order (RFC 9110, section 5.3).
    lines = [value for name, value in headers if name == _HEADER]
    if not lines:
        return ()
    entries = b",".join(lines).rsplit(b",", count)[: -count - 1 : -1]
    # What cannot be an address is not worth remembering, however long it is.
    return tuple(entry if len(entry) <= _ENTRY_BYTES_MAX else b"" for entry in entries)


def _entry_address(entry: bytes) -> Address | None:
    return _address(_without_port(entry.strip(b" \t").decode("ascii"))) if entry.isascii() else None


def _without_port(text: str) -> str:
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        is_ours = bool(bracket) and ":" in host and (not rest or _is_port(rest))
        return host if is_ours else ""
    if text.count(":") == _IPV4_COLONS:
        host, _, port = text.partition(":")
        return host if _is_port(f":{port}") else ""
    return text


def _is_port(text: str) -> bool:
    digits = text[1:]
    is_number = text.startswith(":") and digits.isdigit() and len(digits) <= len(str(_PORT_MAX))
    return is_number and int(digits) <= _PORT_MAX


def _address(text: str) -> Address | None:
    try:
        return address_of(text)
    except ValueError:
        return None
