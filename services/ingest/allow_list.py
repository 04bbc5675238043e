"""Who may come to the door at all: Stripe's published addresses, and what of them is in force.

    published file ──networks_of──▶ networks ──refreshed──▶ AllowList ──allows──▶ yes or no

Stripe tells of a change seven days ahead. An address that is new in the file counts at once; one
that is gone from it still counts for seven days, so no refresh can lock out a sender that Stripe
has not moved yet.
"""

import ipaddress
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final, cast

from shared.contracts.envelope import instant_of, rfc3339
from shared.contracts.errors import Refused, Unreadable

# Source: Stripe documentation, "Domains and IP addresses", section "Webhook notifications".
PUBLISHED_URL: Final = "https://stripe.com/files/ips/ips_webhooks.json"
PUBLISHED_FIELD: Final = "WEBHOOKS"
KEPT_AFTER_REMOVAL: Final = timedelta(days=7)
ENTRIES_MAX: Final = 10_000
# A network wider than these would be no wall; it is a slip of the pen or worse.
PREFIX_MIN: Final = {4: 8, 6: 16}
_PREFIX: Final = re.compile(r"[0-9]{1,3}")
_MAPPED: Final = ipaddress.IPv6Network("::ffff:0:0/96")
_MAPPED_PREFIX: Final = 96

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class AllowListInvalid(Refused):
    """A list of addresses that cannot be used; the message says where it is wrong."""

    reason = "allow_list_invalid"


@dataclass(frozen=True, slots=True)
class Allowed:
    """One network of the list; ``removed_at`` is when it was first missing from the file."""

    network: Network
    removed_at: datetime | None = None

    def counts(self, at: datetime) -> bool:
        """Whether it is in force at a time."""
        return self.removed_at is None or at < self.removed_at + KEPT_AFTER_REMOVAL


@dataclass(frozen=True, slots=True)
class Change:
    """What a newly published list adds to the one that was in force and takes from it."""

    added: tuple[Network, ...]
    removed: tuple[Network, ...]


