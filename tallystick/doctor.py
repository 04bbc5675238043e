"""Looks at this machine and at the stack, and says of each thing how it is and what to do.

A check that cannot be made because something before it failed is left out: one cause, one line.
"""

import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeVar

import psutil

from sandbox.stack import Stack, StackProblem, StackSettings, jars, probe
from sandbox.stack.kafka import java
from sandbox.stack.ports import holder, is_free
from sandbox.stack.process import ProcessRecord
from shared.runtime.kafka_client import KafkaAddress
from shared.runtime.settings import Settings, SettingsInvalid
from tallystick.answers import answers_ok
from tallystick.installation import (
    health_url,
    missing_parts,
    process_state_dir,
)
from tallystick.local_books import books_variables
from tallystick.preflight import PortInvalid, problems_of, service_port
from tallystick.processes import SERVICES

DISK_FREE_BYTES_WANTED: Final = 2_000_000_000
MEMORY_FREE_BYTES_WANTED: Final = 1_500_000_000
CLOCK_SKEW_SECONDS_MAX: Final = 2.0
POSTGRES_MAJOR_MIN: Final = 16
REPLICATION_FACTOR_LIVE_MIN: Final = 3
PYTHONS_TRIED: Final = ("3.11", "3.12", "3.13")
JAVA_TIMEOUT_SECONDS: Final = 20.0

Facts = TypeVar("Facts")


class Verdict(StrEnum):
    """How one thing is."""

    GOOD = "good"
    WARNING = "warning"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        fix: What to do about it; empty when nothing has to be done.
    """

    subject: str
    verdict: Verdict
    fact: str
    fix: str = ""


def good(subject: str, fact: str) -> Finding:
    """Nothing to do."""
    return Finding(subject, Verdict.GOOD, fact)


def warning(subject: str, fact: str, fix: str) -> Finding:
    """It works, and a person should know."""
    return Finding(subject, Verdict.WARNING, fact, fix)


def bad(subject: str, fact: str, fix: str) -> Finding:
    """It does not work, or must not be relied on."""
    return Finding(subject, Verdict.BAD, fact, fix)


def examine(
    stack_settings: StackSettings, environment: Mapping[str, str], *, is_live: bool
) -> Iterator[Finding]:
    """Every finding, one after the other, as they are made."""
    stack = Stack(stack_settings)
    parts = missing_parts(environment)
    yield python_finding()
    yield disk_finding(stack_settings)
    yield memory_finding()
    if parts:
        yield java_finding()
        yield jars_finding(stack_settings)
        yield from stack_port_findings(Stack(stack_settings, parts=parts))
    yield from service_findings(stack_settings, environment)
    try:
        settings = Settings.load(environment)
        is_live = is_live or settings.is_live()
    except SettingsInvalid as error:
        yield bad("settings", str(error).replace("\n", "; "), "correct or unset these variables")
        return
    yield from service_settings_findings(environment)
    yield good("settings", "live money" if is_live else "no live money")
    # Here and not above: they are made of our findings.
    from tallystick.doctor_heads import head_findings  # noqa: PLC0415

    yield from head_findings(stack_settings, environment, is_live=is_live)
    kafka = stack.kafka_bootstrap if "kafka" in parts else settings.kafka
    dsn = stack.postgres_dsn if "postgres" in parts else settings.postgres_dsn.get_secret_value()
    if kafka:
        yield from kafka_findings(kafka, is_live=is_live)
        # Here and not above: they are made of our findings.
        from tallystick.doctor_archive import archive_findings  # noqa: PLC0415
        from tallystick.doctor_dead_letters import dead_letter_findings  # noqa: PLC0415

        yield from dead_letter_findings(kafka)
        yield from archive_findings(environment, kafka, is_live=is_live)
    if dsn:
        yield from postgres_findings(dsn, is_live=is_live)
        from tallystick.doctor_in_force import in_force_findings  # noqa: PLC0415  # as above

        books = books_variables(stack_settings, environment)
        yield from in_force_findings({**books, **environment}, dsn)


def python_finding() -> Finding:
    """Whether the interpreter is one that we are tried on."""
    version = platform.python_version()
    if version.rpartition(".")[0] in PYTHONS_TRIED:
        return good("Python", f"{version} at {sys.executable}")
    return warning(
        "Python",
        f"{version} is none of those we are tried on ({', '.join(PYTHONS_TRIED)})",
        "if something odd happens: make setup PYTHON=python3.13",
    )


def disk_finding(settings: StackSettings) -> Finding:
    """Whether the log, which is kept for ever, has room."""
    folder = settings.dir.absolute()
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    fact = f"{free / 1e9:.1f} GB free in {folder}"
    if free >= DISK_FREE_BYTES_WANTED:
        return good("disk", fact)
    return bad("disk", fact, "free some space, or set TALLYSTICK_STACK_DIR to a larger disk")


def memory_finding() -> Finding:
    """Whether the broker and the services fit."""
    free = psutil.virtual_memory().available
    fact = f"{free / 1e9:.1f} GB available"
    if free >= MEMORY_FREE_BYTES_WANTED:
        return good("memory", fact)
    return warning("memory", fact, "close something, or lower TALLYSTICK_STACK_KAFKA_HEAP_MB")


def java_finding() -> Finding:
    """Whether the Java that comes with our packages runs."""
    try:
        program = java()
    except StackProblem as problem:
        return bad("Java", problem.why, problem.fix)
    try:
        asked = subprocess.run(
            [str(program), "-version"],
            check=True,
            capture_output=True,
            text=True,
            timeout=JAVA_TIMEOUT_SECONDS,
        )
    except (OSError, subprocess.SubprocessError) as error:
        return bad("Java", f"{program}: {error}", "rm -rf .venv; make setup")
    return good("Java", (asked.stderr or asked.stdout).splitlines()[0])


def jars_finding(settings: StackSettings) -> Finding:
    """Whether Kafka's jars are there and are what the lock says."""
    lock = jars.read_lock()
    folder = jars.jar_dir(settings.cache_dir, lock)
    wrong = jars.wrong_jars(folder, lock)
    if not wrong:
        return good("jars", f"Kafka {lock.kafka_version}: {len(lock.jars)} sums are right")
    if not any((folder / jar.filename).exists() for jar in wrong):
        return warning("jars", f"{len(wrong)} are not fetched yet", "make setup")
    return bad(
        "jars",
        f"{len(wrong)} are not what the lock says, {wrong[0].filename} first",
        f"rm -rf {folder}; make setup",
    )


