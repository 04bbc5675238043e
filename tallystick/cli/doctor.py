"""`tallystick doctor`: what is wrong, and the way out."""

import json
import os
import sys
from collections.abc import Iterator
from dataclasses import asdict
from enum import StrEnum
from typing import Annotated, Final

import typer

from tallystick.cli.problems import ExitCode
from tallystick.doctor import Finding, Verdict, examine
from tallystick.preflight import stack_settings

_MARKS: Final = {Verdict.GOOD: "ok  ", Verdict.WARNING: "warn", Verdict.BAD: "BAD "}
_COLOURS: Final = {Verdict.GOOD: "32", Verdict.WARNING: "33", Verdict.BAD: "1;31"}


class Area(StrEnum):
    """What is looked at closely instead of everything at a glance."""

    INGEST = "ingest"


def doctor(
    area: Annotated[
        Area | None, typer.Argument(help="One part, closely: ingest, what comes from Stripe.")
    ] = None,
    *,
    live: Annotated[
        bool, typer.Option("--live", help="Judge as for live money: replication, roles.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Data for programs on stdout.")] = False,
) -> None:
    """Look for what is wrong, each finding with its way out. Ends with 1 when something is bad.

    With `ingest`: secrets, clock, API keys, endpoints at Stripe, topics, walls, verdicts.
    """
    findings: list[Finding] = []
    for finding in _findings(area, is_live=live):
        findings.append(finding)
        if not as_json:
            _print(finding)
    if as_json:
        print(json.dumps({"findings": [asdict(finding) for finding in findings]}, indent=2))
    if any(finding.verdict is Verdict.BAD for finding in findings):
        raise typer.Exit(ExitCode.FOUND_A_PROBLEM)


def _findings(area: Area | None, *, is_live: bool) -> Iterator[Finding]:
    if area is None:
        return examine(stack_settings(), os.environ, is_live=is_live)
    from tallystick.doctor_ingest import examine_ingest  # noqa: PLC0415 - of no use elsewhere

    return examine_ingest(is_live=is_live)


def _print(finding: Finding) -> None:
    mark = _MARKS[finding.verdict]
    if sys.stdout.isatty() and "NO_COLOR" not in os.environ:
        mark = f"\033[{_COLOURS[finding.verdict]}m{mark}\033[0m"
    print(f"{mark} {finding.subject:15} {finding.fact}")
    if finding.fix:
        print(f"     {'':15} do: {finding.fix}")
