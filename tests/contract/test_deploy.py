"""What is shipped for a machine of one's own: units for every process, isolated; a closed proxy."""

import shutil
import subprocess
from configparser import RawConfigParser
from pathlib import Path

import pytest

from services.ingest.config import IngestSettings
from shared.runtime.secrets_file import FILE_VARIABLE, IDENTITY_FILE_VARIABLE
from tallystick.processes import PROCESSES, ServiceProcess
from tests.support.nginx import SHIPPED

UNITS = Path(__file__).parents[2] / "deploy/systemd"
ISOLATION = UNITS / "tallystick-.service.d/isolation.conf"
PYTHON = "/opt/tallystick/.venv/bin/python"


def unit(path: Path) -> dict[str, dict[str, str]]:
    """The sections of a unit; of a key that stands twice the last."""
    parser = RawConfigParser(strict=False, delimiters=("=",), comment_prefixes=("#",))
    parser.optionxform = str  # type: ignore[assignment, method-assign]  # keys keep their case
    parser.read(path, "utf-8")
    return {name: dict(parser[name]) for name in parser.sections()}


@pytest.mark.parametrize("process", PROCESSES, ids=lambda process: process.name)
def test_unit_starts_what_the_registry_of_processes_says(process: ServiceProcess) -> None:
    path = UNITS / f"tallystick-{process.name}.service"
    found = unit(path)
    assert found["Service"]["ExecStart"] == " ".join((PYTHON, *process.arguments))
    for name in process.after:
        assert f"tallystick-{name}.service" in found["Unit"]["After"]
    for name, value in process.settings:
        assert f"Environment={name}={value}\n" in path.read_text("utf-8")


def test_every_unit_has_a_user_of_its_own_no_rights_and_a_file_system_to_read() -> None:
    service = unit(ISOLATION)["Service"]
    assert service["User"] == "tallystick"
    wanted = {
        "NoNewPrivileges": "yes",
        "CapabilityBoundingSet": "",
        "ProtectSystem": "strict",
        "ProtectHome": "yes",
        "PrivateTmp": "yes",
        "PrivateDevices": "yes",
        "RestrictNamespaces": "yes",
        "MemoryDenyWriteExecute": "yes",
        "RestrictAddressFamilies": "AF_INET AF_INET6 AF_UNIX",
    }
    assert {name: service[name] for name in wanted} == wanted
    taken_back = [
        name for path in UNITS.glob("*.service") for name in unit(path)["Service"] if name in wanted
    ]
    assert taken_back == []
    assert unit(UNITS / "tallystick-door.service")["Service"]["User"] == "tallystick-door"


WITH_SECRETS_FILE = UNITS / "with-secrets-file"


@pytest.mark.parametrize("process", PROCESSES, ids=lambda process: process.name)
def test_unit_is_told_of_the_encrypted_file_and_given_the_identity_that_reads_it(
    process: ServiceProcess,
) -> None:
    # systemd takes the drop-in that is nearest to the unit, of several of one name.
    nearest = WITH_SECRETS_FILE / f"tallystick-{process.name}.service.d/secrets.conf"
    every = WITH_SECRETS_FILE / "tallystick-.service.d/secrets.conf"
    told = (nearest if nearest.exists() else every).read_text("utf-8").splitlines()
    variables = dict(
        line.removeprefix("Environment=").split("=", 1)
        for line in told
        if line.startswith("Environment=")
    )
    assert set(variables) == {FILE_VARIABLE, IDENTITY_FILE_VARIABLE}
    (credential,) = (line for line in told if line.startswith("LoadCredential="))
    name, _, source = credential.removeprefix("LoadCredential=").partition(":")
    assert variables[IDENTITY_FILE_VARIABLE] == f"%d/{name}"
    is_door = process.name == "door"
    assert source == f"/etc/tallystick/{'door-' if is_door else ''}identity"
    wanted = f"/etc/tallystick/{'door-' if is_door else ''}secrets.age"
    assert variables[FILE_VARIABLE] == wanted


def test_limit_of_open_files_is_enough_for_the_door_s_connections() -> None:
    connections = IngestSettings.model_fields["ingest_connections_max"].default
    assert int(unit(ISOLATION)["Service"]["LimitNOFILE"]) > connections + 128


@pytest.mark.parametrize("with_secrets_file", [False, True])
def test_systemd_finds_nothing_wrong_with_the_units(
    tmp_path: Path, *, with_secrets_file: bool
) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze not installed")  # another's program, on some systems only
    shutil.copytree(UNITS, tmp_path, dirs_exist_ok=True)
    if with_secrets_file:
        shutil.copytree(UNITS / "with-secrets-file", tmp_path, dirs_exist_ok=True)
    shutil.rmtree(tmp_path / "with-secrets-file")
    for path in tmp_path.glob("*.service"):
        # What it starts need not be installed here.
        path.write_text(path.read_text("utf-8").replace(PYTHON, "/usr/bin/env"), "utf-8")
    names = [str(path) for path in sorted(tmp_path.iterdir()) if path.is_file()]
    checked = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *names],
        capture_output=True, text=True, check=False, env={"SYSTEMD_UNIT_PATH": f"{tmp_path}:", "PATH": "/usr/bin:/bin"},
    )  # fmt: skip
    about_ours = [line for line in checked.stderr.splitlines() if "tallystick" in line]
    assert (checked.returncode, about_ours) == (0, [])


def test_proxy_overwrites_what_a_client_says_of_itself_and_hands_on_webhooks_alone() -> None:
    text = SHIPPED.read_text("utf-8")
    assert "proxy_set_header X-Forwarded-For $remote_addr;" in text
    assert "$proxy_add_x_forwarded_for" not in text
    assert "real_ip" not in text
    assert text.count("proxy_pass") == 1
    assert text.index("/webhooks/stripe/") < text.index("proxy_pass")
    assert "TALLYSTICK_INGEST_TRUSTED_HOPS=1" in text
