"""The topics of the registry on a broker: `topics create`, `topics check`."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated, Final

import typer

from shared.contracts.errors import Unavailable
from shared.runtime import log
from shared.runtime.kafka import KafkaAddress, create_topics, patiently, topic_problems
from tallystick.cli.problems import ExitCode, Problem
from tallystick.cli.reach import kafka_away, settings_here
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
    kafka, talk = settings_here().kafka, Talk()
    names = _asked(
        lambda: create_topics(kafka, replication_factor=replication_factor or None),
        kafka,
        wait,
    )
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
    problems = _asked(lambda: topic_problems(kafka), kafka, wait)
    if problems:
        raise Problem(
            "The broker's topics are not those of the registry",
            why="\n".join(problems),
            fix="missing ones: `tallystick topics create`; others: kafka-configs.sh, or a new name",
            code=ExitCode.FOUND_A_PROBLEM,
        )


def _asked(
    question: Callable[[], Awaitable[list[str]]], kafka: KafkaAddress, wait: float
) -> list[str]:
    """The broker's answer, waited for."""
    # What the library says about each try is told once, below.
    log.set_up(level="critical")

    async def answer() -> list[str]:
        return await patiently(question, what="Kafka", give_up_after_seconds=wait)

    try:
        return asyncio.run(answer())
    except Unavailable as error:
        raise kafka_away(kafka.bootstrap, error.__cause__ or error) from error
