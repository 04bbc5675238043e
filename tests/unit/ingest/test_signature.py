"""The signature core beside the stripe library: a table of cases, and any header at all."""

import contextlib
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest
import stripe
from hypothesis import given
from hypothesis import strategies as st
from stripe import _webhook as stripe_webhook  # its clock is set, so that both read one time

from services.ingest.signature import (
    HEADER_CHARACTERS_MAX,
    Secret,
    SignatureReason,
    header_of,
    signature_of,
    verify,
)

NOW = 1_700_000_000
BODY = '{"id":"evt_1","object":"event","note":"für Æsop ✓"}'.encode()
SECRET = "whsec_current"
OLDER = "whsec_older"
GOOD = signature_of(BODY, SECRET, str(NOW))
OTHER = "0" * 64
NAN = float("nan")
BOM = b"\xef\xbb\xbf"
R = SignatureReason
# Any: the library leaves the types of two defaults open.
LIBRARY: Any = stripe.WebhookSignature
ARABIC_INDIC = "".join(chr(0x0660 + int(digit)) for digit in str(NOW))


def library_accepts(
    body: bytes, header: str, secret: str, now: float, monkeypatch: pytest.MonkeyPatch
) -> bool:
    """What the real library says; whatever it raises is a refusal."""
    monkeypatch.setattr(stripe_webhook, "time", SimpleNamespace(time=lambda: now))
    try:
        return bool(LIBRARY.verify_header(body, header, secret, 300))
    except (stripe.SignatureVerificationError, ValueError, TypeError, UnicodeError):
        return False


def signed(timestamp: str, body: bytes = BODY, secret: str = SECRET) -> str:
    """A header whose signature fits the timestamp as it is written."""
    return f"t={timestamp},v1={signature_of(body, secret, timestamp)}"


def signed_as_parsed(timestamp: str) -> str:
    """A header that the library rebuilds from the parsed integer, so that it fits there."""
    return f"t={timestamp},v1={signature_of(BODY, SECRET, str(int(timestamp)))}"


@dataclass(frozen=True)
class Case:
    name: str
    header: str
    ours: SignatureReason
    library: bool
    body: bytes = BODY
    now: float = NOW


