"""Who really sent a request: each way to claim another address, and what it gains."""

from ipaddress import ip_network

import pytest

from services.ingest.peers import UNKNOWN, Header, ProxyRule, real_peer, sender_of

PROXY = "127.0.0.1"
CDN = "198.51.100.7"
ATTACKER = "203.0.113.66"
STRIPE = "192.0.2.1"
LOCAL = (ip_network("127.0.0.0/8"), ip_network("::1"))
DIRECT = ProxyRule(0)
ONE = ProxyRule(1, LOCAL)
TWO = ProxyRule(2, (*LOCAL, ip_network("198.51.100.0/24")))
UNNAMED = ProxyRule(1)


def forwarded(*lines: str | bytes) -> list[Header]:
    """The lines of X-Forwarded-For."""
    encoded = (line.encode() if isinstance(line, str) else line for line in lines)
    return [(b"x-forwarded-for", line) for line in encoded]


# Each is what an attacker at 203.0.113.66 can bring about; behind a proxy, what it wrote is
# followed by what the proxy saw.
SPOOFS: dict[str, tuple[str, list[Header], ProxyRule, str]] = {
    "direct, claims Stripe": (ATTACKER, forwarded(STRIPE), DIRECT, ATTACKER),
    "direct, claims loopback": (ATTACKER, forwarded("127.0.0.1"), DIRECT, ATTACKER),
    "direct, a chain": (ATTACKER, forwarded(f"{STRIPE}, {PROXY}"), DIRECT, ATTACKER),
    "direct, Forwarded": (ATTACKER, [(b"forwarded", b"for=192.0.2.1")], DIRECT, ATTACKER),
    "direct, X-Real-IP": (ATTACKER, [(b"x-real-ip", STRIPE.encode())], DIRECT, ATTACKER),
    "direct, mapped socket": (f"::ffff:{ATTACKER}", forwarded(STRIPE), DIRECT, ATTACKER),
    "around the proxy, claims Stripe": (ATTACKER, forwarded(STRIPE), ONE, ATTACKER),
    "around the proxy, claims the proxy": (ATTACKER, forwarded(PROXY), ONE, ATTACKER),
    "around the proxy, IPv6": ("2001:db8::66", forwarded(STRIPE), ONE, "2001:db8::66"),
    "around the proxy, no header": (ATTACKER, [], ONE, ATTACKER),
    "one hop, claims Stripe": (PROXY, forwarded(f"{STRIPE}, {ATTACKER}"), ONE, ATTACKER),
    "one hop, claims loopback": (PROXY, forwarded(f"127.0.0.1, {ATTACKER}"), ONE, ATTACKER),
    "one hop, ten claims": (PROXY, forwarded(f"{(STRIPE + ', ') * 10}{ATTACKER}"), ONE, ATTACKER),
    "one hop, without blanks": (PROXY, forwarded(f"{STRIPE},{ATTACKER}"), ONE, ATTACKER),
    "one hop, tabs": (PROXY, forwarded(f"{STRIPE}\t,\t{ATTACKER}\t"), ONE, ATTACKER),
    "one hop, line before the proxy's": (PROXY, forwarded(STRIPE, ATTACKER), ONE, ATTACKER),
    "one hop, three lines": (PROXY, forwarded(STRIPE, f"{STRIPE}, {STRIPE}", ATTACKER), ONE, ATTACKER),
    "one hop, mapped claim": (PROXY, forwarded(f"::ffff:{STRIPE}, {ATTACKER}"), ONE, ATTACKER),
    "one hop, mapped entry": (PROXY, forwarded(f"{STRIPE}, ::ffff:{ATTACKER}"), ONE, ATTACKER),
    "one hop, entry with port": (PROXY, forwarded(f"{STRIPE}, {ATTACKER}:4711"), ONE, ATTACKER),
    "one hop, entry in brackets": (PROXY, forwarded(f"{STRIPE}, [2001:db8::66]"), ONE, "2001:db8::66"),
    "one hop, brackets and port": (PROXY, forwarded(f"{STRIPE}, [2001:db8::66]:1"), ONE, "2001:db8::66"),
    "one hop, garbage to the left": (PROXY, forwarded(f"\x7f;DROP, , {ATTACKER}"), ONE, ATTACKER),
    "one hop, bytes to the left": (PROXY, forwarded(b"\xff\xfe," + ATTACKER.encode()), ONE, ATTACKER),
    "one hop, mapped proxy": (f"::ffff:{PROXY}", forwarded(f"{STRIPE}, {ATTACKER}"), ONE, ATTACKER),
    "one hop, IPv6 proxy": ("::1", forwarded(f"{STRIPE}, {ATTACKER}"), ONE, ATTACKER),
    "one hop, Forwarded beside": (PROXY, [(b"forwarded", b"for=192.0.2.1"), *forwarded(ATTACKER)], ONE, ATTACKER),
    "one hop, X-Real-IP beside": (PROXY, [(b"x-real-ip", b"192.0.2.1"), *forwarded(ATTACKER)], ONE, ATTACKER),
    "one hop, underscores beside": (PROXY, [*forwarded(ATTACKER), (b"x_forwarded_for", b"192.0.2.1")], ONE, ATTACKER),
    "one hop, underscores alone": (PROXY, [(b"x_forwarded_for", b"192.0.2.1")], ONE, UNKNOWN),
    "one hop, half underscores": (PROXY, [(b"x-forwarded_for", b"192.0.2.1")], ONE, UNKNOWN),
    "one hop, Forwarded alone": (PROXY, [(b"forwarded", b"for=192.0.2.1")], ONE, UNKNOWN),
    "one hop, X-Real-IP alone": (PROXY, [(b"x-real-ip", b"192.0.2.1")], ONE, UNKNOWN),
    "one hop, True-Client-IP alone": (PROXY, [(b"true-client-ip", b"192.0.2.1")], ONE, UNKNOWN),
    "one hop, CF-Connecting-IP alone": (PROXY, [(b"cf-connecting-ip", b"192.0.2.1")], ONE, UNKNOWN),
    "one hop, X-Forwarded alone": (PROXY, [(b"x-forwarded", b"for=192.0.2.1")], ONE, UNKNOWN),
    "one hop, no header": (PROXY, [], ONE, UNKNOWN),
    "one hop, empty": (PROXY, forwarded(""), ONE, UNKNOWN),
    "one hop, trailing comma": (PROXY, forwarded(f"{STRIPE},"), ONE, UNKNOWN),
    "one hop, only commas": (PROXY, forwarded(",,,,"), ONE, UNKNOWN),
    "one hop, empty last line": (PROXY, forwarded(STRIPE, ""), ONE, UNKNOWN),
    "one hop, unknown": (PROXY, forwarded("unknown"), ONE, UNKNOWN),
    "one hop, a name": (PROXY, forwarded("stripe.com"), ONE, UNKNOWN),
    "one hop, octal": (PROXY, forwarded("0300.0.2.1"), ONE, UNKNOWN),
    "one hop, decimal": (PROXY, forwarded("3221225985"), ONE, UNKNOWN),
    "one hop, hexadecimal": (PROXY, forwarded("0xc0.0.2.1"), ONE, UNKNOWN),
    "one hop, short": (PROXY, forwarded("192.1"), ONE, UNKNOWN),
    "one hop, leading zero": (PROXY, forwarded("192.0.2.01"), ONE, UNKNOWN),
    "one hop, network": (PROXY, forwarded("192.0.2.1/32"), ONE, UNKNOWN),
    "one hop, zone": (PROXY, forwarded("fe80::1%eth0"), ONE, UNKNOWN),
    "one hop, quotes": (PROXY, forwarded('"192.0.2.1"'), ONE, UNKNOWN),
    "one hop, brackets around IPv4": (PROXY, forwarded("[192.0.2.1]"), ONE, UNKNOWN),
    "one hop, open bracket": (PROXY, forwarded("[2001:db8::1"), ONE, UNKNOWN),
    "one hop, bracket and words": (PROXY, forwarded("[2001:db8::1]x"), ONE, UNKNOWN),
    "one hop, port too large": (PROXY, forwarded("192.0.2.1:65536"), ONE, UNKNOWN),
    "one hop, port of words": (PROXY, forwarded("192.0.2.1:http"), ONE, UNKNOWN),
    "one hop, port empty": (PROXY, forwarded("192.0.2.1:"), ONE, UNKNOWN),
    "one hop, semicolon": (PROXY, forwarded("192.0.2.1;192.0.2.1"), ONE, UNKNOWN),
    "one hop, two in one": (PROXY, forwarded("192.0.2.1 192.0.2.1"), ONE, UNKNOWN),
    "one hop, other digits": (PROXY, forwarded("\uff11\uff19\uff12.0.2.1"), ONE, UNKNOWN),
    "one hop, bytes": (PROXY, forwarded(b"\xc0\x00\x02\x01"), ONE, UNKNOWN),
    "one hop, too long": (PROXY, forwarded("1" * 65), ONE, UNKNOWN),
    "two hops, claims Stripe": (PROXY, forwarded(f"{STRIPE}, {ATTACKER}, {CDN}"), TWO, ATTACKER),
    "two hops, lines": (PROXY, forwarded(STRIPE, ATTACKER, CDN), TWO, ATTACKER),
    "two hops, around the first": (PROXY, forwarded(f"{STRIPE}, {ATTACKER}"), TWO, ATTACKER),
    "two hops, around both": (ATTACKER, forwarded(f"{STRIPE}, {CDN}"), TWO, ATTACKER),
    "two hops, chain too short": (PROXY, forwarded(CDN), TWO, UNKNOWN),
    "two hops, garbage where the peer belongs": (PROXY, forwarded(f"x, {CDN}"), TWO, UNKNOWN),
    "proxies not named": (PROXY, forwarded(f"{STRIPE}, {ATTACKER}"), UNNAMED, ATTACKER),
    "no socket": ("", forwarded(STRIPE), ONE, UNKNOWN),
    "no socket, direct": ("", forwarded(STRIPE), DIRECT, UNKNOWN),
}  # fmt: skip


