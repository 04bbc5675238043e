"""What a person may do about discrepancies and matches, and what became of it.

Each is an event on ``reconciliation.commands``, idempotent by its key in its book, carried out
whole or not at all; the decision on it is a record on ``reconciliation.decisions``.

    discrepancies  acknowledged, explained, resolved, opened again, assigned, commented
    match_by_hand  lines laid to what they settle: one to one, one split, several to one
    unmatch        lines taken back from what they settle
    write_off      what is left of a line or a payout, within a limit
    sign_off       a bank account's reconciliation up to a day, its figures frozen
"""

from datetime import date
from enum import StrEnum
from typing import Annotated, Final, Literal, Self

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    TypeAdapter,
    model_validator,
)

from shared.contracts.commands import Key, Note, Why
from shared.contracts.discrepancies import ReasonCode
from shared.contracts.messages import Position
from shared.contracts.money import MoneyOnWire
from shared.contracts.observations import LineId, Name

BULK_MAX: Final = 500
ObjectId = Annotated[str, Field(min_length=1, max_length=200)]


class WorkAct(StrEnum):
    """What is done about a discrepancy."""

    ACKNOWLEDGE = "acknowledge"
    EXPLAIN = "explain"
    RESOLVE = "resolve"
    REOPEN = "reopen"
    ASSIGN = "assign"
    COMMENT = "comment"


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Act(BaseModel):
    """Every act: who asks, under which idempotency key, in which book, and why."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    idempotency_key: Key
    book: str = "main"
    actor: Note = ""
    reason: Note = ""


class LineName(_Part):
    """A bank line by its name: its id is unique in its account alone."""

    account: Name
    id: LineId


class Paired(_Part):
    """What a line settles: all that is due of it, or a share, as the bank signs it."""

    object: ObjectId
    share: MoneyOnWire | None = None


class Pairing(_Part):
    """Lines and what they settle: one line and several objects, or several lines and one."""

    lines: tuple[LineName, ...] = Field(min_length=1, max_length=BULK_MAX)
    objects: tuple[Paired, ...] = Field(min_length=1, max_length=BULK_MAX)

    @model_validator(mode="after")
    def _has_one_side_of_one(self) -> Self:
        if len(self.lines) > 1 and len(self.objects) > 1:
            raise ValueError("either one line or one object: take the others one by one")
        if len(self.lines) > 1 and any(each.share is not None for each in self.objects):
            raise ValueError("of several lines each is a whole share")
        if len({(li.account, li.id) for li in self.lines}) != len(self.lines):
            raise ValueError("a line is named twice")
        if len({each.object for each in self.objects}) != len(self.objects):
            raise ValueError("an object is named twice")
        return self


class Remainder(_Part):
    """What is written off: what is left of a line or of an object, or a part of it.

    ``amount`` is without its sign; left out it is all that is left.
    """

    line: LineName | None = None
    object: ObjectId | None = None
    amount: MoneyOnWire | None = None
    account: Annotated[
        str, Field(pattern=r"^(expenses|revenue):[a-z0-9][a-z0-9:_-]*$", max_length=200)
    ] = "expenses:bank-fees"

    @model_validator(mode="after")
    def _names_one(self) -> Self:
        if (self.line is None) == (self.object is None):
            raise ValueError("name a line or an object")
        return self


class WorkDiscrepancies(_Act):
    """Say what is done about discrepancies; all of them, or none where one does not allow it."""

    kind: Literal["discrepancies"] = "discrepancies"
    act: WorkAct
    discrepancies: tuple[Annotated[str, Field(min_length=1, max_length=80)], ...] = Field(
        min_length=1, max_length=BULK_MAX
    )
    code: ReasonCode | None = None
    owner: Annotated[str, Field(max_length=200)] = ""
    note: Note = ""

    @model_validator(mode="after")
    def _says_enough(self) -> Self:
        if self.act in {WorkAct.EXPLAIN, WorkAct.RESOLVE} and self.code is None:
            raise ValueError(f"to {self.act} takes a code: {', '.join(ReasonCode)}")
        if self.act in {WorkAct.REOPEN, WorkAct.COMMENT} and not self.note:
            raise ValueError(f"to {self.act} takes a note")
        return self


class MatchByHand(_Act):
    """Lay lines to what they settle; with ``force`` against the rules, for a reason."""

    kind: Literal["match_by_hand"] = "match_by_hand"
    matches: tuple[Pairing, ...] = Field(min_length=1, max_length=BULK_MAX)
    force: bool = False

    @model_validator(mode="after")
    def _says_why(self) -> Self:
        if self.force and not self.reason:
            raise ValueError("force takes a reason")
        return self


class UnmatchLines(_Act):
    """Take lines back from what they settle: held for a person, or given back to the rules."""

    kind: Literal["unmatch"] = "unmatch"
    lines: tuple[LineName, ...] = Field(min_length=1, max_length=BULK_MAX)
    to_rules: bool = False
    reason: Why  # pyright: ignore[reportGeneralTypeIssues]  # this one must say why


class WriteOff(_Act):
    """Write off what is left, within the limit that is set."""

    kind: Literal["write_off"] = "write_off"
    items: tuple[Remainder, ...] = Field(min_length=1, max_length=BULK_MAX)
    reason: Why  # pyright: ignore[reportGeneralTypeIssues]  # this one must say why


class SignOff(_Act):
    """Sign a bank account's reconciliation up to and with a day; its figures are frozen.

    With ``force`` though it does not agree, for a reason.
    """

    kind: Literal["sign_off"] = "sign_off"
    account: Name
    currency: Annotated[str, Field(min_length=3, max_length=10)]
    through: date
    force: bool = False

    @model_validator(mode="after")
    def _says_why(self) -> Self:
        if self.force and not self.reason:
            raise ValueError("force takes a reason")
        return self


Act = WorkDiscrepancies | MatchByHand | UnmatchLines | WriteOff | SignOff
ReconcilerAct = Annotated[Act, Field(discriminator="kind")]
RECONCILER_ACT: TypeAdapter[Act] = TypeAdapter(ReconcilerAct)


class Decided(StrEnum):
    """What became of an act; ``conflict``: its key was used for another one."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    CONFLICT = "conflict"


class HandShare(BaseModel):
    """What of an object a line settles by hand, as the bank signs it."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    object: str
    amount: MoneyOnWire


class HandRuling(BaseModel):
    """What a decision rules about a line or an object; of those with one key the last holds.

    ``what`` is ``match``, ``hold`` (the rules leave the line alone), ``release`` (they have it
    back) or ``write_off``.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    key: str
    what: str
    line: LineName | None = None
    object: str = ""
    shares: tuple[HandShare, ...] = ()
    account: str = ""
    amount: MoneyOnWire


class ActDecided(BaseModel):
    """The decision on an act; a rebuild reads it again and never decides anew.

    ``number`` counts a book's decisions from 1. ``rulings`` are what follows for matching;
    ``decided`` says the rest, such as the frozen figures of a sign-off.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    kind: Literal["act_decided"] = "act_decided"
    outcome: Decided
    book: str
    number: int = Field(ge=1)
    idempotency_key: str
    message_id: str
    act: str
    actor: str = ""
    reason: str = ""
    detail: str = ""
    caused_by: Position
    decided_at: AwareDatetime
    rulings: tuple[HandRuling, ...] = ()
    decided: dict[str, JsonValue] | None = None


ACT_DECIDED: TypeAdapter[ActDecided] = TypeAdapter(ActDecided)
