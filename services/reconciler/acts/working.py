"""What people do about discrepancies: acknowledge, explain, resolve, open again, assign, comment.

Each act is a step of a discrepancy's life; the facts may take the next one.
"""

from datetime import datetime
from typing import Final

from shared.contracts.acts import WorkAct, WorkDiscrepancies
from shared.contracts.discrepancies import DiscrepancyState, Resolution
from shared.contracts.messages import Comment, DiscrepancyReported

COMMENTS_MAX: Final = 100
State = DiscrepancyState


class NotAllowed(Exception):
    """An act that the state does not allow; its message says why."""


def worked(
    last: DiscrepancyReported, act: WorkDiscrepancies, *, at: datetime
) -> DiscrepancyReported:
    """The next record of a discrepancy after an act.

    Raises:
        NotAllowed: Its state does not allow the act.
    """
    if len(last.comments) >= COMMENTS_MAX:
        raise NotAllowed(f"{last.id} has {COMMENTS_MAX} comments: no more are kept")
    said = Comment(at=at, by=act.actor, act=act.act, text=_text(act))
    step = {
        "revision": last.revision + 1,
        "changed_at": at,
        "comments": (*last.comments, said),
    }
    return last.model_copy(update=step | _changes(last, act, at))


def _changes(last: DiscrepancyReported, act: WorkDiscrepancies, at: datetime) -> dict[str, object]:
    if act.act is WorkAct.COMMENT:
        return {}
    if act.act is WorkAct.REOPEN:
        return _reopened(last)
    if last.state is State.RESOLVED:
        raise NotAllowed(f"{last.id} is resolved: open it again first")
    match act.act:
        case WorkAct.ACKNOWLEDGE:
            is_new = last.state is State.OPEN
            return {"state": State.ACKNOWLEDGED} if is_new else {}
        case WorkAct.EXPLAIN:
            return {"state": State.EXPLAINED, "code": act.code}
        case WorkAct.RESOLVE:
            return {
                "state": State.RESOLVED,
                "code": act.code,
                "resolution": Resolution.BY_HAND,
                "resolved_at": at,
            }
        case WorkAct.ASSIGN:
            return {"owner": act.owner}


def _reopened(last: DiscrepancyReported) -> dict[str, object]:
    if last.state is State.OPEN:
        raise NotAllowed(f"{last.id} is open")
    if last.state is State.RESOLVED and last.resolution is not Resolution.BY_HAND:
        raise NotAllowed(
            f"{last.id} has healed: its reason is gone, and it opens by itself if that comes back"
        )
    # It stood all the while: its age goes on from when it was opened.
    return {"state": State.OPEN, "code": None, "resolution": None, "resolved_at": None}


def _text(act: WorkDiscrepancies) -> str:
    code = f"{act.code}" if act.code is not None else ""
    owner = f"to {act.owner or 'nobody'}" if act.act is WorkAct.ASSIGN else ""
    return ": ".join(part for part in (code or owner, act.note or act.reason) if part)