@pytest.mark.parametrize("name", SPOOFS)
def test_claim_of_another_address_gains_nothing(name: str) -> None:
    socket_peer, headers, rule, peer = SPOOFS[name]
    assert real_peer(socket_peer, headers, rule) == peer
    assert peer != STRIPE


@pytest.mark.parametrize(
    ("socket_peer", "headers", "rule"),
    [
        (STRIPE, [], DIRECT),
        (f"::ffff:{STRIPE}", [], DIRECT),
        (PROXY, forwarded(STRIPE), ONE),
        (PROXY, forwarded(f"{STRIPE}:443"), ONE),
        (PROXY, forwarded(f"::ffff:{STRIPE}"), ONE),
        (PROXY, forwarded(f"[::ffff:{STRIPE}]:443"), ONE),
        (PROXY, forwarded(f"{ATTACKER}, {STRIPE}"), ONE),
        (PROXY, forwarded(f"{STRIPE}, {CDN}"), TWO),
        (PROXY, forwarded(STRIPE, CDN), TWO),
        (CDN, forwarded(f"{STRIPE}, {CDN}"), TWO),
        (ATTACKER, forwarded(STRIPE), UNNAMED),
    ],
)
def test_sender_behind_trusted_proxies_is_found(
    socket_peer: str, headers: list[Header], rule: ProxyRule
) -> None:
    assert real_peer(socket_peer, headers, rule) == STRIPE


def test_enough_forms_are_tried() -> None:
    assert len(SPOOFS) >= 30


def test_sender_of_ipv6_is_its_network_and_of_ipv4_itself() -> None:
    assert sender_of("2001:db8::1") == sender_of("2001:db8::ffff")
    assert sender_of("2001:db8::1") != sender_of("2001:db8:0:1::1")
    assert sender_of(STRIPE) == STRIPE
    assert sender_of(UNKNOWN) == UNKNOWN


def test_negative_number_of_hops_is_refused() -> None:
    with pytest.raises(ValueError):
        ProxyRule(-1)
