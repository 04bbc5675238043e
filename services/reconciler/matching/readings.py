"""What was worked out before: lines' texts read once, candidates laid out once.

What a text says hangs on the names that are known, and on nothing else. A name that comes or goes
makes those texts be read again in which it could be found.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from services.reconciler.evidence.name_index import NameIndex, found_by, index_of
from services.reconciler.evidence.references import Evidence, evidence_of
from services.reconciler.evidence.spelling import Name, names_of, text_of
from services.reconciler.facts.kinds import Line
from services.reconciler.facts.known import Facts
from services.reconciler.matching.shelf import Shelf, shelf_of
from services.reconciler.rules.expectations import Expectation

# Whatever a name is found by is looked up by its first letters; a shorter one is found anywhere.
_LETTERS: Final = 5
_KEPT_MIN: Final = 64


@dataclass(slots=True)
class Readings:
    """The evidence of lines that were read, and the names that it hangs on.

    Of many tables laid one after another, as while acts are decided or from one judgement of a
    book to the next, each takes from here what the ones before have read.
    """

    # Where one is kept, one table lies at a time: the next one's candidates take their place on it.
    shelf: Shelf | None = None
    _payer_names: Sequence[str] = ()
    _index: NameIndex | None = None
    _names: dict[str, tuple[Expectation, tuple[Name, ...]]] = field(
        default_factory=dict[str, tuple[Expectation, tuple[Name, ...]]]
    )
    _read: dict[str, tuple[Line, Evidence]] = field(
        default_factory=dict[str, tuple[Line, Evidence]]
    )
    # The lines read that have these letters somewhere in their texts.
    _having: defaultdict[str, set[str]] = field(
        default_factory=lambda: defaultdict[str, set[str]](set)
    )

    def shelf_of(self, facts: Facts) -> Shelf:
        """A shelf with what these facts expect: the one that is kept, or one of their own."""
        if self.shelf is None:
            return shelf_of(facts)
        self.shelf.lay(facts)
        return self.shelf

    def evidence(self, facts: Facts, lines: Iterable[Line]) -> dict[str, Evidence]:
        """The evidence of these lines by their keys, in their order."""
        index = self._known(facts)
        found: dict[str, Evidence] = {}
        for line in lines:
            key = line.key
            known = self._read.get(key)
            if known is None or (known[0] is not line and known[0] != line):
                if known is not None:
                    self._let_go(known[0])
                known = self._read[key] = (line, evidence_of(line, index))
                for letters in _letters_of(line):
                    self._having[letters].add(key)
            found[key] = known[1]
        if len(self._read) > 2 * len(found) + _KEPT_MIN:
            for key in self._read.keys() - found.keys():
                self._let_go(self._read.pop(key)[0])
        return found

    def _known(self, facts: Facts) -> NameIndex:
        """The names of these facts; texts that a change of them can concern are forgotten."""
        if self._index is None or facts.book.payer_names != self._payer_names:
            self._payer_names = facts.book.payer_names
            self._index = index_of(facts.expectations, self._payer_names)
            self._names = {e.id: (e, names_of(e)) for e in facts.expectations}
            self._read.clear()
            self._having.clear()
        index, names = self._index, self._names
        fresh = [e for e in facts.expectations if (n := names.get(e.id)) is None or n[0] is not e]
        for expected in fresh:
            self._rename(index, expected)
        if len(names) > len(facts.expectations):
            there = {expected.id for expected in facts.expectations}
            for owner in [owner for owner in names if owner not in there]:
                for name in names.pop(owner)[1]:
                    index.drop(name)
                    self._forget(name)
        return index

    def _rename(self, index: NameIndex, expected: Expectation) -> None:
        before = self._names.get(expected.id)
        now = names_of(expected)
        self._names[expected.id] = (expected, now)
        if before is not None and before[1] == now:
            return
        for name in () if before is None else before[1]:
            index.drop(name)
            self._forget(name)
        for name in now:
            index.add(name)
            self._forget(name)

    def _forget(self, name: Name) -> None:
        """Forget what was read in which the name can be found, or its like."""
        for text in found_by(name):
            if len(text) < _LETTERS:
                self._read.clear()
                self._having.clear()
                return
            for key in tuple(self._having.get(text[:_LETTERS], ())):
                line, _ = self._read.pop(key)
                self._let_go(line)

    def _let_go(self, line: Line) -> None:
        for letters in _letters_of(line):
            having = self._having[letters]
            having.remove(line.key)
            if not having:
                del self._having[letters]


def _letters_of(line: Line) -> set[str]:
    """All runs of letters of one length in a line's texts, as names are compared with them."""
    return {
        folded[at : at + _LETTERS]
        for original in (line.description, line.reference, line.counterparty)
        if (folded := text_of(original).folded)
        for at in range(len(folded) - _LETTERS + 1)
    }


def evidence_in(facts: Facts, lines: Iterable[Line]) -> dict[str, Evidence]:
    """The evidence of lines whose texts nobody asks for again, by their keys, in their order."""
    index = names_known(facts)
    return {line.key: evidence_of(line, index) for line in lines}


def names_known(facts: Facts) -> NameIndex:
    """All names by which a line may call what is expected, and those of the payers."""
    return index_of(sorted(facts.expectations, key=lambda e: e.id), facts.book.payer_names)
