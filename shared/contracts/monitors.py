"""What is said when a figure of the books crosses a threshold that somebody watches."""

from enum import StrEnum

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from shared.contracts.messages import Position
from shared.contracts.money import MoneyOnWire


class MonitorState(StrEnum):
    """How a monitor stands; ``withdrawn`` is one that is watched no more."""

    BREACHED = "breached"
    CLEARED = "cleared"
    WITHDRAWN = "withdrawn"


class MonitorCrossed(BaseModel):
    """A figure crossed its threshold, or came back; the last record of a monitor is how it stands.

    ``revision`` counts a monitor's records from 1: drop one that is not above the last. ``value``
    is the figure as decimal text, and ``amount`` the same where it is money. ``positions`` say how
    far each input had been booked when it was read.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    book: str
    monitor: str
    revision: int = Field(ge=1)
    state: MonitorState
    figure: str
    value: str
    amount: MoneyOnWire | None = None
    threshold: str
    clears_at: str
    explanation: str
    read_at: AwareDatetime
    positions: tuple[Position, ...] = ()
