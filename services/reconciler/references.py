"""Evidence in text: which payout or top-up a bank line names, whole, cut short or garbled.

Banks change case, lose or insert spaces and punctuation, cut references short and mistake
characters. What they leave still counts when it identifies exactly one candidate; what names
something else forbids. Letters that are told apart with difficulty (o and 0, i, l and 1) are
folded into one, and text is compared without anything but letters and digits.
"""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

from rapidfuzz.distance import Levenshtein

from services.reconciler.facts import Expectation, Line
from services.reconciler.words import Names, names_in

# The shortest beginning of an id (with its prefix) that names it: two letters and ten further
# characters. Stripe's ids begin with the time of creation, so less is shared by neighbours.
CUT_MIN: Final = 12
END_MIN: Final = 14
# At the very end of a text even less may be the beginning of an id; it names none, but it rules
# out all that begin otherwise.
HINT_MIN: Final = 8
HINTED_MIN: Final = 16
# Ids with fewer different characters are counted up, not drawn: a cut one could be its neighbour.
DRAWN_MIN: Final = 6
GLUED_MIN: Final = 18
GLUED_DRAWN_MIN: Final = 8
STRIPE_ID: Final = 26
GARBLED_MIN: Final = 20
GARBLED_EDITS_MAX: Final = 2
GARBLED_MARGIN: Final = 3
GARBLED_TAIL: Final = 4
TRACE_MIN: Final = 5
TRACE_DIGITS_MIN: Final = 7
RUNS_MAX: Final = 8
WHOLE_MAX: Final = 64

_LOOKALIKE = str.maketrans("oil", "011")
_MISREAD = frozenset({("5", "s"), ("s", "5"), ("8", "b"), ("b", "8"), ("2", "z"), ("z", "2")})
_SPELLED = re.compile(r"(?<![A-Za-z0-9])(?:p[o0]|tu)_[A-Za-z0-9_]+", re.IGNORECASE)
_UNSPELLED = re.compile(
    r"(?<![A-Za-z0-9_])(?:p[o0][ \-]?|tu)(?=[A-Za-z0-9]*[0-9])[A-Za-z0-9]{10,}(?![A-Za-z0-9_])",
    re.IGNORECASE,
)
_OTHER_OBJECT = re.compile(
    r"(?<![A-Za-z0-9_])(?:ch|py|re|pyr|tr|trr|pi|in|txn|du|dp|cs|sub|fee|fr|ii|cus|evt|seti)"
    r"_[A-Za-z0-9]{6,}",
    re.IGNORECASE,
)
_LOOSE_UNIT = re.compile(r"[^\s/,;:()+|]+")


class Certainty(IntEnum):
    """How a name stands in a text, the surest first."""

    EXACT = 0
    CASELESS = 1
    LOOKALIKE = 2
    CUT = 3
    END = 4
    GARBLED = 5


_HOW: Final = {
    Certainty.EXACT: "names {}",
    Certainty.CASELESS: "names {} in other case or spacing",
    Certainty.LOOKALIKE: "names {} with look-alike characters",
    Certainty.CUT: "names the beginning of {}",
    Certainty.END: "names the end of {}",
    Certainty.GARBLED: "names {} with characters garbled",
}


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
        if len(self.folded) >= CUT_MIN:
            return frozenset(range(len(self.folded)))
        reduced_text = _text(self.text)
        return reduced_text.gaps(0, len(reduced_text.raw))

    @property
    def is_drawn(self) -> bool:
        """Whether it has the look of a drawn id rather than of a counter."""
        return len(set(self.folded)) >= GLUED_DRAWN_MIN

    @property
    def may_be_glued(self) -> bool:
        """Whether it is found inside other text that lost its spaces."""
        return len(self.folded) >= GLUED_MIN and self.is_drawn and not self.folded.isdigit()


