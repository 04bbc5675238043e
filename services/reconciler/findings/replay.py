"""What must stand, from the records alone: for an audit that believes no table of ours."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from services.reconciler.findings.classes import ONE_SHOT
from services.reconciler.findings.found import Discrepancy, Reconciliation
from shared.contracts.acts import Act, ActDecided, Decided, WorkAct, WorkDiscrepancies
from shared.contracts.discrepancies import DiscrepancyState

State = DiscrepancyState


@dataclass(frozen=True, slots=True)
class Kept:
    """A discrepancy as the tables keep it: its state, and whether a person resolved it."""

    state: DiscrepancyState
    is_by_hand: bool


def worked_states(
    decisions: Iterable[ActDecided], acts: Mapping[str, Act]
) -> dict[str, DiscrepancyState]:
    """The state in which people's last act left each discrepancy, in the order of decisions.

    ``acts`` are by message id.
    """
    states: dict[str, DiscrepancyState] = {}
    for decision in sorted(decisions, key=lambda d: (d.book, d.number)):
        act = acts.get(decision.message_id)
        if decision.outcome is not Decided.ACCEPTED or not isinstance(act, WorkDiscrepancies):
            continue
        after = _AFTER.get(act.act)
        if after is not None:
            states |= dict.fromkeys(act.discrepancies, after)
    return states


_AFTER: Mapping[WorkAct, DiscrepancyState] = {
    WorkAct.ACKNOWLEDGE: State.ACKNOWLEDGED,
    WorkAct.EXPLAIN: State.EXPLAINED,
    WorkAct.RESOLVE: State.RESOLVED,
    WorkAct.REOPEN: State.OPEN,
}


def differences(
    wanted: Reconciliation,
    worked: Mapping[str, DiscrepancyState],
    kept: Mapping[str, Kept],
    matches: frozenset[str],
) -> list[str]:
    """Where tables and records disagree, in words: discrepancies with their states, and matches.

    Of one that nobody worked on the state follows from the facts alone. What a person said of one
    that has healed since does not count: it may be open again.
    """
    found: list[str] = []
    wants: dict[str, Discrepancy] = {d.id: d for d in wanted.discrepancies}
    for key in sorted(wants.keys() | kept.keys()):
        state = kept[key].state if key in kept else None
        if key not in wants:
            # What can never heal and was closed by a person may have been let go of.
            if state is not State.RESOLVED:
                found.append(f"{key} is {state} and nothing is wrong by the records")
            continue
        allowed = {State.OPEN, worked.get(key, State.OPEN)}
        if wants[key].kind in ONE_SHOT and key in worked:
            allowed = {worked[key]}
        if state not in allowed:
            found.append(f"{key} ({wants[key].kind}) is {state}, by the records {sorted(allowed)}")
        if state is State.RESOLVED and not kept[key].is_by_hand:
            found.append(f"{key} ({wants[key].kind}) is resolved and stands by the records")
    made = {match.id for match in wanted.matches}
    found += [f"match {key} stands and does not follow" for key in sorted(matches - made)]
    found += [f"match {key} follows and does not stand" for key in sorted(made - matches)]
    return found
