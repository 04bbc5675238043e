"""The topics of the registry on a broker: `topics create`, `topics check`."""

import asyncio
from typing import Annotated, Final

import typer

from shared.runtime import log
from shared.runtime.kafka import create_topics, patiently, topic_problems
from tallystick.cli.problems import ExitCode, Problem
from tallystick.cli.reach import settings_here
from tallystick.cli.talk import Talk

WAIT_SECONDS: Final = 60.0
Wait = Annotated[float, typer.Option("--wait", help="Seconds to wait for a broker that starts.")]

app = typer.Typer(no_args_is_help=True)


@app.command()
def create(
    wait: Wait = WAIT_SECONDS,
    replication_factor: Annotated[
        int, typer.Option(help="Copies of each partition; 0: three, or one a broker.", min=0)
    ] = 0,
) -> None:
    """Create the topics that are missing, then check all."""
    log.set_up(level="warning")
    kafka, talk = settings_here().kafka, Talk()

    async def made() -> list[str]:
        return await patiently(
            lambda: create_topics(kafka, replication_factor=replication_factor or None),
            what=f"Kafka at {kafka.bootstrap}",
            give_up_after_seconds=wait,
        )

    names = asyncio.run(made())
    for name in names:
        print(name)
    talk.done(f"{len(names)} topics created" if names else "all topics are there")
    _check(wait)


@app.command()
def check(wait: Wait = 0.0) -> None:
    """Compare the broker's topics with the registry; exit 1 when they differ."""
    _check(wait)
    Talk().done("all topics are as registered")


def _check(wait: float) -> None:
    kafka = settings_here().kafka

    async def found() -> list[str]:
        return await patiently(
            lambda: topic_problems(kafka),
            what=f"Kafka at {kafka.bootstrap}",
            give_up_after_seconds=wait,
        )

    problems = asyncio.run(found())
    if problems:
        raise Problem(
            "The broker's topics are not those of the registry",
            why="\n".join(problems),
            fix="missing ones: `tallystick topics create`; others: kafka-configs.sh, or a new name",
            code=ExitCode.FOUND_A_PROBLEM,
        )
