"""Eleven thousand deliveries that were tampered with: none gets in, and none is a crash."""

import json
from collections.abc import Sequence

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.ingest.admission import Admitted, Turned
from services.ingest.endpoints import Endpoint
from services.ingest.signature import header_of, signature_of
from tests.support.deliveries import (
    ENDPOINT,
    NOW,
    SECRET,
    SNAPSHOT,
    THIN,
    THIN_ENDPOINT,
    TRUE_SNAPSHOT,
    TRUE_THIN,
    Delivery,
    judged,
)
from tests.support.deliveries_of_bytes import judge_bytes, seeds

# The work of one example is tens of microseconds; what is drawn is kept as small.
MANY = settings(max_examples=4_000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
Cut = tuple[int, int, bytes]
BYTES = st.binary(max_size=4) | st.sampled_from(
    [b"", b"t=", b"v1=", b"v0=", b",", b"=", b"0", b"\xff", b"\0", b"{", b"}", b'"', b"\\ud800"]
)
# Where something is cut out, how much of it, and what is put in.
CUTS = st.lists(st.tuples(st.integers(0, 700), st.integers(0, 3), BYTES), min_size=1, max_size=3)
TRUE = st.sampled_from([(TRUE_SNAPSHOT, ENDPOINT), (TRUE_THIN, THIN_ENDPOINT)])


def tampered(whole: bytes, cuts: Sequence[Cut]) -> bytes:
    for place, length, put in cuts:
        at = place % (len(whole) + 1)
        whole = whole[:at] + put + whole[at + length :]
    return whole


def test_true_deliveries_are_accepted() -> None:
    assert isinstance(judged(TRUE_SNAPSHOT), Admitted)
    assert isinstance(judged(TRUE_THIN, THIN_ENDPOINT), Admitted)


@MANY
@given(TRUE, CUTS)
def test_tampered_body_is_never_accepted(true: tuple[Delivery, Endpoint], cuts: list[Cut]) -> None:
    delivery, endpoint = true
    body = tampered(delivery.body, cuts)
    told = judged(Delivery(body, delivery.header), endpoint)
    assert isinstance(told, Turned) or body == delivery.body


@MANY
@given(CUTS)
def test_tampered_header_is_never_accepted_unless_it_still_says_the_same(cuts: list[Cut]) -> None:
    header = tampered(TRUE_SNAPSHOT.header.encode(), cuts).decode("latin-1")
    told = judged(Delivery(TRUE_SNAPSHOT.body, header))
    # ``judged`` has held the header's own words against the secret: what is left is the time.
    assert isinstance(told, Turned) or f"t={NOW}" in header.split(",")


ITEMS = st.sampled_from(
    [
        f"t={NOW}",
        f"t={NOW + 1}",
        "t=0",
        f"t=+{NOW}",
        f"v1={signature_of(TRUE_SNAPSHOT.body, SECRET, str(NOW))}",
        f"v1={signature_of(TRUE_SNAPSHOT.body, SECRET, str(NOW + 1))}",
        f"v1={signature_of(TRUE_SNAPSHOT.body, 'whsec_of_another', str(NOW))}",
        f"v0={signature_of(TRUE_SNAPSHOT.body, SECRET, str(NOW))}",
        "v1=",
        "v1=é",
        "v1=" + "0" * 64,
        "",
        "t",
        "=",
    ]
)


@settings(MANY, max_examples=1_000)
@given(st.lists(ITEMS, max_size=7))
def test_header_put_together_of_true_and_false_items_is_accepted_only_where_it_is_true(
    items: list[str],
) -> None:
    judged(Delivery(TRUE_SNAPSHOT.body, ",".join(items)))


VALUES = st.recursive(
    st.sampled_from([None, True, False, 0, -1, 10**40, 1.5, "", "x", "\ud800", "acct_else", "evt"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("ab"), inner),
    max_leaves=4,
)
FIELDS = st.sampled_from(sorted({*SNAPSHOT, *THIN, "more"}))


@settings(MANY, max_examples=1_000)
@given(st.sampled_from([SNAPSHOT, THIN]), st.dictionaries(FIELDS, VALUES, min_size=1, max_size=3))
def test_signed_event_with_any_value_in_any_field_is_taken_or_refused_with_400(
    event: dict[str, object], changes: dict[str, object]
) -> None:
    body = json.dumps(event | changes).encode()
    endpoint = THIN_ENDPOINT if event is THIN else ENDPOINT
    judged(Delivery(body, header_of(body, SECRET, NOW)), endpoint)


@settings(MANY, max_examples=1_000)
@given(TRUE, CUTS)
def test_tampered_body_that_is_signed_after_all_is_taken_or_refused_with_400(
    true: tuple[Delivery, Endpoint], cuts: list[Cut]
) -> None:
    delivery, endpoint = true
    body = tampered(delivery.body, cuts)
    judged(Delivery(body, header_of(body, SECRET, NOW)), endpoint)


@settings(MANY, max_examples=500)
@given(st.binary(max_size=60), st.integers(0, 255))
def test_any_bytes_are_judged_as_a_fuzzer_drives_them(data: bytes, first: int) -> None:
    judge_bytes(bytes([first]) + data)


def test_seeds_of_the_fuzzer_are_true_deliveries() -> None:
    for seed in seeds():
        judge_bytes(seed)
