"""Whether a restored broker gives the books that it gave: its chains, a ledger, the oracle."""

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from services.ledger.proof.hash_chain import first_break
from services.ledger.shell.booking.books import INPUT_TOPICS
from shared.contracts.messages import EntryBooked
from shared.contracts.topics import LEDGER_ENTRIES
from shared.runtime.kafka import offset_bounds, scan
from shared.runtime.kafka_client import KafkaAddress, Partition
from shared.runtime.postgres import Database
from tallystick.cli.talk import Talk

BOOKING_SECONDS_MAX: Final = 6 * 3_600.0
STOP_SECONDS_MAX: Final = 30.0
POLL_SECONDS: Final = 0.2
ERROR_LINES: Final = 10
_READ_SCHEMA: Final = "ledger_read"


@dataclass(slots=True)
class Proof:
    """What was proved, and what did not come out."""

    entries: int = 0
    chains: int = 0
    is_audited: bool = False
    problems: list[str] = field(default_factory=list[str])


def prove(kafka: KafkaAddress, dsn: str, books_file: Path | None, *, talk: Talk) -> Proof:
    """Walk the chains of ``ledger.entries``; with a database, book it anew and audit it.

    The oracle and the ledger run as processes of their own, told by the environment: an address
    among the arguments would show its password to everybody.
    """
    proof = Proof()
    asyncio.run(_walk_chains(kafka, proof))
    if proof.problems:
        return proof
    talk.done(f"the chains of {proof.entries:,} published entries hold, {proof.chains} of them")
    if not dsn:
        talk.done(
            "no books were made of it: start the services on an empty database, then"
            " `tallystick audit`"
        )
        return proof
    environment = os.environ | _told(kafka, dsn, books_file)
    environment.pop("TALLYSTICK_POSTGRES_DSN_FILE", None)
    environment.pop("TALLYSTICK_KAFKA_BOOTSTRAP_FILE", None)
    talk("the ledger books the restored topics")
    if problem := _book(kafka, dsn, environment, talk):
        proof.problems.append(problem)
        return proof
    talk("the independent audit reads the topics")
    command = [sys.executable, "-m", "oracle", "--kafka", kafka.bootstrap]
    if books_file is not None:
        command += ["--books", str(books_file)]
    done = subprocess.run(command, check=False, env=environment, capture_output=True, text=True)
    said = (done.stdout.strip() or done.stderr.strip()).splitlines()
    if done.returncode != 0:
        proof.problems += ["the independent audit does not agree:", *said[-ERROR_LINES:]]
        return proof
    proof.is_audited = True
    talk.done("the independent audit agrees. " + " ".join(said[-2:]))
    return proof


def _told(kafka: KafkaAddress, dsn: str, books_file: Path | None) -> dict[str, str]:
    told = {
        "TALLYSTICK_KAFKA_BOOTSTRAP": kafka.bootstrap,
        "TALLYSTICK_POSTGRES_DSN": dsn,
        "TALLYSTICK_LEDGER_PORT": "0",
    }
    return told | ({} if books_file is None else {"TALLYSTICK_BOOKS_FILE": str(books_file)})


async def _walk_chains(kafka: KafkaAddress, proof: Proof) -> None:
    first, end = await offset_bounds(kafka, [LEDGER_ENTRIES])
    entries: list[EntryBooked] = []
    async for batch in scan(kafka, {p: (first[p], end[p]) for p in end}):
        for record in batch:
            try:
                entries.append(EntryBooked.model_validate_json(record.value))
            except ValidationError as error:
                proof.problems.append(f"{record.position}: {error.error_count()} mistakes")
                return
    proof.entries, proof.chains = len(entries), len({each.origin for each in entries})
    if broken := first_break(entries):
        proof.problems.append(f"the chain of {broken.origin} breaks at sequence {broken.sequence}")


def _book(kafka: KafkaAddress, dsn: str, environment: dict[str, str], talk: Talk) -> str:
    """Let a ledger book everything that is there; what went wrong, or nothing."""
    with tempfile.TemporaryFile("w+") as told:
        # To a file: a pipe that nobody empties would stop the ledger in the middle.
        process = subprocess.Popen(
            [sys.executable, "-m", "services.ledger"],
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=told,
        )
        try:
            deadline = time.monotonic() + BOOKING_SECONDS_MAX
            while time.monotonic() < deadline:
                if process.poll() is not None:
                    told.seek(0)
                    said = told.read().strip().splitlines()[-ERROR_LINES:]
                    return "\n".join(["the ledger refuses; is the database empty?", *said])
                left = asyncio.run(_left_to_book(kafka, dsn))
                if left == 0:
                    return ""
                talk("the ledger begins" if left is None else f"the ledger has {left:,} to book")
                time.sleep(POLL_SECONDS)  # bounded poll: the deadline above
            return f"the ledger was not done after {BOOKING_SECONDS_MAX / 3_600:.0f} hours"
        finally:
            _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(timeout=STOP_SECONDS_MAX)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


async def _left_to_book(kafka: KafkaAddress, dsn: str) -> int | None:
    """How many input messages are yet to be booked; ``None`` before the ledger has its tables."""
    _, end = await offset_bounds(kafka, INPUT_TOPICS)
    database = await Database.open(dsn, search_path=_READ_SCHEMA, connections_max=1)
    try:
        async with database.connection() as connection:
            if await connection.fetchval("select to_regclass($1)", "positions") is None:
                return None
            rows = await connection.fetch("select topic, partition, next_offset from positions")
    finally:
        await database.close()
    at: dict[Partition, int] = {
        Partition(row["topic"], row["partition"]): row["next_offset"] for row in rows
    }
    return sum(max(0, before - at.get(where, 0)) for where, before in end.items())
