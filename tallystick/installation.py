"""The whole pipeline on this machine: the stack, the topics, and every service, kept running."""

import fcntl
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Final

from sandbox.stack import Stack, StackProblem, StackSettings, probe
from sandbox.stack.ports import LOOPBACK, require_free
from sandbox.stack.process import ProcessRecord, last_lines
from sandbox.stack.stack import PartName, silent
from shared.contracts.errors import Unavailable
from shared.runtime.settings import variables
from tallystick.environment import base_environment, merged_environment
from tallystick.local_key import ensure_key, key_variables
from tallystick.preflight import check_before_start, service_port, stack_settings, value_of
from tallystick.processes import (
    KAFKA_VARIABLE,
    POSTGRES_VARIABLE,
    SERVICES,
    TOPICS,
    VERDICTS_VARIABLE,
    ServiceProcess,
)
from tallystick.supervisor import (
    NotReady,
    ProcessEvent,
    ProcessSpec,
    RestartPolicy,
    Supervisor,
)

STACK_WATCH_SECONDS: Final = 1.0
STACK_RESTART_POLICY: Final = RestartPolicy(delay_min_seconds=1.0, delay_max_seconds=30.0)
TOPICS_TIMEOUT_SECONDS: Final = 120.0
OUTSIDE_WAIT_SECONDS: Final = 10.0
READY_TIMEOUT_SECONDS: Final = 90.0


class RunningAlready(Unavailable):
    """Another ``run`` uses the same folder."""

    def __init__(self, pid: int, folder: Path) -> None:
        self.pid = pid
        self.what = "It runs already"
        self.why = f"process {pid} keeps the services of {folder} running"
        self.fix = (
            "`tallystick status` shows it, `tallystick down` stops it; for a second one beside it"
            " give TALLYSTICK_STACK_DIR and other ports"
        )
        super().__init__(f"{self.what}: {self.why}")


class TopicsNotCreated(Unavailable):
    """The step that creates the topics failed; ``why`` is what it said."""

    what = "The topics could not be created or checked"
    fix = "`tallystick topics create` does this step alone"

    def __init__(self, why: str) -> None:
        self.why = why
        super().__init__(f"{self.what}:\n{why}")


def run_record_file(settings: StackSettings) -> Path:
    """Where the process that keeps the services running is remembered."""
    return settings.dir.absolute() / "run.pid"


def process_state_dir(settings: StackSettings) -> Path:
    """Where the services' processes are remembered."""
    return settings.dir.absolute() / "processes"


def log_dir(settings: StackSettings) -> Path:
    """Where all log files are."""
    return settings.dir.absolute() / "logs"


def verdict_dir(settings: StackSettings) -> Path:
    """Where the door of ``tallystick run`` writes its verdicts."""
    return settings.dir.absolute() / "verdicts"


def missing_parts(environment: Mapping[str, str]) -> tuple[PartName, ...]:
    """What the stack has to bring because no outside address was given."""
    parts: list[PartName] = []
    environment = variables(environment)
    if not _is_given(POSTGRES_VARIABLE, environment):
        parts.append("postgres")
    if not _is_given(KAFKA_VARIABLE, environment):
        parts.append("kafka")
    return tuple(parts)


def _is_given(name: str, environment: Mapping[str, str]) -> bool:
    """Whether a setting is given, as a value or as a file that holds it."""
    return bool(environment.get(name) or environment.get(f"{name}_FILE"))


def health_url(process: ServiceProcess, environment: Mapping[str, str], path: str) -> str:
    """Where a service says how it is."""
    host = environment.get(process.host_variable) or LOOPBACK
    if host in {"0.0.0.0", "::"}:  # noqa: S104 - a wildcard is compared here, not listened on
        host = LOOPBACK
    return f"http://{host}:{service_port(process, environment)}{path}"


def spec_for(process: ServiceProcess, environment: Mapping[str, str]) -> ProcessSpec:
    """How the supervisor starts a service."""
    return ProcessSpec(
        name=process.name,
        argv=(sys.executable, *process.arguments),
        env=_told(process, environment) | dict(environment),
        health_url=health_url(process, environment, "/readyz"),
    )


def _told(process: ServiceProcess, environment: Mapping[str, str]) -> dict[str, str]:
    """What the registry tells a process and the environment leaves open."""
    return {name: value for name, value in process.settings if not _is_given(name, environment)}


