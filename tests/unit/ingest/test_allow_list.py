"""The list of who may come to the door: how it is read, how it changes, whom it lets in."""

import json
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network

import pytest

from services.ingest.allow_list import (
    ENTRIES_MAX,
    Allowed,
    AllowList,
    AllowListInvalid,
    networks_of,
    refreshed,
    stored_of,
    stored_text,
)

NOW = datetime(2025, 6, 1, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)
A, B, C = (ip_network(f"192.0.2.{n}") for n in (1, 2, 3))
PUBLISHED = '{\n  "WEBHOOKS": [\n    "192.0.2.1",\n    "192.0.2.2"\n  ]\n}\n'


def test_published_json_and_its_text_twin_are_the_same_list() -> None:
    assert networks_of(PUBLISHED) == networks_of("192.0.2.2\n192.0.2.1\n") == (A, B)


@pytest.mark.parametrize(
    ("text", "networks"),
    [
        ("192.0.2.1", ["192.0.2.1/32"]),
        ("192.0.2.1\r\n\r\n  192.0.2.2  \r\n", ["192.0.2.1/32", "192.0.2.2/32"]),
        ("\ufeff192.0.2.1\n", ["192.0.2.1/32"]),
        ("# ours\n192.0.2.1\n", ["192.0.2.1/32"]),
        ("192.0.2.1\n192.0.2.1/32\n", ["192.0.2.1/32"]),
        ("198.51.100.0/24", ["198.51.100.0/24"]),
        ("2001:db8::1\n2001:db8:1::/48", ["2001:db8::1/128", "2001:db8:1::/48"]),
        ("::ffff:192.0.2.1", ["192.0.2.1/32"]),
        ("::ffff:c000:201", ["192.0.2.1/32"]),
        ("::ffff:192.0.2.0/120", ["192.0.2.0/24"]),
        ('{"WEBHOOKS": ["::ffff:192.0.2.1"], "NOTE": 1}', ["192.0.2.1/32"]),
    ],
)
def test_list_of_any_lawful_form_is_read(text: str, networks: list[str]) -> None:
    assert [str(network) for network in networks_of(text)] == networks


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("192.0.2.1\nexample.com\n", "line 2"),
        ("192.0.2.1\n\n192.0.2.256\n", "line 3"),
        ("192.0.2.01", "line 1"),
        ("192.0.2", "line 1"),
        ("3221225985", "line 1"),
        ("0xc0000201", "line 1"),
        ("192.0.2.1 192.0.2.2", "line 1"),
        ("192.0.2.1, 192.0.2.2", "line 1"),
        ("192.0.2.1:443", "line 1"),
        ("192.0.2.1/24", "line 1"),
        ("192.0.2.0/255.255.255.0", "line 1"),
        ("192.0.2.0/", "line 1"),
        ("192.0.2.0/+24", "line 1"),
        ("0.0.0.0/0", "line 1"),
        ("::/0", "line 1"),
        ("::ffff:0:0/96", "line 1"),
        ("fe80::1%eth0", "line 1"),
        ("<html>", "line 1"),
        ("", "empty"),
        ("\n# nobody\n", "empty"),
        ("{}", "WEBHOOKS"),
        ("[]", "not a JSON object"),
        ('{"API": ["192.0.2.1"]}', "WEBHOOKS"),
        ('{"WEBHOOKS": "192.0.2.1"}', "WEBHOOKS"),
        ('{"WEBHOOKS": []}', "empty"),
        ('{"WEBHOOKS": ["192.0.2.1", 5]}', "item 2"),
        ('{\n"WEBHOOKS": [\n"192.0.2.1",\n"nobody"]}', "item 2 of WEBHOOKS, line 4"),
        ('{"WEBHOOKS": ["192.0.2.1"], "WEBHOOKS": ["192.0.2.2"]}', "twice"),
        ('{"WEBHOOKS": ["192.0.2.1"]', "not JSON"),
        ('{"WEBHOOKS": ' + "[" * 100_000, "not JSON"),
        ("\n".join(f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}" for n in range(ENTRIES_MAX + 1)), "more"),
    ],
)  # fmt: skip
def test_list_that_is_wrong_is_refused_and_the_place_named(text: str, where: str) -> None:
    with pytest.raises(AllowListInvalid, match=where):
        networks_of(text)


