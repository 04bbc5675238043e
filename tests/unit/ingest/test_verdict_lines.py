import json
from datetime import UTC, datetime

import orjson

from services.ingest.verdict_lines import Said, line_of
from shared.contracts.messages import Verdict, VerdictReason

AT = datetime(2026, 11, 3, 9, 30, 0, 123_456, tzinfo=UTC)
SAID = Said(
    endpoint="main",
    reason=VerdictReason.ACCEPTED,
    status=200,
    received_at=AT,
    peer="203.0.113.7",
    event_id="evt_1",
    event_type="charge.succeeded",
    body_sha256="9f86",
    body_bytes=2048,
    secret_id="current",
    detail="",
    judged_microseconds=310,
    ack_microseconds=2_150,
)


def test_line_of_a_verdict_is_what_the_contract_would_write() -> None:
    line = line_of(SAID, ident="a-1", book="main")
    verdict = Verdict.model_validate({**SAID._asdict(), "id": "a-1", "book": "main"})
    assert line == verdict.model_dump_json().encode()
    assert Verdict.model_validate_json(line) == verdict


def test_said_has_each_field_of_the_contract_with_its_default() -> None:
    fields = {name: field.get_default() for name, field in Verdict.model_fields.items()}
    beside = {"id", "book"}
    assert set(Said._fields) | beside == set(fields)
    assert Said._field_defaults == {n: fields[n] for n in Said._field_defaults}


def test_line_of_half_a_surrogate_pair_is_json_all_the_same() -> None:
    line = line_of(SAID._replace(event_type="\ud800"), ident="a-1", book="")
    assert json.loads(line)["event_type"] == "\ud800"
    assert b"\n" not in line
    assert (
        orjson.loads(line_of(SAID, ident="a-1", book=""))["received_at"]
        == "2026-11-03T09:30:00.123456Z"
    )
