"""`tallystick ingest verdicts`: what the door said of each delivery."""

import asyncio
import json
import os
from collections.abc import Coroutine, Iterator
from contextlib import aclosing
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar

import typer

from services.ingest.shell.verdict_folder import broken_links, files_in
from shared.contracts.errors import Unavailable
from shared.contracts.messages import Verdict, VerdictReason
from shared.runtime import log
from tallystick.cli.problems import ExitCode, Problem
from tallystick.cli.reach import kafka_away, settings_here
from tallystick.cli.talk import Talk
from tallystick.events.moments import moment_of
from tallystick.events.show import aligned
from tallystick.installation import verdict_dir
from tallystick.preflight import stack_settings
from tallystick.processes import VERDICTS_VARIABLE
from tallystick.verdicts import (
    HEAD,
    Summary,
    Wanted,
    following_disk,
    following_topic,
    on_disk,
    on_topic,
    row,
)

LIMIT: Final = 50
PEERS_SHOWN: Final = 20
_Result = TypeVar("_Result")


def verdicts(
    *,
    folder: Annotated[
        Path | None, typer.Option("--dir", help="The folder, instead of the one that is set.")
    ] = None,
    topic: Annotated[bool, typer.Option("--topic", help="Read the topic instead.")] = False,
    since: Annotated[
        str, typer.Option("--since", help="2h (ago), 2026-11-21, or a time of RFC 3339.")
    ] = "",
    until: Annotated[str, typer.Option("--until", help="The same; not included.")] = "",
    reason: Annotated[
        VerdictReason | None,
        typer.Option("--reason", metavar="REASON", help="One reason: bad_signature, …."),
    ] = None,
    refused: Annotated[bool, typer.Option("--refused", help="Only what was refused.")] = False,
    endpoint: Annotated[str, typer.Option("--endpoint", help="One endpoint.")] = "",
    peer: Annotated[str, typer.Option("--peer", help="One address.")] = "",
    event: Annotated[str, typer.Option("--event", help="One event's id, evt_….")] = "",
    limit: Annotated[int, typer.Option("--limit", min=0, help="The newest; 0: all.")] = LIMIT,
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on as they come.")] = False,
    summary: Annotated[bool, typer.Option("--summary", help="Counts by reason and peer.")] = False,
    check: Annotated[
        bool, typer.Option("--check", help="Whether the chain of the files holds; exit code 1.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Data for programs on stdout.")] = False,
) -> None:
    """Show what the door said of each delivery: accepted, or refused and why.

    Read from the folder of verdicts where there is one, otherwise from the topic, which has all.
    """
    now = datetime.now(UTC)
    try:
        wanted = Wanted(
            since=moment_of(since, now=now) if since else None,
            until=moment_of(until, now=now) if until else None,
            reason=reason,
            refused_only=refused,
            endpoint=endpoint,
            peer=peer,
            event=event,
            limit=0 if summary else limit,
        )
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    place = None if topic else _folder(folder)
    if check:
        _check(place, as_json=as_json)
    elif summary:
        _summarize(place, wanted, now, as_json=as_json)
    else:
        _list(place, wanted, now, as_json=as_json)
        if follow:
            _follow(place, wanted, as_json=as_json)


def _folder(given: Path | None) -> Path | None:
    """The folder to read: given, set, or that of `tallystick run` here; ``None``: the topic."""
    if given is not None:
        return given
    told = os.environ.get(VERDICTS_VARIABLE)
    if told:
        return Path(told)
    here = verdict_dir(stack_settings())
    return here if here.is_dir() else None


def _taken(place: Path | None, wanted: Wanted, now: datetime) -> Iterator[Verdict]:
    if place is None:
        kafka = settings_here().kafka
        yield from _run(on_topic(kafka, wanted, now=now))
        return
    try:
        yield from on_disk(place, wanted)
    except OSError as error:
        raise _unreadable(place, error) from error