def test_first_list_adds_everything() -> None:
    found, change = refreshed(None, [B, A], NOW)
    assert found == AllowList(NOW, (Allowed(A), Allowed(B)))
    assert (change.added, change.removed) == ((A, B), ())


def test_address_newly_published_counts_at_once() -> None:
    before, _ = refreshed(None, [A], NOW)
    after, change = refreshed(before, [A, B], NOW + DAY)
    assert not before.allows("192.0.2.2", NOW)
    assert after.allows("192.0.2.2", NOW + DAY)
    assert (change.added, change.removed) == ((B,), ())


def test_address_no_longer_published_counts_for_seven_days_however_often_it_is_read() -> None:
    found, _ = refreshed(None, [A, B], NOW)
    removed_at = NOW + DAY
    for days in range(1, 7):
        found, change = refreshed(found, [A], NOW + days * DAY)
        assert change.removed == ((B,) if days == 1 else ())
    last = removed_at + 7 * DAY
    assert found.allows("192.0.2.2", last - timedelta(seconds=1))
    assert not found.allows("192.0.2.2", last)
    assert [str(e.network) for e in found.in_force(last)] == ["192.0.2.1/32"]
    found, change = refreshed(found, [A], last)
    assert found.entries == (Allowed(A),)
    assert change.removed == ()


def test_address_that_comes_back_counts_as_before() -> None:
    found, _ = refreshed(None, [A, B], NOW)
    found, _ = refreshed(found, [A], NOW + DAY)
    found, change = refreshed(found, [A, B], NOW + 2 * DAY)
    assert found.allows("192.0.2.2", NOW + 100 * DAY)
    assert change.added == (B,)


def test_network_lets_in_all_of_it_and_nobody_beside() -> None:
    found, _ = refreshed(None, [ip_network("198.51.100.0/24"), ip_network("2001:db8::/32")], NOW)
    assert found.allows("198.51.100.255", NOW)
    assert found.allows("2001:db8::1", NOW)
    for peer in ("198.51.101.0", "2001:db9::", "", "nobody"):
        assert not found.allows(peer, NOW)


def test_stored_list_is_read_back_as_it_was() -> None:
    found, _ = refreshed(None, [A, B], NOW)
    found, _ = refreshed(found, [A, C], NOW + DAY)
    assert stored_of(stored_text(found), seen_at=NOW + 9 * DAY) == found


def test_file_as_stripe_publishes_it_serves_as_a_stored_one_seen_when_it_was_written() -> None:
    found = stored_of(PUBLISHED, seen_at=NOW)
    assert found.allows("192.0.2.1", NOW + 365 * DAY)
    assert found.fetched_at == NOW


@pytest.mark.parametrize(
    "change",
    [
        {"fetched_at": "yesterday"},
        {"fetched_at": None},
        {"networks": []},
        {"networks": {}},
        {"networks": ["192.0.2.1"]},
        {"networks": [{"network": "192.0.2.1/99"}]},
        {"networks": [{"network": None}]},
        {"networks": [{"network": "192.0.2.1", "removed_at": "soon"}]},
    ],
)
def test_stored_list_that_is_wrong_is_refused(change: dict[str, object]) -> None:
    found, _ = refreshed(None, [A], NOW)
    with pytest.raises(AllowListInvalid):
        stored_of(json.dumps(json.loads(stored_text(found)) | change), seen_at=NOW)


def test_list_that_was_not_refreshed_for_longer_than_asked_is_old() -> None:
    found, _ = refreshed(None, [A], NOW)
    assert not found.is_older_than(3, NOW + 3 * DAY)
    assert found.is_older_than(3, NOW + 3 * DAY + timedelta(seconds=1))
