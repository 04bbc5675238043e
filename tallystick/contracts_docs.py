"""The reference pages and machine-readable contracts, made from the registries in the code.

It stands here and not in ``shared/contracts`` because writing documents is no part of what
services say to each other. ``pages()`` gives every file with its whole content; what is checked
in must be the same, and ``tallystick docs check`` and a test compare.
"""

import inspect
import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from services.console.openapi import document
from shared.contracts import errors
from shared.contracts.discrepancies import DiscrepancyKind
from shared.contracts.messages import OutcomeKind, VerdictReason
from shared.contracts.schemas import MESSAGE_TYPES, MessageType, types_of
from shared.contracts.topics import TOPICS, Topic
from tallystick.bookings_docs import balance_transactions_page
from tallystick.contracts_words import (
    ATTRIBUTES,
    DISCREPANCIES,
    EXTENSIONS,
    OUTCOMES,
    REASONS,
    VERDICTS,
)
from tallystick.metrics_docs import metrics_page
from tallystick.settings_docs import settings_page

FOLDER: Final = Path("docs/reference")
DOCUMENT_VERSION: Final = "1.0.0"
MADE: Final = "<!-- Made by `tallystick docs generate` from {source}. Do not edit by hand. -->"
Json = dict[str, Any]  # Any: JSON documents


def pages() -> Mapping[Path, str]:
    """Every generated file under the project's root, with its content."""
    made: dict[Path, str] = {
        FOLDER / "topics.md": topics_page(),
        FOLDER / "errors.md": errors_page(),
        FOLDER / "balance-transactions.md": balance_transactions_page(
            MADE.format(source="the rules in `services/ledger/rules/`")
        ),
        FOLDER / "asyncapi.json": _json(asyncapi()),
        FOLDER / "openapi.json": _json(document()),
        FOLDER / "settings.md": settings_page(
            MADE.format(source="the classes that read the settings")
        ),
        FOLDER / "metrics.md": metrics_page(MADE.format(source="the code that makes them")),
    }
    for message_type in MESSAGE_TYPES.values():
        made[schema_path(message_type)] = _json(message_type.schema())
    return made


def schema_path(message_type: MessageType) -> Path:
    """Where the JSON Schema of a message type is checked in."""
    return FOLDER / "schemas" / f"{message_type.name}.json"


def stale(root: Path) -> list[Path]:
    """The generated files under ``root`` that are missing, other than made, or no longer made."""
    made = pages()
    wrong = [path for path, text in made.items() if _text_of(root / path) != text]
    kept = {path.relative_to(root) for path in (root / FOLDER / "schemas").glob("*.json")}
    return sorted([*wrong, *(kept - set(made))])


def generate(root: Path) -> list[Path]:
    """Write what is stale, and remove schemas that nothing makes any more; gives what changed."""
    made, changed = pages(), stale(root)
    for path in changed:
        if path in made:
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(made[path], encoding="utf-8")
        else:
            (root / path).unlink()
    return changed


def topics_page() -> str:
    """``topics.md``: the topics, their keys, settings, writers, readers and message types."""
    lines = [
        "# Topics",
        "",
        MADE.format(source="`shared/contracts/topics.py` and `schemas.py`"),
        "",
        "Records are CloudEvents 1.0 in Kafka's binary mode. The same in machine-readable form:",
        "[asyncapi.json](asyncapi.json). Amounts are `{minor, currency, exponent}`, the integer as",
        "text. A version of a message only ever gains optional fields.",
        "",
        *_table(
            ("topic", "what it carries", "key", "written by", "read by", "kept"),
            (
                (
                    f"[`{topic.name}`](#{_anchor(topic.name)})",
                    topic.about,
                    topic.key,
                    ", ".join(topic.writers),
                    ", ".join(topic.readers),
                    "the last of each key" if topic.compacted else "for ever",
                )
                for topic in TOPICS.values()
            ),
        ),
        "",
        "## Headers",
        "",
        *_table(
            ("header", "what it says"),
            [(f"`ce_{name}`", about) for name, about in ATTRIBUTES.items()]
            + [(f"`ce_{name}` (extension)", about) for name, about in EXTENSIONS.items()],
        ),
    ]
    for topic in TOPICS.values():
        lines += ["", *_topic_section(topic)]
    return "\n".join(lines) + "\n"


def _topic_section(topic: Topic) -> list[str]:
    lines = [
        f"## {topic.name}",
        "",
        f"{topic.about}.",
        "",
        *_table(
            ("setting", "value"),
            [("partitions", str(topic.partitions))]
            + [(f"`{name}`", f"`{value}`") for name, value in topic.config().items()],
        ),
        "",
    ]
    carried = types_of(topic.name)
    if topic.value is None:
        beside = "; of the types below, it is ours" if carried else ""
        lines += [f"The value is the source's own bytes{beside}.", ""]
    for message_type in carried:
        schema = message_type.schema()
        lines += [
            f"### {message_type.name}",
            "",
            f"{_first_paragraph(message_type.model)} ([schema](schemas/{message_type.name}.json))",
            "",
            *_table(("field", "type", "must be there"), _fields(schema)),
            "",
        ]
    return lines[:-1]


def _fields(schema: Json) -> list[tuple[str, str, str]]:
    required = schema.get("required", [])
    return [
        (f"`{name}`", _type_name(about), "yes" if name in required else "")
        for name, about in schema["properties"].items()
    ]


