"""Whatever one value of an export is changed to, `verify.py` sees it, though the seal fits again."""

import hashlib
import io
import json
from collections.abc import Iterator
from typing import Any, Final, cast

from hypothesis import given, settings
from hypothesis import strategies as st

from tallystick.exports import verify
from tallystick.exports.hashes import Wrong
from tests.support.exported import entry, every_exponent, json_lines, told

STORY: Final = told([*every_exponent(), *(entry(n, description="sold") for n in range(5, 8))])
LINES: Final = json_lines(STORY).splitlines()
Path = tuple[str | int, ...]


def places(value: object, at: Path = ()) -> Iterator[Path]:
    """Where the leaves of a line are."""
    if isinstance(value, dict):
        for name, inner in cast("dict[str, object]", value).items():
            yield from places(inner, (*at, name))
    elif isinstance(value, list):
        for number, inner in enumerate(cast("list[object]", value)):
            yield from places(inner, (*at, number))
    else:
        yield at


# The header tells of the making, and only its heads and starts bear on what follows.
PLACES: Final = [
    (number, place)
    for number, line in enumerate(LINES[:-1])
    for place in places(json.loads(line))
    if number or place[0] in ("line", "form", "journal")
]
VALUES: Final = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**32), 10**32),
    st.text(max_size=8),
    st.just([]),
    st.just({}),
    st.from_regex(r"[0-9]{1,32}", fullmatch=True),
    st.from_regex(r"[0-9a-f]{64}", fullmatch=True),
)


@settings(max_examples=500)
@given(st.sampled_from(PLACES), VALUES)
def test_any_value_changed_to_any_other_is_seen(where: tuple[int, Path], value: object) -> None:
    number, place = where
    lines = [json.loads(line) for line in LINES[:-1]]
    holder: Any = lines[number]  # Any: JSON
    for step in place[:-1]:
        holder = holder[step]
    # By their text: to Python 1 is True.
    unchanged = repr(holder[place[-1]]) == repr(value)
    holder[place[-1]] = value
    body = "".join(json.dumps(line) + "\n" for line in lines)
    seal = json.dumps({"line": "seal", "sha256": hashlib.sha256(body.encode()).hexdigest()})
    try:
        verify.check(io.BytesIO(f"{body}{seal}\n".encode()), {})
    except Wrong:
        assert not unchanged
    else:
        assert unchanged
