"""`tallystick ingest allow-list`: taken over, shown, asked, and turned into rules."""

import http.server
import json
import shutil
import subprocess
import threading
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from services.ingest.allow_list import Allowed, AllowList, AllowListInvalid
from services.ingest.firewall import RuleFormat, rules
from services.ingest.shell.allow_list_fetch import published_text
from services.ingest.shell.allow_list_file import read_allow_list, write_allow_list
from shared.contracts.errors import Unavailable
from tallystick.cli.ingest_allow_list import FILE_VARIABLE, app
from tallystick.cli.problems import ExitCode, Problem

ROOT = Path(__file__).parents[3]
NOW = datetime(2025, 6, 1, tzinfo=UTC)
LISTED = [ip_network("192.0.2.1"), ip_network("192.0.2.64/26"), ip_network("2001:db8::1")]
EXAMPLE = AllowList(NOW, tuple(Allowed(network) for network in LISTED))


@contextmanager
def answering(status: int, content: bytes, **headers: str) -> Generator[str]:
    """The address of a server that gives one answer."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # its name there
            del format, args

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/list"
        finally:
            server.shutdown()
            thread.join()


def told(*arguments: str) -> Result:
    """What a command says; its problems come through."""
    result = CliRunner().invoke(app, arguments)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(FILE_VARIABLE, str(tmp_path / "allowed.json"))
    return tmp_path / "allowed.json"


def test_refresh_tells_what_is_new_and_what_is_gone_and_keeps_that_for_seven_days(
    path: Path,
) -> None:
    with answering(200, b'{"WEBHOOKS": ["192.0.2.1", "192.0.2.2"]}') as address:
        first = told("refresh", "--from", address)
    assert "+ 192.0.2.1/32\n+ 192.0.2.2/32\n2 in force" in first.output
    with answering(200, b"192.0.2.2\n192.0.2.3\n") as address:
        second = json.loads(told("refresh", "--from", address, "--json").output)
    assert (second["added"], second["removed"]) == (["192.0.2.3/32"], ["192.0.2.1/32"])
    assert second["in_force"] == 3
    assert path.stat().st_mode & 0o777 == 0o644
    shown = [json.loads(line) for line in told("show", "--json").output.splitlines()]
    assert [(each["network"], each["until"] is None) for each in shown] == [
        ("192.0.2.1/32", False),
        ("192.0.2.2/32", True),
        ("192.0.2.3/32", True),
    ]


def test_refresh_with_a_list_that_is_wrong_changes_nothing(path: Path) -> None:
    write_allow_list(path, EXAMPLE)
    for content in (
        b"192.0.2.9\nnobody\n",
        b"",
        b"<html>",
        b'{"WEBHOOKS": []}',
        b"\xff",
        b"1" * 300_000,
    ):
        with answering(200, content) as address, pytest.raises(Problem) as raised:
            told("refresh", "--from", address)
        assert "nothing was changed" in raised.value.what
    assert read_allow_list(path) == EXAMPLE
    assert [file.name for file in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize(
    "source",
    [
        "http://stripe.example/list",
        "http://192.0.2.1/list",
        "http://127.0.0.1.example/list",
        "http://user@127.0.0.1/list",
        "https://user:word@stripe.example/list",
        "ftp://127.0.0.1/list",
        "file:///etc/hosts",
        "https:///list",
        "http://[::1/list",
        "/nowhere/list",
        "https://a\x01b/list",
        "https://a..b/list",
        "https://xn--a/list",
        f"https://{'a' * 300}.example/list",
    ],
)
def test_list_is_asked_for_only_where_nobody_can_write_it_on_the_way(source: str) -> None:
    with pytest.raises(AllowListInvalid):
        published_text(source)


def test_server_that_sends_elsewhere_or_has_no_list_is_not_followed() -> None:
    with answering(200, b"192.0.2.1") as good:
        with (
            answering(302, b"", Location=good) as address,
            pytest.raises(Unavailable, match="else"),
        ):
            published_text(address)
        with answering(404, b"192.0.2.1") as address, pytest.raises(Unavailable, match="404"):
            published_text(address)
    with pytest.raises(Unavailable):
        published_text(good)


@pytest.mark.parametrize(
    ("address", "code"),
    [("192.0.2.1", 0), ("::ffff:192.0.2.1", 0), ("192.0.2.100", 0), ("192.0.2.2", 1), ("::1", 1)],
)
def test_check_says_whether_an_address_may_come_in(address: str, code: int, path: Path) -> None:
    write_allow_list(path, EXAMPLE)
    assert told("check", address).exit_code == code


def test_problems_say_what_to_do(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for arguments in (("show",), ("check", "192.0.2.1"), ("rules", "--format", "ufw")):
        with pytest.raises(Problem, match="no list yet"):
            told(*arguments)
    path.write_text("nobody")
    with pytest.raises(Problem, match="cannot be used"):
        told("show")
    with pytest.raises(Problem, match="no address"):
        told("check", "stripe.com")
    path.unlink()
    with answering(404, b"") as address, pytest.raises(Problem, match="not to be had") as away:
        told("refresh", "--from", address)
    assert away.value.code is ExitCode.UNREACHABLE
    assert "--from FILE" in away.value.fix
    monkeypatch.delenv(FILE_VARIABLE)
    with pytest.raises(Problem, match="where the list is kept"):
        told("show")


def test_show_says_that_a_list_is_old(path: Path) -> None:
    write_allow_list(path, EXAMPLE)
    assert "refresh" in told("show").output
    write_allow_list(path, AllowList(datetime.now(UTC), EXAMPLE.entries))
    assert "refresh" not in told("show").output


def test_rules_hold_what_is_in_force_and_nothing_that_has_gone(path: Path) -> None:
    gone = Allowed(ip_network("192.0.2.9"), removed_at=NOW - timedelta(days=8))
    going = Allowed(ip_network("192.0.2.8"), removed_at=NOW - timedelta(days=6))
    found = AllowList(NOW, (*EXAMPLE.entries, gone, going))
    for form in RuleFormat:
        text = rules(found, form, port=8443, at=NOW)
        assert "192.0.2.8" in text
        assert "192.0.2.9" not in text
        assert "8443" in text
    write_allow_list(path, EXAMPLE)
    assert (
        "ufw allow proto tcp from 192.0.2.1 to any port 443"
        in told("rules", "--format", "ufw").output
    )


@pytest.mark.parametrize(("form", "name"), [("nftables", "tallystick.nft"), ("ufw", "tallystick-ufw.sh")])  # fmt: skip
def test_examples_that_are_shipped_are_what_the_command_makes(form: str, name: str) -> None:
    text = rules(EXAMPLE, RuleFormat(form), port=443, at=NOW)
    assert (ROOT / "deploy/firewall" / name).read_text("utf-8") == text


def test_ufw_rules_are_a_script_that_a_shell_can_read(tmp_path: Path) -> None:
    script = tmp_path / "rules.sh"
    script.write_text(rules(EXAMPLE, RuleFormat.UFW, port=443, at=NOW))
    subprocess.run(["sh", "-n", str(script)], check=True)


@pytest.mark.parametrize("is_on", [True, False])
def test_ufw_rules_take_the_older_ones_away_and_deny_last(tmp_path: Path, *, is_on: bool) -> None:
    """A ufw that only writes down what it is asked for, and lists two rules of ours among others."""
    ufw = tmp_path / "ufw"
    ufw.write_text(
        "#!/bin/sh\n"
        'echo "$@" >> "$LOG"\n'
        'if [ "$1" = status ]; then\n'
        f"echo 'Status: {'active' if is_on else 'inactive'}'\n"
        "printf '[ 1] 22 ALLOW IN Anywhere\\n[ 2] 443/tcp ALLOW IN 192.0.2.7 # tallystick-stripe\\n"
        "[12] 443/tcp DENY IN Anywhere # tallystick-stripe\\n'\n"
        "fi\n"
    )
    ufw.chmod(0o755)
    log = tmp_path / "log"
    done = subprocess.run(
        ["sh", "-c", rules(EXAMPLE, RuleFormat.UFW, port=443, at=NOW)],
        check=True,
        capture_output=True,
        text=True,
        env={"PATH": f"{tmp_path}:/usr/bin:/bin", "LOG": str(log)},
    )
    said = log.read_text().splitlines()
    assert said[:4] == ["status numbered", "--force delete 12", "--force delete 2", "status"]
    assert said[-1].startswith("deny proto tcp from any to any port 443")
    assert len(said) == 4 + len(LISTED) + 1
    assert ("ufw is off" in done.stderr) is not is_on


def test_nftables_rules_are_taken_by_nft(tmp_path: Path) -> None:
    if shutil.which("nft") is None:
        pytest.skip("nft not installed")  # another's program, on some systems only
    if subprocess.run(["nft", "list", "ruleset"], capture_output=True, check=False).returncode:
        pytest.skip("nft may not ask the kernel here")  # needs rights that a container may lack
    file = tmp_path / "rules.nft"
    file.write_text(rules(EXAMPLE, RuleFormat.NFTABLES, port=443, at=NOW))
    checked = subprocess.run(
        ["nft", "-c", "-f", str(file)], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stderr
