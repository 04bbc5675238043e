"""Refusals of commands: the rule that was broken, the values, and the way out."""

from collections.abc import Mapping
from typing import Final

from pydantic import JsonValue

from services.ledger.decisions import COMMAND, Remark
from shared.contracts.errors import Refused
from shared.contracts.messages import OutcomeKind

ASK_ANEW: Final = "correct it and ask again under another key"


class CommandRefused(Refused):
    """A command that breaks a rule of the books; says the rule, the values and the way out."""

    reason = "command"

    def __init__(
        self,
        said: str,
        *,
        rule: str = "form",
        values: Mapping[str, str] | None = None,
        way_out: str = "",
    ) -> None:
        self.rule = rule
        self.values = dict(values or {})
        self.way_out = way_out
        super().__init__(f"{said}; {way_out}" if way_out else said)


def refusal_of(refused: Refused, key: str) -> Remark:
    """The answer to a refused command: the sentence, and the rule, the values and the way out."""
    if not isinstance(refused, CommandRefused):
        # What cannot be read breaks no rule of the books, but that of its form.
        refused = CommandRefused(str(refused), rule=refused.reason, way_out=ASK_ANEW)
    said: dict[str, JsonValue] = {
        "rule": refused.rule,
        "values": dict(sorted(refused.values.items())),
        "way_out": refused.way_out or ASK_ANEW,
    }
    return Remark(OutcomeKind.REFUSED, COMMAND, key, str(refused), decided=said)
