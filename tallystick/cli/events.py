"""`tallystick events`: what came from Stripe, found, proved, followed and sent once more."""

import asyncio
import json
import sys
from collections.abc import Callable, Coroutine
from contextlib import aclosing
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar

import typer

from services.ingest.signature import Secret
from services.ingest.stored_events import StoredEvent, Via
from shared.contracts.errors import Unavailable
from shared.contracts.topics import STRIPE_EVENTS
from shared.runtime import log
from shared.runtime.kafka import Record, end_offsets
from shared.runtime.kafka_live import follow
from tallystick.cli.events_resend import resend_all
from tallystick.cli.problems import ExitCode, Problem
from tallystick.cli.reach import kafka_away, settings_here
from tallystick.cli.talk import Talk, columns_here
from tallystick.events import show as shown
from tallystick.events.index import Found, found
from tallystick.events.moments import moment_of
from tallystick.events.proof import Proof, Standing, proof_of
from tallystick.events.selection import Place, Selection
from tallystick.events.topic import event_of, records_at, records_in, spans_since
from tallystick.local_door import LocalDoor, local_door

app = typer.Typer(help="What came from Stripe.", no_args_is_help=True, add_completion=False)

LIST_LIMIT: Final = 50
RESEND_MAX: Final = 10_000
SAID_EVERY: Final = 1_000
_Result = TypeVar("_Result")

Json = Annotated[bool, typer.Option("--json", help="Data for programs on stdout.")]
Type = Annotated[str, typer.Option("--type", help="A type, or a pattern: 'charge.*'.")]
Account = Annotated[str, typer.Option("--account", help="A Stripe account, acct_….")]
Object = Annotated[str, typer.Option("--object", help="The object that it is about: ch_….")]
Since = Annotated[str, typer.Option("--since", help="2h (ago), 2026-11-21, or a time of RFC 3339.")]
Until = Annotated[str, typer.Option("--until", help="The same; not included.")]
How = Annotated[Via | None, typer.Option("--via", help="How it came.")]
Id = Annotated[str, typer.Argument(metavar="[ID]", help="One event's id, evt_….")]
SecretFile = Annotated[
    Path | None,
    typer.Option("--secret-file", help="A file with an older signing secret, to try as well."),
]


@app.command("list")
def list_(
    event_id: Id = "",
    *,
    event_type: Type = "",
    account: Account = "",
    object_id: Object = "",
    since: Since = "",
    until: Until = "",
    via: How = None,
    limit: Annotated[int, typer.Option("--limit", min=0, help="0: all.")] = LIST_LIMIT,
    as_json: Json = False,
) -> None:
    """Show deliveries, the newest first.

    The index answers, however long the topic is; what it has not read yet is read from the topic.
    Without an index (no database, or no poller has run) the topic is read: its newest 100,000
    records, as far back as --since says, or with --limit 0 all of it.
    """
    selection = _selection(event_id, event_type, account, object_id, since, until, via, limit)
    told = _found(selection, is_bounded=limit > 0)
    if as_json:
        for event in told.events:
            print(json.dumps(shown.as_json(event)))
    elif told.events:
        print("\n".join(shown.table(told.events, width=columns_here())))
    else:
        Talk().done("no such delivery")
    if limit and len(told.events) == limit:
        Talk().done(f"the newest {limit}; --limit 0 shows all")


@app.command()
def show(
    event_id: Annotated[str, typer.Argument(metavar="ID", help="evt_…, or a position: 3@17.")],
    raw: Annotated[
        bool, typer.Option("--raw", help="The stored bytes exactly, and nothing else.")
    ] = False,
    secret_file: SecretFile = None,
    as_json: Json = False,
) -> None:
    """Show every stored delivery of an event, and prove its bytes against its signature."""
    records = _records([event_id])
    if not records:
        raise Problem(
            f"No delivery of {event_id[:100]} is stored",
            why="neither the index nor what was read of the topic has it",
            fix="`tallystick ingest audit` looks whether Stripe has it",
        )
    if raw:
        if len({record.value for _, record in records}) > 1:
            raise Problem(
                f"{event_id[:100]} was delivered with different bytes",
                why=", ".join(record.position for _, record in records),
                fix="name one of these positions instead of the id",
                code=ExitCode.USAGE,
            )
        sys.stdout.buffer.write(records[0][1].value)
        sys.stdout.buffer.flush()
        return
    prove = _prover(local_door(), secret_file)
    for number, (event, record) in enumerate(records, start=1):
        proof = prove(record)
        if as_json:
            print(json.dumps(shown.delivery_json(event, record, proof)))
        else:
            gap = "\n" if number > 1 else ""
            print(gap + shown.delivery(event, record, proof, number=number, of=len(records)))


