"""What reaches the log: our own lines all, a library's noise now and then."""

import io
import json
import logging
from typing import Literal

import pytest

from shared.runtime import log
from shared.runtime.log import Sparing
from shared.runtime.metrics import Health

UNABLE = 'Unable connect to "%s:%s": %s'


def lines(monkeypatch: pytest.MonkeyPatch, level: str = "info") -> io.StringIO:
    said = io.StringIO()
    monkeypatch.setattr("sys.stderr", said)
    log.set_up(level=level, form="json", service="lamp")
    return said


def events(said: io.StringIO) -> list[str]:
    return [str(json.loads(line)["event"]) for line in said.getvalue().splitlines()]


def record(name: str, message: str, level: int = logging.ERROR) -> logging.LogRecord:
    return logging.LogRecord(name, level, "x.py", 1, message, None, None)


@pytest.mark.parametrize("name", ["httpx", "httpcore", "stripe"])
def test_library_that_tells_each_request_is_heard_from_warnings_on(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = lines(monkeypatch)
    logging.getLogger(name).info("HTTP Request: GET https://example.test")
    logging.getLogger(name).warning("something odd")
    assert events(said) == ["something odd"]


def test_library_at_a_level_above_is_not_made_louder(monkeypatch: pytest.MonkeyPatch) -> None:
    said = lines(monkeypatch, "error")
    logging.getLogger("httpx").warning("something odd")
    assert events(said) == []


def test_kafka_that_is_away_is_a_line_and_not_one_for_each_try(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    said = lines(monkeypatch)
    for port in range(50):
        logging.getLogger("aiokafka").error(UNABLE, "127.0.0.1", port, "refused")
        logging.getLogger("aiokafka.conn").error("closed: %s", port)
    logging.getLogger("services.lamp").error("ours")
    logging.getLogger("services.lamp").error("ours")
    assert events(said) == ['Unable connect to "127.0.0.1:0": refused', "closed: 0", "ours", "ours"]


def test_repeated_error_passes_once_in_thirty_seconds_with_the_number_left_out() -> None:
    now = [100.0]
    sparing = Sparing(("aiokafka",), every_seconds=30, clock=lambda: now[0])
    passed: list[str] = []
    for second in range(61):
        now[0] = 100.0 + second
        each = record("aiokafka.client", "away")
        if sparing.filter(each):
            passed.append(each.getMessage())
    assert passed == ["away", "away (29 more since)", "away (29 more since)"]


def test_error_of_another_kind_passes_at_once_and_so_does_one_with_a_traceback() -> None:
    sparing = Sparing(("aiokafka",), every_seconds=30, clock=lambda: 0.0)
    assert sparing.filter(record("aiokafka", "away"))
    assert not sparing.filter(record("aiokafka", "away"))
    assert sparing.filter(record("aiokafka", "other"))
    assert sparing.filter(record("aiokafkaesque", "away"))
    for _ in range(2):
        broken = record("aiokafka", "away")
        broken.exc_info = (ValueError, ValueError("x"), None)
        assert sparing.filter(broken)


def test_part_that_goes_away_is_told_once_and_once_when_it_is_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    said = lines(monkeypatch)
    health = Health()
    health.not_ready("kafka", "not asked yet")
    health.ready("kafka")
    for _ in range(3):
        health.not_ready("kafka", "does not answer")
    for _ in range(2):
        health.ready("kafka")
    told = [json.loads(line) for line in said.getvalue().splitlines()]
    assert [(each["event"], each["part"]) for each in told] == [
        ("part.away", "kafka"),
        ("part.back", "kafka"),
    ]
    assert told[0]["reason"] == "does not answer"


@pytest.mark.parametrize("form", ["json", "text"])
def test_traceback_shows_no_local_variable(
    form: Literal["json", "text"], monkeypatch: pytest.MonkeyPatch
) -> None:
    said = io.StringIO()
    monkeypatch.setattr("sys.stderr", said)
    log.set_up(form=form)

    def failing(secret: str) -> None:
        raise RuntimeError(f"a secret of {len(secret)} letters")

    try:
        failing("whsec_" + "canary")
    except RuntimeError:
        log.get(__name__).exception("lamp.broke")
    assert "a secret of 12 letters" in said.getvalue()
    assert "whsec_canary" not in said.getvalue()
