"""Evidence in text: which payout or top-up a bank line names, and what else it names.

What identifies exactly one candidate counts, however a bank has written it; what names something
else forbids.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from services.reconciler.evidence.mentions import (
    Certainty,
    Mention,
    is_akin,
    mentions_in,
    overlap,
)
from services.reconciler.evidence.name_index import END_MIN, NameIndex
from services.reconciler.evidence.spelling import Text, folded, reduced, text_of
from services.reconciler.evidence.words import Names, names_in
from services.reconciler.facts.kinds import Line

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
# Part of an id of the same Stripe account, its beginning lost: all of them have a piece in common.
# The account's own id has it too, and names no payout.
_LONG = re.compile(r"(?<![A-Za-z0-9_])(?!acct)[A-Za-z0-9_]{14,}", re.IGNORECASE)

_NUMBER = re.compile(r"[A-Za-z0-9]{8,}")

_HOW: Final = {
    Certainty.EXACT: "names {}",
    Certainty.CASELESS: "names {} in other case or spacing",
    Certainty.LOOKALIKE: "names {} with look-alike characters",
    Certainty.CUT: "names the beginning of {}",
    Certainty.END: "names the end of {}",
    Certainty.GARBLED: "names {} with characters garbled",
}


# Most lines have none, and an empty set of its own for each takes more than all the rest.
_NO_NUMBERS: Final[frozenset[str]] = frozenset()


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
    numbers: frozenset[str] = _NO_NUMBERS

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


def evidence_of(line: Line, index: NameIndex) -> Evidence:
    """The evidence in a line's texts."""
    reader = _Reader(index)
    blanked = [reader.field(text) for text in (line.description, line.reference, line.counterparty)]
    return reader.evidence(names_in(blanked[0], blanked[1], blanked[2], index.payer_names))


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
        text = text_of(original)
        placed = mentions_in(text, self.index)
        self.mentions += (mention for _, mention in placed)
        spans = [span for span, _ in placed]
        spans += self._unknown(text, spans)
        blanked = _blank(text.original, spans)
        self.numbers |= {folded(n) for n in _NUMBER.findall(blanked)}
        return blanked

    def _unknown(self, text: Text, spans: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
        """Ids that stand in the text and belong to nothing known, or to too many."""
        taken: list[tuple[int, int]] = []
        for pattern in (_SPELLED, _UNSPELLED, _OTHER_OBJECT):
            for found in pattern.finditer(text.original):
                span = found.span()
                if any(overlap(span, other) for other in (*spans, *taken)):
                    continue
                taken.append(span)
                name = reduced(found[0])
                at_end = not text.original[span[1] :].strip()
                hinted = self.index.hinted(name) if at_end else None
                if hinted:
                    self.partial.append(hinted)
                else:
                    self.foreign.append(found[0])
        for found in _LONG.finditer(text.original):
            if any(overlap(found.span(), other) for other in (*spans, *taken)):
                continue
            name = reduced(found[0])
            if len(name) >= END_MIN and is_akin(name, self.index):
                taken.append(found.span())
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
            numbers=frozenset(self.numbers) if self.numbers else _NO_NUMBERS,
        )


def _blank(original: str, spans: Iterable[tuple[int, int]]) -> str:
    letters = list(original)
    for start, end in spans:
        letters[start:end] = " " * (end - start)
    return "".join(letters)
