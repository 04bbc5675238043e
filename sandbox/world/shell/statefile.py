"""A world's state file: which world it is, how far it got, what was done, what was answered.

The world itself is a function of the first two, so the file stays small: one JSON line a fact,
appended, never rewritten. A last line that was torn by a kill is left out.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import TextIO

from sandbox.stripe.shell.webhooks import Answered
from sandbox.world.jsons import JsonObject, Misshapen, as_int, as_object, as_text
from sandbox.world.scenario import scenario_named
from sandbox.world.state import Plan


class StateRefused(Exception):
    """The state file is of another world, or is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which world was asked for: what is ``None`` is the scenario's or the file's choice."""

    scenario: str
    seed: int | None
    payments: int | None
    end: date
    livemode: bool = False


@dataclass(slots=True)
class Remembered:
    """What a state file says."""

    plan: Plan
    reached: int | None = None
    commands: list[tuple[int, JsonObject]] = field(default_factory=list[tuple[int, JsonObject]])
    answered: list[Answered] = field(default_factory=list[Answered])


class StateFile:
    """Reads a world's past and appends to it; without a path it keeps nothing."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._file: TextIO | None = None

    def open(self, wanted: Wanted) -> Remembered:
        """The world to live in: the one of the file, or a new one as it was asked for.

        Raises:
            StateRefused: The file holds a world with another scenario, seed or size.
        """
        lines = [] if self._path is None or not self._path.exists() else list(_lines(self._path))
        if lines:
            remembered = _remembered(lines)
            _compare(wanted, remembered.plan)
        else:
            scenario = scenario_named(wanted.scenario)
            remembered = Remembered(
                Plan(
                    scenario=scenario,
                    seed=scenario.world.seed if wanted.seed is None else wanted.seed,
                    payments=scenario.world.payments
                    if wanted.payments is None
                    else wanted.payments,
                    end=wanted.end,
                    livemode=wanted.livemode,
                )
            )
        if self._path is not None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            torn = self._path.exists() and not self._path.read_bytes().endswith(b"\n")
            self._file = self._path.open("a", encoding="utf-8")
            if torn and lines:
                self._file.write("\n")
            if not lines:
                plan = remembered.plan
                self._append(
                    {
                        "world": wanted.scenario,
                        "seed": plan.seed,
                        "payments": plan.payments,
                        "end": plan.end.isoformat(),
                        "live": plan.livemode,
                    }
                )
        return remembered

    def reached(self, at: int) -> None:
        """The world has got to a second."""
        self._append({"reached": at})

    def commanded(self, at: int, command: JsonObject) -> None:
        """A command was given at a second."""
        self._append({"command": command, "at": at})

    def answered(self, answered: Answered) -> None:
        """A sending was answered 2xx."""
        self._append(
            {
                "answered": answered.delivery_id,
                "event": answered.event_id,
                "status": answered.status,
                "attempt": answered.attempt,
                "at": answered.at,
            }
        )

    def close(self) -> None:
        """Write out and let go of the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _append(self, fact: JsonObject) -> None:
        if self._file is not None:
            self._file.write(json.dumps(fact) + "\n")
            # To the kernel at once: a killed process must not lose what it has seen answered.
            self._file.flush()


def _lines(path: Path) -> Iterator[JsonObject]:
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            yield as_object(json.loads(line))
        except (Misshapen, ValueError):
            # Torn by a kill in the middle of writing; what it said is done again.
            continue


def _remembered(lines: list[JsonObject]) -> Remembered:
    try:
        head = lines[0]
        remembered = Remembered(
            Plan(
                scenario=scenario_named(as_text(head["world"])),
                seed=as_int(head["seed"]),
                payments=as_int(head["payments"]),
                end=date.fromisoformat(as_text(head["end"])),
                livemode=head["live"] is True,
            )
        )
        for line in lines[1:]:
            if "reached" in line:
                remembered.reached = as_int(line["reached"])
            elif "command" in line:
                remembered.commands.append((as_int(line["at"]), as_object(line["command"])))
            elif "answered" in line:
                remembered.answered.append(
                    Answered(
                        delivery_id=as_text(line["answered"]),
                        event_id=as_text(line["event"]),
                        status=as_int(line["status"]),
                        attempt=as_int(line["attempt"]),
                        at=as_text(line["at"]),
                    )
                )
    except (KeyError, Misshapen, ValueError) as error:
        raise StateRefused(f"this is no world's state file: {error}") from error
    return remembered


def _compare(wanted: Wanted, plan: Plan) -> None:
    name = scenario_named(wanted.scenario).world.name
    for what, asked, kept in (
        ("scenario", name, plan.scenario.world.name),
        ("seed", wanted.seed, plan.seed),
        ("payments", wanted.payments, plan.payments),
        ("live mode", wanted.livemode, plan.livemode),
    ):
        if asked is not None and asked != kept:
            raise StateRefused(f"the state file holds a world with {what} {kept}, not {asked}")
