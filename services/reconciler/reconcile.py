"""The whole of reconciliation as one pure function of what is known."""

from datetime import datetime

from services.reconciler.facts import Facts
from services.reconciler.findings import Reconciliation


def reconcile(facts: Facts, *, at: datetime) -> Reconciliation:
    """The matches that should stand now and the discrepancies that should be open now.

    The order of the facts does not matter. ``at`` decides what is overdue and nothing else but
    whether a match's window has closed.
    """
    raise NotImplementedError