@app.command()
def verify(
    event_id: Id = "",
    *,
    event_type: Type = "",
    since: Since = "",
    until: Until = "",
    secret_file: SecretFile = None,
    as_json: Json = False,
) -> None:
    """Prove many stored deliveries again. Without a choice: all.

    The exit code is 1 if one fails, or if nothing is stored of the event that is named.
    """
    selection = _selection(event_id, event_type, "", "", since, until, None, 0)
    prove = _prover(local_door(), secret_file)
    counts = dict.fromkeys(Standing, 0)
    failures: list[tuple[Record, Proof]] = []
    talk = Talk()

    def judge(record: Record) -> None:
        event = event_of(record)
        if event is None or not selection.takes(event):
            return
        proof = prove(record)
        counts[proof.standing] += 1
        judged = sum(counts.values())
        if judged % SAID_EVERY == 0:
            talk(f"{judged} deliveries")
        if proof.standing is Standing.FAILED:
            failures.append((record, proof))

    if event_id:
        for _, record in _records([event_id]):
            judge(record)
    else:
        _run(_each_since(selection.since, judge))
    _tell_verified(counts, failures, as_json=as_json)
    if not sum(counts.values()):
        talk.done("no such delivery")
        # Who names one event asks for its proof, and there is none.
        raise typer.Exit(ExitCode.FOUND_A_PROBLEM if event_id else ExitCode.OK)
    raise typer.Exit(ExitCode.FOUND_A_PROBLEM if failures else ExitCode.OK)


@app.command()
def resend(
    *,
    event_ids: Annotated[
        list[str] | None, typer.Argument(metavar="[ID]…", help="evt_…, or positions.")
    ] = None,
    event_type: Type = "",
    since: Since = "",
    until: Until = "",
    endpoint: Annotated[
        str, typer.Option("--endpoint", help="Where to, instead of where each came.")
    ] = "",
    yes: Annotated[bool, typer.Option("--yes", help="Send without asking.")] = False,
    as_json: Json = False,
) -> None:
    """Send stored deliveries through the door once more, byte for byte.

    Of each event its newest delivery is sent; a position means just that one. The stored
    signature is too old for the door, so each is signed anew with the endpoint's secret, and
    marked in the record as sent again. What is booked already is not booked twice.
    """
    chosen = list(event_ids or [])
    if bool(chosen) == bool(event_type or since):
        raise typer.BadParameter("say IDs, or --type and --since")
    if chosen:
        records = [record for _, record in _newest_of_each(_records(chosen))]
        _require_all(chosen, records)
    else:
        selection = _selection("", event_type, "", "", since, until, None, RESEND_MAX)
        told = _found(selection)
        fitting = told.events
        if told.unread:
            raise Problem(
                "Nothing was sent",
                why=f"{told.unread} older records were not looked at, and some of them may fit",
                fix="say --since; or let the poller, which needs no API key for it, make the index",
                code=ExitCode.REFUSED,
            )
        if len(fitting) == RESEND_MAX:
            raise Problem(
                "Nothing was sent",
                why=f"{RESEND_MAX} deliveries or more fit",
                fix="narrow it with --type, --since and --until",
                code=ExitCode.REFUSED,
            )
        events = _newest_of_each([(event, event) for event in fitting])
        places = [Place.of(event) for event, _ in events]
        at = _run(records_at(settings_here().kafka, places))
        records = [at[place] for place in places if place in at]
    # In the order in which they came.
    records.sort(key=lambda r: (r.timestamp_ms, r.partition, r.offset))
    resend_all(records, local_door(), endpoint=endpoint, yes=yes, as_json=as_json)


@app.command()
def tail(*, event_type: Type = "", account: Account = "", as_json: Json = False) -> None:
    """Follow what comes, until Ctrl-C."""
    selection = _selection("", event_type, account, "", "", "", None, 0)

    async def follow_it() -> None:
        kafka = settings_here().kafka
        ends = await end_offsets(kafka, [STRIPE_EVENTS])
        Talk().done("following stripe.events; stop: Ctrl-C")
        async with aclosing(follow(kafka, ends)) as batches:
            async for batch in batches:
                for record in batch:
                    event = event_of(record)
                    if event is not None and selection.takes(event):
                        said = json.dumps(shown.as_json(event)) if as_json else shown.line(event)
                        print(said, flush=True)

    _run(follow_it())


