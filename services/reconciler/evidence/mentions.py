"""Names found in text: whole, in other case or spacing, cut at either end, garbled.

Banks change case, lose or insert spaces and punctuation, cut references short and mistake
characters. What they leave still counts when it identifies exactly one candidate.
"""

import re
from collections import defaultdict
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from rapidfuzz.distance import Levenshtein

from services.reconciler.evidence.name_index import (
    END_MIN,
    GARBLED_EDITS_MAX,
    GARBLED_MIN,
    HEAD,
    NameIndex,
)
from services.reconciler.evidence.spelling import (
    CUT_MIN,
    RUNS_MAX,
    WHOLE_MAX,
    Name,
    Text,
    reduced,
)

# Ids with fewer different characters are counted up, not drawn: a cut one could be its neighbour.
DRAWN_MIN: Final = 6
STRIPE_ID: Final = 26
# How many letters of a neighbouring word may go on like the id, by accident.
ACCIDENT_MAX: Final = 2
GARBLED_MARGIN: Final = 3
GARBLED_TAIL: Final = 4
# A piece that more names share tells none of them: all ids of one account share one.
PIECE_OWNERS_MAX: Final = 50

_MISREAD = frozenset({("5", "s"), ("s", "5"), ("8", "b"), ("b", "8"), ("2", "z"), ("z", "2")})
_LOOSE_UNIT = re.compile(r"[^\s/,;:()+|]+")


class Certainty(IntEnum):
    """How a name stands in a text, the surest first."""

    EXACT = 0
    CASELESS = 1
    LOOKALIKE = 2
    CUT = 3
    END = 4
    GARBLED = 5


@dataclass(frozen=True, slots=True)
class Mention:
    """A place in a text that names one or several expectations."""

    start: int
    end: int
    certainty: Certainty
    owners: frozenset[str]
    # A name that can restrict but not prove: a number cut short.
    is_weak: bool = False


def mentions_in(text: Text, index: NameIndex) -> list[tuple[tuple[int, int], Mention]]:
    """The names that stand in a text, each with its place in the original, none overlapping."""
    wholes = list(_wholes(text, index))
    known = {(mention.start, mention.end) for mention in wholes}
    kept = _without_overlaps([*wholes, *_glued(text, index, known)])
    if ends := list(_ends(text, index)):
        kept = _without_overlaps([*kept, *ends])
    placed = [(_span(text, mention), mention) for mention in kept]
    garbled = _garbled(text, index, [span for span, _ in placed])
    return [
        *placed,
        *((span, Mention(*span, Certainty.GARBLED, owners)) for span, owners in garbled),
    ]


def _wholes(text: Text, index: NameIndex) -> Iterator[Mention]:
    """Names that stand as whole words, spaces and punctuation inside them lost or put in."""
    starts = list(text.starts())
    ends = [*starts[1:], len(text.raw)]
    for i, start in enumerate(starts):
        for end in ends[i : i + RUNS_MAX]:
            if end - start > WHOLE_MAX:
                break
            if end - start not in index.sizes:
                continue
            found = [
                name
                for name in index.whole.get(text.folded[start:end], ())
                if name.may_have_gaps or text.gaps(start, end) <= name.gaps
            ]
            if found and text.is_unit(start, end):
                yield _whole(text, start, end, found)


def _whole(text: Text, start: int, end: int, found: Sequence[Name]) -> Mention:
    raw = text.raw[start:end]
    if len(found) == 1:
        return Mention(start, end, _sureness(raw, found[0]), frozenset({found[0].owner}))
    ranked = [(_sureness(raw, name), name.owner) for name in found]
    best = min(sure for sure, _ in ranked)
    return Mention(start, end, best, frozenset(owner for sure, owner in ranked if sure == best))


def _sureness(raw: str, name: Name) -> Certainty:
    if raw == name.raw:
        return Certainty.EXACT
    return Certainty.CASELESS if raw.casefold() == name.raw.casefold() else Certainty.LOOKALIKE


def _glued(text: Text, index: NameIndex, known: Container[tuple[int, int]]) -> Iterator[Mention]:
    """Names inside text that lost its spaces, and names that were cut short.

    A place that is known as a whole name tells nothing more.
    """
    folded, heads = text.folded, index.heads
    for start in range(len(folded) - CUT_MIN + 1):
        if folded[start : start + HEAD] not in heads:
            continue
        found = index.beginnings.get(folded[start : start + CUT_MIN])
        if not found:
            continue
        cuts: defaultdict[int, list[Name]] = defaultdict(list)
        for name in found:
            common = _common(text.folded, start, name.folded)
            end = start + common
            if common == len(name.folded):
                if (start, end) in known:
                    continue
                if name.may_be_glued and not _goes_on(text, end, name):
                    yield _whole(text, start, end, [name])
                continue
            size = _cut_size(text, start, common) if text.is_start(start) else 0
            if size and _is_telling(name.folded[:size]):
                cuts[start + size].append(name)
        for end, names in sorted(cuts.items()):
            owners = frozenset(name.owner for name in names)
            weak = all(n.folded[: end - start].isdigit() for n in names)
            yield Mention(start, end, Certainty.CUT, owners, is_weak=weak)