CASES = (
    Case("plain", f"t={NOW},v1={GOOD}", R.ACCEPTED, library=True),
    Case("v0 beside it", f"t={NOW},v1={GOOD},v0={OTHER}", R.ACCEPTED, library=True),
    Case("v0 first", f"v0={OTHER},t={NOW},v1={GOOD}", R.ACCEPTED, library=True),
    Case("v1 before t", f"v1={GOOD},t={NOW}", R.ACCEPTED, library=True),
    Case("second v1 fits", f"t={NOW},v1={OTHER},v1={GOOD}", R.ACCEPTED, library=True),
    Case("first v1 fits", f"t={NOW},v1={GOOD},v1={OTHER}", R.ACCEPTED, library=True),
    Case("short v1 beside", f"t={NOW},v1=ab,v1={GOOD}", R.ACCEPTED, library=True),
    Case("empty v1 beside", f"t={NOW},v1=,v1={GOOD}", R.ACCEPTED, library=True),
    Case("unknown scheme", f"t={NOW},v2=x=y,v1={GOOD}", R.ACCEPTED, library=True),
    Case("300 s old", signed(str(NOW - 300)), R.ACCEPTED, library=True),
    Case("300 s ahead", signed(str(NOW + 300)), R.ACCEPTED, library=True),
    Case("301 s old", signed(str(NOW - 301)), R.OUT_OF_TOLERANCE, library=False),
    Case("half past", signed(str(NOW - 300)), R.OUT_OF_TOLERANCE, library=False, now=NOW + 0.5),
    Case("301 s ahead", signed(str(NOW + 301)), R.OUT_OF_TOLERANCE, library=True),
    Case("t is zero", signed("0"), R.OUT_OF_TOLERANCE, library=False),
    Case("empty", "", R.MISSING_HEADER, library=False),
    Case("words", "hello", R.MALFORMED_HEADER, library=False),
    Case("no t", f"v1={GOOD}", R.MALFORMED_HEADER, library=False),
    Case("no v1", f"t={NOW}", R.MALFORMED_HEADER, library=False),
    Case("only v0", f"t={NOW},v0={GOOD}", R.MALFORMED_HEADER, library=False),
    Case("two t", f"t={NOW},t={NOW},v1={GOOD}", R.MALFORMED_HEADER, library=True),
    Case("blank after comma", f"t={NOW}, v1={GOOD}", R.MALFORMED_HEADER, library=False),
    Case("item without =", f"t={NOW},junk,v1={GOOD}", R.MALFORMED_HEADER, library=True),
    Case("trailing comma", f"t={NOW},v1={GOOD},", R.MALFORMED_HEADER, library=True),
    Case("= in the v1", f"t={NOW},v1={GOOD}=x", R.MALFORMED_HEADER, library=True),
    Case("upper-case hex", f"t={NOW},v1={GOOD.upper()}", R.MALFORMED_HEADER, library=False),
    Case("non-ASCII v1", f"t={NOW},v1={'é' * 64}", R.MALFORMED_HEADER, library=False),
    Case(
        "non-ASCII v1 first", f"t={NOW},v1={'é' * 64},v1={GOOD}", R.MALFORMED_HEADER, library=False
    ),
    Case("non-ASCII v1 last", f"t={NOW},v1={GOOD},v1={'é' * 64}", R.MALFORMED_HEADER, library=True),
    Case("non-ASCII v0", f"t={NOW},v0=é,v1={GOOD}", R.ACCEPTED, library=True),
    Case("surrogate", f"t={NOW},v1={GOOD},v1=\ud800", R.MALFORMED_HEADER, library=True),
    Case("non-ASCII scheme", f"t={NOW},é=1,v1={GOOD}", R.MALFORMED_HEADER, library=True),
    Case("V1 in capitals", f"t={NOW},V1={GOOD}", R.MALFORMED_HEADER, library=False),
    Case("T in capitals", f"T={NOW},v1={GOOD}", R.MALFORMED_HEADER, library=False),
    Case("semicolons", f"t={NOW};v1={GOOD}", R.MALFORMED_HEADER, library=False),
    Case("quoted", f't="{NOW}",v1="{GOOD}"', R.MALFORMED_HEADER, library=False),
    Case("blank around =", f"t = {NOW},v1 = {GOOD}", R.MALFORMED_HEADER, library=False),
    Case("blank before it all", f" t={NOW},v1={GOOD}", R.MALFORMED_HEADER, library=False),
    Case("v1 with a blank behind", f"t={NOW},v1={GOOD} ", R.MALFORMED_HEADER, library=False),
    Case("v1 with a line end", f"t={NOW},v1={GOOD}\n", R.MALFORMED_HEADER, library=False),
    Case("v1 shortened", f"t={NOW},v1={GOOD[:-1]}", R.MALFORMED_HEADER, library=False),
    Case("v1 lengthened", f"t={NOW},v1={GOOD}0", R.MALFORMED_HEADER, library=False),
    Case("v1 prefixed", f"t={NOW},v1=0x{GOOD}", R.MALFORMED_HEADER, library=False),
    Case("v1 all zeros", f"t={NOW},v1={OTHER}", R.BAD_SIGNATURE, library=False),
    Case("v1 as v0", f"t={NOW},v0={GOOD},v1={OTHER}", R.BAD_SIGNATURE, library=False),
    Case("16 v1", f"t={NOW}" + f",v1={GOOD}" * 16, R.ACCEPTED, library=True),
    Case("two t, the second signed", f"t=1,t={NOW},v1={GOOD}", R.MALFORMED_HEADER, library=False),
    Case("commas alone", ",,,", R.MALFORMED_HEADER, library=False),
    Case("equals alone", "===", R.MALFORMED_HEADER, library=False),
    Case("a blank", " ", R.MALFORMED_HEADER, library=False),
    Case("far future", signed(str(NOW + 10**9)), R.OUT_OF_TOLERANCE, library=True),
    Case("t in milliseconds", signed(f"{NOW}000"), R.BAD_TIMESTAMP, library=True),
    Case("12 digits of t", signed("9" * 12), R.OUT_OF_TOLERANCE, library=True),
    Case("13 digits of t", signed("9" * 13), R.BAD_TIMESTAMP, library=True),
    Case("t in hexadecimal", f"t={NOW:#x},v1={GOOD}", R.BAD_TIMESTAMP, library=False),
    Case("t is not a number", f"t=nan,v1={GOOD}", R.BAD_TIMESTAMP, library=False),
    Case("t with a tab", signed_as_parsed(f"\t{NOW}"), R.BAD_TIMESTAMP, library=True),
    Case("t with a line end", signed_as_parsed(f"{NOW}\n"), R.BAD_TIMESTAMP, library=True),
    Case("clock is no number", f"t={NOW},v1={GOOD}", R.OUT_OF_TOLERANCE, library=True, now=NAN),
    Case("body of a NUL", header_of(b"\0", SECRET, NOW), R.ACCEPTED, library=True, body=b"\0"),
    Case("BOM before it", f"t={NOW},v1={GOOD}", R.BAD_SIGNATURE, library=False, body=BOM + BODY),
    Case("too long", f"t={NOW},v1={GOOD},v0={'0' * 5000}", R.MALFORMED_HEADER, library=True),
    Case("17 v1", f"t={NOW}" + f",v1={GOOD}" * 17, R.MALFORMED_HEADER, library=True),
    Case("t is a word", f"t=now,v1={GOOD}", R.BAD_TIMESTAMP, library=False),
    Case("t is empty", f"t=,v1={GOOD}", R.BAD_TIMESTAMP, library=False),
    Case("t has a point", f"t={NOW}.0,v1={GOOD}", R.BAD_TIMESTAMP, library=False),
    Case("t is negative", signed_as_parsed("-1"), R.BAD_TIMESTAMP, library=False),
    Case("t has a plus", signed_as_parsed(f"+{NOW}"), R.BAD_TIMESTAMP, library=True),
    Case("t has zeros before", signed_as_parsed(f"00{NOW}"), R.BAD_TIMESTAMP, library=True),
    Case("t has underscores", signed_as_parsed("1_700_000_000"), R.BAD_TIMESTAMP, library=True),
    Case("t has a blank", signed_as_parsed(f" {NOW}"), R.BAD_TIMESTAMP, library=True),
    Case("t in Arabic digits", signed_as_parsed(ARABIC_INDIC), R.BAD_TIMESTAMP, library=True),
    Case("t has 5,000 digits", f"t={'1' * 3900},v1={GOOD}", R.BAD_TIMESTAMP, library=False),
    Case("wrong secret", header_of(BODY, OLDER, NOW), R.BAD_SIGNATURE, library=False),
    Case("other body", f"t={NOW},v1={GOOD}", R.BAD_SIGNATURE, library=False, body=BODY + b" "),
    Case("other t", f"t={NOW + 1},v1={GOOD}", R.BAD_SIGNATURE, library=False),
    Case(
        "body not UTF-8",
        header_of(b"\xff{}", SECRET, NOW),
        R.NOT_JSON,
        library=False,
        body=b"\xff{}",
    ),
    Case("empty body", header_of(b"", SECRET, NOW), R.ACCEPTED, library=True, body=b""),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_signature_case_has_its_reason_here_and_its_verdict_in_the_library(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = verify(case.body, case.header, [Secret("current", SECRET)], now_seconds=case.now)
    assert ours.reason is case.ours
    assert library_accepts(case.body, case.header, SECRET, case.now, monkeypatch) is case.library


def test_no_case_of_the_table_is_accepted_here_and_refused_by_the_library() -> None:
    assert not [case.name for case in CASES if case.ours is R.ACCEPTED and not case.library]


TIMESTAMPS = st.one_of(
    st.integers(NOW - 400, NOW + 400).map(str),
    st.sampled_from(["", "0", "+1", "-1", f"0{NOW}", f" {NOW}", f"{NOW}\n", "1_7", "٣", "1e9"]),
    st.text(max_size=20),
)
VALUES = st.one_of(st.sampled_from(["", "é" * 64, OTHER, "0" * 63, "A" * 64]), st.text(max_size=80))


@st.composite
def headers(draw: st.DrawFn) -> tuple[bytes, str]:
    """A body and a header near the form, often rightly signed."""
    body = draw(st.one_of(st.binary(max_size=40), st.text(max_size=40).map(str.encode)))
    timestamp = draw(TIMESTAMPS)
    right = [signature_of(body, SECRET, timestamp)]
    with contextlib.suppress(ValueError):
        right.append(signature_of(body, SECRET, str(int(timestamp))))
    items = draw(
        st.lists(
            st.one_of(
                st.sampled_from([f"v1={s}" for s in right]),
                st.just(f"t={timestamp}"),
                st.builds("{}={}".format, st.sampled_from(["t", "v0", "v1", " v1"]), VALUES),
                st.text(max_size=10),
            ),
            max_size=6,
        )
    )
    shuffled = draw(st.permutations([f"t={timestamp}", f"v1={right[-1]}", *items]))
    return body, ",".join(shuffled)


@given(headers(), st.floats(NOW - 400, NOW + 400))
def test_signature_never_accepts_what_the_library_refuses(
    delivery: tuple[bytes, str], now: float
) -> None:
    body, header = delivery
    with pytest.MonkeyPatch.context() as monkeypatch:
        ours = verify(body, header, [Secret("current", SECRET)], now_seconds=now)
        if ours.is_accepted:
            assert library_accepts(body, header, SECRET, now, monkeypatch)


@given(headers(), st.floats(NOW - 400, NOW + 400))
def test_signature_is_judged_alike_in_the_usual_form_of_a_header_and_in_any_other(
    delivery: tuple[bytes, str], now: float
) -> None:
    body, header = delivery
    secrets = [Secret("current", SECRET)]
    # An item of another scheme is passed over, and no header with one is of the usual form.
    told = verify(body, f"{header},zz=1", secrets, now_seconds=now)
    assert verify(body, header, secrets, now_seconds=now) == told


@given(st.binary(max_size=200), st.text(max_size=300), st.floats(0, 2e9))
def test_signature_refuses_whatever_was_not_signed(body: bytes, header: str, now: float) -> None:
    assert not verify(body, header, [Secret("current", SECRET)], now_seconds=now).is_accepted


@given(st.integers(0, len(BODY) - 1), st.integers(1, 255))
def test_signature_refuses_a_body_with_one_byte_changed(place: int, change: int) -> None:
    body = bytearray(BODY)
    body[place] ^= change
    verdict = verify(
        bytes(body), f"t={NOW},v1={GOOD}", [Secret("current", SECRET)], now_seconds=NOW
    )
    assert verdict.reason is R.BAD_SIGNATURE


def test_signature_while_a_secret_is_rotated_accepts_both_and_names_which() -> None:
    secrets = [Secret("current", SECRET), Secret("previous", OLDER)]
    for secret in secrets:
        verdict = verify(BODY, header_of(BODY, secret.text, NOW), secrets, now_seconds=NOW)
        assert (verdict.is_accepted, verdict.secret) == (True, secret.name)


def test_signature_with_both_secrets_in_the_header_accepts_with_only_one_of_them_known() -> None:
    older = signature_of(BODY, OLDER, str(NOW))
    for text in (SECRET, OLDER):
        verdict = verify(
            BODY, f"t={NOW},v1={GOOD},v1={older}", [Secret("one", text)], now_seconds=NOW
        )
        assert verdict.is_accepted


def test_signature_without_a_header_is_missing() -> None:
    verdict = verify(BODY, None, [Secret("current", SECRET)], now_seconds=NOW)
    assert verdict.reason is R.MISSING_HEADER


def test_signature_tolerance_is_what_was_asked_for() -> None:
    header = header_of(BODY, SECRET, NOW - 20)
    secrets = [Secret("current", SECRET)]
    for tolerance, reason in ((20, R.ACCEPTED), (19, R.OUT_OF_TOLERANCE), (0, R.OUT_OF_TOLERANCE)):
        verdict = verify(BODY, header, secrets, now_seconds=NOW, tolerance_seconds=tolerance)
        assert verdict.reason is reason


def test_signature_at_a_time_that_is_no_number_is_out_of_tolerance() -> None:
    for now in (float("nan"), float("inf"), float("-inf")):
        verdict = verify(BODY, f"t={NOW},v1={GOOD}", [Secret("current", SECRET)], now_seconds=now)
        assert verdict.reason is R.OUT_OF_TOLERANCE


def test_signature_header_at_the_length_bound_is_still_read() -> None:
    filler = "0" * (HEADER_CHARACTERS_MAX - len(f"t={NOW},v1={GOOD},v0="))
    verdict = verify(
        BODY, f"t={NOW},v1={GOOD},v0={filler}", [Secret("current", SECRET)], now_seconds=NOW
    )
    assert verdict.is_accepted


@pytest.mark.parametrize("text", ["", " ", "whsec_ x", "whsec_\n", "whsec_é"])
def test_secret_that_is_blank_or_odd_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="signing secret 'main'"):
        Secret("main", text)


def test_secret_does_not_show_itself() -> None:
    assert SECRET not in repr(Secret("current", SECRET))
    assert SECRET not in f"{Secret('current', SECRET)}"


def test_signature_fits_the_header_that_the_library_makes() -> None:
    header = LIBRARY.generate_signature_header(BODY.decode(), SECRET, NOW)
    assert header == header_of(BODY, SECRET, NOW)
