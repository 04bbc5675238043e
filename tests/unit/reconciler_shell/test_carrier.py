"""Faust as we use it, without a broker: the traps that our settings step around."""

import logging
from collections.abc import Sequence
from typing import Any

import pytest

from services.reconciler.shell.reading.carrier import Carrier
from shared.runtime.kafka import KafkaAddress, Record


async def take_nothing(records: Sequence[Record]) -> None:
    del records


def carrier(**address: str) -> Carrier:
    return Carrier(
        KafkaAddress("127.0.0.1:1,[::1]:2", **address),
        topics=["a", "b"],
        instance="reconciler-7",
        take=take_nothing,
        records_max=100,
        wait_seconds=0.05,
        session_seconds=12,
    )


def conf_of(made: Carrier) -> Any:  # Any: Faust's settings
    return made._app.conf  # pyright: ignore[reportPrivateUsage]  # what Faust really took


def test_faust_takes_no_setting_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "BROKER_URL": "kafka://elsewhere:9",
        "PROCESSING_GUARANTEE": "exactly_once",
        "STREAM_WAIT_EMPTY": "0",
        "TOPIC_ALLOW_DECLARE": "1",
        "WEB_ENABLED": "1",
    }.items():
        monkeypatch.setenv(name, value)
    conf = conf_of(carrier())
    assert [str(url) for url in conf.broker] == ["kafka://127.0.0.1:1", "kafka://[::1]:2"]
    assert conf.processing_guarantee.value == "at_least_once"
    assert conf.stream_wait_empty is True
    assert conf.topic_allow_declare is False
    assert conf.web_enabled is False


def test_faust_needs_no_topic_table_or_web_server_of_its_own() -> None:
    made = carrier()
    conf = conf_of(made)
    assert conf.topic_disable_leader is True
    assert conf.table_standby_replicas == 0
    assert conf.topic_replication_factor == 1
    assert conf.consumer_group_instance_id == "reconciler-7"
    assert conf.broker_session_timeout == 12
    assert made.partitions() == frozenset()


def test_faust_signs_in_as_the_settings_say() -> None:
    conf = conf_of(
        carrier(
            security_protocol="SASL_PLAINTEXT",
            sasl_mechanism="SCRAM-SHA-512",
            sasl_username="me",
            sasl_password="secret",
        )
    )
    credentials = conf.broker_credentials
    assert credentials.mechanism.value == "SCRAM-SHA-512"
    assert (credentials.username, credentials.password) == ("me", "secret")
    assert credentials.protocol.value == "SASL_PLAINTEXT"


def test_loud_libraries_are_kept_at_warnings() -> None:
    carrier()
    assert all(logging.getLogger(n).level >= logging.WARNING for n in ("faust", "mode", "aiokafka"))
