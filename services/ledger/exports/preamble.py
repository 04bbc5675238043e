"""What stands at the head of a plain-text journal, for people."""

from collections.abc import Iterator
from datetime import date
from zoneinfo import ZoneInfo

from services.ledger.exports.journal import FORM, About, head_line
from shared.contracts.envelope import rfc3339


def preamble(about: About, book: str, zone: str) -> Iterator[str]:
    """The lines of a comment."""
    chosen = about.selection
    yield f"{FORM}, made {rfc3339(about.made_at)}"
    yield f"book {book}; days are those of {zone}"
    if chosen.begin is not None or chosen.until is not None:
        begin = "the beginning" if chosen.begin is None else rfc3339(chosen.begin)
        end = "now" if chosen.until is None else rfc3339(chosen.until)
        yield f"entries {chosen.axis} from {begin}, before {end}"
    for name, sequence in sorted(chosen.since.items()):
        yield f"{name}: entries after {sequence}"
    yield "the journal's chain heads when this was made:"
    for name, head in sorted(about.heads.items()):
        yield f"  {name}: entry {head.sequence}, chain {head.chain}"
    for tree_head in about.tree_heads:
        yield f"{head_line(tree_head)}:"
        yield f"  {tree_head.model_dump_json()}"


def opening_day(about: About, zone: ZoneInfo) -> date:
    """The day of what stood before: that of the first entry told, or today if there is none."""
    return (about.opened_at or about.made_at).astimezone(zone).date()