def _selection(
    event_id: str,
    event_type: str,
    account: str,
    object_id: str,
    since: str,
    until: str,
    via: Via | None,
    limit: int,
) -> Selection:
    now = datetime.now(UTC)
    try:
        begin = moment_of(since, now=now) if since else None
        end = moment_of(until, now=now) if until else None
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    return Selection(
        event_id=event_id,
        type_pattern=event_type,
        account=account,
        object_id=object_id,
        since=begin,
        until=end,
        via=via,
        limit=limit,
    )


def _run(work: Coroutine[Any, Any, _Result]) -> _Result:  # Any: what a coroutine yields
    """The result of work on Kafka, its library's own words left out."""
    log.set_up(level="critical")
    try:
        return asyncio.run(work)
    except Unavailable as error:
        raise kafka_away(settings_here().kafka_bootstrap, error) from error


def _found(selection: Selection, *, is_bounded: bool = True) -> Found:
    now = datetime.now(UTC)
    told = _run(found(settings_here(), selection, now=now, is_bounded=is_bounded))
    for note in told.notes:
        Talk().done(note)
    return told


def _records(names: list[str]) -> list[tuple[StoredEvent, Record]]:
    """Every stored delivery of ids and positions, the newest first."""
    places: list[Place] = []
    for name in names:
        place = Place.written(name)
        if place is not None:
            places.append(place)
        else:
            places += map(Place.of, _found(Selection(event_id=name)).events)
    at = _run(records_at(settings_here().kafka, places))
    read = [(event_of(at[place]), at[place]) for place in dict.fromkeys(places) if place in at]
    return [(event, record) for event, record in read if event is not None]


def _newest_of_each(found_: list[tuple[StoredEvent, _Result]]) -> list[tuple[StoredEvent, _Result]]:
    """The newest delivery of each event; they come the newest first."""
    newest: dict[str, tuple[StoredEvent, _Result]] = {}
    for event, what in found_:
        newest.setdefault(event.event_id, (event, what))
    return list(newest.values())


def _require_all(names: list[str], records: list[Record]) -> None:
    known = {record.envelope().id for record in records} | {r.position for r in records}
    lacking = [name for name in names if name not in known]
    if lacking:
        raise Problem(
            "Nothing was sent",
            why=f"no delivery is stored of {', '.join(lacking[:10])}",
            fix="`tallystick events list` shows what there is",
        )


async def _each_since(since: datetime | None, act: Callable[[Record], None]) -> None:
    kafka = settings_here().kafka
    async with aclosing(records_in(kafka, await spans_since(kafka, since))) as records:
        async for record in records:
            act(record)


def _prover(door: LocalDoor, secret_file: Path | None) -> Callable[[Record], Proof]:
    """How a record is proved with the secrets that this folder and environment know."""
    secrets = {name: list(known) for name, known in door.secrets.items()}
    older: list[Secret] = []
    if secret_file is not None:
        try:
            older = [Secret("given", secret_file.read_text("utf-8").strip())]
        except (OSError, ValueError) as error:
            raise typer.BadParameter(f"--secret-file: {error}") from None
    tolerance = door.settings.ingest_tolerance_seconds

    def prove(record: Record) -> Proof:
        envelope = record.envelope()
        name = envelope.extension("endpoint")
        known = {name: [*secrets.get(name, []), *older]}
        return proof_of(envelope, known, tolerance_seconds=tolerance)

    return prove


def _tell_verified(
    counts: dict[Standing, int], failures: list[tuple[Record, Proof]], *, as_json: bool
) -> None:
    if as_json:
        told: dict[str, object] = {standing.value: count for standing, count in counts.items()}
        told["failures"] = [
            {"position": r.position, "id": r.envelope().id, "detail": p.detail, "sha256": p.sha256}
            for r, p in failures
        ]
        print(json.dumps(told))
        return
    for record, proof in failures:
        print(f"FAILED  {record.position}  {record.envelope().id}  {proof.detail}")
    print(
        f"{counts[Standing.ACCEPTED]} accepted, {counts[Standing.FAILED]} failed,"
        f" {counts[Standing.NO_SECRET]} without a secret here,"
        f" {counts[Standing.FETCHED]} fetched (no signature)"
    )
