"""What the door takes in and how it stamps it; what it turns away, with which word."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.admission import Admitted, Turned, admission, fetched
from services.ingest.endpoints import Endpoint, EndpointKind
from services.ingest.signature import Secret, header_of
from shared.contracts.books import BookData, BookMap, Mode
from shared.contracts.envelope import envelope_of
from shared.contracts.journal import Book
from shared.contracts.messages import VerdictReason

NOW = datetime(2026, 11, 21, 4, 5, 6, tzinfo=UTC)
SECRET = "whsec_current"
BOOKS = BookMap(
    books=(
        BookData(name="main", mode=Mode.LIVE, stripe_accounts=("acct_own",)),
        BookData(name="trial", mode=Mode.TEST, stripe_accounts=("acct_own",)),
        BookData(name="sister", mode=Mode.LIVE, stripe_accounts=("acct_sister",)),
    )
)
ENDPOINT = Endpoint(
    name="main",
    kind=EndpointKind.ACCOUNT,
    mode=Mode.LIVE,
    account="acct_own",
    book=Book("main"),
    secrets=(Secret("current", SECRET),),
)
CONNECT = replace(ENDPOINT, name="connect", kind=EndpointKind.CONNECT)
EVENT: dict[str, Any] = {  # JSON: values of any kind
    "id": "evt_1",
    "object": "event",
    "type": "charge.succeeded",
    "created": 1_763_697_906,
    "livemode": True,
    "pending_webhooks": 1,
    "data": {"object": {"id": "ch_1", "object": "charge", "amount": 2**53 + 1}},
}


def body_of(**changes: object) -> bytes:
    return json.dumps(EVENT | changes).encode()


def answer(body: bytes, endpoint: Endpoint = ENDPOINT, books: BookMap = BOOKS) -> Admitted | Turned:
    header = header_of(body, SECRET, int(NOW.timestamp()))
    return admission(body, header, endpoint, books, received_at=NOW)


def admitted(body: bytes, endpoint: Endpoint = ENDPOINT, books: BookMap = BOOKS) -> Admitted:
    told = answer(body, endpoint, books)
    assert isinstance(told, Admitted)
    return told


def turned(body: bytes, endpoint: Endpoint = ENDPOINT) -> Turned:
    told = answer(body, endpoint)
    assert isinstance(told, Turned)
    return told


def test_event_is_stamped_with_book_account_mode_endpoint_and_signature() -> None:
    body = body_of()
    told = admitted(body)
    envelope = told.envelope
    assert envelope.data is body
    assert (envelope.id, envelope.type, envelope.subject) == ("evt_1", "com.stripe.event", "ch_1")
    assert envelope.source == "stripe/acct_own"
    assert envelope.time == NOW
    assert dict(envelope.extensions) == {
        "account": "acct_own",
        "book": "main",
        "endpoint": "main",
        "livemode": "true",
        "signature": header_of(body, SECRET, int(NOW.timestamp())),
        "verdict": "accepted",
        "via": "webhook",
    }
    assert told.key == b"acct_own|ch_1"
    assert (told.event_id, told.event_type, told.secret) == ("evt_1", "charge.succeeded", "current")


def test_event_survives_the_way_through_headers() -> None:
    envelope = admitted(body_of()).envelope
    assert envelope_of(envelope.headers(), envelope.data) == envelope


def test_event_that_names_our_own_account_is_not_foreign() -> None:
    told = admitted(body_of(account="acct_own"))
    assert not told.is_foreign
    assert told.envelope.extension("book") == "main"


def test_event_of_another_account_of_the_books_goes_to_its_own_book() -> None:
    told = admitted(body_of(account="acct_sister"), CONNECT)
    assert not told.is_foreign
    assert told.envelope.extension("book") == "sister"
    assert told.key == b"acct_sister|ch_1"


@pytest.mark.parametrize("endpoint", [ENDPOINT, CONNECT], ids=lambda e: e.kind)
def test_event_of_an_account_in_no_book_is_foreign(endpoint: Endpoint) -> None:
    told = admitted(body_of(account="acct_else"), endpoint)
    assert told.is_foreign
    assert told.envelope.extension("foreign") == "true"
    assert told.envelope.extension("account") == "acct_else"
    assert told.envelope.source == "stripe/acct_else"


@pytest.mark.parametrize("context", ["acct_other", "acct_other/", "org_1/acct_other//"])
def test_event_whose_context_ends_with_another_account_is_foreign(context: str) -> None:
    told = admitted(body_of(context=context), CONNECT)
    assert told.is_foreign
    assert told.key == b"acct_other|ch_1"


def test_event_at_an_endpoint_without_account_keeps_the_account_open() -> None:
    one = BookMap()
    told = admitted(body_of(), replace(ENDPOINT, account="", mode=None), one)
    assert not told.is_foreign
    assert told.envelope.extension("account") == ""
    assert told.envelope.source == "stripe/main"
    assert told.key == b"|ch_1"


def test_event_of_a_balance_is_keyed_by_its_kind() -> None:
    told = admitted(body_of(type="balance.available", data={"object": {"object": "balance"}}))
    assert told.envelope.subject == "balance"


def test_event_of_the_other_mode_is_refused_at_an_account_endpoint() -> None:
    told = turned(body_of(livemode=False))
    assert (told.reason, told.status) == (VerdictReason.WRONG_MODE, 400)
    assert told.event_id == "evt_1"


def test_event_whose_object_is_of_the_other_mode_is_refused_at_an_account_endpoint() -> None:
    told = turned(body_of(data={"object": {"id": "ch_1", "livemode": False}}))
    assert told.reason is VerdictReason.WRONG_MODE


def test_event_of_test_mode_at_a_live_connect_endpoint_is_accepted_and_says_so() -> None:
    told = admitted(body_of(livemode=False, account="acct_else"), CONNECT)
    assert told.envelope.extension("livemode") == "false"
    assert told.is_foreign


def test_event_of_our_own_account_in_test_mode_at_a_connect_endpoint_goes_to_the_test_book() -> (
    None
):
    told = admitted(body_of(livemode=False), CONNECT)
    assert told.envelope.extension("book") == "trial"


@pytest.mark.parametrize(
    ("body", "reason", "word"),
    [
        (b"", VerdictReason.NOT_JSON, "not JSON"),
        (b"{", VerdictReason.NOT_JSON, "not JSON"),
        (b"NaN", VerdictReason.NOT_JSON, "not JSON"),
        (body_of() + b"x", VerdictReason.NOT_JSON, "not JSON"),
        (json.dumps(EVENT | {"x": float("nan")}).encode(), VerdictReason.NOT_JSON, "not JSON"),
        (b"\xef\xbb\xbf" + body_of(), VerdictReason.NOT_JSON, "not JSON"),
        (body_of().decode().encode("utf-16-le"), VerdictReason.NOT_JSON, "not JSON"),
        (b"\xff\xfe", VerdictReason.NOT_JSON, "UTF-8"),
        (b"[" * 100_000, VerdictReason.NOT_JSON, "not JSON"),
        (b'{"id":' + b"1" * 5_000 + b',"x":"\\ud800"}', VerdictReason.NOT_JSON, "not JSON"),
        (b"[]", VerdictReason.NOT_AN_EVENT, "not a JSON object"),
        (b"null", VerdictReason.NOT_AN_EVENT, "not a JSON object"),
        (b'"evt_1"', VerdictReason.NOT_AN_EVENT, "not a JSON object"),
        (b"7", VerdictReason.NOT_AN_EVENT, "not a JSON object"),
        (b"{}", VerdictReason.NOT_AN_EVENT, "field object"),
        (body_of(object="charge"), VerdictReason.NOT_AN_EVENT, "field object"),
        (body_of(object=["event"]), VerdictReason.NOT_AN_EVENT, "field object"),
        (body_of(object="v2.core.event"), VerdictReason.NOT_AN_EVENT, "RFC 3339"),
        (body_of(context=5), VerdictReason.NOT_AN_EVENT, "field context"),
        (body_of(id=None), VerdictReason.NOT_AN_EVENT, "field id"),
        (body_of(id=7), VerdictReason.NOT_AN_EVENT, "field id"),
        (body_of(id=""), VerdictReason.NOT_AN_EVENT, "field id"),
        (body_of(id="e" * 256), VerdictReason.NOT_AN_EVENT, "field id"),
        (body_of(id="evt\0"), VerdictReason.NOT_AN_EVENT, "field id"),
        (body_of(id="\ud800"), VerdictReason.NOT_AN_EVENT, "field id"),
        (body_of(type={}), VerdictReason.NOT_AN_EVENT, "field type"),
        (body_of(account=5), VerdictReason.NOT_AN_EVENT, "field account"),
        (body_of(account=0), VerdictReason.NOT_AN_EVENT, "field account"),
        (body_of(account=False), VerdictReason.NOT_AN_EVENT, "field account"),
        (body_of(account=[]), VerdictReason.NOT_AN_EVENT, "field account"),
        (body_of(context={}), VerdictReason.NOT_AN_EVENT, "field context"),
        (body_of(account="a\nb"), VerdictReason.NOT_AN_EVENT, "field account"),
        (body_of(created=None), VerdictReason.NOT_AN_EVENT, "field created"),
        (body_of(created="2026-11-21T00:00:00Z"), VerdictReason.NOT_AN_EVENT, "field created"),
        (body_of(created=True), VerdictReason.NOT_AN_EVENT, "field created"),
        (body_of(created=1.5), VerdictReason.NOT_AN_EVENT, "field created"),
        (body_of(created=-1), VerdictReason.NOT_AN_EVENT, "field created"),
        (body_of(livemode=None), VerdictReason.NOT_AN_EVENT, "field livemode"),
        (body_of(livemode="true"), VerdictReason.NOT_AN_EVENT, "field livemode"),
        (body_of(data=None), VerdictReason.NOT_AN_EVENT, "data.object"),
        (body_of(data=[]), VerdictReason.NOT_AN_EVENT, "data.object"),
        (body_of(data={}), VerdictReason.NOT_AN_EVENT, "data.object"),
        (body_of(data={"object": "ch_1"}), VerdictReason.NOT_AN_EVENT, "data.object"),
        (body_of(data={"object": {}}), VerdictReason.NOT_AN_EVENT, "data.object.id"),
        (body_of(data={"object": {"id": {}}}), VerdictReason.NOT_AN_EVENT, "data.object.id"),
    ],
)  # fmt: skip
def test_signed_body_that_is_no_event_is_refused_with_its_reason(
    body: bytes, reason: VerdictReason, word: str
) -> None:
    told = turned(body)
    assert (told.reason, told.status) == (reason, 400)
    assert word in told.detail


def test_event_with_half_a_surrogate_pair_in_a_text_is_not_lost() -> None:
    body = body_of(data={"object": {"id": "ch_1", "description": "\ud800"}})
    assert admitted(body).envelope.data == body


def test_event_keeps_numbers_past_64_bits_because_its_bytes_are_kept() -> None:
    body = body_of(data={"object": {"id": "ch_1", "amount": 10**40}})
    assert str(10**40).encode() in admitted(body).envelope.data


def test_body_whose_signature_is_wrong_is_not_read_at_all() -> None:
    told = admission(
        body_of(),
        header_of(b"other", SECRET, int(NOW.timestamp())),
        ENDPOINT,
        BOOKS,
        received_at=NOW,
    )
    assert isinstance(told, Turned)
    assert (told.reason, told.status) == (VerdictReason.BAD_SIGNATURE, 400)
    assert (told.event_id, told.event_type) == ("", "")


def test_fetched_event_is_stamped_as_fetched_and_carries_no_signature() -> None:
    told = fetched(body_of(), ENDPOINT, BOOKS, received_at=NOW)
    assert isinstance(told, Admitted)
    assert told.envelope.extension("via") == "fetched"
    assert told.envelope.extension("verdict") == "fetched"
    assert told.envelope.extension("signature") == ""
    assert told.key == admitted(body_of()).key


def test_fetched_event_of_the_other_mode_is_refused() -> None:
    told = fetched(body_of(livemode=False), ENDPOINT, BOOKS, received_at=NOW)
    assert isinstance(told, Turned)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(st.sampled_from([*EVENT, "account"]), JSON)
def test_any_value_in_any_field_ends_in_a_record_or_a_refusal(field: str, value: object) -> None:
    told = answer(json.dumps(EVENT | {field: value}).encode())
    if isinstance(told, Admitted):
        assert envelope_of(told.envelope.headers(), told.envelope.data) == told.envelope
    else:
        assert told.status == 400


@given(st.binary(max_size=300))
def test_any_signed_bytes_end_in_a_record_or_a_refusal(body: bytes) -> None:
    assert isinstance(answer(body), Turned)


@pytest.mark.parametrize("depth", [1_000, 5_000, 50_000])
def test_body_nested_deep_is_refused_with_400_whatever_the_interpreter_can_read(
    depth: int,
) -> None:
    told = turned(b"[" * depth + b"]" * depth)
    assert told.status == 400
    assert told.reason in (VerdictReason.NOT_JSON, VerdictReason.NOT_AN_EVENT)