@dataclass(frozen=True, slots=True)
class Mention:
    """A place in a text that names one or several expectations."""

    start: int
    end: int
    certainty: Certainty
    owners: frozenset[str]
    # A name that can restrict but not prove: a number cut short.
    is_weak: bool = False


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a line's text says.

    ``strong`` are the expectations that it names beyond doubt, with how; ``partial`` are sets of
    which one is meant; ``foreign`` are ids of things that are not known here.
    """

    strong: Mapping[str, Certainty]
    partial: tuple[frozenset[str], ...]
    foreign: tuple[str, ...]
    names: Names
    numbers: frozenset[str] = frozenset()

    @property
    def is_whole(self) -> bool:
        """Whether every strong name stands there whole."""
        return all(how <= Certainty.LOOKALIKE for how in self.strong.values())

    def said(self) -> tuple[str, ...]:
        """The evidence in words."""
        strong = [
            f"the line {_HOW[how].format(owner)}" for owner, how in sorted(self.strong.items())
        ]
        partial = [
            f"the line has a part of the reference of {' or '.join(sorted(owners))}"
            for owners in self.partial
        ]
        foreign = [f"the line names {token}, which is not known" for token in self.foreign]
        others = " ".join(self.names.others)
        named = [f"the line bears the name {others!r}"] if others else []
        return (*strong, *partial, *foreign, *named)


@dataclass(frozen=True, slots=True)
class _Text:
    """A text reduced to letters and digits, with the way back to where they stood."""

    original: str
    raw: str
    folded: str
    places: tuple[int, ...]

    def starts(self) -> Iterator[int]:
        """Where a run of letters and digits begins."""
        return (i for i in range(len(self.raw)) if self.is_start(i))

    def is_start(self, i: int) -> bool:
        return i == 0 or self.places[i - 1] + 1 < self.places[i]

    def is_end(self, i: int) -> bool:
        """Whether a run of letters and digits ends before ``i``."""
        return i == len(self.raw) or self.is_start(i)

    def is_unit(self, start: int, end: int) -> bool:
        """Whether a piece begins and ends with whole words, underscores taken as part of one."""
        before = self.places[start] - 1
        after = self.places[end - 1] + 1
        return (
            self.is_start(start)
            and self.is_end(end)
            and (before < 0 or self.original[before] != "_")
            and (after >= len(self.original) or self.original[after] != "_")
        )

    def gaps(self, start: int, end: int) -> frozenset[int]:
        """Where, inside a piece, something else than letters and digits stood."""
        return frozenset(i - start for i in range(start + 1, end) if self.is_start(i))


def _text(original: str) -> _Text:
    original = unicodedata.normalize("NFKC", original)
    kept = [(i, c) for i, c in enumerate(original) if c.isascii() and c.isalnum()]
    raw = "".join(c for _, c in kept)
    return _Text(original, raw, _fold(raw), tuple(i for i, _ in kept))


def _fold(raw: str) -> str:
    return raw.casefold().translate(_LOOKALIKE)


def reduced(text: str) -> str:
    """Text with nothing but letters and digits, look-alikes folded into one."""
    return _text(text).folded


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
    reduced_text = _text(text)
    return Name(owner, text, reduced_text.raw, reduced_text.folded, is_trace)


@dataclass(frozen=True, slots=True)
class NameIndex:
    """All names of the known expectations, to be found in a text without trying each."""

    whole: Mapping[str, tuple[Name, ...]]
    beginnings: Mapping[str, tuple[Name, ...]]
    ends: Mapping[str, tuple[Name, ...]]
    pieces: Mapping[str, tuple[Name, ...]]
    piece_sizes: tuple[int, ...]
    hints: Mapping[str, frozenset[str]]
    payer_names: tuple[str, ...] = field(default=())

    def read(self, line: Line) -> Evidence:
        """The evidence in a line's texts."""
        reader = _Reader(self)
        blanked = [
            reader.field(text) for text in (line.description, line.reference, line.counterparty)
        ]
        return reader.evidence(names_in(blanked[0], blanked[1], blanked[2], self.payer_names))


