"""Stripe's own list of webhook endpoints, held against those that we keep."""

from dataclasses import replace

import pytest

from services.ingest.endpoint_status import (
    NEEDED_EVENTS,
    Registered,
    matched_count,
    registered,
    troubles,
)
from services.ingest.endpoints import Endpoint, EndpointData, endpoint_of
from services.ingest.signature import Secret
from shared.contracts.books import BookMap

PUBLIC = "https://pay.example.com"
URL = f"{PUBLIC}/webhooks/stripe/main"
GOOD = Registered("we_1", URL, True, "enabled", "2026-01-28", frozenset({"*"}))


def endpoint(**changes: str) -> Endpoint:
    data = EndpointData.model_validate({"name": "main", "secret_env": "X"} | changes)
    return endpoint_of(data, [Secret("current", "whsec_x")], BookMap())


def said(*theirs: Registered, public_url: str = "", **changes: str) -> list[str]:
    found = troubles([endpoint(**changes)], theirs, public_url=public_url)
    return [f"{t.kind} {t.subject}: {t.found}" for t in found]


def test_endpoint_that_is_on_and_sent_everything_is_no_trouble() -> None:
    assert said(GOOD) == said(GOOD, public_url=PUBLIC) == []


def test_endpoint_that_stripe_switched_off_is_told_by_its_id() -> None:
    off = replace(GOOD, is_enabled=False, status="disabled")
    assert said(off) == ["webhook_endpoint_disabled we_1: disabled"]
    assert matched_count([endpoint()], [off]) == (0, 1)


def test_endpoint_that_is_off_beside_one_that_is_on_is_no_trouble() -> None:
    old = replace(GOOD, id="we_0", is_enabled=False, status="disabled")
    assert said(old, GOOD) == []
    assert matched_count([endpoint()], [old, GOOD]) == (1, 1)


def test_endpoint_at_another_address_is_missing_only_where_ours_is_known() -> None:
    other = replace(GOOD, url="https://old.example.com/webhooks/stripe/main")
    assert said(other, public_url=PUBLIC) == [
        "webhook_endpoint_missing main: 1 endpoints, and none of that address"
    ]
    assert said(other) == []
    assert said(replace(GOOD, url="https://crm.example.com/hook")) == []


def test_endpoint_of_another_api_version_than_expected_is_told() -> None:
    assert said(GOOD, api_version="2026-01-28") == []
    assert said(GOOD, api_version="2026-09-30.dahlia") == [
        "webhook_endpoint_misconfigured we_1: API version 2026-01-28 instead of 2026-09-30.dahlia"
    ]


def test_endpoint_that_is_not_sent_what_moves_money_is_told_which() -> None:
    some = replace(GOOD, enabled_events=NEEDED_EVENTS - {"payout.paid"} | {"customer.created"})
    assert said(some) == ["webhook_endpoint_misconfigured we_1: not sent: payout.paid"]
    assert said(replace(GOOD, enabled_events=NEEDED_EVENTS)) == []


def test_endpoint_for_thin_events_is_not_held_against_snapshot_types() -> None:
    some = replace(GOOD, enabled_events=frozenset({"v1.charge.succeeded"}))
    assert said(some, payload="thin") == []


@pytest.mark.parametrize(
    "item", [{}, {"id": "we_1"}, {"id": 7, "url": URL}, {"id": "we_1", "url": None}]
)
def test_item_that_is_no_endpoint_is_left_out(item: dict[str, object]) -> None:
    assert registered([item]) == ()


def test_odd_addresses_and_fields_are_read_without_harm() -> None:
    (one,) = registered([{"id": "we_1", "url": "http://[odd", "enabled_events": [1, "*"]}])
    assert (one.status, one.is_enabled, one.enabled_events) == ("unknown", False, frozenset({"*"}))
    assert said(one) == []
