"""JSON read exactly: no float is ever made, and nothing breaks the reader."""

import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ledger.readers.exact_json import DEPTH_MAX, Inexact, digest, parse, parse_object
from shared.contracts.errors import Unreadable


@pytest.mark.parametrize("number", [0, -1, 2**53 + 1, 2**63, 2**64, -(2**200), 10**399])
def test_whole_number_of_any_size_stays_whole(number: int) -> None:
    assert parse(str(number).encode()) == number


@pytest.mark.parametrize("text", ["1.0", "1e2", "-0.5", "1E400", "NaN", "Infinity", "9" * 10_000])
def test_number_that_is_no_amount_keeps_its_text(text: str) -> None:
    assert parse(text.encode()) == Inexact(text)


@pytest.mark.parametrize("sign", ["", "-"])
def test_whole_number_longer_than_any_text_of_one_keeps_its_text(sign: str) -> None:
    longest = sign + "9" * (4_300 - len(sign))
    assert parse(longest.encode()) == int(longest)
    assert parse(f"{longest}9".encode()) == Inexact(f"{longest}9")


@pytest.mark.parametrize(
    "raw", [b"", b"{", b"[1,]", b"\xff", b"\xef\xbb\xbf{}", b'"\\ud800"', b'{"\\u0000": 1}', b"01"]
)
def test_bytes_that_are_no_json_are_unreadable(raw: bytes) -> None:
    with pytest.raises(Unreadable):
        parse(raw)


def test_depth_has_an_end_and_brackets_in_texts_are_no_depth() -> None:
    assert parse(b"[" * DEPTH_MAX + b"]" * DEPTH_MAX) is not None
    with pytest.raises(Unreadable, match="nested deeper"):
        parse(b"[" * (DEPTH_MAX + 1) + b"]" * (DEPTH_MAX + 1))
    assert parse(json.dumps('{["\\' * 500).encode()) == '{["\\' * 500
    assert parse(json.dumps([[]] * 500).encode()) == [[]] * 500


@pytest.mark.parametrize("raw", [b"[]", b"1", b"null", b'"{}"'])
def test_value_that_is_no_object_is_unreadable(raw: bytes) -> None:
    with pytest.raises(Unreadable):
        parse_object(raw)


def test_digest_is_of_what_is_said_and_not_of_how_it_is_laid_out() -> None:
    one, other = (
        parse(b'{"a":[1,{"b":null}],"c":"\\u00e9"}'),
        parse('{ "c" : "é", "a" : [1, {"b": null}] }'.encode()),
    )
    assert digest(one) == digest(other)


@pytest.mark.parametrize(
    "other", [b'{"a": 1.0}', b'{"a": "1"}', b'{"a": true}', b'{"a": [1]}', b"{}"]
)
def test_digest_of_something_else_is_another(other: bytes) -> None:
    assert digest(parse(b'{"a": 1}')) != digest(parse(other))


_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.text(
                st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=4
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


@given(told=_VALUES, escaped=st.booleans())
def test_value_read_by_the_fast_way_is_that_of_the_exact_way(
    told: object, *, escaped: bool
) -> None:
    raw = json.dumps(told, ensure_ascii=escaped).encode()
    found = parse(raw)
    assert found == told
    assert repr(found) == repr(json.loads(raw))


_WORDS = b"""{ } [ ] , : "a" " 0 1 - . e E+ 1.50 1e400 -0.0 true null NaN 18446744073709551616
 {"a": "b": [1, \x00 \x7f \xc3 \xc3\xa9 \xed\xa0 \\" """
_PIECES = st.sampled_from([*_WORDS.split(), b" ", b"\t"])


def _read(raw: bytes) -> object:
    try:
        return parse(raw)
    except Unreadable:
        return Unreadable


@given(st.lists(_PIECES, max_size=12).map(b"".join))
def test_any_bytes_are_read_by_the_fast_way_as_by_the_exact_way(raw: bytes) -> None:
    # An escape anywhere, here beside the bytes, has the whole of it read exactly.
    fast, exact = _read(b'["A",' + raw + b"]"), _read(b'["\\u0041",' + raw + b"]")
    assert repr(fast) == repr(exact)


@given(_VALUES)
def test_digest_is_that_of_the_form_of_the_first_version(told: object) -> None:
    # Digests are kept: a message told again years later is compared with what was said then.
    form = json.dumps(told, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    assert digest(told) == hashlib.sha256(form.encode()).digest()
