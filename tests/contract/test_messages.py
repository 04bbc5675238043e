"""Golden messages: one file for each type and version, readable for ever.

A file is never changed or deleted. A new version adds files beside the old ones.
"""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from shared.contracts.dead_letters import DEAD_LETTER_TOPICS
from shared.contracts.schemas import MESSAGE_TYPES, type_of, types_of
from shared.contracts.topics import TOPICS

GOLDEN = sorted((Path(__file__).parent / "messages").glob("*.json"))
Json = dict[str, Any]  # Any: JSON


def _told(file: Path) -> Json:
    told: Json = json.loads(file.read_text("utf-8"))
    return told


def test_every_message_type_has_a_golden_example() -> None:
    assert {file.stem for file in GOLDEN} >= set(MESSAGE_TYPES)


@pytest.mark.parametrize("file", GOLDEN, ids=lambda file: file.stem)
def test_golden_message_is_read_as_it_was_written(file: Path) -> None:
    model = MESSAGE_TYPES[file.stem].model
    read = model.model_validate_json(file.read_bytes())
    # Fields that came after the file was written have their defaults, and are not in it.
    assert json.loads(read.model_dump_json(exclude_unset=True)) == _told(file)
    assert model.model_validate_json(read.model_dump_json()) == read


@pytest.mark.parametrize("file", GOLDEN, ids=lambda file: file.stem)
def test_golden_message_fits_the_schema_of_its_type(file: Path) -> None:
    schema = MESSAGE_TYPES[file.stem].schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    checker = jsonschema.Draft202012Validator.FORMAT_CHECKER
    validator = jsonschema.Draft202012Validator(schema, format_checker=checker)
    assert validator.is_valid(_told(file))  # pyright: ignore[reportUnknownMemberType]  # the stubs


@pytest.mark.parametrize("file", GOLDEN, ids=lambda file: file.stem)
def test_golden_message_with_its_optional_fields_left_out_is_still_read(file: Path) -> None:
    message_type = MESSAGE_TYPES[file.stem]
    required = set(message_type.schema().get("required", []))
    least = {name: value for name, value in _told(file).items() if name in required}
    message_type.model.model_validate_json(json.dumps(least))


@pytest.mark.parametrize(
    "file",
    [f for f in GOLDEN if MESSAGE_TYPES[f.stem].model.model_config.get("extra") == "ignore"],
    ids=lambda file: file.stem,
)
def test_golden_message_with_a_field_of_tomorrow_is_still_read(file: Path) -> None:
    told = _told(file) | {"field_of_tomorrow": {"a": [1, 2]}}
    MESSAGE_TYPES[file.stem].model.model_validate_json(json.dumps(told))


@pytest.mark.parametrize("file", GOLDEN, ids=lambda file: file.stem)
def test_golden_message_is_read_by_every_topic_that_carries_it(file: Path) -> None:
    message_type = MESSAGE_TYPES[file.stem]
    for name in message_type.topics:
        reader = TOPICS[name].value
        if name in DEAD_LETTER_TOPICS:
            # Beside letters, whose value is somebody else's: the type tells which it is.
            assert reader is None
            continue
        assert reader is not None
        assert isinstance(reader.validate_json(file.read_bytes()), message_type.model)


def test_topics_with_values_of_ours_carry_message_types_and_the_others_none() -> None:
    for topic in TOPICS.values():
        is_noted = topic.name in DEAD_LETTER_TOPICS
        assert bool(types_of(topic.name)) == (topic.value is not None or is_noted)


def test_message_type_of_a_model_is_found_and_of_another_is_not() -> None:
    for message_type in MESSAGE_TYPES.values():
        assert type_of(message_type.model) == message_type.name
    with pytest.raises(LookupError, match="MessageTypeless"):
        type_of(type("MessageTypeless", (MESSAGE_TYPES[GOLDEN[0].stem].model,), {}))
