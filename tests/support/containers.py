"""Kafka and Postgres as containers: the back end of the stack fixture where Docker answers."""

import contextlib
import secrets
from collections.abc import Generator
from pathlib import Path
from typing import Any, Final

from sandbox.stack import probe
from sandbox.stack.kafka import server_properties
from sandbox.stack.ports import LOOPBACK, free_ports

KAFKA_IMAGE: Final = "apache/kafka:4.3.0"
POSTGRES_IMAGE: Final = "postgres:18"
START_TIMEOUT_SECONDS: Final = 120
_OWN: Final = ("listeners", "advertised.listeners", "controller.quorum.voters", "log.dirs")


def kafka_variables(port: int) -> dict[str, str]:
    """The embedded broker's settings as the image takes them, told to clients as ``port``."""
    lines = server_properties(data=Path("/unused"), port=1, controller_port=2)
    settings = dict(line.split("=", 1) for line in lines.splitlines())
    settings = {name: value for name, value in settings.items() if name not in _OWN} | {
        "listeners": "PLAINTEXT://0.0.0.0:19092,CONTROLLER://127.0.0.1:19093",
        "advertised.listeners": f"PLAINTEXT://{LOOPBACK}:{port}",
        "controller.quorum.voters": "1@127.0.0.1:19093",
    }
    return {f"KAFKA_{name.upper().replace('.', '_')}": value for name, value in settings.items()}


@contextlib.contextmanager
def running_containers() -> Generator[tuple[str, str]]:
    """The addresses of a Kafka and a Postgres that answer."""
    from testcontainers.core.container import DockerContainer  # noqa: PLC0415 - only where containers are asked for

    kafka_port, postgres_port = free_ports(2)
    password = secrets.token_urlsafe(16)
    kafka: Any = DockerContainer(KAFKA_IMAGE)  # testcontainers' classes are partly untyped
    for name, value in kafka_variables(kafka_port).items():
        kafka = kafka.with_env(name, value)
    kafka = kafka.with_bind_ports(19092, kafka_port)
    postgres: Any = DockerContainer(POSTGRES_IMAGE)  # as above
    postgres = postgres.with_env("POSTGRES_USER", "tallystick")
    postgres = postgres.with_env("POSTGRES_PASSWORD", password).with_bind_ports(5432, postgres_port)
    bootstrap = f"{LOOPBACK}:{kafka_port}"
    dsn = f"postgresql://tallystick:{password}@{LOOPBACK}:{postgres_port}/tallystick"
    with kafka, postgres:
        for question in (
            lambda: probe.kafka_facts(bootstrap),
            lambda: probe.postgres_facts(dsn),
        ):
            error = probe.wait_until(
                question, timeout_seconds=START_TIMEOUT_SECONDS, is_alive=lambda: True
            )
            if error is not None:
                raise error
        yield bootstrap, dsn