def _type_name(about: Json) -> str:
    """What a field holds, in a word or two."""
    if "$ref" in about:
        return str(about["$ref"]).rsplit("/", 1)[-1]
    if "anyOf" in about:
        return " or ".join(_type_name(option) for option in about["anyOf"])
    if "const" in about:
        return f"`{about['const']}`"
    if about.get("type") == "array":
        return f"list of {_type_name(about.get('items', {}))}"
    return str(about.get("format", about.get("type", "any")))


def errors_page() -> str:
    """``errors.md``: the error tree, and the closed lists of reasons that a message may carry."""
    classes = [
        found
        for _, found in inspect.getmembers(errors, inspect.isclass)
        if issubclass(found, errors.TallystickError) and found is not errors.TallystickError
    ]
    classes.sort(key=lambda found: inspect.getsourcelines(found)[1])
    lines = [
        "# Errors and reasons",
        "",
        MADE.format(source="`shared/contracts/`"),
        "",
        "## Errors in the code",
        "",
        "Sorted by what the caller does about it.",
        "",
        *_table(
            ("error", "is a", "what it is", "reason on the wire"),
            (
                (
                    f"`{found.__name__}`",
                    f"`{found.__mro__[1].__name__}`",
                    _first_paragraph(found),
                    f"`{found.reason}`" if issubclass(found, errors.Refused) else "",
                )
                for found in classes
            ),
        ),
        "",
        *_list_section("What the door answers", VerdictReason, VERDICTS),
        *_list_section("What became of a message beside an entry", OutcomeKind, OUTCOMES),
        *_list_section("Reasons of an outcome that opens no discrepancy", REASONS, REASONS),
        *_list_section("Discrepancies", DiscrepancyKind, DISCREPANCIES),
    ]
    return "\n".join(lines).rstrip("\n") + "\n"


def _list_section(title: str, words: Iterable[str], meanings: Mapping[str, str]) -> list[str]:
    rows = [(f"`{word!s}`", meanings[str(word)]) for word in words]
    return [f"## {title}", "", *_table(("word", "what it means"), rows), ""]


def asyncapi() -> Json:
    """The AsyncAPI 3.0 document of all topics."""
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Tallystick",
            "version": DOCUMENT_VERSION,
            "description": "What the services say to each other, and what you may consume.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "channels": {_name(topic.name): _channel(topic) for topic in TOPICS.values()},
        "operations": {
            f"{service}.{verb}.{_name(topic.name)}": {
                "action": verb,
                "channel": {"$ref": f"#/channels/{_name(topic.name)}"},
                "tags": [{"name": service}],
            }
            for topic in TOPICS.values()
            for verb, services in (("send", topic.writers), ("receive", topic.readers))
            for service in services
        },
        "components": {
            "messages": {
                _name(message_type.name): _message(message_type)
                for message_type in MESSAGE_TYPES.values()
            }
            | {"sourceBytes": _SOURCE_BYTES},
            "schemas": {"cloudEventHeaders": _headers_schema()},
        },
    }


_SOURCE_BYTES: Final[Json] = {
    "name": "sourceBytes",
    "title": "Bytes of somebody else, as they came",
    "contentType": "application/json",
    "headers": {"$ref": "#/components/schemas/cloudEventHeaders"},
}


def _channel(topic: Topic) -> Json:
    names = [_name(message_type.name) for message_type in types_of(topic.name)]
    if topic.value is None:
        names.insert(0, "sourceBytes")
    policy = topic.config()["cleanup.policy"]
    return {
        "address": topic.name,
        "description": f"{topic.about}. Key: {topic.key}.",
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in names},
        "bindings": {
            "kafka": {
                "topic": topic.name,
                "partitions": topic.partitions,
                "topicConfiguration": {
                    "cleanup.policy": [policy],
                    "max.message.bytes": int(topic.config()["max.message.bytes"]),
                }
                | (
                    {}
                    if topic.compacted
                    else {
                        "retention.ms": int(topic.config()["retention.ms"]),
                        "retention.bytes": int(topic.config()["retention.bytes"]),
                    }
                ),
                "bindingVersion": "0.5.0",
            }
        },
    }


def _message(message_type: MessageType) -> Json:
    return {
        "name": message_type.name,
        "title": message_type.model.__name__,
        "summary": _first_paragraph(message_type.model),
        "contentType": "application/json",
        "headers": {"$ref": "#/components/schemas/cloudEventHeaders"},
        "payload": {
            "schemaFormat": "application/schema+json;version=draft-2020-12",
            "schema": {"$ref": f"schemas/{message_type.name}.json"},
        },
    }


def _headers_schema() -> Json:
    return {
        "type": "object",
        "required": ["ce_specversion", "ce_id", "ce_source", "ce_type", "ce_time"],
        "properties": {
            f"ce_{name}": {"type": "string", "description": about}
            for name, about in (ATTRIBUTES | EXTENSIONS).items()
        },
    }


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> list[str]:
    def row(cells: tuple[str, ...]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"

    return [row(head), "|" + "---|" * len(head), *(row(cells) for cells in rows)]


def _first_paragraph(what: type | Callable[..., object]) -> str:
    text = (inspect.getdoc(what) or "").split("\n\n", 1)[0]
    return " ".join(text.replace("``", "`").split())


def _anchor(heading: str) -> str:
    """The anchor of a heading as GitHub makes it."""
    kept = "".join(c for c in heading.lower() if c.isalnum() or c in " -_")
    return kept.replace(" ", "-")


def _name(dotted: str) -> str:
    """A name that AsyncAPI takes as a key."""
    return dotted.replace(".", "_")


def _json(document: Json) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _text_of(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.is_file() else None
