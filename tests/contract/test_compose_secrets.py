"""docker-compose.secrets.yml, laid over the other: secrets from the encrypted file, in one place."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from shared.runtime.age import encrypted, identity_text, new_identity, recipient_of
from shared.runtime.secrets_file import FILE_VARIABLE, IDENTITY_FILE_VARIABLE
from shared.runtime.settings import variables
from tallystick.processes import PROCESSES, ServiceProcess
from tests.contract.test_compose import Compose, problems_of, settings_of

ROOT = Path(__file__).parents[2]
INSIDE = {
    "TALLYSTICK_POSTGRES_DSN": "postgresql://tallystick:canary@postgres/tallystick",
    "TALLYSTICK_INGEST_STRIPE_API_KEY": "rk_test_canary",
}
AT_THE_DOOR = {"TALLYSTICK_INGEST_WEBHOOK_SECRET": "whsec_canary"}


class Overlay(yaml.SafeLoader):
    """Reads the tag with which a list replaces the one below it."""


def _in_its_place(loader: Overlay, node: yaml.SequenceNode) -> list[Any]:  # Any: YAML
    return loader.construct_sequence(node)


Overlay.add_constructor("!override", _in_its_place)


@pytest.fixture(scope="module")
def compose() -> Compose:
    loaded: Compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    return loaded


@pytest.fixture(scope="module")
def overlay() -> Compose:
    text = (ROOT / "docker-compose.secrets.yml").read_text()
    loaded: Compose = yaml.load(text, Loader=Overlay)  # a SafeLoader, and one tag
    return loaded


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What lies in /run/secrets of the containers."""
    made = tmp_path_factory.mktemp("secrets")
    for prefix, secrets in (("", INSIDE), ("door_", AT_THE_DOOR)):
        identity = new_identity()
        lines = "".join(f"{name}={value}\n" for name, value in secrets.items())
        (made / f"{prefix}secrets_age").write_bytes(
            encrypted(lines.encode(), [recipient_of(identity)])
        )
        name = "door_identity" if prefix else "secrets_identity"
        (made / name).write_text(identity_text(identity))
    (made / "books_toml").write_text('[[books]]\nmode = "test"\n')
    (made / "banks_toml").write_text("")
    return made


def laid_over(compose: Compose, overlay: Compose, name: str, folder: Path) -> dict[str, str]:
    """The variables of a container under both files, its secrets where they lie here."""
    below, above = compose["services"][name], overlay["services"].get(name, {})
    merged: dict[str, str] = below.get("environment", {}) | above.get("environment", {})
    return {key: value.replace("/run/secrets/", f"{folder}/") for key, value in merged.items()}


def test_both_files_are_valid_by_the_compose_schema(compose: Compose, overlay: Compose) -> None:
    assert problems_of(overlay) == []
    assert set(overlay["services"]) == {process.name for process in PROCESSES}
    assert not set(overlay["secrets"]) & set(compose["secrets"])


@pytest.mark.parametrize("process", PROCESSES, ids=lambda process: process.name)
def test_service_reads_its_secrets_from_the_encrypted_file_and_lacks_nothing(
    compose: Compose, overlay: Compose, folder: Path, process: ServiceProcess
) -> None:
    given = laid_over(compose, overlay, process.name, folder)
    told = variables(given)
    assert process.lacks(told) == process.lacks_for_all(told) == ()
    settings: Any = settings_of(process).load(given)  # Any: each service has a class of its own
    if process.name == "door":
        assert settings.ingest_webhook_secret.get_secret_value() == "whsec_canary"
        assert set(INSIDE) & set(told) == set(), "the door holds what it does not need"
    else:
        assert settings.postgres_dsn.get_secret_value() == INSIDE["TALLYSTICK_POSTGRES_DSN"]


@pytest.mark.parametrize("process", PROCESSES, ids=lambda process: process.name)
def test_service_is_given_the_files_that_its_variables_name_and_no_other(
    compose: Compose, overlay: Compose, folder: Path, process: ServiceProcess
) -> None:
    del folder
    named = laid_over(compose, overlay, process.name, Path("/run/secrets")).values()
    wanted = {
        value.removeprefix("/run/secrets/") for value in named if value.startswith("/run/secrets/")
    }
    assert set(overlay["services"][process.name]["secrets"]) == wanted
    below, above = compose["services"][process.name], overlay["services"][process.name]
    environment = below["environment"] | above["environment"]
    assert environment[FILE_VARIABLE]
    assert environment[IDENTITY_FILE_VARIABLE]


def test_no_file_of_one_secret_is_asked_for_any_more(compose: Compose, overlay: Compose) -> None:
    asked = {name for service in overlay["services"].values() for name in service["secrets"]}
    assert asked & {"postgres_dsn", "webhook_secret", "stripe_api_key"} == set()
    known = set(compose["secrets"]) | set(overlay["secrets"])
    assert asked <= known
