"""How many connections there may be, and for whom the count of one peer counts."""

from http import HTTPStatus
from ipaddress import ip_network

import pytest

from services.ingest.peers import ProxyRule
from services.ingest.shell.crowd import Crowd, ServingLimits, room_for

PEER = "192.0.2.1"
PROXY = "198.51.100.7"
LIMITS = ServingLimits(connections_per_peer_max=3)
BEHIND = ProxyRule(1, (ip_network("198.51.100.0/24"),))


def crowd_with(peer: str, connections: int, rule: ProxyRule | None = None) -> Crowd:
    crowd = Crowd(LIMITS, rule or ProxyRule())
    crowd.of_peer[peer] = connections
    return crowd


def test_peer_has_so_many_connections_and_no_more() -> None:
    assert crowd_with(PEER, 2).refusal(PEER) is None
    assert crowd_with(PEER, 3).refusal(PEER) is HTTPStatus.TOO_MANY_REQUESTS
    assert crowd_with(PEER, 3).refusal("192.0.2.2") is None


@pytest.mark.parametrize("peer", ["127.0.0.1", "::1", ""])
def test_peer_that_speaks_for_others_is_not_counted_as_one(peer: str) -> None:
    assert crowd_with(peer, 1_000).refusal(peer) is None


def test_proxy_of_ours_is_not_counted_and_a_stranger_in_its_place_is() -> None:
    assert crowd_with(PROXY, 1_000, BEHIND).refusal(PROXY) is None
    assert crowd_with(PROXY, 1_000).refusal(PROXY) is HTTPStatus.TOO_MANY_REQUESTS
    assert crowd_with(PEER, 1_000, BEHIND).refusal(PEER) is HTTPStatus.TOO_MANY_REQUESTS


def test_house_without_a_place_and_without_anybody_idle_refuses() -> None:
    crowd = Crowd(ServingLimits(connections_max=0))
    assert crowd.refusal(PEER) is HTTPStatus.SERVICE_UNAVAILABLE


def test_room_is_what_the_process_may_open() -> None:
    assert room_for(10) == 10
