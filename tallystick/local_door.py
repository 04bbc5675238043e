"""The door of this installation as a command finds it: addresses, endpoints, secrets."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from services.ingest.config import IngestSettings
from services.ingest.endpoints import ROUTE, Endpoint
from services.ingest.signature import Secret
from shared.contracts.books import Mode
from shared.runtime.settings import PREFIX, SettingsInvalid, variables
from tallystick.answers import answers_ok
from tallystick.cli.reach import variables_here
from tallystick.installation import health_url
from tallystick.local_books import sandbox_folder
from tallystick.local_stripe import LocalStripe
from tallystick.preflight import stack_settings
from tallystick.processes import SERVICES

_SECRETS = (f"{PREFIX}INGEST_WEBHOOK_SECRET", f"{PREFIX}INGEST_ENDPOINTS_FILE")


@dataclass(frozen=True, slots=True)
class LocalDoor:
    """The door that the settings, or else the sandbox of this folder, tell of.

    ``lacking`` says why there are no endpoints; ``sandbox`` is there when they are its own.
    """

    settings: IngestSettings
    url: str
    endpoints: Mapping[str, Endpoint]
    lacking: str
    sandbox: LocalStripe | None
    # As the services are told them: secrets may stand in it.
    variables: Mapping[str, str] = field(repr=False)

    @property
    def secrets(self) -> Mapping[str, Sequence[Secret]]:
        """The signing secrets by endpoint."""
        return {name: endpoint.secrets for name, endpoint in self.endpoints.items()}

    @property
    def is_live(self) -> bool:
        """Whether real money is in it, as far as anybody says."""
        return (
            self.settings.ingest_mode is Mode.LIVE
            or self.settings.is_live()
            or any(endpoint.mode is Mode.LIVE for endpoint in self.endpoints.values())
        )

    @property
    def secret_source(self) -> str:
        """Where the signing secrets come from, in words."""
        if self.sandbox is not None:
            return str(sandbox_folder(stack_settings()) / "sandbox.json")
        if self.settings.ingest_endpoints_file is not None:
            return f"the endpoints file {self.settings.ingest_endpoints_file}"
        if f"{_SECRETS[0]}_FILE" in os.environ:
            return f"{_SECRETS[0]}_FILE ({os.environ[f'{_SECRETS[0]}_FILE']})"
        if self.settings.secrets_file is not None and _SECRETS[0] not in os.environ:
            return f"{_SECRETS[0]} in {self.settings.secrets_file}"
        return _SECRETS[0]

    def url_of(self, endpoint: Endpoint) -> str:
        """Where an endpoint takes deliveries."""
        return f"{self.url}{ROUTE}{endpoint.path}"

    def is_open(self) -> bool:
        """Whether the door answers at all."""
        return answers_ok(f"{self.url}/livez")


def door_variables() -> tuple[dict[str, str], LocalStripe | None]:
    """Our variables as the door of this folder has them, and the sandbox, where it is its own.

    Raises:
        SettingsInvalid: The environment does not make settings.
    """
    given = variables_here()
    sandbox = LocalStripe.load(sandbox_folder(stack_settings()))
    # What the environment says comes first: the sandbox is there for whoever has nothing else.
    told = variables(given)
    if any(told.get(name) or told.get(f"{name}_FILE") for name in _SECRETS):
        sandbox = None
    if sandbox is not None:
        given = given | sandbox.environment(sandbox_folder(stack_settings()))
    return given, sandbox


def local_door() -> LocalDoor:
    """The door that this folder and the environment tell of.

    Raises:
        SettingsInvalid: The environment does not make settings.
    """
    given, sandbox = door_variables()
    settings = IngestSettings.load(given)
    endpoints: Mapping[str, Endpoint] = MappingProxyType({})
    lacking = ""
    try:
        endpoints = settings.endpoints(settings.books(), given)
    except SettingsInvalid as error:
        lacking = str(error)
    door = next(service for service in SERVICES if service.name == "door")
    url = health_url(door, given, "")
    return LocalDoor(settings, url, endpoints, lacking, sandbox, given)