def stack_port_findings(stack: Stack) -> Iterator[Finding]:
    """Whether Kafka and Postgres run, or could."""
    settings = stack.settings
    wanted = {
        "kafka": ((settings.kafka_port, settings.kafka_port + 1), "TALLYSTICK_STACK_KAFKA_PORT"),
        "postgres": ((settings.postgres_port,), "TALLYSTICK_STACK_POSTGRES_PORT"),
    }
    for part in stack.status():
        ports, setting = wanted[part.name]
        if part.is_running:
            yield good(part.name, f"runs as process {part.pid} at {part.address}")
            continue
        taken = [port for port in ports if ports[0] != 0 and not is_free(port)]
        if taken:
            yield bad(
                part.name,
                f"port {taken[0]} is taken: {holder(taken[0])}",
                f"stop that process, or set {setting}",
            )
        else:
            yield warning(part.name, "does not run; its ports are free", "tallystick up")


def service_findings(settings: StackSettings, environment: Mapping[str, str]) -> Iterator[Finding]:
    """Whether each service runs and is ready, or could run."""
    for service in SERVICES:
        record = ProcessRecord.load(process_state_dir(settings) / f"{service.name}.pid")
        try:
            port = service_port(service, environment)
        except (PortInvalid, StackProblem) as problem:
            yield bad(service.name, f"{problem.what}: {problem.why}", problem.fix)
            continue
        if record is None or not record.is_alive:
            if not is_free(port):
                yield bad(
                    service.name,
                    f"port {port} is taken: {holder(port)}",
                    f"stop that process, or set {service.port_variable}",
                )
            continue
        if answers_ok(health_url(service, environment, "/readyz")):
            yield good(service.name, f"is ready at port {port}")
        else:
            yield bad(service.name, "runs, but is not ready", f"tallystick logs {service.name}")


