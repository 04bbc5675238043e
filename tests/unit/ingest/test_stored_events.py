"""What the index keeps of a delivery, and that it never refuses what stands on the topic."""

import json
from datetime import UTC, datetime
from types import MappingProxyType

import pytest

from services.ingest.admission import Admitted, admission
from services.ingest.endpoints import Endpoint, EndpointKind
from services.ingest.signature import Secret, header_of
from services.ingest.stored_events import Form, StoredEvent, Via, stored_event
from shared.contracts.books import BookMap
from shared.contracts.envelope import Envelope
from shared.contracts.journal import Book

NOW = datetime(2026, 11, 21, 4, 5, 6, tzinfo=UTC)
APPENDED = datetime(2026, 11, 21, 4, 5, 7, tzinfo=UTC)
EVENT = {
    "id": "evt_1",
    "object": "event",
    "type": "charge.succeeded",
    "created": 1_763_697_906,
    "livemode": False,
    "data": {"object": {"id": "ch_1", "object": "charge"}},
}
ENDPOINT = Endpoint(
    name="main",
    kind=EndpointKind.ACCOUNT,
    mode=None,
    account="acct_own",
    book=Book("main"),
    secrets=(Secret("current", "whsec_x"),),
)


def envelope(data: object = EVENT, *, event_id: str = "evt_1", **extensions: str) -> Envelope:
    return Envelope(
        id=event_id,
        source="stripe/acct_own",
        type="com.stripe.event",
        time=NOW,
        data=data if isinstance(data, bytes) else json.dumps(data).encode(),
        subject="ch_1",
        extensions=MappingProxyType(
            {"via": "webhook", "account": "acct_own", "book": "main", "endpoint": "main"}
            | extensions
        ),
    )


def kept(told: Envelope) -> StoredEvent:
    event = stored_event(told, partition=3, offset=17, appended_at=APPENDED)
    assert event is not None
    return event


def test_stored_event_of_a_webhook_has_all_that_is_asked_for() -> None:
    assert kept(envelope(livemode="false")) == StoredEvent(
        partition=3,
        offset=17,
        event_id="evt_1",
        form=Form.SNAPSHOT,
        event_type="charge.succeeded",
        account="acct_own",
        object_id="ch_1",
        created=datetime(2025, 11, 21, 4, 5, 6, tzinfo=UTC),
        received_at=NOW,
        appended_at=APPENDED,
        via=Via.WEBHOOK,
        endpoint="main",
        book="main",
        livemode=False,
        is_foreign=False,
        resent_from="",
    )


@pytest.mark.parametrize("odd", ['"\\ud800"', "1e400", "9" * 400])
def test_stored_event_that_the_door_let_in_is_read_as_the_door_read_it(odd: str) -> None:
    body = f'{json.dumps(EVENT)[:-1]}, "odd": {odd}}}'.encode()
    header = header_of(body, "whsec_x", int(NOW.timestamp()))
    told = admission(body, header, ENDPOINT, BookMap(), received_at=NOW)
    assert isinstance(told, Admitted)
    event = kept(told.envelope)
    assert event.event_type == told.event_type
    assert event.created == datetime(2025, 11, 21, 4, 5, 6, tzinfo=UTC)


def test_stored_event_says_how_it_came() -> None:
    assert kept(envelope(via="fetched")).via is Via.FETCHED
    resent = kept(envelope(resent="stripe.events/1@2"))
    assert (resent.via, resent.resent_from) == (Via.RESENT, "stripe.events/1@2")


def test_stored_event_of_a_thin_one_has_its_form_and_its_time_of_text() -> None:
    thin = {
        "id": "evt_1",
        "object": "v2.core.event",
        "type": "v1.billing.meter.error_report_triggered",
        "created": "2026-11-21T04:05:01.500Z",
    }
    event = kept(envelope(thin))
    assert (event.form, event.event_type) == (Form.THIN, thin["type"])
    assert event.created == datetime(2026, 11, 21, 4, 5, 1, 500_000, tzinfo=UTC)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff\xfe",
        b"[1]",
        b"{",
        {"type": ["charge"], "created": "yesterday"},
        {"type": "a\x00b", "created": True},
        {"type": "x" * 256, "created": 10**30},
        {"type": "\ud800", "created": -1},
    ],
)
def test_stored_event_of_a_body_that_nobody_understands_is_kept_without_type(data: object) -> None:
    event = kept(envelope(data))
    assert (event.event_id, event.event_type, event.created) == ("evt_1", "", None)


@pytest.mark.parametrize("name", ["a\x00b", "x" * 256, "a\nb"])
def test_stored_event_whose_id_is_no_name_is_nobodys(name: str) -> None:
    told = envelope(event_id=name)
    assert stored_event(told, partition=0, offset=0, appended_at=APPENDED) is None


@pytest.mark.parametrize(
    ("said", "written"),
    [
        ("stripe.events/3@17", "stripe.events/3@17"),
        ("", ""),
        ("yes", ""),
        ("stripe.events/3@17\r\nx: y", ""),
        (f"stripe.events/3@{'9' * 19}", ""),
    ],
)
def test_delivery_that_says_it_is_sent_again_is_judged_as_any_and_marked(
    said: str, written: str
) -> None:
    body = json.dumps(EVENT).encode()
    header = header_of(body, "whsec_x", int(NOW.timestamp()))
    told = admission(body, header, ENDPOINT, BookMap(), received_at=NOW, resent_from=said)
    assert isinstance(told, Admitted)
    assert told.envelope.extension("resent") == written
    forged = header_of(body, "whsec_y", int(NOW.timestamp()))
    refused = admission(body, forged, ENDPOINT, BookMap(), received_at=NOW, resent_from=said)
    assert not isinstance(refused, Admitted)
