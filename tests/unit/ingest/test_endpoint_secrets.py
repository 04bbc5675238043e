"""Endpoints' secrets, paths and versions as a file tells them, and what a file is refused for."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from services.ingest.config import IngestSettings
from services.ingest.endpoints import Endpoint, EndpointKind, Payload
from shared.contracts.books import BookMap
from shared.runtime.settings import SettingsInvalid

NOW = datetime(2026, 11, 21, tzinfo=UTC)
EVERYTHING = """
[[endpoints]]
name = "main"
api_version = "2026-10-28.endive"

[[endpoints.secrets]]
id = "2026-spring"
file = "spring.secret"
until = 2026-12-01

[[endpoints.secrets]]
id = "2026-winter"
env = "WINTER"
from = 2026-11-20T12:00:00+01:00

[[endpoints]]
name = "thin"
path = "v2/thin"
kind = "connect"
payload = "thin"
secret_env = "THIN"
"""
ENVIRONMENT = {"WINTER": " whsec_winter\n", "THIN": "whsec_thin"}


def found_in(folder: Path, text: str, at: datetime | None = None) -> dict[str, Endpoint]:
    path = folder / "endpoints.toml"
    path.write_text(text)
    settings = IngestSettings.load({"TALLYSTICK_INGEST_ENDPOINTS_FILE": str(path)})
    return settings.endpoints(BookMap(), ENVIRONMENT, at=at)


def one(secrets: str, more: str = "") -> str:
    return f'[[endpoints]]\nname = "main"\n{more}\n[[endpoints.secrets]]\n{secrets}\n'


def test_endpoint_has_its_path_kind_payload_version_and_dated_secrets(tmp_path: Path) -> None:
    (tmp_path / "spring.secret").write_text("whsec_spring\n")
    found = found_in(tmp_path, EVERYTHING)
    main, thin = found["main"], found["thin"]
    assert (main.path, main.kind, main.payload) == ("main", EndpointKind.ACCOUNT, Payload.SNAPSHOT)
    assert main.api_version == "2026-10-28.endive"
    assert [(s.name, s.text, s.valid_from, s.valid_until) for s in main.secrets] == [
        ("2026-spring", "whsec_spring", None, datetime(2026, 12, 1, tzinfo=UTC)),
        ("2026-winter", "whsec_winter", datetime(2026, 11, 20, 11, tzinfo=UTC), None),
    ]
    assert (thin.path, thin.kind, thin.payload) == ("v2/thin", EndpointKind.CONNECT, Payload.THIN)
    assert [s.name for s in thin.secrets] == ["current"]


def test_secrets_in_force_are_a_question_of_time(tmp_path: Path) -> None:
    (tmp_path / "spring.secret").write_text("whsec_spring")
    main = found_in(tmp_path, EVERYTHING)["main"]

    def names(*at: int) -> list[str]:
        year, month, day, hour = at
        moment = datetime(year, month, day, hour, tzinfo=UTC)
        return [secret.name for secret in main.secrets_in_force(moment)]

    assert names(2026, 11, 20, 10) == ["2026-spring"]
    assert names(2026, 11, 20, 11) == ["2026-spring", "2026-winter"]
    assert names(2026, 11, 30, 23) == ["2026-spring", "2026-winter"]
    assert names(2026, 12, 1, 0) == ["2026-winter"]


def test_forty_endpoints_are_as_good_as_one(tmp_path: Path) -> None:
    tables = "\n".join(
        f'[[endpoints]]\nname = "e{number}"\nsecret_env = "THIN"\n' for number in range(40)
    )
    assert len(found_in(tmp_path, tables)) == 40


def test_endpoint_whose_secrets_have_all_ended_is_refused(tmp_path: Path) -> None:
    text = one('id = "old"\nenv = "THIN"\nuntil = 2026-11-21')
    with pytest.raises(SettingsInvalid, match="every signing secret has ended"):
        found_in(tmp_path, text, NOW)
    assert found_in(tmp_path, text)["main"].secrets_in_force(NOW) == ()


def test_endpoint_whose_secret_is_still_to_come_is_not_refused(tmp_path: Path) -> None:
    text = one('id = "new"\nenv = "THIN"\nfrom = 2026-11-22')
    assert found_in(tmp_path, text, NOW)["main"].secrets_in_force(NOW) == ()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (one('id = "a"'), "secret a: name one of file and env"),
        (one('id = "a"\nenv = "THIN"\nfile = "x"'), "secret a: name one of file and env"),
        (one('id = "a b"\nenv = "THIN"'), "secrets 1, id: "),
        (one('env = "THIN"'), "secrets 1, id: id is missing"),
        (one('id = "a"\nenv = "THIN"\nfrom = 2026-11-21T00:00:00'), "secrets 1, from: "),
        (one('id = "a"\nenv = "THIN"\nfrom = "soon"'), "secrets 1, from: "),
        (one('id = "a"\nenv = "THIN"\nfrom = 2026-01-02\nuntil = 2026-01-02'), "not after from"),
        (one('id = "a"\nenv = "THIN"\nsecret = "whsec_hidden"'), "of its own, never here"),
        (one('id = "a"\nenv = "THIN"', 'secret_env = "THIN"'), "not both"),
        (
            one('id = "a"\nenv = "THIN"\n[[endpoints.secrets]]\nid = "a"\nenv = "WINTER"'),
            "secret named twice: a",
        ),
        (one('id = "a"\nenv = "NOT_SET"'), "secret a: the variable NOT_SET is not set"),
        (one('id = "a"\nfile = "empty.secret"'), "secret a: the file empty.secret is empty"),
        (one('id = "a"\nfile = "nowhere"'), "No such file"),
        (one('id = "whsec_hidden"\nenv = "THIN"'), "stands where"),
        (one('id = "a"\nenv = "whsec_hidden"'), "stands where"),
        (one('id = "a"\nfile = "whsec_hidden"'), "stands where"),
        (one('id = "a"\nfile = " whsec_hidden"'), "stands where"),
        (one('id = "a"\nenv = "THIN"', 'path = "whsec_hidden"'), "stands where"),
        (one('id = "a"\nenv = "THIN"', 'account = "whsec_hidden"'), "stands where"),
        (one('id = "a"\nenv = "THIN"', 'book = "whsec_hidden"'), "stands where"),
        (one('id = "a"\nenv = "THIN"', 'whsec_hidden = "?"'), "no such word"),
        (one('id = "a"\nenv = "sk_live_hidden"'), "stands where"),
        (one('id = "a"\nenv = "rk_test_hidden"'), "stands where"),
        (one('id = "a"\nenv = "THIN"\nuntil = 9999-12-31T23:59:59-14:00'), "until: .*calendar"),
        (one('id = "a"\nenv = "THIN"\nfrom = 0001-01-01T00:00:00+14:00'), "from: .*calendar"),
        ("x = " + "[" * 20_000, "nested too deeply"),
        ("x = " + "[" * 900 + "]" * 900, "nested too deeply|no such word"),
        ('[[endpoints]]\nname = "main"\nsecret_env = "whsec_hidden"', "stands where"),
        ('[[endpoints]]\nname = "main"\nsecret_file = "whsec_hidden"', "stands where"),
        (one('id = "a"\nenv = "THIN"', 'api_version = "newest"'), "api_version"),
        (
            one('id = "a"\nenv = "THIN"', 'payload = "thin"\napi_version = "2026-10-28.endive"'),
            "a thin event has no API version",
        ),
        (one('id = "a"\nenv = "THIN"', 'payload = "fat"'), "payload"),
        (one('id = "a"\nenv = "THIN"', 'path = "../x"'), "path"),
        (one('id = "a"\nenv = "THIN"', 'path = "a//b"'), "path"),
        (
            one('id = "a"\nenv = "THIN"')
            + '[[endpoints]]\nname = "other"\npath = "main"\nsecret_env = "THIN"',
            "path named twice: main",
        ),
    ],
)  # fmt: skip
def test_file_that_does_not_fit_is_refused_without_showing_a_secret(
    tmp_path: Path, text: str, words: str
) -> None:
    (tmp_path / "empty.secret").write_text("\n")
    with pytest.raises(SettingsInvalid, match=words) as refused:
        found_in(tmp_path, text)
    assert "whsec_hidden" not in str(refused.value)
