"""`tallystick demo`: one simulated month, proved right."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from tallystick.cli.problems import ExitCode, Problem


def demo(
    seed: Annotated[
        int | None, typer.Option(help="Another month: other payments, other days.")
    ] = None,
    payments: Annotated[int | None, typer.Option(min=0, help="How many payments.")] = None,
    speed: Annotated[
        float | None,
        typer.Option(min=0, help="Simulated hours in a second; 0 waits for nothing."),
    ] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Leave everything running.")] = False,
    scenario: Annotated[str, typer.Option(help="A scenario's name, or a file.")] = "month",
    folder: Annotated[Path, typer.Option("--dir", help="Where the demo keeps its data.")] = Path(
        ".tallystick/demo"
    ),
) -> None:
    """Play one month of a small shop through a real Kafka and a real Postgres.

    Several hundred payments in three currencies, refunds, disputes, payouts, webhooks doubled,
    shuffled and lost; a payout that never arrives, one that comes short, a credit that nobody
    knows. Ends with 0 only if every balance equals the simulators' own and just the planted
    discrepancies were found. A demo that was cut off goes on where it stood.
    """
    from sandbox.world.scenario import scenario_named  # noqa: PLC0415 - help needs none of it
    from tallystick.demo.run import Asked, run  # noqa: PLC0415 - as above

    try:
        scenario_named(scenario)
    except (OSError, ValueError) as error:
        raise Problem(
            f"The scenario {scenario} cannot be played",
            why=str(error),
            fix="name one of those, or the path of a .toml file like them",
            code=ExitCode.USAGE,
        ) from error
    holds = run(
        Asked(
            scenario=scenario,
            seed=seed,
            payments=payments,
            speed=speed,
            ends_on=datetime.now(UTC).date().isoformat(),
            keep=keep,
            folder=folder.absolute(),
        )
    )
    raise typer.Exit(ExitCode.OK if holds else ExitCode.FOUND_A_PROBLEM)
