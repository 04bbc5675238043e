"""What a name is when banks have written it: letters and digits, look-alikes folded into one.

Letters that are told apart with difficulty (o and 0, i, l and 1) are folded into one, and text is
compared without anything but letters and digits.
"""

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from services.reconciler.facts.kinds import Line
from services.reconciler.rules.expectations import Expectation

# The shortest beginning of an id (with its prefix) that names it: two letters and ten further
# characters. Stripe's ids begin with the time of creation, so less is shared by neighbours.
CUT_MIN: Final = 12
GLUED_MIN: Final = 18
GLUED_DRAWN_MIN: Final = 8
TRACE_MIN: Final = 5
TRACE_DIGITS_MIN: Final = 7
RUNS_MAX: Final = 8
WHOLE_MAX: Final = 64

_RUN: Final = re.compile(r"[A-Za-z0-9]+")
_LOOKALIKE = str.maketrans("oil", "011")


@dataclass(frozen=True, slots=True)
class Text:
    """A text reduced to letters and digits, with the way back to where they stood.

    Runs of letters and digits begin at ``runs`` here, and at ``places`` in the original.
    """

    original: str
    raw: str
    folded: str
    places: tuple[int, ...]
    runs: tuple[int, ...]
    # The beginnings of runs, and the end.
    edges: frozenset[int]

    def starts(self) -> Sequence[int]:
        """Where a run of letters and digits begins."""
        return self.runs

    def place(self, i: int) -> int:
        """Where in the original a letter or digit stands."""
        run = bisect_right(self.runs, i) - 1
        return self.places[run] + i - self.runs[run]

    def is_start(self, i: int) -> bool:
        """Whether a run of letters and digits begins at ``i``."""
        return i == 0 or (i in self.edges and i < len(self.raw))

    def is_end(self, i: int) -> bool:
        """Whether a run of letters and digits ends before ``i``."""
        return i in self.edges

    def is_unit(self, start: int, end: int) -> bool:
        """Whether a piece begins and ends with whole words, underscores taken as part of one."""
        before = self.place(start) - 1
        after = self.place(end - 1) + 1
        return (
            self.is_start(start)
            and self.is_end(end)
            and (before < 0 or self.original[before] != "_")
            and (after >= len(self.original) or self.original[after] != "_")
        )

    def gaps(self, start: int, end: int) -> frozenset[int]:
        """Where, inside a piece, something else than letters and digits stood."""
        return frozenset(i - start for i in range(start + 1, end) if self.is_start(i))


def text_of(original: str) -> Text:
    """A text made ready to be compared."""
    original = _plain(original)
    parts: list[str] = []
    places: list[int] = []
    runs: list[int] = []
    size = 0
    for found in _RUN.finditer(original):
        runs.append(size)
        places.append(found.start())
        parts.append(found[0])
        size += len(found[0])
    raw = "".join(parts)
    edges = frozenset((0, *runs, len(raw)))
    return Text(original, raw, folded(raw), tuple(places), tuple(runs), edges)


def _plain(original: str) -> str:
    return original if original.isascii() else unicodedata.normalize("NFKC", original)


def folded(raw: str) -> str:
    """Letters and digits in one case, look-alikes folded into one."""
    return raw.casefold().translate(_LOOKALIKE)


def reduced(text: str) -> str:
    """Text with nothing but letters and digits, look-alikes folded into one."""
    return folded("".join(_RUN.findall(_plain(text))))


@dataclass(frozen=True, slots=True)
class Name:
    """One way to name an expectation: its id, or a trace id. ``folded`` is what is compared."""

    owner: str
    text: str
    raw: str
    folded: str
    is_trace: bool

    @property
    def gaps(self) -> frozenset[int]:
        """Where a text may have spaces or punctuation inside the name: a short one is kept whole.

        Otherwise "po_1 2 of 3" would name po_12.
        """
        if self.may_have_gaps:
            return frozenset(range(len(self.folded)))
        reduced_text = text_of(self.text)
        return reduced_text.gaps(0, len(reduced_text.raw))

    @property
    def may_have_gaps(self) -> bool:
        """Whether it is long enough to be known with spaces or punctuation anywhere in it."""
        return len(self.folded) >= CUT_MIN

    @property
    def is_drawn(self) -> bool:
        """Whether it has the look of a drawn id rather than of a counter."""
        return len(set(self.folded)) >= GLUED_DRAWN_MIN

    @property
    def may_be_glued(self) -> bool:
        """Whether it is found inside other text that lost its spaces."""
        return len(self.folded) >= GLUED_MIN and self.is_drawn and not self.folded.isdigit()


def names_of(expected: Expectation) -> tuple[Name, ...]:
    """The ways to name an expectation."""
    names = [_name(expected.id, expected.id, is_trace=False)]
    for trace in expected.traces:
        name = _name(expected.id, trace, is_trace=True)
        short = TRACE_DIGITS_MIN if name.folded.isdigit() else TRACE_MIN
        if len(name.folded) >= short:
            names.append(name)
    return tuple(name for name in names if len(name.folded) > 2)


def _name(owner: str, text: str, *, is_trace: bool) -> Name:
    raw = "".join(_RUN.findall(_plain(text)))
    return Name(owner, text, raw, folded(raw), is_trace)


def handles_of_names(expected: Expectation) -> frozenset[str]:
    """Beginnings and ends of the names of an expectation: a line that names it shares one.

    A name garbled near both ends has none in common; it is then found while it is open only.
    """
    return frozenset(handle for name in names_of(expected) for handle in _handles(name.folded))


def handles_of_line(line: Line) -> frozenset[str]:
    """The beginnings and ends of what in a line's text may be a name."""
    found: set[str] = set()
    for original in (line.description, line.reference, line.counterparty):
        text = text_of(original)
        starts = list(text.starts())
        ends = [*starts[1:], len(text.raw)]
        for i, start in enumerate(starts):
            for end in ends[i : i + RUNS_MAX]:
                if end - start > WHOLE_MAX:
                    break
                found |= _handles(text.folded[start:end])
        for start in range(len(text.folded) - CUT_MIN + 1):
            if text.folded.startswith(("p0", "tu"), start):
                found.add(text.folded[start : start + CUT_MIN])
    return frozenset(found)


def _handles(folded: str) -> set[str]:
    if len(folded) < CUT_MIN:
        return {folded} if len(folded) > 2 and any(c.isdigit() for c in folded) else set()
    return {folded[:CUT_MIN], folded[-CUT_MIN:]}
