"""Which deliveries are asked for, how they are proved, and how they are shown."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import MappingProxyType

import pytest
from msgspec import structs

from services.ingest.signature import Secret, header_of
from services.ingest.stored_events import Form, StoredEvent, Via
from shared.contracts.envelope import Envelope
from shared.runtime.kafka import Partition, Record
from tallystick.events.moments import duration_of, moment_of
from tallystick.events.proof import ANY_ENDPOINT, Standing, proof_of
from tallystick.events.selection import Place, Selection
from tallystick.events.show import as_json, delivery, table
from tallystick.spans import newest_spans

NOW = datetime(2026, 11, 21, 4, 5, 6, tzinfo=UTC)
EVENT = StoredEvent(
    partition=3,
    offset=17,
    event_id="evt_1",
    form=Form.SNAPSHOT,
    event_type="charge.succeeded",
    account="acct_1",
    object_id="ch_1",
    created=NOW - timedelta(seconds=5),
    received_at=NOW,
    appended_at=NOW,
    via=Via.WEBHOOK,
    endpoint="main",
    book="main",
    livemode=False,
    is_foreign=False,
    resent_from="",
)
BODY = b'{"id": "evt_1",\n "object": "event"}'
SECRETS = {"main": (Secret("current", "whsec_x"), Secret("previous", "whsec_y"))}


def stored(body: bytes = BODY, *, secret: str = "whsec_x", **extensions: str) -> Envelope:
    signature = header_of(body, secret, int(NOW.timestamp()) - 2)
    return Envelope(
        id="evt_1",
        source="stripe/acct_1",
        type="com.stripe.event",
        time=NOW,
        data=body,
        subject="ch_1",
        extensions=MappingProxyType(
            {"via": "webhook", "endpoint": "main", "signature": signature} | extensions
        ),
    )


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("90s", 90), ("15m", 900), ("2h30m", 9_000), ("7d", 604_800), ("0", 0)],
)
def test_duration_as_a_person_writes_it_is_understood(text: str, seconds: int) -> None:
    assert duration_of(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "h", "-5s", "1.5h", "2 h", "5y", "٣s", "9999999999"])
def test_duration_of_another_form_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="duration"):
        duration_of(text)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("now", NOW),
        ("2h", NOW - timedelta(hours=2)),
        ("2026-11-20", datetime(2026, 11, 20, tzinfo=UTC)),
        ("2026-11-20T01:02:03+01:00", datetime(2026, 11, 20, 0, 2, 3, tzinfo=UTC)),
    ],
)
def test_moment_is_a_day_a_time_or_how_long_ago(text: str, moment: datetime) -> None:
    assert moment_of(text, now=NOW) == moment


@pytest.mark.parametrize("text", ["yesterday", "2026-11-20T01:02:03", "2026-13-01", "999999999w"])
def test_moment_of_another_form_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no time"):
        moment_of(text, now=NOW)


@pytest.mark.parametrize(
    "selection",
    [
        Selection(),
        Selection(event_id="evt_1"),
        Selection(type_pattern="charge.succeeded"),
        Selection(type_pattern="charge.*"),
        Selection(account="acct_1", object_id="ch_1", via=Via.WEBHOOK),
        Selection(since=NOW, until=NOW + timedelta(seconds=1)),
    ],
)
def test_selection_takes_what_fits_all_that_is_asked(selection: Selection) -> None:
    assert selection.takes(EVENT)


@pytest.mark.parametrize(
    "selection",
    [
        Selection(event_id="evt_"),
        Selection(type_pattern="charge"),
        Selection(type_pattern="payout.*"),
        Selection(account="acct_2"),
        Selection(object_id="ch_2"),
        Selection(via=Via.RESENT),
        Selection(since=NOW + timedelta(seconds=1)),
        Selection(until=NOW),
    ],
)
def test_selection_leaves_what_one_thing_asked_does_not_fit(selection: Selection) -> None:
    assert not selection.takes(EVENT)


def test_newest_are_each_place_once_newest_first_and_as_many_as_wanted() -> None:
    older = replace(EVENT, offset=16, appended_at=NOW - timedelta(seconds=1))
    newer = replace(EVENT, offset=18, appended_at=NOW + timedelta(seconds=1))
    told = [older, newer, EVENT, EVENT]
    assert Selection().newest(told) == (newer, EVENT, older)
    assert Selection(limit=2).newest(told) == (newer, EVENT)


def test_place_is_read_as_it_is_written_and_other_text_is_none() -> None:
    assert Place.written(str(Place(3, 17))) == Place(3, 17)
    assert Place.written(Place(3, 17).short) == Place(3, 17)
    for text in ("evt_1", "stripe.objects/3@17", "stripe.events/3", "stripe.events/3@-1", "/3@1"):
        assert Place.written(text) is None


@pytest.mark.parametrize(("secret", "name"), [("whsec_x", "current"), ("whsec_y", "previous")])
def test_proof_of_stored_bytes_names_the_secret_that_signed_them(secret: str, name: str) -> None:
    proof = proof_of(stored(secret=secret), SECRETS, tolerance_seconds=300)
    assert (proof.standing, proof.secret) == (Standing.ACCEPTED, name)


def test_proof_of_bytes_that_were_changed_fails() -> None:
    changed = structs.replace(stored(), data=BODY.replace(b"evt_1", b"evt_2"))
    proof = proof_of(changed, SECRETS, tolerance_seconds=300)
    assert proof.standing is Standing.FAILED
    assert "bad_signature" in proof.detail


def test_proof_judges_the_signatures_age_at_the_time_when_it_came() -> None:
    old = structs.replace(stored(), time=NOW + timedelta(seconds=301))
    assert proof_of(old, SECRETS, tolerance_seconds=300).standing is Standing.FAILED
    assert proof_of(stored(), SECRETS, tolerance_seconds=300).standing is Standing.ACCEPTED


def test_proof_without_a_secret_or_without_a_signature_says_which() -> None:
    given = {ANY_ENDPOINT: SECRETS["main"]}
    fits = proof_of(stored(endpoint="other"), given, tolerance_seconds=300)
    assert fits.standing is Standing.ACCEPTED
    unknown = proof_of(stored(endpoint="other"), SECRETS, tolerance_seconds=300)
    assert unknown.standing is Standing.NO_SECRET
    assert "cannot prove: no secret here" in unknown.detail
    told = proof_of(stored(via="fetched", endpoint="poller"), SECRETS, tolerance_seconds=300)
    assert told.standing is Standing.FETCHED
    unsigned = proof_of(stored(signature=""), SECRETS, tolerance_seconds=300)
    assert unsigned.standing is Standing.FAILED


def test_table_shows_the_account_only_where_several_are_seen() -> None:
    one = table([EVENT, replace(EVENT, offset=18)])
    assert "acct_1" not in "\n".join(one)
    two = table([EVENT, replace(EVENT, offset=18, account="acct_2")])
    assert two[0].endswith("account")
    assert [line.split()[-1] for line in two[1:]] == ["acct_1", "acct_2"]


LONG = replace(
    EVENT,
    event_id="evt_" + "1" * 24,
    object_id="py_" + "2" * 24,
    event_type="payment_intent.succeeded",
    offset=1_234_567,
)


@pytest.mark.parametrize("width", [100, 110, 120, 140])
@pytest.mark.parametrize(
    "others",
    [
        [],
        [replace(LONG, via=Via.FETCHED)],
        [replace(LONG, event_type="customer.subscription.pending_update_applied")],
    ],
)
def test_table_fits_the_terminal_and_never_cuts_an_id(
    width: int, others: list[StoredEvent]
) -> None:
    lines = table([LONG, *others], width=width)
    assert max(map(len, lines)) <= width
    for line in lines[1:]:
        assert LONG.event_id in line
        assert LONG.object_id in line
    assert [via in lines[-1] for via in ("fetched",)] == [
        any(each.via is Via.FETCHED for each in others)
    ]


def test_table_of_any_width_shows_the_year_and_the_whole_position() -> None:
    (_, line) = table([LONG])
    assert line.startswith("2026-11-21 04:05:06Z")
    assert line.endswith("stripe.events/3@1234567")


def test_delivery_shown_steers_no_terminal() -> None:
    body = b'{"id": "\\u001b[2J", "name": "\xc2\x9b2J caf\xc3\xa9"}'
    envelope = stored(body)
    record = Record("stripe.events", 3, 17, None, body, envelope.headers(), 0)
    proof = proof_of(envelope, SECRETS, tolerance_seconds=300)
    said = delivery(EVENT, record, proof, number=1, of=1)
    assert "café" in said
    assert all(letter.isprintable() or letter == "\n" for letter in said)


def test_json_of_a_delivery_is_of_plain_values() -> None:
    told = json.loads(json.dumps(as_json(EVENT)))
    assert told["position"] == "stripe.events/3@17"
    assert (told["via"], told["created"]) == ("webhook", "2026-11-21T04:05:01Z")


def test_newest_spans_are_the_ends_and_what_a_short_one_leaves_the_long_ones_have() -> None:
    a, b, c = (Partition("stripe.events", number) for number in range(3))
    spans = {a: (0, 100), b: (5, 7), c: (10, 10)}
    assert newest_spans(spans, 1_000) == (spans, 0)
    assert newest_spans(spans, 12) == ({a: (90, 100), b: (5, 7), c: (10, 10)}, 90)
    assert newest_spans(spans, 0) == ({a: (100, 100), b: (7, 7), c: (10, 10)}, 102)
