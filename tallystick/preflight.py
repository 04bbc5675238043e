"""What can be known to be wrong before anything starts: ports, files, and what stands in them."""

import os
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from sandbox.stack import StackProblem, StackSettings
from shared.runtime.settings import PREFIX, Settings, SettingsInvalid, variables
from tallystick.processes import KAFKA_VARIABLE, POSTGRES_VARIABLE, ServiceProcess

PORT_MAX: Final = 65_535
STACK_PREFIX: Final = f"{PREFIX}STACK_"
_FILE: Final = "_FILE"


class PortInvalid(ValueError):
    """A variable that is to be a port is none.

    Args:
        name: The variable.
        text: What it holds.
        least: The smallest that is allowed; 0 where that means any free one.
        most: The largest that is allowed.
        usual: What it is when nobody sets it.
    """

    def __init__(self, name: str, text: str, *, least: int, most: int, usual: int) -> None:
        self.what = f"{name}={text[:80]!r} is no port"
        self.why = f"a port is a whole number from {least} to {most}"
        self.fix = f"set {name} to a free port, or unset it: then it is {usual}"
        super().__init__(f"{self.what}: {self.why}")


class FilesUnreadable(ValueError):
    """Files that variables name cannot be read; ``why`` has a line for each."""

    what = "A file of the settings cannot be read"
    fix = (
        "correct the path or the file's permissions, or unset the variable;"
        " a relative path begins in the folder where you are"
    )

    def __init__(self, why: str) -> None:
        self.why = why
        super().__init__(why)


def port_of(name: str, text: str, *, usual: int, least: int = 1, most: int = PORT_MAX) -> int:
    """The port that a variable tells; the usual one when it is empty.

    Raises:
        PortInvalid: Not a whole number, or out of range.
    """
    said = text.strip()
    if not said:
        return usual
    # A number of a thousand digits is none that int() would read.
    is_number = said.isascii() and said.isdigit() and len(said.lstrip("0")) <= len(str(most))
    if not is_number or not least <= int(said) <= most:
        raise PortInvalid(name, text, least=least, most=most, usual=usual)
    return int(said)


def stack_settings(environment: Mapping[str, str] | None = None) -> StackSettings:
    """The embedded stack's settings, or what is wrong with them in our own words.

    Raises:
        PortInvalid: One of its ports is none.
        SettingsInvalid: Another of its settings does not fit.
    """
    given = os.environ if environment is None else environment
    for field in ("kafka_port", "postgres_port"):
        name = STACK_PREFIX + field.upper()
        usual = int(StackSettings.model_fields[field].default)
        # Kafka's controller takes the port after the broker's.
        port_of(name, given.get(name, ""), usual=usual, least=0, most=PORT_MAX - 1)
    try:
        return StackSettings()
    except ValidationError as error:
        wrong = (
            f"{STACK_PREFIX}{'.'.join(map(str, each['loc'])).upper()}={each['input']!r}:"
            f" {each['msg']}"
            for each in error.errors(include_url=False)
        )
        raise SettingsInvalid("\n".join(wrong)) from None


def value_of(name: str, environment: Mapping[str, str]) -> str:
    """A setting, given as a value or as a file that holds it; empty when it is not given.

    Raises:
        StackProblem: The file cannot be read.
    """
    file = environment.get(f"{name}{_FILE}", "")
    if not file:
        return environment.get(name, "")
    try:
        return Path(file).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise StackProblem(
            f"{name}{_FILE} cannot be read",
            why=str(error),
            fix="correct the path or its permissions",
        ) from error


def service_port(process: ServiceProcess, environment: Mapping[str, str]) -> int:
    """The port of a service's HTTP face under these variables.

    Raises:
        PortInvalid: The variable holds no port.
        StackProblem: The variable is given as a file that cannot be read.
    """
    name = process.port_variable
    return port_of(name, value_of(name, environment), usual=process.port)


