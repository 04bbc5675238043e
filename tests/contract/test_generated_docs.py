"""What is checked in under docs/reference is what the registries make."""

import json
import re
from pathlib import Path
from typing import Any

import jsonschema

from shared.contracts.topics import TOPICS
from tallystick.contracts_docs import FOLDER, asyncapi, generate, pages, stale

ROOT = Path(__file__).parents[2]


def test_checked_in_pages_are_what_the_generator_makes() -> None:
    assert stale(ROOT) == [], "run `tallystick docs generate`"


def test_generator_writes_what_is_missing_or_changed_and_removes_what_is_no_longer_made(
    tmp_path: Path,
) -> None:
    assert set(generate(tmp_path)) == set(pages())
    assert stale(tmp_path) == []
    (tmp_path / FOLDER / "topics.md").write_text("edited by hand")
    left_over = FOLDER / "schemas" / "com.tallystick.gone.v1.json"
    (tmp_path / left_over).write_text("{}")
    assert set(generate(tmp_path)) == {FOLDER / "topics.md", left_over}
    assert not (tmp_path / left_over).exists()


def test_asyncapi_document_names_every_topic_with_its_key_and_settings() -> None:
    channels = asyncapi()["channels"]
    assert {channel["address"] for channel in channels.values()} == set(TOPICS)
    for channel in channels.values():
        topic = TOPICS[channel["address"]]
        assert channel["bindings"]["kafka"]["partitions"] == topic.partitions
        assert topic.key in channel["description"]


def test_asyncapi_document_has_no_reference_that_leads_nowhere() -> None:
    document = asyncapi()
    found = re.findall(r'"\$ref": "([^"]+)"', json.dumps(document))
    assert found
    for reference in found:
        if reference.startswith("#/"):
            at: Any = document  # Any: JSON
            for step in reference[2:].split("/"):
                at = at[step]
        else:
            schema = json.loads((ROOT / FOLDER / reference).read_text("utf-8"))
            jsonschema.Draft202012Validator.check_schema(schema)


def test_asyncapi_operations_are_the_registrys_writers_and_readers() -> None:
    operations = asyncapi()["operations"]
    expected = {
        (service, verb, name)
        for name, topic in TOPICS.items()
        for verb, services in (("send", topic.writers), ("receive", topic.readers))
        for service in services
    }
    channels = asyncapi()["channels"]
    told = {
        (
            operation["tags"][0]["name"],
            operation["action"],
            channels[operation["channel"]["$ref"].rsplit("/", 1)[-1]]["address"],
        )
        for operation in operations.values()
    }
    assert told == expected
