"""What became of what was asked for, as a person reads it."""

import json
from collections.abc import Mapping, Sequence
from typing import Final, cast

from services.console.intake import Answer
from shared.contracts.commands import command_key
from shared.contracts.money import Money, decimal_text
from tallystick.amounts import Json
from tallystick.cli.problems import ExitCode, Problem

AWAIT_SECONDS: Final = 20.0
_MONEY: Final = {"minor", "currency", "exponent"}


def show_answer(
    found: tuple[Answer, Json], key: str, *, actor: str, as_json: bool, what: str, judge: str
) -> None:
    """Show what became of what was asked for, whoever judges it.

    Raises:
        Problem: Refused, contradicted, or not decided in time; each says what to do.
    """
    status, told = found
    if as_json:
        print(json.dumps({"status": status.name.lower(), "key": key, **told}, indent=2))
    match status:
        case Answer.BOOKED | Answer.REPLAYED:
            if not as_json:
                print("\n".join(answer_lines(status, told, {what: command_key(actor, key)})))
        case Answer.PENDING:
            raise Problem(
                f"It was sent, and the {judge} has not decided on it yet",
                why=f"no decision within {AWAIT_SECONDS:g} seconds",
                fix=f"look with `tallystick status`; ask again with --key {key}: it is done once",
                code=ExitCode.UNREACHABLE,
            )
        case Answer.REFUSED:
            raise refused(told)
        case Answer.CONFLICT:
            raise Problem(
                f"This key was used for another {what}",
                why=str(told.get("reason")),
                fix=f"choose another --key; the first {what} stands",
                code=ExitCode.REFUSED,
            )


def refused(told: Json, *, what: str = "Refused") -> Problem:
    """A refusal, with the rule's name and in its own words."""
    why = str(told.get("reason") or "")
    decided = cast("Mapping[str, object]", told.get("decided") or {})
    way_out = str(decided.get("way_out") or "")
    rule = decided.get("rule")
    return Problem(
        f"{what} by the rule {rule}" if rule else what,
        why=why.removesuffix(f"; {way_out}") if way_out else why,
        fix=way_out,
        code=ExitCode.REFUSED,
    )


def answer_lines(status: Answer, told: Json, names: Mapping[str, str]) -> list[str]:
    """The sentence, then a line for each name and for each thing that was decided."""
    said = str(told.get("reason") or "done")
    head = said if status is Answer.BOOKED else f"{said} (asked before under this key)"
    decided = cast("Mapping[str, object]", told.get("decided") or {})
    pairs = {"reference": told.get("reference"), **names}
    pairs |= dict(_named(name, value, decided) for name, value in decided.items())
    shown = {name: text for name, value in pairs.items() if (text := _shown(value))}
    width = max(10, *map(len, shown)) if shown else 0
    return [head, *(f"  {name:<{width}} {text}" for name, text in shown.items())]


def _named(name: str, value: object, decided: Mapping[str, object]) -> tuple[str, object]:
    """A name as words; what is counted in minor units of the decision's currency, as an amount."""
    currency = decided.get("currency")
    if name.endswith("_minor") and isinstance(value, str) and isinstance(currency, str):
        return name.removesuffix("_minor").replace("_", " "), str(Money.of(int(value), currency))
    return name.replace("_", " "), value


def _shown(value: object) -> str:
    """A value as text; what says nothing is empty."""
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case list() | tuple():
            return "; ".join(map(_shown, cast("Sequence[object]", value)))
        case dict():
            told = cast("Mapping[str, object]", value)
            return _money(told) if set(told) == _MONEY else _pairs(told)
        case _:
            return str(value)


def _money(told: Mapping[str, object]) -> str:
    minor, exponent = int(str(told["minor"])), int(str(told["exponent"]))
    return f"{decimal_text(minor, exponent)} {str(told['currency']).upper()}"


def _pairs(told: Mapping[str, object]) -> str:
    shown = ((name.replace("_", " "), _shown(value)) for name, value in told.items())
    return ", ".join(f"{name} {text}" for name, text in shown if text)
