"""docker-compose.yml is what the compose schema allows, and runs what the supervisor runs."""

import json
import re
import tomllib
from importlib import import_module
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema.validators import validator_for

from sandbox.stack.jars import read_lock
from sandbox.stack.kafka import server_properties
from sandbox.stack.postgres import SERVER_SETTINGS
from shared.runtime.settings import Settings
from tallystick.processes import PROCESSES, SERVICES, ServiceProcess

ROOT = Path(__file__).parents[2]
Compose = dict[str, Any]  # Any: YAML, judged by its schema

# What a container must say otherwise than a process on loopback.
KAFKA_ADDRESSES = {"listeners", "advertised.listeners", "controller.quorum.voters", "log.dirs"}
POSTGRES_ADDRESSES = {"listen_addresses", "log_line_prefix"}
SCHEMA = "check_jsonschema/builtin_schemas/vendor/compose-spec.json"
SECRET_NAME = re.compile(r"PASSWORD|SECRET|_KEY|DSN|TOKEN")


def each_service() -> pytest.MarkDecorator:
    return pytest.mark.parametrize("process", PROCESSES, ids=lambda process: process.name)


@pytest.fixture(scope="module")
def compose() -> Compose:
    loaded: Compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    return loaded


@pytest.fixture(scope="module")
def dockerfile() -> str:
    return (ROOT / "Dockerfile").read_text()


def problems_of(compose: Compose) -> list[str]:
    """What the schema says against a compose file."""
    # The package is a carrier of schemas for us: located, never imported.
    carrier = distribution("check-jsonschema")
    vendored = Path(str(carrier.locate_file(SCHEMA)))
    schema: dict[str, Any] = json.loads(vendored.read_text(encoding="utf-8"))  # Any: a schema
    judge: Any = validator_for(schema)(schema)  # Any: jsonschema's validators are built at run time
    return [f"{error.json_path}: {error.message}" for error in judge.iter_errors(compose)]


def test_file_is_valid_by_the_compose_schema(compose: Compose) -> None:
    assert problems_of(compose) == []


def test_schema_refuses_what_compose_would_refuse(compose: Compose) -> None:
    # A schema that lets everything through would make the test above say nothing.
    broken = compose | {"services": compose["services"] | {"door": {"comand": ["x"]}}}
    assert any("services.door" in problem for problem in problems_of(broken))


def test_services_are_those_of_the_registry_and_the_stack(compose: Compose) -> None:
    expected = {process.name for process in PROCESSES} | {"kafka", "postgres", "demo"}
    assert set(compose["services"]) == expected


@each_service()
def test_command_is_the_embedded_one(compose: Compose, process: ServiceProcess) -> None:
    assert compose["services"][process.name]["command"] == list(process.arguments)


@each_service()
def test_variables_are_those_that_the_process_needs_and_knows(
    compose: Compose, process: ServiceProcess
) -> None:
    given = compose["services"][process.name]["environment"]
    assert process.lacks(given) == process.lacks_for_all(given) == ()
    assert settings_of(process).unknown_names(given) == []


@pytest.mark.parametrize("process", SERVICES, ids=lambda process: process.name)
def test_port_is_the_embedded_one_and_its_health_is_asked_there(
    compose: Compose, process: ServiceProcess
) -> None:
    service = compose["services"][process.name]
    assert service["environment"][process.port_variable] == str(process.port)
    assert service["environment"][process.host_variable] == "0.0.0.0"
    assert f"http://127.0.0.1:{process.port}/readyz" in service["healthcheck"]["test"][-1]


@pytest.mark.parametrize("process", SERVICES, ids=lambda process: process.name)
def test_service_is_told_whose_books_they_are(compose: Compose, process: ServiceProcess) -> None:
    service = compose["services"][process.name]
    assert service["environment"]["TALLYSTICK_BOOKS_FILE"] == "/run/secrets/books_toml"
    assert "books_toml" in service["secrets"]


@each_service()
def test_what_the_registry_tells_a_process_is_told_to_its_container(
    compose: Compose, process: ServiceProcess
) -> None:
    environment = compose["services"][process.name].get("environment", {})
    assert dict(process.settings).items() <= environment.items()


@each_service()
def test_order_is_the_embedded_one(compose: Compose, process: ServiceProcess) -> None:
    waits_for = compose["services"][process.name]["depends_on"]
    assert set(process.after) <= set(waits_for)
    assert waits_for["kafka"] == {"condition": "service_healthy"}
    if "topics" in process.after:
        assert waits_for["topics"] == {"condition": "service_completed_successfully"}
    if ("TALLYSTICK_POSTGRES_DSN",) in process.needs:
        assert waits_for["postgres"] == {"condition": "service_healthy"}


