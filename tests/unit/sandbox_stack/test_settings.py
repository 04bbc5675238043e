from pathlib import Path

import pytest
from pydantic import ValidationError

from sandbox.stack import StackSettings
from sandbox.stack.kafka import server_properties


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TALLYSTICK_STACK_KAFKA_PORT", "20001")
    monkeypatch.setenv("TALLYSTICK_STACK_DIR", "/elsewhere")
    settings = StackSettings()
    assert (settings.kafka_port, settings.dir) == (20001, Path("/elsewhere"))
    assert settings.postgres_port == 15432


def test_port_out_of_range_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TALLYSTICK_STACK_KAFKA_PORT", "70000")
    with pytest.raises(ValidationError):
        StackSettings()


def test_broker_listens_on_loopback_alone_and_makes_no_topic_by_itself() -> None:
    text = server_properties(data=Path("/data"), port=1, controller_port=2)
    settings = dict(line.split("=", 1) for line in text.splitlines())
    assert settings["listeners"] == "PLAINTEXT://127.0.0.1:1,CONTROLLER://127.0.0.1:2"
    assert settings["auto.create.topics.enable"] == "false"
    assert {value for name, value in settings.items() if name.endswith("replication.factor")} == {
        "1"
    }
