import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.runtime.postgres import numeric_bytes, numeric_int


@given(st.integers(min_value=-(10**38), max_value=10**38))
def test_numeric_codec_gives_back_every_integer(value: int) -> None:
    assert numeric_int(numeric_bytes(value)) == value


def test_numeric_codec_reads_trailing_zero_digits_that_postgres_leaves_out() -> None:
    # 10^8 is one digit of weight 2 in base 10000.
    assert numeric_int(struct.pack(">HhHHH", 1, 2, 0, 0, 1)) == 10**8


@pytest.mark.parametrize("value", [1.0, True, "1", None])
def test_numeric_codec_refuses_what_is_not_an_integer(value: object) -> None:
    with pytest.raises(TypeError):
        numeric_bytes(value)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # wrong on purpose


@pytest.mark.parametrize(
    "data",
    [
        struct.pack(">HhHH", 0, 0, 0xC000, 0),
        struct.pack(">HhHH", 0, 0, 0xD000, 0),
        struct.pack(">HhHHHH", 2, 0, 0, 2, 1, 5000),
        struct.pack(">HhHHH", 1, -1, 0, 2, 5000),
    ],
    ids=["nan", "infinity", "1.5", "0.5"],
)
def test_numeric_codec_refuses_what_is_no_whole_number(data: bytes) -> None:
    with pytest.raises(ValueError, match="integer was due"):
        numeric_int(data)
