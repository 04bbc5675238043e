"""The copy of the topics: `archive status`, `archive verify`, `archive list`."""

import asyncio
import json
import os
from collections.abc import Coroutine
from datetime import timedelta
from typing import Annotated, Any, Final, TypeVar

import typer

from services.archiver.config import ArchiverSettings
from services.archiver.shell.holdings import (
    ArchiveBroken,
    Fault,
    Verification,
    head_at,
    held,
    verify,
)
from services.archiver.shell.places import store_at
from services.archiver.shell.restoring import compared
from services.archiver.shell.store import ArchiveStore
from shared.contracts.errors import Unavailable
from shared.contracts.topics import TOPICS
from shared.runtime import log
from shared.runtime.kafka_admin import cluster_id as cluster_id_of
from shared.runtime.kafka_admin import topic_ids
from shared.runtime.kafka_client import KafkaAddress
from tallystick.archives import AGE_SECONDS_MAX, CopyStatus, PartitionCopy, copy_status
from tallystick.cli.problems import ExitCode, Problem
from tallystick.cli.reach import kafka_away, settings_here
from tallystick.cli.talk import Talk

_LINE: Final = "{:34} {:>10} {:>10} {:>9} {:>9}  {}"
_Found = TypeVar("_Found")

Place = Annotated[
    str,
    typer.Option(
        "--place", help="A folder or s3://bucket/folder; TALLYSTICK_ARCHIVER_PLACE otherwise."
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Data for programs on stdout.")]

app = typer.Typer(no_args_is_help=True)


def store_here(place: str = "") -> ArchiveStore:
    """The store that the option names, or the environment."""
    return store_at(ArchiverSettings.load(dict(os.environ)).place(place))


def answered(question: Coroutine[Any, Any, _Found], kafka: KafkaAddress | None = None) -> _Found:
    """The answer to a question to the store and, where it is asked too, to Kafka."""
    # What the libraries say about each try is told once, below.
    log.set_up(level="critical")
    try:
        return asyncio.run(question)
    except ArchiveBroken as error:
        raise _broken([str(error)]) from error
    except Unavailable as error:
        if kafka is not None and str(error).startswith("Kafka does not answer"):
            raise kafka_away(kafka.bootstrap, error) from error
        raise


@app.command()
def status(
    place: Place = "",
    age_max: Annotated[
        int, typer.Option(help="Seconds that a record may wait for the copy.", min=0)
    ] = AGE_SECONDS_MAX,
    as_json: AsJson = False,
) -> None:
    """How far each partition is copied, and how old the oldest record is that is not.

    Exit 1 when that is older than --age-max, when offsets left the broker uncopied, or when the
    copy has more than the broker.
    """
    store, kafka = store_here(place), settings_here().kafka
    found = answered(copy_status(store, kafka), kafka)
    if as_json:
        for each in found.partitions:
            print(json.dumps(_told(each)))
    else:
        _show(found)
    problems = found.problems(age_seconds_max=age_max)
    if not found.has_any and found.uncopied:
        problems.append(f"{found.place} holds no copy of the cluster {found.cluster_id}")
    if problems:
        raise Problem(
            "The copy is not what it should be",
            why="\n".join(problems),
            fix="look at `tallystick logs archiver` and start it; lost offsets of Stripe's events:"
            " `tallystick ingest backfill`",
        )


@app.command("verify")
def verify_copy(
    place: Place = "",
    with_broker: Annotated[
        bool, typer.Option("--with-broker", help="Hold each record against the broker's as well.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Read every byte of the copy again: digests, chains, offsets. Exit 1 at the first bad one.

    Names the first bad segment of each partition, and offsets that were never copied.
    """
    store, talk = store_here(place), Talk()
    kafka = settings_here().kafka if with_broker else None

    async def question() -> tuple[Verification, list[Fault]]:
        names = await held(store)
        found = await verify(
            store, names, progress=lambda done, total: talk(f"read {done:,} of {total:,} segments")
        )
        if kafka is None or not found.is_sound:
            return found, []
        cluster, ids = await cluster_id_of(kafka), await topic_ids(kafka, TOPICS)
        here = {
            lineage: row
            for lineage, row in names.items()
            if lineage.cluster_id == cluster
            and lineage.topic_id == ids.get(lineage.topic)
            and not TOPICS[lineage.topic].compacted
        }
        differences, _ = await compared(store, kafka, here, progress=talk)
        return found, differences

    found, differences = answered(question(), kafka)
    if as_json:
        print(json.dumps(_verified(found, differences)))
    else:
        print(
            f"{found.segments:,} segments of {found.lineages:,} partitions,"
            f" {found.records:,} records, {found.content_bytes / 1e6:,.1f} MB"
            f" in {found.stored_bytes / 1e6:,.1f} MB"
        )
        for hole in found.holes:
            print(f"never copied: {hole}")
    if wrong := [*map(str, found.faults), *map(str, differences)]:
        raise _broken(wrong)
    talk.done("every segment is what it says" + (", and the broker has the same" if kafka else ""))


@app.command("list")
def list_segments(
    place: Place = "",
    topic: Annotated[str, typer.Option(help="Only this topic.")] = "",
    as_json: AsJson = False,
) -> None:
    """Every segment: partition, offsets, records, size, when it was sealed."""
    store = store_here(place)

    async def question() -> None:
        for lineage, row in sorted((await held(store)).items()):
            if topic and lineage.topic != topic:
                continue
            for name in row:
                head = await head_at(store, name)
                header = head.header
                if as_json:
                    print(json.dumps(json.loads(header.line()) | {"link": head.link}))
                else:
                    print(
                        f"{lineage!s:34} {header.begins_at:>12} {header.ends_before:>12}"
                        f" {header.count:>9} {header.stored_bytes:>11}  {header.sealed_at}"
                        f"  {lineage.cluster_id}"
                    )

    if not as_json:
        print(f"{'partition':34} {'from':>12} {'before':>12} {'records':>9} {'bytes':>11}  sealed")
    answered(question())


def _show(found: CopyStatus) -> None:
    print(_LINE.format("partition", "copied to", "end", "uncopied", "oldest", "last sealed"))
    for each in found.partitions:
        if each.ends_before == 0 and not each.sealed_at:
            continue
        oldest = each.oldest_seconds
        waiting = "" if oldest is None else str(timedelta(seconds=int(oldest)))
        print(
            _LINE.format(
                str(each.where),
                each.copied,
                each.ends_before,
                each.uncopied,
                waiting,
                each.sealed_at,
            )
        )
    print(f"{found.uncopied:,} records of cluster {found.cluster_id} are not in {found.place} yet")


def _told(each: PartitionCopy) -> dict[str, object]:
    return {
        "topic": each.where.topic,
        "partition": each.where.partition,
        "copied_to": each.copied,
        "begins_at": each.begins_at,
        "end_offset": each.ends_before,
        "uncopied": each.uncopied,
        "lost": each.lost,
        "oldest_uncopied_seconds": each.oldest_seconds,
        "sealed_at": each.sealed_at,
    }


def _verified(found: Verification, differences: list[Fault]) -> dict[str, object]:
    return {
        "sound": found.is_sound and not differences,
        "partitions": found.lineages,
        "segments": found.segments,
        "records": found.records,
        "content_bytes": found.content_bytes,
        "stored_bytes": found.stored_bytes,
        "faults": [{"segment": each.name, "problem": each.problem} for each in found.faults],
        "differences": [{"segment": each.name, "problem": each.problem} for each in differences],
        "holes": [
            {
                "topic": hole.lineage.topic,
                "partition": hole.lineage.partition,
                "begins_at": hole.begins_at,
                "ends_before": hole.ends_before,
            }
            for hole in found.holes
        ],
    }


def _broken(wrong: list[str]) -> Problem:
    return Problem(
        "The copy is not sound",
        why="\n".join(wrong),
        fix="keep it as it is; begin a fresh copy at another place while the broker has it all",
        code=ExitCode.FOUND_A_PROBLEM,
    )
