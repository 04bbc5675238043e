"""The pass of the best assignment: lines and candidates that hang together, decided as a whole.

Every pair has points (``scores.py``); the assignment with the most of them is found exactly. A line
keeps what it gets there only if forbidding just that answer would cost more than the margin: where
the runner-up is near, nobody can tell, and the line is left to a person.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from rapidfuzz.distance import Levenshtein

from services.reconciler.evidence.mentions import is_garble
from services.reconciler.evidence.name_index import GARBLED_MIN
from services.reconciler.evidence.references import Evidence
from services.reconciler.evidence.spelling import names_of, reduced
from services.reconciler.facts.kinds import Line
from services.reconciler.matching.amounts import Pool
from services.reconciler.matching.candidates import Candidate, forbidden
from services.reconciler.matching.scores import AMOUNT_POINTS, PAYER_POINTS, day_points, points_of
from services.reconciler.matching.table import ASSIGNMENT, Share, Table

# What a reference says that is garbled past recognition, less some for each character.
GARBLED_POINTS: Final = 45
POINTS_OF_AN_EDIT: Final = 3
# The end of an id is what is drawn for it alone: so much of it has to be there.
DRAWN_END: Final = 8
DRAWN_EDITS_MAX: Final = 3
_NEVER: Final = -1


@dataclass(frozen=True, slots=True)
class Option:
    """A candidate that a line may settle, with its points; ``is_told`` where the text says so."""

    candidate: Candidate
    points: int
    is_told: bool


def take_by_assignment(table: Table) -> None:
    """Lines that several candidates fit, or whose reference only resembles one."""
    pool = Pool(table)
    options: dict[str, list[Option]] = {}
    lines: dict[str, Line] = {}
    free = [*table.free_lines(), *(unclear.line for unclear in table.unclear.values())]
    for line in sorted(free, key=lambda li: li.place):
        found = _options(table, pool, line)
        if found:
            options[line.key], lines[line.key] = found, line
    for keys in _together(options):
        if len(keys) > table.rules.assignment.lines_max:
            for key in keys:
                table.unsolved[key] = "too many lines and payouts of one amount hang together"
            continue
        _take_best(table, [lines[key] for key in keys], options)
    _forget_what_is_settled(table)


def _options(table: Table, pool: Pool, line: Line) -> list[Option]:
    evidence = table.evidence[line.key]
    if evidence.strong:
        return []
    found: list[Option] = []
    for key in pool.around(line):
        for candidate in pool.groups[key]:
            if not candidate.is_in_window(line):
                break
            if option := _option(table, candidate, line, evidence):
                found.append(option)
            if len(found) > table.rules.assignment.lines_max:
                return found
    return found


def _option(table: Table, candidate: Candidate, line: Line, evidence: Evidence) -> Option | None:
    if not evidence.foreign:
        if forbidden(candidate, evidence):
            return None
        points = points_of(line, candidate, evidence, line.minor, candidate.due_minor)
        return Option(candidate, points, is_told=bool(evidence.partial))
    # What it names is not known; it may still be this one's id, garbled past recognition.
    if evidence.partial or forbidden(candidate, replace(evidence, foreign=())):
        return None
    edits = [_edits(table, candidate, token) for token in evidence.foreign]
    if _NEVER in edits:
        return None
    payer = PAYER_POINTS if evidence.names.is_payer_named else 0
    told = GARBLED_POINTS - POINTS_OF_AN_EDIT * max(edits)
    points = told + AMOUNT_POINTS + day_points(line, candidate) + payer
    return Option(candidate, points, is_told=True)


def _edits(table: Table, candidate: Candidate, token: str) -> int:
    """How many characters a token differs in from the candidate's id; -1 if it cannot be it."""
    folded = reduced(token)
    for name in names_of(candidate.expected):
        if name.is_trace or not name.is_drawn or len(name.folded) < GARBLED_MIN:
            continue
        bound = table.rules.assignment.edits_max
        edits = Levenshtein.editops(name.folded, folded)
        at_end = sum(edit.src_pos >= len(name.folded) - DRAWN_END for edit in edits)
        if at_end <= DRAWN_EDITS_MAX and is_garble(folded, name, bound):
            return len(edits)
    return _NEVER


def _together(options: Mapping[str, Sequence[Option]]) -> Iterable[list[str]]:
    """Lines that hang together by the candidates that they may settle."""
    leader: dict[str, str] = {key: key for key in options}

    def lead(key: str) -> str:
        while leader[key] != key:
            leader[key] = leader[leader[key]]
            key = leader[key]
        return key

    first: dict[str, str] = {}
    for key in sorted(options):
        for option in options[key]:
            one, other = lead(key), lead(first.setdefault(option.candidate.id, key))
            leader[max(one, other)] = min(one, other)
    groups: defaultdict[str, list[str]] = defaultdict(list)
    for key in sorted(options):
        groups[lead(key)].append(key)
    return groups.values()