def _list(place: Path | None, wanted: Wanted, now: datetime, *, as_json: bool) -> None:
    newest = wanted.newest(_taken(place, wanted, now))
    if as_json:
        for verdict in newest:
            print(verdict.model_dump_json())
    elif newest:
        print("\n".join(aligned([HEAD, *map(row, newest)])))
    else:
        Talk().done("no such verdict")
    if wanted.limit and len(newest) == wanted.limit:
        Talk().done(f"the newest {wanted.limit}; --limit 0 shows all")


def _summarize(place: Path | None, wanted: Wanted, now: datetime, *, as_json: bool) -> None:
    found = Summary()
    for verdict in _taken(place, wanted, now):
        found.add(verdict)
    times = {
        f"{name}_microseconds_p{percent}": found.percentile(values, percent)
        for name, values in (("judged", found.judged), ("ack", found.acked))
        for percent in (50, 99)
    }
    if as_json:
        told: dict[str, object] = {"deliveries": found.reasons.total(), **times}
        told |= {"reasons": dict(found.reasons.most_common())}
        told |= {"peers": dict(found.peers.most_common())}
        told |= {"refused_peers": dict(found.refused_peers.most_common())}
        print(json.dumps(told))
        return
    print(f"{found.reasons.total()} deliveries")
    rows = [(str(count), reason) for reason, count in found.reasons.most_common()]
    print("\n".join(f"  {line}" for line in aligned(rows)))
    for title, peers in (("peers", found.peers), ("refused, by peer", found.refused_peers)):
        if peers:
            print(f"{title}, the most of {len(peers)}")
            rows = [(str(count), peer or "-") for peer, count in peers.most_common(PEERS_SHOWN)]
            print("\n".join(f"  {line}" for line in aligned(rows)))
    if found.acked:
        print("accepted ones, in ms: to the verdict, and from there to Kafka's acknowledgement")
        for name, _ in (("judged", 0), ("ack", 0)):
            half, most = (times[f"{name}_microseconds_p{p}"] / 1000 for p in (50, 99))
            print(f"  {name:6} p50 {half:.2f}  p99 {most:.2f}")


def _follow(place: Path | None, wanted: Wanted, *, as_json: bool) -> None:
    def tell(verdict: Verdict) -> None:
        said = verdict.model_dump_json() if as_json else "  ".join(row(verdict)).rstrip()
        print(said, flush=True)

    async def from_topic() -> None:
        async with aclosing(following_topic(settings_here().kafka, wanted)) as came:
            async for verdict in came:
                tell(verdict)

    Talk().done(f"following {place or 'ingest.verdicts'}; stop: Ctrl-C")
    if place is None:
        _run(from_topic())
        return
    try:
        for verdict in following_disk(place, wanted):
            tell(verdict)
    except OSError as error:
        raise _unreadable(place, error) from error


def _check(place: Path | None, *, as_json: bool) -> None:
    if place is None:
        raise Problem(
            "There are no files to check",
            why=f"{VERDICTS_VARIABLE} is not set, and no folder of verdicts is here",
            fix="name it with --dir",
            code=ExitCode.USAGE,
        )
    try:
        broken, count = broken_links(place), len(files_in(place))
    except OSError as error:
        raise _unreadable(place, error) from error
    if as_json:
        told = [{"file": each.file, "why": each.why} for each in broken]
        print(json.dumps({"files": count, "broken": told}))
    if broken:
        raise Problem(
            f"{len(broken)} of {count} files do not follow from the one before",
            why="\n".join(f"{each.file}: {each.why}" for each in broken),
            fix="the topic has every verdict as it was: tallystick ingest verdicts --topic",
        )
    files = "1 file, the first" if count == 1 else f"{count} files, each names the one before"
    Talk().done(f"{files}; every digest fits")


def _unreadable(place: Path, error: OSError) -> Problem:
    return Problem(
        f"The verdicts in {place} cannot be read",
        why=error.strerror or str(error),
        fix="read as the door's user or group, or read the topic: --topic",
        code=ExitCode.UNREACHABLE,
    )


def _run(work: Coroutine[Any, Any, _Result]) -> _Result:  # Any: what a coroutine yields
    """The result of work on Kafka, its library's own words left out."""
    log.set_up(level="critical")
    try:
        return asyncio.run(work)
    except Unavailable as error:
        raise kafka_away(settings_here().kafka_bootstrap, error) from error