def test_copy_of_the_topics_is_written_outside_the_container(compose: Compose) -> None:
    archiver = compose["services"]["archiver"]
    place = archiver["environment"]["TALLYSTICK_ARCHIVER_PLACE"]
    assert archiver["volumes"] == ["${TALLYSTICK_ARCHIVE_DIR:-archive}:" + place]
    assert "archive" in compose["volumes"]


def test_profiles_are_core_and_demo(compose: Compose) -> None:
    profiles = {name: service["profiles"] for name, service in compose["services"].items()}
    assert profiles.pop("kafka") == profiles.pop("postgres") == ["core", "demo"]
    assert profiles.pop("demo") == ["demo"]
    assert all(each == ["core"] for each in profiles.values())


def test_our_containers_may_do_as_little_as_possible(compose: Compose, dockerfile: str) -> None:
    for name in [*(process.name for process in PROCESSES), "demo"]:
        service = compose["services"][name]
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert "no-new-privileges:true" in service["security_opt"]
        assert "user" not in service
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))
    users = re.findall(r"^USER (\d+):\d+$", dockerfile, re.MULTILINE)
    assert users
    assert int(users[-1]) >= 1000


def test_no_secret_stands_in_the_file(compose: Compose) -> None:
    for name, service in compose["services"].items():
        for variable, value in service.get("environment", {}).items():
            if SECRET_NAME.search(variable):
                assert variable.endswith("_FILE"), f"{name}: {variable}"
                assert value.startswith("/run/secrets/")
                assert value.removeprefix("/run/secrets/") in service["secrets"]
    for secret in compose["secrets"].values():
        assert re.match(r"\$\{TALLYSTICK_SECRETS_DIR:\?.+\}/", secret["file"])
    assert not re.search(
        r"whsec_\w|[rs]k_(live|test)_\w", (ROOT / "docker-compose.yml").read_text()
    )


def test_broker_is_the_embedded_one(compose: Compose) -> None:
    broker = compose["services"]["kafka"]
    assert broker["image"] == f"apache/kafka:{read_lock().kafka_version}"
    text = server_properties(data=Path("/unused"), port=1, controller_port=2)
    embedded = dict(line.split("=", 1) for line in text.splitlines())
    for name, value in embedded.items():
        variable = f"KAFKA_{name.upper().replace('.', '_')}"
        assert variable in broker["environment"]
        if name not in KAFKA_ADDRESSES:
            assert broker["environment"][variable] == value, variable
    extra = {name for name in broker["environment"] if name != "KAFKA_HEAP_OPTS"}
    assert extra == {f"KAFKA_{name.upper().replace('.', '_')}" for name in embedded}
    # What it writes is in the volume, or a new container would begin with an empty log.
    assert broker["environment"]["KAFKA_LOG_DIRS"] == broker["volumes"][0].partition(":")[2]


def test_database_is_the_embedded_one(compose: Compose) -> None:
    server = compose["services"]["postgres"]
    assert server["image"] == "postgres:18"
    given = dict(
        setting.split("=", 1)
        for flag, setting in zip(server["command"][1::2], server["command"][2::2], strict=True)
        if flag == "-c"
    )
    assert given == {
        name: value for name, value in SERVER_SETTINGS.items() if name not in POSTGRES_ADDRESSES
    }
    # Since 18 the image keeps its data one folder deeper, by version.
    assert server["volumes"] == ["postgres:/var/lib/postgresql"]


def test_topics_are_made_by_the_registry_and_by_nobody_else(compose: Compose) -> None:
    assert compose["services"]["kafka"]["environment"]["KAFKA_AUTO_CREATE_TOPICS_ENABLE"] == "false"
    assert compose["services"]["topics"]["command"] == ["-m", "tallystick", "topics", "create"]
    named = [
        variable
        for service in compose["services"].values()
        for variable in service.get("environment", {})
        if variable.startswith("TALLYSTICK_") and "TOPIC" in variable
    ]
    assert named == []


def test_demo_uses_the_containers_kafka_and_postgres(compose: Compose) -> None:
    demo = compose["services"]["demo"]
    assert demo["command"] == ["-m", "tallystick", "demo"]
    assert demo["environment"]["TALLYSTICK_KAFKA_BOOTSTRAP"] == "kafka:9092"
    assert "TALLYSTICK_POSTGRES_DSN_FILE" in demo["environment"]


def test_image_holds_every_package_and_installs_by_sums(dockerfile: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    packages = project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    for package in packages:
        assert f"COPY {package} /app/{package}" in dockerfile
        assert f"!{package}" in ignored
    assert "--require-hashes" in dockerfile
    assert "!locks/runtime.txt" in ignored


def settings_of(process: ServiceProcess) -> type[Settings]:
    """The settings class that the process reads its variables by."""
    room = process.arguments[1]
    if not room.startswith("services."):
        return Settings
    module = import_module(f"{room}.config")
    (found,) = [
        each
        for each in vars(module).values()
        if isinstance(each, type) and issubclass(each, Settings) and each is not Settings
    ]
    return found
