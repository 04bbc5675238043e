"""Thin events, contexts, Connect and API versions: what the door makes of each."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.ingest.admission import Admitted, Turned, admission, fetched
from services.ingest.endpoints import Endpoint, EndpointKind, Payload
from services.ingest.signature import Secret, header_of
from shared.contracts.books import BookData, BookMap, Mode
from shared.contracts.envelope import envelope_of
from shared.contracts.journal import Book
from shared.contracts.messages import VerdictReason

NOW = datetime(2026, 11, 21, 4, 5, 6, tzinfo=UTC)
SECRET = "whsec_current"
LIVE = BookData(name="main", mode=Mode.LIVE, stripe_accounts=("acct_own",))
BOOKS = BookMap(books=(LIVE,))
BOTH = BookMap(books=(LIVE, BookData(name="trial", mode=Mode.TEST, stripe_accounts=("acct_own",))))
MODELESS = BookMap(books=(BookData(name="main", stripe_accounts=("acct_own",)),))
ENDPOINT = Endpoint(
    name="main",
    kind=EndpointKind.ACCOUNT,
    mode=Mode.LIVE,
    account="acct_own",
    book=Book("main"),
    secrets=(Secret("current", SECRET),),
)
THIN_ENDPOINT = replace(ENDPOINT, name="thin", path="thin", payload=Payload.THIN)
CONNECT = replace(ENDPOINT, name="connect", path="connect", kind=EndpointKind.CONNECT)
TEST_CONNECT = replace(CONNECT, mode=Mode.TEST)
EVENT: dict[str, Any] = {  # JSON: values of any kind
    "id": "evt_1",
    "object": "event",
    "type": "charge.succeeded",
    "api_version": "2026-10-28.endive",
    "created": 1_763_697_906,
    "livemode": True,
    "data": {"object": {"id": "ch_1", "object": "charge"}},
}
THIN: dict[str, Any] = {  # JSON: values of any kind
    "id": "evt_test_65R9",
    "object": "v2.core.event",
    "type": "v1.charge.succeeded",
    "created": "2026-11-21T04:05:05.123Z",
    "livemode": True,
    "context": None,
    "reason": {"type": "request", "request": {"id": "req_1", "idempotency_key": "k"}},
    "related_object": {"id": "ch_1", "type": "charge", "url": "/v1/charges/ch_1"},
}


def answer(
    event: dict[str, Any],
    endpoint: Endpoint = ENDPOINT,
    books: BookMap = BOOKS,
    *,
    secret: str = SECRET,
    at: datetime = NOW,
    **changes: object,
) -> Admitted | Turned:
    body = json.dumps(event | changes).encode()
    header = header_of(body, secret, int(at.timestamp()))
    return admission(body, header, endpoint, books, received_at=at)


def admitted(told: Admitted | Turned) -> Admitted:
    assert isinstance(told, Admitted), told
    assert envelope_of(told.envelope.headers(), told.envelope.data) == told.envelope
    return told


def turned(told: Admitted | Turned) -> Turned:
    assert isinstance(told, Turned), told
    return told


def test_thin_event_is_published_byte_for_byte_under_the_object_that_it_names() -> None:
    body = json.dumps(THIN, indent=1).encode()
    header = header_of(body, SECRET, int(NOW.timestamp()))
    told = admitted(admission(body, header, THIN_ENDPOINT, BOOKS, received_at=NOW))
    envelope = told.envelope
    assert envelope.data is body
    assert (envelope.type, envelope.id) == ("com.stripe.event.thin", "evt_test_65R9")
    assert (envelope.subject, told.key) == ("ch_1", b"acct_own|ch_1")
    assert dict(envelope.extensions) == {
        "account": "acct_own",
        "book": "main",
        "endpoint": "thin",
        "livemode": "true",
        "signature": header,
        "verdict": "accepted",
        "via": "webhook",
    }
    assert (told.event_type, told.created) == ("v1.charge.succeeded", int(NOW.timestamp()) - 1)


def test_thin_event_has_the_key_of_the_snapshot_of_the_same_object() -> None:
    assert admitted(answer(THIN, THIN_ENDPOINT)).key == admitted(answer(EVENT)).key


def test_thin_event_at_a_snapshot_endpoint_is_refused_with_the_way_out() -> None:
    told = turned(answer(THIN, ENDPOINT))
    assert (told.reason, told.status) == (VerdictReason.WRONG_PAYLOAD, 400)
    assert 'payload = "thin"' in told.detail
    assert told.event_id == "evt_test_65R9"


def test_snapshot_event_at_a_thin_endpoint_is_refused_with_the_way_out() -> None:
    told = turned(answer(EVENT, THIN_ENDPOINT))
    assert (told.reason, told.status) == (VerdictReason.WRONG_PAYLOAD, 400)
    assert 'payload = "snapshot"' in told.detail


def test_thin_event_of_the_other_mode_is_refused() -> None:
    assert turned(answer(THIN, THIN_ENDPOINT, livemode=False)).reason is VerdictReason.WRONG_MODE


def test_thin_event_about_no_object_is_a_matter_of_its_own() -> None:
    told = admitted(answer(THIN, THIN_ENDPOINT, related_object=None))
    assert (told.envelope.subject, told.key) == ("", b"acct_own|evt_test_65R9")


def test_thin_event_about_what_exists_once_is_keyed_by_its_kind() -> None:
    only = {"type": "balance_settings", "url": "/v1/balance_settings"}
    assert admitted(answer(THIN, THIN_ENDPOINT, related_object=only)).key == (
        b"acct_own|balance_settings"
    )


def test_thin_event_of_a_connected_account_keeps_its_whole_context_and_is_foreign() -> None:
    told = admitted(answer(THIN, THIN_ENDPOINT, context="acct_own/acct_else"))
    assert told.envelope.extension("context") == "acct_own/acct_else"
    assert told.envelope.extension("account") == "acct_else"
    assert (told.key, told.is_foreign) == (b"acct_else|ch_1", True)
    assert told.envelope.extension("foreign") == "true"


def test_thin_event_whose_context_is_our_own_account_is_ours() -> None:
    told = admitted(answer(THIN, THIN_ENDPOINT, context="acct_own"))
    assert (told.key, told.is_foreign) == (b"acct_own|ch_1", False)


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"created": 1_763_697_906}, "field created"),
        ({"created": "soon"}, "field created"),
        ({"created": "2026-11-21T04:05:06"}, "field created"),
        ({"created": "1931-01-01T00:00:00Z"}, "field created"),
        ({"created": None}, "field created"),
        ({"id": None}, "field id"),
        ({"type": 7}, "field type"),
        ({"livemode": "true"}, "field livemode"),
        ({"context": ["acct_1"]}, "field context"),
        ({"context": "a\nb"}, "field context"),
        ({"related_object": "ch_1"}, "field related_object"),
        ({"related_object": {}}, "field related_object.id"),
        ({"related_object": {"id": 7}}, "field related_object.id"),
    ],
)
def test_thin_event_with_an_odd_field_is_refused_and_names_it(
    changes: dict[str, object], word: str
) -> None:
    told = turned(answer(THIN | changes, THIN_ENDPOINT))
    assert (told.reason, told.status) == (VerdictReason.NOT_AN_EVENT, 400)
    assert word in told.detail


def test_fetched_thin_event_is_stamped_as_one() -> None:
    told = admitted(fetched(json.dumps(THIN).encode(), ENDPOINT, BOOKS, received_at=NOW))
    assert told.envelope.type == "com.stripe.event.thin"
    assert told.envelope.extension("via") == "fetched"


def test_snapshot_event_whose_context_names_another_account_is_foreign() -> None:
    told = admitted(answer(EVENT, context="acct_else"))
    assert (told.key, told.is_foreign) == (b"acct_else|ch_1", True)


def test_context_where_nobody_has_said_which_account_is_ours_is_not_held_against_an_event() -> None:
    open_to_all = replace(ENDPOINT, account="")
    told = admitted(answer(EVENT, open_to_all, BookMap(), context="acct_own"))
    assert not told.is_foreign
    assert admitted(answer(EVENT, replace(CONNECT, account=""), BookMap(), context="acct_x")).is_foreign  # fmt: skip


def test_test_event_of_our_own_account_at_a_live_connect_endpoint_says_so() -> None:
    told = admitted(answer(EVENT, CONNECT, livemode=False))
    assert (told.is_other_mode, told.is_foreign) == (True, False)
    assert told.envelope.extension("othermode") == "true"
    assert told.envelope.extension("livemode") == "false"
    assert told.detail == "a test event at a live Connect endpoint"


def test_test_event_at_a_live_connect_endpoint_goes_to_the_test_book_where_there_is_one() -> None:
    told = admitted(answer(EVENT, CONNECT, BOTH, livemode=False))
    assert (told.is_other_mode, told.envelope.extension("book")) == (False, "trial")


def test_test_event_at_a_live_connect_endpoint_over_a_book_of_no_mode_is_of_the_other_mode() -> (
    None
):
    assert admitted(answer(EVENT, CONNECT, MODELESS, livemode=False)).is_other_mode


def test_test_event_of_a_connected_account_at_a_live_connect_endpoint_is_foreign_as_well() -> None:
    told = admitted(answer(EVENT, CONNECT, livemode=False, account="acct_else"))
    assert (told.is_other_mode, told.is_foreign) == (True, True)


def test_live_event_at_a_test_connect_endpoint_is_refused() -> None:
    assert turned(answer(EVENT, TEST_CONNECT, BOTH)).reason is VerdictReason.WRONG_MODE


def test_live_event_about_a_test_object_is_refused_at_a_connect_endpoint() -> None:
    told = turned(answer(EVENT, CONNECT, data={"object": {"id": "ch_1", "livemode": False}}))
    assert told.reason is VerdictReason.WRONG_MODE


def test_event_in_another_api_version_than_expected_is_accepted_and_marked() -> None:
    told = admitted(answer(EVENT, replace(ENDPOINT, api_version="2025-01-01.acacia")))
    assert told.envelope.extension("stripeversion") == "2026-10-28.endive"
    assert told.envelope.extension("expectedversion") == "2025-01-01.acacia"
    assert (told.api_version, told.expected_version) == ("2026-10-28.endive", "2025-01-01.acacia")
    assert told.detail == "told in API version 2026-10-28.endive, and 2025-01-01.acacia is expected"


@pytest.mark.parametrize("expected", ["", "2026-10-28.endive"])
def test_event_in_the_expected_api_version_is_not_marked(expected: str) -> None:
    told = admitted(answer(EVENT, replace(ENDPOINT, api_version=expected)))
    assert told.envelope.extension("expectedversion") == ""
    assert (told.expected_version, told.detail) == ("", "")


@pytest.mark.parametrize("told_version", [None, 7, "", ["x"]])
def test_event_that_tells_no_api_version_is_not_marked(told_version: object) -> None:
    endpoint = replace(ENDPOINT, api_version="2026-10-28.endive")
    assert admitted(answer(EVENT, endpoint, api_version=told_version)).expected_version == ""


HOUR = timedelta(hours=1)
ROTATED = replace(
    ENDPOINT,
    secrets=(
        Secret("spring", "whsec_spring", valid_until=NOW + HOUR),
        Secret("summer", "whsec_summer", valid_from=NOW),
    ),
)


@pytest.mark.parametrize(
    ("secret", "after", "name"),
    [
        ("whsec_spring", -HOUR, "spring"),
        ("whsec_spring", HOUR - timedelta(seconds=1), "spring"),
        ("whsec_summer", timedelta(), "summer"),
        ("whsec_summer", 9 * HOUR, "summer"),
    ],
)
def test_secret_in_force_at_the_time_of_delivery_accepts_it_and_is_named(
    secret: str, after: timedelta, name: str
) -> None:
    assert admitted(answer(EVENT, ROTATED, secret=secret, at=NOW + after)).secret == name


@pytest.mark.parametrize(
    ("secret", "after", "words"),
    [
        ("whsec_spring", HOUR, "it is signed with 'spring', which has ended"),
        ("whsec_summer", -timedelta(seconds=1), "it is signed with 'summer', which has not begun"),
    ],
)
def test_secret_not_in_force_at_the_time_of_delivery_refuses_it_and_says_which_it_was(
    secret: str, after: timedelta, words: str
) -> None:
    told = turned(answer(EVENT, ROTATED, secret=secret, at=NOW + after))
    assert (told.reason, told.secret) == (VerdictReason.BAD_SIGNATURE, "")
    assert words in told.detail