@dataclass(frozen=True, slots=True)
class AllowList:
    """The networks in force and when they were last seen published.

    Raises:
        AllowListInvalid: It is empty.
    """

    fetched_at: datetime
    entries: tuple[Allowed, ...]
    _hosts: dict[str, Allowed] = field(init=False, repr=False, compare=False)
    _wide: tuple[Allowed, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not self.entries:
            raise AllowListInvalid("the list is empty: it would shut everybody out")
        # Nearly all are single addresses, and those are asked for at each delivery.
        hosts = {
            str(entry.network.network_address): entry
            for entry in self.entries
            if entry.network.num_addresses == 1
        }
        wide = tuple(entry for entry in self.entries if entry.network.num_addresses > 1)
        object.__setattr__(self, "_hosts", hosts)
        object.__setattr__(self, "_wide", wide)

    def allows(self, peer: str, at: datetime) -> bool:
        """Whether a peer, as ``peers.address_text`` writes it, may come in."""
        entry = self._hosts.get(peer)
        if entry is not None and entry.counts(at):
            return True
        if not self._wide:
            return False
        try:
            address = address_of(peer)
        except ValueError:
            return False
        return any(address in e.network and e.counts(at) for e in self._wide)

    def age(self, at: datetime) -> timedelta:
        """How long ago the published list was last seen."""
        return at - self.fetched_at

    def is_older_than(self, days: int, at: datetime) -> bool:
        """Whether a change that Stripe has told of may have been missed."""
        return self.age(at) > timedelta(days=days)

    def in_force(self, at: datetime) -> tuple[Allowed, ...]:
        """The entries that count at a time."""
        return tuple(entry for entry in self.entries if entry.counts(at))


def address_of(text: str) -> Address:
    """The address of a text; an IPv4 address in IPv6 clothes is the IPv4 address.

    Raises:
        ValueError: It is not a plain address.
    """
    if "%" in text:
        raise ValueError(f"{text!r} has a zone")
    address = ipaddress.ip_address(text)
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return address if mapped is None else mapped


def network_of(text: str) -> Network:
    """The network of ``a.b.c.d``, of ``a.b.c.d/n`` or of the same in IPv6.

    Raises:
        ValueError: It is neither, has bits behind its prefix, or is too wide for a wall.
    """
    host, slash, prefix = text.partition("/")
    if "%" in host or (slash and not _PREFIX.fullmatch(prefix)):
        raise ValueError(f"{text!r} is not an address or a network")
    network = ipaddress.ip_network(text)
    if isinstance(network, ipaddress.IPv6Network) and network.subnet_of(_MAPPED):
        mapped = network.network_address.ipv4_mapped
        network = ipaddress.ip_network(f"{mapped}/{network.prefixlen - _MAPPED_PREFIX}")
    narrowest = PREFIX_MIN[network.version]
    if network.prefixlen < narrowest:
        raise ValueError(f"{text!r} is wider than /{narrowest}")
    return network


def networks_of(text: str) -> tuple[Network, ...]:
    """The networks of a published file, JSON or one a line, sorted; blank lines and ``#`` pass.

    Raises:
        AllowListInvalid: A line is wrong, or there is none.
    """
    is_json = text.lstrip("\ufeff \t\r\n").startswith(("{", "["))
    named = _named_in_json(text) if is_json else _named_in_lines(text)
    found: set[Network] = set()
    for where, word in named:
        try:
            found.add(network_of(word))
        except ValueError as error:
            raise AllowListInvalid(f"{where}: {error}") from None
        if len(found) > ENTRIES_MAX:
            raise AllowListInvalid(f"{where}: more than {ENTRIES_MAX} addresses")
    if not found:
        raise AllowListInvalid("the list is empty: it would shut everybody out")
    return tuple(sorted(found, key=_order))


def refreshed(
    stored: AllowList | None, published: Iterable[Network], at: datetime
) -> tuple[AllowList, Change]:
    """The list in force once a file was read, and what it changes."""
    now = set(published)
    before = {} if stored is None else {entry.network: entry for entry in stored.entries}
    was = {network for network, entry in before.items() if entry.removed_at is None}
    kept = {
        network: entry if entry.removed_at is not None else replace(entry, removed_at=at)
        for network, entry in before.items()
        if network not in now
    }
    entries = [Allowed(network) for network in now] + [e for e in kept.values() if e.counts(at)]
    change = Change(
        added=tuple(sorted(now - was, key=_order)), removed=tuple(sorted(was - now, key=_order))
    )
    return AllowList(at, tuple(sorted(entries, key=lambda e: _order(e.network)))), change


def stored_text(allow_list: AllowList) -> str:
    """The list as it is stored, which ``stored_of`` reads."""
    value = {
        "fetched_at": rfc3339(allow_list.fetched_at),
        "networks": [_stored(entry) for entry in allow_list.entries],
    }
    return json.dumps(value, indent=2) + "\n"


def stored_of(text: str, *, seen_at: datetime) -> AllowList:
    """The list of a stored text; a file as Stripe publishes it is one that was seen then.

    Raises:
        AllowListInvalid: It is neither.
    """
    if '"fetched_at"' not in text:
        return AllowList(seen_at, tuple(Allowed(network) for network in networks_of(text)))
    value = _json_object(text)
    items = value.get("networks")
    if not isinstance(items, list):
        raise AllowListInvalid("the field networks is not a list")
    entries = [
        _entry_of(item, f"item {number} of networks")
        for number, item in enumerate(cast("list[object]", items), start=1)
    ]
    return AllowList(_instant(value.get("fetched_at"), "fetched_at"), tuple(entries))


def _stored(entry: Allowed) -> dict[str, str]:
    stored = {"network": str(entry.network)}
    if entry.removed_at is not None:
        stored["removed_at"] = rfc3339(entry.removed_at)
    return stored


def _entry_of(item: object, where: str) -> Allowed:
    if not isinstance(item, dict):
        raise AllowListInvalid(f"{where}: not an object")
    fields = cast("dict[str, object]", item)
    try:
        network = network_of(str(fields.get("network")))
    except ValueError as error:
        raise AllowListInvalid(f"{where}: {error}") from None
    removed_at = fields.get("removed_at")
    return Allowed(network, None if removed_at is None else _instant(removed_at, where))


def _instant(value: object, where: str) -> datetime:
    try:
        return instant_of(str(value))
    except (Unreadable, ValueError) as error:
        raise AllowListInvalid(f"{where}: {error}") from None


def _named_in_lines(text: str) -> list[tuple[str, str]]:
    lines = enumerate(text.removeprefix("\ufeff").splitlines(), start=1)
    stripped = [(f"line {number}", line.strip()) for number, line in lines]
    return [(where, line) for where, line in stripped if line and not line.startswith("#")]


def _named_in_json(text: str) -> list[tuple[str, str]]:
    items = _json_object(text).get(PUBLISHED_FIELD)
    if not isinstance(items, list):
        raise AllowListInvalid(f"the field {PUBLISHED_FIELD} is missing or not a list")
    named: list[tuple[str, str]] = []
    for number, item in enumerate(cast("list[object]", items), start=1):
        where = f"item {number} of {PUBLISHED_FIELD}"
        if not isinstance(item, str):
            raise AllowListInvalid(f"{where}: not a text")
        line = _line_of(text, item)
        named.append((f"{where}, line {line}" if line else where, item))
    return named


def _line_of(text: str, item: str) -> int:
    """The line on which an item stands, for a person who looks for it; 0 when it is escaped."""
    at = text.find(json.dumps(item, ensure_ascii=False))
    return text.count("\n", 0, at) + 1 if at >= 0 else 0


def _json_object(text: str) -> dict[str, object]:
    try:
        value = json.loads(text.removeprefix("\ufeff"), object_pairs_hook=_each_once)
    except (ValueError, RecursionError) as error:
        raise AllowListInvalid(f"not JSON: {error}") from None
    if not isinstance(value, dict):
        raise AllowListInvalid("not a JSON object")
    return cast("dict[str, object]", value)


def _each_once(pairs: Sequence[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a field is there twice")
    return found


def _order(network: Network) -> tuple[int, int, int]:
    return network.version, int(network.network_address), network.prefixlen