def _goes_on(text: Text, end: int, name: Name) -> bool:
    """Whether what follows could belong to a longer id: then it is not this one."""
    if text.is_end(end):
        return False
    return len(name.folded) < STRIPE_ID and (text.raw[end].isdigit() == name.raw[-1].isdigit())


def _ends(text: Text, index: NameIndex) -> Iterator[Mention]:
    """Names that lost their beginning."""
    for end in sorted(text.edges):
        if end < END_MIN:
            continue
        found = index.ends.get(text.folded[end - END_MIN : end])
        for name in found or ():
            whole = end - len(name.folded)
            if whole >= 0 and text.is_start(whole) and text.folded.startswith(name.folded, whole):
                continue
            common = _common(text.folded[:end][::-1], 0, name.folded[::-1])
            size = _end_size(text, end, common)
            start = end - size
            if 0 < size < len(name.folded) and _is_telling(name.folded[-size:]):
                owners = frozenset(
                    n.owner for n in found or () if n.folded[-size:] == name.folded[-size:]
                )
                yield Mention(start, end, Certainty.END, owners)


def _cut_size(text: Text, start: int, common: int) -> int:
    """How much of what is in common ends with a word; the next may begin alike by accident."""
    sizes = range(common, max(CUT_MIN, common - ACCIDENT_MAX) - 1, -1)
    return next((size for size in sizes if text.is_end(start + size)), 0)


def _end_size(text: Text, end: int, common: int) -> int:
    """How much of what is in common begins with a word; the one before may end alike."""
    sizes = range(common, max(END_MIN, common - ACCIDENT_MAX) - 1, -1)
    return next((size for size in sizes if text.is_start(end - size)), 0)


def _is_telling(part: str) -> bool:
    return len(set(part)) >= DRAWN_MIN


def _common(text: str, start: int, name: str) -> int:
    if text.startswith(name, start):
        return len(name)
    size = 0
    limit = min(len(text) - start, len(name))
    while size < limit and text[start + size] == name[size]:
        size += 1
    return size


def _garbled(
    text: Text, index: NameIndex, spans: Sequence[tuple[int, int]]
) -> Iterator[tuple[tuple[int, int], frozenset[str]]]:
    """Words that are one known id but for a few characters, and no other."""
    for found in _LOOSE_UNIT.finditer(text.original):
        least = GARBLED_MIN - GARBLED_EDITS_MAX
        if len(found[0]) < least or any(overlap(found.span(), span) for span in spans):
            continue
        folded = reduced(found[0])
        if len(folded) < least:
            continue
        near = _near(folded, index)
        if not near:
            continue
        best = min(distance for distance, _ in near)
        close = [name for distance, name in near if distance < best + GARBLED_MARGIN]
        if any(is_garble(folded, name) for name in close):
            yield found.span(), frozenset(name.owner for name in close)


def _near(folded: str, index: NameIndex) -> list[tuple[int, Name]]:
    candidates = {
        name
        for size in index.piece_sizes
        for i in range(len(folded) - size + 1)
        for name in _telling_piece(index, folded[i : i + size])
    }
    reach = GARBLED_EDITS_MAX + GARBLED_MARGIN
    measured = [
        (Levenshtein.distance(folded, name.folded, score_cutoff=reach), name)
        for name in sorted(candidates, key=lambda n: (n.owner, n.text))
    ]
    near = [(distance, name) for distance, name in measured if distance < reach]
    return near if any(distance <= GARBLED_EDITS_MAX for distance, _ in near) else []


def _telling_piece(index: NameIndex, piece: str) -> Sequence[Name]:
    names = index.pieces.get(piece, ())
    return names if len(names) <= PIECE_OWNERS_MAX else ()


def is_akin(text: str, index: NameIndex) -> bool:
    """Whether a folded text has a piece of a known id in it: then it is a part of some id."""
    return any(
        text[i : i + size] in index.pieces
        for size in index.piece_sizes
        for i in range(len(text) - size + 1)
    )


def is_garble(folded: str, name: Name, edits_max: int = GARBLED_EDITS_MAX) -> bool:
    """Whether a bank may have made this of the name, and it is no neighbour's id.

    A counter differs from its neighbour in a digit, or in its last characters.
    """
    edits = Levenshtein.editops(name.folded, folded)
    if len(edits) > edits_max:
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


def _without_overlaps(mentions: Sequence[Mention]) -> list[Mention]:
    """The surest mention of each place, the longer before the shorter."""
    if len(mentions) < 2:
        return [*mentions]
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
        if not any(overlap((m.start, m.end), (k.start, k.end)) for k in kept):
            kept.append(m)
    return kept


def overlap(one: tuple[int, int], other: tuple[int, int]) -> bool:
    """Whether two spans have a place in common."""
    return one[0] < other[1] and other[0] < one[1]


def _span(text: Text, mention: Mention) -> tuple[int, int]:
    return text.place(mention.start), text.place(mention.end - 1) + 1
