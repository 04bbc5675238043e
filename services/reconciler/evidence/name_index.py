"""All names by which lines may call what is expected, laid out to be found in their texts."""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from services.reconciler.evidence.spelling import CUT_MIN, Name, names_of
from services.reconciler.rules.expectations import Expectation

END_MIN: Final = 14
HEAD: Final = 2
# At the very end of a text even less may be the beginning of an id; it names none, but it rules
# out all that begin otherwise.
HINT_MIN: Final = 8
HINTED_MIN: Final = 16
GARBLED_MIN: Final = 20
GARBLED_EDITS_MAX: Final = 2


@dataclass(slots=True)
class NameIndex:
    """All names of the known expectations, to be found in a text without trying each.

    Names may be added and dropped; those under one text stand in the order of their owners.
    """

    payer_names: tuple[str, ...] = ()
    whole: dict[str, Sequence[Name]] = field(default_factory=dict[str, Sequence[Name]])
    # How long a whole name can be; like the next two it only grows, and tells where to look.
    sizes: set[int] = field(default_factory=set[int])
    beginnings: dict[str, Sequence[Name]] = field(default_factory=dict[str, Sequence[Name]])
    # The first letters of the beginnings: most places of a text begin with none of them.
    heads: set[str] = field(default_factory=set[str])
    ends: dict[str, Sequence[Name]] = field(default_factory=dict[str, Sequence[Name]])
    pieces: dict[str, Sequence[Name]] = field(default_factory=dict[str, Sequence[Name]])
    piece_sizes: tuple[int, ...] = ()
    # Long names in order with their owners: what a few characters may be the beginning of.
    ordered: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])

    def hinted(self, text: str) -> frozenset[str]:
        """Whose names begin with so few characters that they name none, but rule out others."""
        if not HINT_MIN <= len(text) < CUT_MIN:
            return frozenset()
        first = bisect_left(self.ordered, (text,))
        last = bisect_left(self.ordered, (f"{text}\N{DEL}",), first)
        return frozenset(owner for _, owner in self.ordered[first:last])

    def add(self, name: Name) -> None:
        """Take one more name."""
        self._file(name)
        if is_hinting(name):
            insort(self.ordered, (name.folded, name.owner))

    def take(self, names: Iterable[Name]) -> None:
        """Take many names at once, in the order of their owners."""
        for name in names:
            self._file(name)
            if is_hinting(name):
                self.ordered.append((name.folded, name.owner))
        self.ordered.sort()

    def _file(self, name: Name) -> None:
        text, alone = name.folded, (name,)
        _file(self.whole, text, alone)
        self.sizes.add(len(text))
        if len(text) > CUT_MIN:
            _file(self.beginnings, text[:CUT_MIN], alone)
            self.heads.add(text[:HEAD])
        if len(text) > END_MIN and not text.isdigit():
            _file(self.ends, text[-END_MIN:], alone)
        pieces = pieces_of(name)
        if pieces and len(pieces[0]) not in self.piece_sizes:
            self.piece_sizes = tuple(sorted({*self.piece_sizes, len(pieces[0])}))
        for piece in pieces:
            _file(self.pieces, piece, alone)

    def drop(self, name: Name) -> None:
        """Let go of a name that was taken."""
        text = name.folded
        _unfile(self.whole, text, name)
        if len(text) > CUT_MIN:
            _unfile(self.beginnings, text[:CUT_MIN], name)
        if len(text) > END_MIN and not text.isdigit():
            _unfile(self.ends, text[-END_MIN:], name)
        if is_hinting(name):
            del self.ordered[bisect_left(self.ordered, (text, name.owner))]
        for piece in pieces_of(name):
            _unfile(self.pieces, piece, name)


def is_hinting(name: Name) -> bool:
    """Whether a few characters may be the beginning of it."""
    return len(name.folded) >= HINTED_MIN and not name.is_trace


def pieces_of(name: Name) -> tuple[str, ...]:
    """The pieces of which one is whole though some characters were garbled; of most none."""
    text = name.folded
    if len(text) < GARBLED_MIN or not name.is_drawn or text.isdigit():
        return ()
    size = len(text) // (GARBLED_EDITS_MAX + 1)
    return tuple(text[part * size : (part + 1) * size] for part in range(GARBLED_EDITS_MAX + 1))


def index_of(expectations: Iterable[Expectation], payer_names: Sequence[str] = ()) -> NameIndex:
    """The index of the names of these expectations."""
    index = NameIndex(tuple(payer_names))
    index.take(sorted((n for e in expectations for n in names_of(e)), key=_by_owner))
    return index


def found_by(name: Name) -> tuple[str, ...]:
    """Texts of which one stands, from its first letter on, in all that the name is found in."""
    text = name.folded
    return (text, text[-END_MIN:], *pieces_of(name))


def _by_owner(name: Name) -> tuple[str, str]:
    return (name.owner, name.text)


def _file(names: dict[str, Sequence[Name]], text: str, alone: tuple[Name]) -> None:
    """Add a name under a text; most stand alone there, and one tuple serves them everywhere."""
    known = names.get(text)
    if known is None:
        names[text] = alone
        return
    row = known if isinstance(known, list) else [*known]
    # Names mostly come in their order.
    at = len(row)
    if _by_owner(row[-1]) > _by_owner(alone[0]):
        at = bisect_right(row, _by_owner(alone[0]), key=_by_owner)
    row.insert(at, alone[0])
    names[text] = row


def _unfile(names: dict[str, Sequence[Name]], text: str, name: Name) -> None:
    row = names[text]
    if len(row) == 1:
        del names[text]
        return
    left = row if isinstance(row, list) else [*row]
    del left[bisect_left(left, _by_owner(name), key=_by_owner)]
    names[text] = left
