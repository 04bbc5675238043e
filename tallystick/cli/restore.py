"""An empty broker filled from the copy, and the books proved from it: `restore`."""

import json
from collections.abc import Coroutine
from typing import Annotated, Any

import typer

from services.archiver.shell.restoring import Plan, Restored, planned
from services.archiver.shell.restoring import restore as fill
from services.archiver.shell.resuming import RestoreRefused
from shared.contracts.topics import TOPICS
from shared.runtime.kafka_client import KafkaAddress
from shared.runtime.settings import Settings
from tallystick.cli.archive import answered, store_here
from tallystick.cli.problems import ExitCode, Problem
from tallystick.cli.reach import settings_here
from tallystick.cli.talk import Talk
from tallystick.restore_proof import Proof, prove


def restore(
    place: Annotated[
        str,
        typer.Option(
            "--from", help="The copy: a folder or s3://bucket/folder; else the setting's place."
        ),
    ] = "",
    to_bootstrap: Annotated[
        str, typer.Option(help="The empty broker, host:port; else the one of the environment.")
    ] = "",
    cluster: Annotated[
        str, typer.Option(help="Whose copy, where the place holds those of several clusters.")
    ] = "",
    topic_id: Annotated[
        list[str] | None,
        typer.Option(help="Which one of a topic that was deleted and made anew."),
    ] = None,
    accept_shifted_offsets: Annotated[
        bool,
        typer.Option("--accept-shifted-offsets", help="Go on though records change their offsets."),
    ] = False,
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Go on with a restore of this copy that was interrupted."),
    ] = False,
    no_audit: Annotated[
        bool, typer.Option("--no-audit", help="Do not book into the database and audit it.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Data for programs on stdout.")] = False,
) -> None:
    """Fill an EMPTY broker from the copy, hold it against the copy, and prove the books.

    Partitions, order, offsets, keys, headers, bytes and append times come out as they were. The
    copy is verified whole before the first record is written. With --resume the broker may have the
    beginning of it: each record there is held against the copy. Where a database is set, it must be
    empty: the ledger books it anew, arriving at the chains that were published, and the
    independent audit looks at the result.
    """
    settings, talk, store = settings_here(), Talk(), store_here(place)
    kafka = _address(settings.kafka, to_bootstrap)

    async def question() -> Restored:
        talk("verifying the copy")
        plan = await planned(
            store,
            kafka,
            TOPICS,
            cluster_id=cluster,
            topic_ids=topic_id or (),
            accept_shifted_offsets=accept_shifted_offsets,
            resume=resume,
        )
        _say_what_is_planned(plan, talk, is_resumed=resume)
        return await fill(store, kafka, TOPICS, plan, progress=talk)

    done = _filled(question(), kafka)
    proof = _proof(done, kafka, settings, talk, is_wanted=not no_audit)
    if as_json:
        print(json.dumps(_told(done, proof)))
    _require_equal(done, proof)


def _filled(
    filling: Coroutine[Any, Any, Restored],  # Any: what a coroutine yields
    kafka: KafkaAddress,
) -> Restored:
    try:
        return answered(filling, kafka)
    except RestoreRefused as error:
        raise _refused(error) from error


def _say_what_is_planned(plan: Plan, talk: Talk, *, is_resumed: bool) -> None:
    if is_resumed:
        talk.done(f"there already, and equal: {sum(plan.there.values()):,} records")
    for hole in plan.verified.holes:
        talk.done(f"never copied: {hole}")


def _proof(
    done: Restored, kafka: KafkaAddress, settings: Settings, talk: Talk, *, is_wanted: bool
) -> Proof | None:
    talk.done(
        f"{done.records:,} records of {done.segments:,} segments were written to {kafka.bootstrap},"
        f" {done.compared:,} segments compared"
    )
    for partition, offset in done.shifts.items():
        talk.done(f"{partition}: offsets are others than before, from {offset} on")
    if done.differences:
        return None
    dsn = settings.postgres_dsn.get_secret_value() if is_wanted else ""
    return prove(kafka, dsn, settings.books_file, talk=talk)


def _require_equal(done: Restored, proof: Proof | None) -> None:
    if done.differences:
        raise Problem(
            "The broker does not have what the copy has",
            why="\n".join(map(str, done.differences)),
            fix="empty the broker, see that nobody else writes to it, and restore again",
            code=ExitCode.FOUND_A_PROBLEM,
        )
    if proof is not None and proof.problems:
        raise Problem(
            "The broker is filled, and the books do not come out of it",
            why="\n".join(proof.problems),
            fix="keep the copy as it is; look with `tallystick audit` and `archive verify`",
            code=ExitCode.FOUND_A_PROBLEM,
        )


def _address(kafka: KafkaAddress, bootstrap: str) -> KafkaAddress:
    if not bootstrap:
        return kafka
    return KafkaAddress(
        bootstrap,
        kafka.security_protocol,
        kafka.sasl_mechanism,
        kafka.sasl_username,
        kafka.sasl_password,
        kafka.ca_file,
    )


def _refused(error: RestoreRefused) -> Problem:
    return Problem(
        "Nothing was restored",
        why=str(error),
        fix="correct that; docs/howto/back-up-and-restore.md goes through it step by step",
        code=ExitCode.REFUSED,
    )


def _told(done: Restored, proof: Proof | None) -> dict[str, object]:
    return {
        "records": done.records,
        "found": done.found,
        "segments": done.segments,
        "content_bytes": done.content_bytes,
        "compared": done.compared,
        "shifts": done.shifts,
        "differences": [{"segment": f.name, "problem": f.problem} for f in done.differences],
        "entries": 0 if proof is None else proof.entries,
        "chains": 0 if proof is None else proof.chains,
        "audited": proof is not None and proof.is_audited,
        "problems": [] if proof is None else list(proof.problems),
    }
