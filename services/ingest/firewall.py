"""The allow-list as rules of a firewall, so that strangers do not even reach the proxy."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from enum import StrEnum
from ipaddress import IPv4Network
from typing import Final

from services.ingest.allow_list import AllowList, Network
from shared.contracts.envelope import rfc3339

HTTPS_PORT: Final = 443
# By it the rules of an older list are found and taken away.
UFW_COMMENT: Final = "tallystick-stripe"
_TABLE: Final = "tallystick_webhooks"


class RuleFormat(StrEnum):
    """Whose rules are written."""

    NFTABLES = "nftables"
    UFW = "ufw"


def rules(allow_list: AllowList, form: RuleFormat, *, port: int, at: datetime) -> str:
    """A file of rules: the addresses in force may reach the port, and nobody else."""
    networks = [entry.network for entry in allow_list.in_force(at)]
    told = f"published list of {rfc3339(allow_list.fetched_at)}, {len(networks)} networks"
    write = _nftables if form is RuleFormat.NFTABLES else _ufw
    return "\n".join(write(networks, port, told)) + "\n"


def _nftables(networks: Sequence[Network], port: int, told: str) -> Iterable[str]:
    yield "#!/usr/sbin/nft -f"
    yield f"# Made by `tallystick ingest allow-list rules` from the {told}."
    yield "# Load it with `nft -f FILE`: the older rules go and these come in one step."
    # Said before it is deleted, so that there is something to delete the first time, too.
    yield f"table inet {_TABLE}"
    yield f"delete table inet {_TABLE}"
    yield f"table inet {_TABLE} {{"
    yield from _nftables_set("stripe4", "ipv4_addr", _of_version(networks, is_v4=True))
    yield from _nftables_set("stripe6", "ipv6_addr", _of_version(networks, is_v4=False))
    yield "    chain input {"
    yield "        type filter hook input priority filter - 10; policy accept;"
    yield '        iifname "lo" accept'
    yield f"        tcp dport {port} ip saddr @stripe4 accept"
    yield f"        tcp dport {port} ip6 saddr @stripe6 accept"
    yield f"        tcp dport {port} counter drop"
    yield "    }"
    yield "}"


def _nftables_set(name: str, kind: str, networks: Sequence[Network]) -> Iterable[str]:
    yield f"    set {name} {{"
    yield f"        type {kind}"
    yield "        flags interval"
    yield "        auto-merge"
    if networks:
        yield "        elements = {"
        yield from (f"            {_written(network)}," for network in networks)
        yield "        }"
    yield "    }"


def _ufw(networks: Sequence[Network], port: int, told: str) -> Iterable[str]:
    yield "#!/bin/sh"
    yield f"# Made by `tallystick ingest allow-list rules` from the {told}."
    yield "# Run it as root. Rules of an older list, known by their comment, are taken away first;"
    yield "# let ufw deny by default, so that nothing is open in between."
    yield "set -eu"
    yield "ufw status numbered |"
    yield f"    sed -n 's/^\\[ *\\([0-9][0-9]*\\)\\].*# {UFW_COMMENT}$/\\1/p' | sort -rn |"
    yield '    while read -r number; do ufw --force delete "$number"; done'
    # A ufw that is off lists no rule, and keeps them all the same.
    yield "ufw status | grep -q '^Status: active' ||"
    yield "    echo 'ufw is off and does not show its rules: run this again once it is on,' \\"
    yield "        'or addresses of an older list stay allowed' >&2"
    for network in networks:
        yield (
            f"ufw allow proto tcp from {_written(network)} to any port {port}"
            f" comment '{UFW_COMMENT}'"
        )
    yield f"ufw deny proto tcp from any to any port {port} comment '{UFW_COMMENT}'"


def _of_version(networks: Iterable[Network], *, is_v4: bool) -> list[Network]:
    return [network for network in networks if isinstance(network, IPv4Network) == is_v4]


def _written(network: Network) -> str:
    return str(network.network_address) if network.num_addresses == 1 else str(network)