def index_of(expectations: Iterable[Expectation], payer_names: Sequence[str] = ()) -> NameIndex:
    """The index of the names of these expectations."""
    whole: defaultdict[str, list[Name]] = defaultdict(list)
    beginnings: defaultdict[str, list[Name]] = defaultdict(list)
    ends: defaultdict[str, list[Name]] = defaultdict(list)
    pieces: defaultdict[str, list[Name]] = defaultdict(list)
    hints: defaultdict[str, set[str]] = defaultdict(set)
    sizes: set[int] = set()
    for name in sorted(
        (n for e in expectations for n in names_of(e)), key=lambda n: (n.owner, n.text)
    ):
        text = name.folded
        whole[text].append(name)
        if len(text) > CUT_MIN:
            beginnings[text[:CUT_MIN]].append(name)
        if len(text) > END_MIN and not text.isdigit():
            ends[text[-END_MIN:]].append(name)
        if len(text) >= HINTED_MIN and not name.is_trace:
            for size in range(HINT_MIN, CUT_MIN):
                hints[text[:size]].add(name.owner)
        if len(text) >= GARBLED_MIN and name.is_drawn and not text.isdigit():
            size = len(text) // (GARBLED_EDITS_MAX + 1)
            sizes.add(size)
            for part in range(GARBLED_EDITS_MAX + 1):
                pieces[text[part * size : (part + 1) * size]].append(name)
    return NameIndex(
        whole=_frozen(whole),
        beginnings=_frozen(beginnings),
        ends=_frozen(ends),
        pieces=_frozen(pieces),
        piece_sizes=tuple(sorted(sizes)),
        hints={text: frozenset(owners) for text, owners in hints.items()},
        payer_names=tuple(payer_names),
    )


def _frozen(names: Mapping[str, list[Name]]) -> Mapping[str, tuple[Name, ...]]:
    return {text: tuple(found) for text, found in names.items()}