def require_files(environment: Mapping[str, str]) -> None:
    """Refuse paths at which there is nothing to read, all of them at once.

    Raises:
        FilesUnreadable: Some of our variables name such a path.
    """
    wrong: list[str] = []
    for name, path in sorted(environment.items()):
        if name.startswith(PREFIX) and name.endswith(_FILE) and path:
            try:
                with Path(path).open("rb") as file:
                    file.read(1)
            except (OSError, ValueError) as error:
                said = getattr(error, "strerror", None) or str(error)
                wrong.append(f"{name}={path}: {said}")
    if wrong:
        raise FilesUnreadable("\n".join(wrong))


def check_before_start(services: Iterable[ServiceProcess], environment: Mapping[str, str]) -> None:
    """Look at all that the services are told, as far as it can be known without starting them.

    Raises:
        FilesUnreadable: A variable names a file that cannot be read.
        PortInvalid: A port is none.
        SettingsInvalid: A variable is unknown or does not fit, or what stands in a file does not.
    """
    require_files(environment)
    # Whoever is left out may be told wrong things, but not in words that nobody knows.
    Settings.load(environment)
    wrong: list[str] = []
    for service in services:
        service_port(service, environment)
        wrong += problems_of(service, environment)
    if wrong:
        raise SettingsInvalid("\n".join(dict.fromkeys(wrong)))


def problems_of(service: ServiceProcess, environment: Mapping[str, str]) -> list[str]:
    """What a service would refuse to start with; nothing of one that is left out."""
    look = _LOOKS.get(service.name)
    # Addresses come from the stack where nobody gives them.
    if look is None:
        return []
    here = {KAFKA_VARIABLE: "here", POSTGRES_VARIABLE: "here"}
    try:
        if service.lacks(here | variables(environment)):
            return []
        look(environment)
    except SettingsInvalid as error:
        return str(error).splitlines()
    return []


# Each reads what its service reads first. The modules are loaded here and not above: a verb that
# starts nothing needs none of them.


def _ledger(environment: Mapping[str, str]) -> None:
    from services.ledger.config import LedgerSettings  # noqa: PLC0415

    books = LedgerSettings.load(environment).books()
    if any(book.chart is not None for book in books.books):
        from services.ledger.shell.service import charts_of  # noqa: PLC0415

        charts_of(books)


def _reconciler(environment: Mapping[str, str]) -> None:
    from services.reconciler.config import ReconcilerSettings  # noqa: PLC0415

    settings = ReconcilerSettings.load(environment)
    settings.books()
    settings.matching_rules()


def _console(environment: Mapping[str, str]) -> None:
    from services.console.config import ConsoleSettings  # noqa: PLC0415

    settings = ConsoleSettings.load(environment)
    settings.books()
    settings.tokens()


def _feeds(environment: Mapping[str, str]) -> None:
    from services.feeds.config import FeedsSettings  # noqa: PLC0415

    FeedsSettings.load(environment).banks(environment)


def _poller(environment: Mapping[str, str]) -> None:
    from services.ingest.config import IngestSettings  # noqa: PLC0415
    from services.ingest.shell.polled_accounts import polled_accounts  # noqa: PLC0415

    settings = IngestSettings.load(environment)
    polled_accounts(settings, settings.books(), environment)


def _door(environment: Mapping[str, str]) -> None:
    from services.ingest.config import IngestSettings  # noqa: PLC0415

    settings = IngestSettings.load(environment)
    settings.endpoints(settings.books(), environment, at=datetime.now(UTC))


def _archiver(environment: Mapping[str, str]) -> None:
    from services.archiver.config import ArchiverSettings  # noqa: PLC0415

    ArchiverSettings.load(environment).place()


_LOOKS: Final[Mapping[str, Callable[[Mapping[str, str]], None]]] = {
    "ledger": _ledger,
    "reconciler": _reconciler,
    "console": _console,
    "feeds": _feeds,
    "poller": _poller,
    "door": _door,
    "archiver": _archiver,
}