def _take_best(
    table: Table, lines: Sequence[Line], options: Mapping[str, Sequence[Option]]
) -> None:
    """Take what the best assignment of one group says, as far as it is ahead of the next one."""
    candidates = sorted({o.candidate.id for line in lines for o in options[line.key]})
    column = {owner: n for n, owner in enumerate(candidates)}
    if len(candidates) > 2 * table.rules.assignment.lines_max:
        return
    points = [[_NEVER] * len(candidates) for _ in lines]
    for row, line in enumerate(lines):
        for option in options[line.key]:
            points[row][column[option.candidate.id]] = option.points
    if all(len(options[line.key]) == 1 for line in lines) and len(lines) > 1:
        ranked = sorted((options[line.key][0].points for line in lines), reverse=True)
        if ranked[0] - ranked[1] < table.rules.assignment.margin:
            return
    best, total = best_assignment(points)
    is_named = all(table.evidence[line.key].names.is_payer_named for line in lines)
    taken: list[tuple[Line, Option, int]] = []
    for row, line in enumerate(lines):
        chosen = next((o for o in options[line.key] if column[o.candidate.id] == best[row]), None)
        if chosen is None or (not chosen.is_told and not is_named):
            continue
        margin = total - _without(points, row, chosen, options[line.key], column)
        bounds = table.rules.assignment
        if margin >= (bounds.margin if chosen.is_told else bounds.margin_unnamed):
            taken.append((line, chosen, margin))
    for line, chosen, margin in taken:
        table.unclear.pop(line.key, None)
        share = Share(chosen.candidate, chosen.candidate.due_minor)
        why = f"the best of all assignments, {margin} points ahead of the next"
        table.take(line, ASSIGNMENT, [share], why)


def _without(
    points: Sequence[Sequence[int]],
    row: int,
    chosen: Option,
    options: Sequence[Option],
    column: Mapping[str, int],
) -> int:
    """The points of the best assignment in which the line gets nothing like what it got."""
    kin = {
        column[o.candidate.id]
        for o in options
        if o.candidate.id == chosen.candidate.id
        or (not chosen.is_told and o.candidate.class_key == chosen.candidate.class_key)
    }
    other = [list(each) for each in points]
    other[row] = [_NEVER if n in kin else value for n, value in enumerate(points[row])]
    return best_assignment(other)[1]


def best_assignment(points: Sequence[Sequence[int]]) -> tuple[list[int], int]:
    """The column of each row (-1 for none) with the most points in all, and how many those are.

    A value below zero says that the pair cannot be. The Hungarian method with potentials, on rows
    that may each take a column of their own which is worth nothing.
    """
    rows, columns = len(points), len(points[0]) if points else 0
    width = columns + rows
    top = max((value for row in points for value in row), default=0) + 1
    far = top * (rows + 1)
    cost = [
        [top - value if value >= 0 else far for value in row]
        + [top if n == i else far for n in range(rows)]
        for i, row in enumerate(points)
    ]
    of_rows, of_columns = [0] * (rows + 1), [0] * (width + 1)
    holder = [0] * (width + 1)
    for i in range(1, rows + 1):
        _augment(i, cost, of_rows, of_columns, holder)
    found = [-1] * rows
    for j in range(1, columns + 1):
        if holder[j] and points[holder[j] - 1][j - 1] >= 0:
            found[holder[j] - 1] = j - 1
    return found, sum(points[i][j] for i, j in enumerate(found) if j >= 0)


def _augment(
    row: int,
    cost: Sequence[Sequence[int]],
    of_rows: list[int],
    of_columns: list[int],
    holder: list[int],
) -> None:
    """Seat one more row by the cheapest way, others moving on; columns count from 1."""
    width = len(of_columns) - 1
    holder[0] = row
    endless = sum(max(each) for each in cost) + 1
    least = [endless] * (width + 1)
    came = [0] * (width + 1)
    done = [False] * (width + 1)
    at = 0
    while True:
        done[at] = True
        i, step, then = holder[at], endless, 0
        for j in range(1, width + 1):
            if done[j]:
                continue
            now = cost[i - 1][j - 1] - of_rows[i] - of_columns[j]
            if now < least[j]:
                least[j], came[j] = now, at
            if least[j] < step:
                step, then = least[j], j
        for j in range(width + 1):
            if done[j]:
                of_rows[holder[j]] += step
                of_columns[j] -= step
            else:
                least[j] -= step
        at = then
        if not holder[at]:
            break
    while at:
        holder[at] = holder[came[at]]
        at = came[at]


def _forget_what_is_settled(table: Table) -> None:
    """Take out of what is in doubt the candidates that are settled by now."""
    for key, unclear in list(table.unclear.items()):
        left = tuple(
            c for c in unclear.candidates if c not in table.settled or _was_settled(table, c)
        )
        if not left:
            del table.unclear[key]
            table.unsolved[key] = "what it might have settled is another line's"
        elif left != unclear.candidates:
            table.unclear[key] = replace(unclear, candidates=left)


def _was_settled(table: Table, candidate_id: str) -> bool:
    """Whether it was settled before this pass: then the doubt is about just that."""
    return any(taken.rule != ASSIGNMENT for taken in table.settled[candidate_id])
