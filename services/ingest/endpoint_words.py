"""What is wrong with an endpoints file, in words of the file and not of what checks it."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, cast

from pydantic import BaseModel, ValidationError

from services.ingest.endpoints import EndpointData, EndpointsFile, SecretData, is_secret

_HIDDEN: Final = "…"
_NAME_LENGTH_MAX: Final = 64
# What a table of the file is checked by, by how deep it stands: endpoints, 8, secrets, 1.
_TABLES: Final[Mapping[int, type[BaseModel]]] = {0: EndpointsFile, 2: EndpointData, 4: SecretData}


def in_words(error: ValidationError, file: Mapping[str, object]) -> str:
    """Every fault, each with the endpoint that it is in; no value of the file but names.

    Someone may have written a secret where the name of its file belongs, or as a name.
    """
    # Without the input: it may be that secret.
    faults = error.errors(include_input=False, include_url=False)
    # A table that is wrong is left out by the checker, which then misses it.
    real = [each for each in faults if each["type"] != "too_short"] or faults
    return "; ".join(_fault(each["type"], tuple(each["loc"]), each["msg"], file) for each in real)


def _fault(kind: str, place: Sequence[int | str], said: str, file: Mapping[str, object]) -> str:
    where = _where(place, file)
    match kind:
        case "extra_forbidden":
            return f"{where}{_unknown(place)}"
        case "missing":
            return f"{where}{place[-1]} is missing"
        case "too_short":
            return "it has no [[endpoints]] table"
        case "value_error":
            return f"{where}{said.removeprefix('Value error, ')}"
        case _:
            return f"{where}{said[:1].lower()}{said[1:]}"


def _where(place: Sequence[int | str], file: Mapping[str, object]) -> str:
    """The endpoint, and what of it: "endpoint 'main', secrets 2, from: "."""
    if len(place) < len(("endpoints", 0)) or not isinstance(place[1], int):
        return "".join(f"{_shown(part)}: " for part in place[:1])
    inner = [str(part + 1) if isinstance(part, int) else f", {_shown(part)} " for part in place[2:]]
    return f"endpoint {_name(place[1], file)}{''.join(inner).rstrip()}: "


def _name(at: int, file: Mapping[str, object]) -> str:
    """The endpoint's name, or its number where it has none that can be shown."""
    try:
        tables = cast("Sequence[Mapping[str, object]]", file["endpoints"])
        name = tables[at]["name"]
    except (KeyError, IndexError, TypeError):
        name = None
    is_shown = isinstance(name, str) and name.isprintable() and len(name) <= _NAME_LENGTH_MAX
    return repr(name) if is_shown and not is_secret(str(name)) else f"number {at + 1}"


def _shown(part: int | str) -> str:
    return _HIDDEN if is_secret(str(part)) else str(part)


def _unknown(place: Sequence[int | str]) -> str:
    if place[-1] == "secret":
        return (
            "a secret stands in a file or a variable of its own, never here:"
            " name that as secret_file or secret_env"
        )
    table = _TABLES.get(len(place) - 1)
    known = "" if table is None else f"; there are {', '.join(_words(table))}"
    return f"there is no such word{known}"


def _words(table: type[BaseModel]) -> Iterable[str]:
    return (field.alias or name for name, field in table.model_fields.items())