class Installation:
    """Kafka, Postgres, topics and services, from ``start`` to ``stop``.

    With outside addresses in the environment neither Kafka nor Postgres is started. Everything
    ends with us, even when we are killed (Linux); what an earlier run left is found and used or
    ended.

    Args:
        settings: Of the embedded stack; read from the environment when left out.
        environment: Variables for the services, in addition to our own.
        services: Which ones; all when left out.
        extra: Further processes, started after the services (a simulated world, say).
        progress: Told in a line what happens.
        on_event: Told what happens to each process.
    """

    def __init__(
        self,
        settings: StackSettings | None = None,
        *,
        environment: Mapping[str, str] | None = None,
        services: Sequence[ServiceProcess] = SERVICES,
        extra: Sequence[ProcessSpec] = (),
        progress: Callable[[str], None] = silent,
        on_event: Callable[[ProcessEvent], None] = lambda _: None,
        policy: RestartPolicy | None = None,
    ) -> None:
        self.settings = settings or stack_settings()
        self._given = dict(environment or {})
        self._services = tuple(services)
        self._extra = tuple(extra)
        self._progress = progress
        self._on_event = on_event
        self._policy = policy
        self._lock_file: IO[str] | None = None
        self._stack_ends = 0
        parts = missing_parts(base_environment() | self._given)
        self.stack: Stack | None = (
            Stack(self.settings, progress=progress, tied=True, parts=parts) if parts else None
        )
        self.supervisor: Supervisor | None = None

    def environment(self) -> dict[str, str]:
        """The variables that the services get in addition to our own, both addresses among them."""
        outside = base_environment() | self._given
        told = variables(outside)
        # What is told in the encrypted secrets file each service reads there itself: it stands in
        # nobody's environment.
        found = {
            name: value_of(name, outside)
            for name in (KAFKA_VARIABLE, POSTGRES_VARIABLE)
            if _is_given(name, outside)
        }
        embedded = self.stack.environment() if self.stack is not None else {}
        missing = {
            name: value for name, value in embedded.items() if value and not _is_given(name, told)
        }
        if not _is_given(VERDICTS_VARIABLE, outside):
            missing[VERDICTS_VARIABLE] = str(verdict_dir(self.settings))
        missing |= key_variables(self.settings, outside)
        return self._given | found | missing

    def start(
        self,
        *,
        ready_timeout_seconds: float = READY_TIMEOUT_SECONDS,
        is_patient: bool = False,
    ) -> dict[str, str]:
        """Start everything and wait until every service is ready.

        Where it ``is_patient``, services that run and say that they wait for something outside,
        such as a Stripe that does not answer, stop nobody else: they are given back by name, each
        with what it says.

        Raises:
            FilesUnreadable: A variable names a file that cannot be read.
            PortInvalid: A service's port is none.
            SettingsInvalid: A variable is unknown or does not fit.
            RunningAlready: Another process does the same in this folder.
            StackProblem: Kafka or Postgres cannot start, or a port is taken.
            TopicsNotCreated: The topics could not be created or are configured otherwise.
            NotReady: A service did not become ready.
        """
        # What is told wrong is said before anything starts.
        check_before_start(self._services, merged_environment(self._given))
        self._lock()
        try:
            ensure_key(self.settings, base_environment() | self._given)
            self._await_outside_database()
            if self.stack is not None:
                self.stack.start()
            self._create_topics()
            self._progress("services: starting")
            supervisor = self._supervisor()
            supervisor.start()
            self.supervisor = supervisor
            return _waiting(supervisor, ready_timeout_seconds, is_patient=is_patient)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> bool:
        """Stop the services, then what of the stack we started; false when nothing ran."""
        if self._lock_file is None:
            return False
        supervisor, self.supervisor = self.supervisor, None
        if supervisor is not None:
            self._progress("services: stopping")
            supervisor.stop()
        if self.stack is not None:
            self._progress("stack: stopping")
            self.stack.stop_started()
        self._unlock()
        return True

    def watch(self, until: threading.Event) -> None:
        """Start Kafka or Postgres again when one ends, until the event is set."""
        while not until.wait(STACK_WATCH_SECONDS):
            if self.stack is None or all(part.is_running for part in self.stack.status()):
                self._stack_ends = 0
                continue
            self._stack_ends += 1
            delay = STACK_RESTART_POLICY.delay(self._stack_ends)
            ended = [part.name for part in self.stack.status() if not part.is_running]
            self._progress(f"stack: {' and '.join(ended)} ended; starting again")
            try:
                self.stack.start()
            except StackProblem as problem:
                self._progress(f"stack: {problem.what}; next try in {delay:.0f} s")
                until.wait(delay)

    def left_out(self) -> dict[str, tuple[tuple[str, ...], ...]]:
        """The services that lack what they must be told, with what that is; they do not start."""
        told = variables(base_environment() | self.environment())
        return {each.name: each.lacks(told) for each in self._services if each.lacks(told)}

    def curtailed(self) -> dict[str, tuple[tuple[str, ...], ...]]:
        """The services that run and do less than they could, with what they would have to be told.

        Those that are left out are not among them.
        """
        told = variables(base_environment() | self.environment())
        return {
            each.name: lacking
            for each in self._services
            if not each.lacks(told) and (lacking := each.lacks_for_all(told))
        }

    def _supervisor(self) -> Supervisor:
        given = base_environment() | self.environment()
        told = variables(given)
        services = [each for each in self._services if not each.lacks(told)]
        supervisor = Supervisor(
            [*(spec_for(each, given) for each in services), *self._extra],
            log_dir=log_dir(self.settings),
            state_dir=process_state_dir(self.settings),
            on_event=self._on_event,
            policy=self._policy,
        )
        # What an earlier run left holds our ports; it goes before we look at them.
        supervisor.end_left_overs()
        for each in services:
            require_free(
                service_port(each, given),
                purpose=each.name,
                setting=each.port_variable,
                can_pick=False,
            )
        return supervisor

    def _await_outside_database(self) -> None:
        """Wait a little for a database that was given to us: a wrong address is said at once."""
        outside = variables(base_environment() | self._given)
        if not _is_given(POSTGRES_VARIABLE, outside):
            return
        dsn = value_of(POSTGRES_VARIABLE, outside)
        place = dsn.rpartition("@")[2]
        began = time.monotonic()
        while True:
            try:
                probe.postgres_facts(dsn)
            except OSError as error:
                if time.monotonic() - began > OUTSIDE_WAIT_SECONDS:
                    raise StackProblem(
                        f"Postgres does not answer at {place}",
                        why=str(error) or type(error).__name__,
                        fix=f"check {POSTGRES_VARIABLE}, the network, and that it runs",
                    ) from error
                self._progress(f"Postgres: waiting for {place}")
                time.sleep(1.0)  # bounded poll: the wait above
            else:
                return

    def _create_topics(self) -> None:
        self._progress("topics: creating and checking")
        log = log_dir(self.settings) / f"{TOPICS.name}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("wb") as out:
            try:
                code = subprocess.run(
                    [sys.executable, *TOPICS.arguments],
                    check=False,
                    env=merged_environment(self.environment()),
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=subprocess.STDOUT,
                    timeout=TOPICS_TIMEOUT_SECONDS,
                ).returncode
            except subprocess.TimeoutExpired:
                code = -1
        if code != 0:
            raise TopicsNotCreated(last_lines(log) or f"it ended with {code} and said nothing")

    def _lock(self) -> None:
        """Claim the folder; the claim ends with us, however we end."""
        folder = self.settings.dir.absolute()
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / "run.lock").open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.close()
            record = ProcessRecord.load(run_record_file(self.settings))
            raise RunningAlready(record.pid if record else 0, folder) from None
        self._lock_file = lock
        ProcessRecord.of(os.getpid()).save(run_record_file(self.settings))

    def _unlock(self) -> None:
        if self._lock_file is not None:
            run_record_file(self.settings).unlink(missing_ok=True)
            self._lock_file.close()
            self._lock_file = None


def _waiting(supervisor: Supervisor, seconds: float, *, is_patient: bool) -> dict[str, str]:
    """Who is not ready after a time, and why, where that is no reason to stop the others."""
    try:
        supervisor.wait_ready(seconds)
    except NotReady as late:
        if not (is_patient and late.are_up):
            raise
        return late.said
    return {}
