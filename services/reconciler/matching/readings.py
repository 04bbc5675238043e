"""Lines' texts read once: what they say hangs on the names that are known, and on nothing else."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from services.reconciler.evidence.mentions import NameIndex, index_of
from services.reconciler.evidence.references import Evidence, evidence_of
from services.reconciler.facts.kinds import Line
from services.reconciler.facts.known import Facts
from services.reconciler.rules.expectations import Expectation


@dataclass(slots=True)
class Readings:
    """The evidence of lines that were read, for as long as the same names are known.

    Of many tables laid one after another, as while acts are decided, each takes from here what
    the ones before have read.
    """

    _expectations: tuple[Expectation, ...] = ()
    _payer_names: Sequence[str] = ()
    _index: NameIndex | None = None
    _read: dict[str, tuple[Line, Evidence]] = field(
        default_factory=dict[str, tuple[Line, Evidence]]
    )

    def evidence(self, facts: Facts, lines: Iterable[Line]) -> dict[str, Evidence]:
        """The evidence of these lines by their keys, in their order."""
        index = self._names(facts)
        found: dict[str, Evidence] = {}
        for line in lines:
            key = line.key
            known = self._read.get(key)
            if known is None or known[0] != line:
                known = self._read[key] = (line, evidence_of(line, index))
            found[key] = known[1]
        return found

    def _names(self, facts: Facts) -> NameIndex:
        told = (facts.expectations, facts.book.payer_names)
        if self._index is None or told != (self._expectations, self._payer_names):
            self._expectations, self._payer_names = told
            self._index = names_known(facts)
            self._read.clear()
        return self._index


def evidence_in(facts: Facts, lines: Iterable[Line]) -> dict[str, Evidence]:
    """The evidence of lines whose texts nobody asks for again, by their keys, in their order."""
    index = names_known(facts)
    return {line.key: evidence_of(line, index) for line in lines}


def names_known(facts: Facts) -> NameIndex:
    """All names by which a line may call what is expected, and those of the payers."""
    return index_of(sorted(facts.expectations, key=lambda e: e.id), facts.book.payer_names)