class _Reader:
    """Goes through a line's texts, one after the other, and collects what they name."""

    def __init__(self, index: NameIndex) -> None:
        self.index = index
        self.mentions: list[Mention] = []
        self.partial: list[frozenset[str]] = []
        self.foreign: list[str] = []
        self.numbers: set[str] = set()

    def field(self, original: str) -> str:
        """Read one text; the answer is the text with all names and ids taken out."""
        if not original:
            return ""
        text = _text(original)
        kept = _without_overlaps([*_wholes(text, self.index), *_glued(text, self.index)])
        kept = _without_overlaps([*kept, *_ends(text, self.index)])
        spans = [_span(text, mention) for mention in kept]
        kept += [
            Mention(*span, Certainty.GARBLED, owners)
            for span, owners in _garbled(text, self.index, spans)
        ]
        spans = [_span(text, m) if m.certainty is not Certainty.GARBLED else (m.start, m.end)
                 for m in kept]  # fmt: skip
        self.mentions += kept
        spans += self._unknown(text, spans)
        blanked = _blank(text.original, spans)
        self.numbers |= {_fold(n) for n in re.findall(r"[A-Za-z0-9]+", blanked) if len(n) > 7}
        return blanked

    def _unknown(self, text: _Text, spans: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
        """Ids that stand in the text and belong to nothing known, or to too many."""
        taken: list[tuple[int, int]] = []
        for pattern in (_SPELLED, _UNSPELLED, _OTHER_OBJECT):
            for found in pattern.finditer(text.original):
                span = found.span()
                if any(_overlap(span, other) for other in (*spans, *taken)):
                    continue
                taken.append(span)
                folded = reduced(found[0])
                at_end = not text.original[span[1] :].strip()
                hinted = self.index.hints.get(folded) if at_end else None
                if hinted:
                    self.partial.append(hinted)
                else:
                    self.foreign.append(found[0])
        return taken

    def evidence(self, names: Names) -> Evidence:
        strong: dict[str, Certainty] = {}
        partial = list(self.partial)
        for mention in self.mentions:
            if len(mention.owners) == 1 and not mention.is_weak:
                (owner,) = mention.owners
                strong[owner] = min(mention.certainty, strong.get(owner, mention.certainty))
            else:
                partial.append(mention.owners)
        return Evidence(
            strong=strong,
            partial=tuple(sorted({p for p in partial if not p & set(strong)}, key=sorted)),
            foreign=tuple(sorted(set(self.foreign))),
            names=names,
            numbers=frozenset(self.numbers),
        )


def _wholes(text: _Text, index: NameIndex) -> Iterator[Mention]:
    """Names that stand as whole words, spaces and punctuation inside them lost or put in."""
    for start in text.starts():
        runs = 0
        for end in range(start + 1, min(len(text.raw), start + WHOLE_MAX) + 1):
            if not text.is_end(end):
                continue
            runs += 1
            if runs > RUNS_MAX:
                break
            found = [
                name
                for name in index.whole.get(text.folded[start:end], ())
                if text.gaps(start, end) <= name.gaps
            ]
            if found and text.is_unit(start, end):
                yield _whole(text, start, end, found)


def _whole(text: _Text, start: int, end: int, found: Sequence[Name]) -> Mention:
    raw = text.raw[start:end]
    ranked = [(_sureness(raw, name), name.owner) for name in found]
    best = min(sure for sure, _ in ranked)
    return Mention(start, end, best, frozenset(owner for sure, owner in ranked if sure == best))


def _sureness(raw: str, name: Name) -> Certainty:
    if raw == name.raw:
        return Certainty.EXACT
    return Certainty.CASELESS if raw.casefold() == name.raw.casefold() else Certainty.LOOKALIKE


def _glued(text: _Text, index: NameIndex) -> Iterator[Mention]:
    """Names inside text that lost its spaces, and names that were cut short."""
    for start in range(len(text.folded) - CUT_MIN + 1):
        found = index.beginnings.get(text.folded[start : start + CUT_MIN])
        if not found:
            continue
        cuts: defaultdict[int, list[Name]] = defaultdict(list)
        for name in found:
            common = _common(text.folded, start, name.folded)
            end = start + common
            if common == len(name.folded):
                if name.may_be_glued and not _goes_on(text, end, name):
                    yield _whole(text, start, end, [name])
            elif text.is_start(start) and text.is_end(end) and _is_telling(name.folded[:common]):
                cuts[end].append(name)
        for end, names in sorted(cuts.items()):
            owners = frozenset(name.owner for name in names)
            weak = all(n.folded[: end - start].isdigit() for n in names)
            yield Mention(start, end, Certainty.CUT, owners, is_weak=weak)


def _goes_on(text: _Text, end: int, name: Name) -> bool:
    """Whether what follows could belong to a longer id: then it is not this one."""
    if text.is_end(end):
        return False
    return len(name.folded) < STRIPE_ID and (text.raw[end].isdigit() == name.raw[-1].isdigit())


def _ends(text: _Text, index: NameIndex) -> Iterator[Mention]:
    """Names that lost their beginning."""
    for end in range(END_MIN, len(text.folded) + 1):
        if not text.is_end(end):
            continue
        found = index.ends.get(text.folded[end - END_MIN : end])
        for name in found or ():
            size = _common(text.folded[:end][::-1], 0, name.folded[::-1])
            start = end - size
            if (
                size < len(name.folded)
                and text.is_start(start)
                and _is_telling(name.folded[-size:])
            ):
                owners = frozenset(
                    n.owner for n in found or () if n.folded[-size:] == name.folded[-size:]
                )
                yield Mention(start, end, Certainty.END, owners)


def _is_telling(part: str) -> bool:
    return len(set(part)) >= DRAWN_MIN


def _common(text: str, start: int, name: str) -> int:
    size = 0
    limit = min(len(text) - start, len(name))
    while size < limit and text[start + size] == name[size]:
        size += 1
    return size


def _garbled(
    text: _Text, index: NameIndex, spans: Sequence[tuple[int, int]]
) -> Iterator[tuple[tuple[int, int], frozenset[str]]]:
    """Words that are one known id but for a few characters, and no other."""
    for found in _LOOSE_UNIT.finditer(text.original):
        folded = reduced(found[0])
        if len(folded) < GARBLED_MIN - GARBLED_EDITS_MAX or any(
            _overlap(found.span(), span) for span in spans
        ):
            continue
        near = _near(folded, index)
        if not near:
            continue
        best = min(distance for distance, _ in near)
        close = [name for distance, name in near if distance < best + GARBLED_MARGIN]
        if any(_is_garble(folded, name) for name in close):
            yield found.span(), frozenset(name.owner for name in close)


def _near(folded: str, index: NameIndex) -> list[tuple[int, Name]]:
    candidates = {
        name
        for size in index.piece_sizes
        for i in range(len(folded) - size + 1)
        for name in index.pieces.get(folded[i : i + size], ())
    }
    reach = GARBLED_EDITS_MAX + GARBLED_MARGIN
    measured = [
        (Levenshtein.distance(folded, name.folded, score_cutoff=reach), name)
        for name in sorted(candidates, key=lambda n: (n.owner, n.text))
    ]
    near = [(distance, name) for distance, name in measured if distance < reach]
    return near if any(distance <= GARBLED_EDITS_MAX for distance, _ in near) else []


def _is_garble(folded: str, name: Name) -> bool:
    """Whether a bank may have made this of the name, and it is no neighbour's id.

    A counter differs from its neighbour in a digit, or in its last characters.
    """
    edits = Levenshtein.editops(name.folded, folded)
    if len(edits) > GARBLED_EDITS_MAX:
        return False
    for edit in edits:
        if edit.tag == "delete":
            continue
        if edit.tag == "replace":
            was, now = name.folded[edit.src_pos], folded[edit.dest_pos]
            if (was, now) in _MISREAD:
                continue
            if was.isdigit() and now.isdigit():
                return False
        if edit.src_pos >= len(name.folded) - GARBLED_TAIL:
            return False
    return True


def _without_overlaps(mentions: Iterable[Mention]) -> list[Mention]:
    """The surest mention of each place, the longer before the shorter."""
    kept: list[Mention] = []
    together: defaultdict[tuple[int, int, Certainty, bool], set[str]] = defaultdict(set)
    for m in mentions:
        together[m.start, m.end, m.certainty, m.is_weak] |= m.owners
    merged = [
        Mention(start, end, certainty, frozenset(owners), weak)
        for (start, end, certainty, weak), owners in together.items()
    ]
    order = sorted(
        merged, key=lambda m: (m.certainty > 2, -(m.end - m.start), m.certainty, m.start)
    )
    for m in order:
        if not any(_overlap((m.start, m.end), (k.start, k.end)) for k in kept):
            kept.append(m)
    return kept


def _overlap(one: tuple[int, int], other: tuple[int, int]) -> bool:
    return one[0] < other[1] and other[0] < one[1]


def _span(text: _Text, mention: Mention) -> tuple[int, int]:
    return text.places[mention.start], text.places[mention.end - 1] + 1


def _blank(original: str, spans: Iterable[tuple[int, int]]) -> str:
    letters = list(original)
    for start, end in spans:
        letters[start:end] = " " * (end - start)
    return "".join(letters)


def handles_of_names(expected: Expectation) -> frozenset[str]:
    """Beginnings and ends of the names of an expectation: a line that names it shares one.

    A name garbled near both ends has none in common; it is then found while it is open only.
    """
    return frozenset(handle for name in names_of(expected) for handle in _handles(name.folded))


def handles_of_line(line: Line) -> frozenset[str]:
    """The beginnings and ends of what in a line's text may be a name."""
    found: set[str] = set()
    for original in (line.description, line.reference, line.counterparty):
        text = _text(original)
        for start in text.starts():
            for runs, end in enumerate(_run_ends(text, start), 1):
                if runs > RUNS_MAX or end - start > WHOLE_MAX:
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


def _run_ends(text: _Text, start: int) -> Iterator[int]:
    return (end for end in range(start + 1, len(text.raw) + 1) if text.is_end(end))
