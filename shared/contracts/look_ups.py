"""A look-up: what is asked for by name because a day has passed by which it should have come.

The reconciler says which; whoever can ask Stripe or a bank asks, and tells what it finds as it
tells everything else. What was waited for is then there, or is still waited for.
"""

import hashlib
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Final

from pydantic import AwareDatetime, BaseModel, ConfigDict

# What is waited for is looked up anew each week: an older look-up has a newer one in its place.
WORTH_ASKING_FOR: Final = timedelta(days=14)


class LookUp(StrEnum):
    """What is read again when a deadline passes."""

    BANK_LINES = "bank_lines"
    STRIPE_OBJECT = "stripe_object"


class LookUpAsked(BaseModel):
    """One look-up, asked for once for each deadline that has passed.

    ``subject`` is what is waited for: a payout, a top-up, a pending bank line. ``where`` is the id
    of the object at Stripe, or our name of a bank account, empty where any in ``currency`` may be
    the one. Of an object at Stripe, ``kind`` is Stripe's word for it and ``account`` whose it is.
    Bank lines are read from ``since`` on. The same ``id`` twice is the same look-up.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    id: str
    book: str
    subject: str
    deadline: AwareDatetime
    asked_at: AwareDatetime
    look_up: LookUp
    where: str = ""
    kind: str = ""
    account: str = ""
    currency: str = ""
    since: date | None = None


def look_up_id(book: str, subject: str, deadline: datetime, look_up: LookUp, where: str) -> str:
    """The id of a look-up: a hash of what is waited for, the deadline that passed, and the place.

    ``deadline`` is in UTC: another zone would make another id of the same moment.
    """
    parts = ("look-up", book, subject, deadline.isoformat(), look_up, where)
    return "lku_" + hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:32]