def service_settings_findings(environment: Mapping[str, str]) -> Iterator[Finding]:
    """Names, values and files that a service would refuse to start with."""
    for service in SERVICES:
        if wrong := problems_of(service, environment):
            yield bad(
                f"{service.name} settings",
                "; ".join(wrong),
                "correct or unset these variables, or correct their files",
            )


def kafka_findings(where: KafkaAddress | str, *, is_live: bool) -> Iterator[Finding]:
    """Whether the cluster answers, and keeps what it is told."""
    bootstrap = where if isinstance(where, str) else where.bootstrap
    facts = _answer(lambda: probe.kafka_facts(where))
    if isinstance(facts, str):
        yield bad("Kafka", f"{bootstrap} does not answer: {facts}", "check address and network")
        return
    yield good("Kafka", f"{facts.brokers} broker(s) answer at {bootstrap}")
    said = facts.settings
    if said.get("auto.create.topics.enable") != "false":
        yield warning(
            "topic creation",
            "the broker makes a topic of any name that is asked for",
            "set auto.create.topics.enable=false: a typing error must not become a topic",
        )
    if said.get("unclean.leader.election.enable") == "true":
        yield bad(
            "leader election",
            "a broker that lags may become leader: acknowledged records can be lost",
            "set unclean.leader.election.enable=false",
        )
    yield _replication_finding(facts, is_live=is_live)


def _replication_finding(facts: probe.KafkaFacts, *, is_live: bool) -> Finding:
    factor = int(facts.settings.get("default.replication.factor", "1"))
    copies = min(factor, facts.brokers)
    in_sync = int(facts.settings.get("min.insync.replicas", "1"))
    fact = f"{copies} copies of each record, {in_sync} before an acknowledgement"
    if copies >= REPLICATION_FACTOR_LIVE_MIN and in_sync >= 2:
        return good("replication", fact)
    if not is_live:
        return good("replication", fact + " (enough for trying)")
    return bad(
        "replication",
        fact + ": one lost disk is a lost log",
        "for live money: three brokers, default.replication.factor=3, min.insync.replicas=2",
    )


def postgres_findings(dsn: str, *, is_live: bool) -> Iterator[Finding]:
    """Whether the server answers, and what it says is committed is on disk."""
    place = dsn.rpartition("@")[2]
    facts = _answer(lambda: probe.postgres_facts(dsn))
    if isinstance(facts, str):
        yield bad("Postgres", f"{place} does not answer: {facts}", "check address and password")
        return
    major = int(facts.version.partition(".")[0])
    if major >= POSTGRES_MAJOR_MIN:
        yield good("Postgres", f"{facts.version} answers at {place}")
    else:
        yield bad("Postgres", f"{facts.version} is too old", f"use {POSTGRES_MAJOR_MIN} or newer")
    for name in ("fsync", "synchronous_commit", "full_page_writes"):
        if facts.settings.get(name) == "off":
            yield bad(name, "is off: a power cut loses or breaks books", f"set {name}=on")
    if is_live and facts.is_superuser:
        yield warning(
            "role", "we connect as a superuser, whom no rule binds", "use a role without superuser"
        )
    skew = facts.clock_skew_seconds
    if abs(skew) > CLOCK_SKEW_SECONDS_MAX:
        yield bad(
            "clock",
            f"Postgres' clock is {skew:+.1f} s from ours",
            "synchronise both (chrony, systemd-timesyncd): signatures and due times need it",
        )
    else:
        yield good("clock", f"Postgres' clock is {skew:+.2f} s from ours")


def _answer(question: Callable[[], Facts]) -> Facts | str:
    """The answer, or why there is none."""
    try:
        return question()
    except (OSError, TimeoutError) as error:
        return f"{type(error).__name__}: {error}"[:200]
