"""nginx before a door, with the configuration that we ship, on a free port."""

import contextlib
import os
import re
import shutil
import socket
import ssl
import subprocess
import tempfile
import time
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.support.ingest import free_port

SHIPPED: Final = Path(__file__).parents[2] / "deploy/nginx/tallystick.conf"
_PATIENCE_SECONDS: Final = 10.0
_MAIN: Final = """\
{user}
daemon off;
master_process off;
worker_processes 1;
error_log {folder}/error.log warn;
pid {folder}/nginx.pid;
events {{ worker_connections 4096; }}
http {{
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    access_log off;
    include {folder}/tallystick.conf;
}}
"""


def why_no_nginx() -> str:
    """What is missing to run nginx; empty when nothing is."""
    missing = [name for name in ("nginx", "openssl") if shutil.which(name) is None]
    return f"{' and '.join(missing)} not installed" if missing else ""


@dataclass(frozen=True)
class Nginx:
    """A running nginx.

    Attributes:
        port: Where it speaks TLS.
        clear_port: Where it speaks without.
        tls: How a client trusts its certificate.
        access_log: One line for each request.
    """

    port: int
    clear_port: int
    tls: ssl.SSLContext
    access_log: Path

    def requests(self, status: str = r"\d+") -> int:
        """How many requests it has handed on to the door."""
        line = re.compile(rf"^\S+ \S+ \d+ \S+ {status} ", re.MULTILINE)
        return len(line.findall(self.access_log.read_text("utf-8", "replace")))


@contextlib.contextmanager
def nginx_before(door_port: int) -> Generator[Nginx]:
    """Start nginx before a door; it is gone at the end.

    Raises:
        AssertionError: It does not take the configuration, or does not answer.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        port, clear_port = free_port(), free_port()
        certificate, key = _certificate(folder)
        text = SHIPPED.read_text("utf-8")
        for shipped, ours in (
            (r"127\.0\.0\.1:8400", f"127.0.0.1:{door_port}"),
            (r"listen \[::\]:\d+[^;]*;", ""),
            (r"listen 443 ssl", f"listen 127.0.0.1:{port} ssl"),
            (r"listen 80 ", f"listen 127.0.0.1:{clear_port} "),
            (r"/etc/letsencrypt/\S*fullchain\.pem", str(certificate)),
            (r"/etc/letsencrypt/\S*privkey\.pem", str(key)),
            # A test does not wait as long as a server does.
            (r"((?:client_header|client_body|send|keepalive)_timeout) [35]s", r"\1 500ms"),
            (r"/var/log/nginx/tallystick\.log", f"{folder}/access.log"),
        ):
            text, count = re.subn(shipped, ours, text)
            assert count, f"{shipped} is not in the configuration that is shipped"
        (folder / "tallystick.conf").write_text(text, "utf-8")
        user = "user root;" if os.geteuid() == 0 else ""
        (folder / "nginx.conf").write_text(_MAIN.format(folder=folder, user=user), "utf-8")
        command = ["nginx", "-c", str(folder / "nginx.conf"), "-e", str(folder / "error.log")]
        checked = subprocess.run([*command, "-t"], capture_output=True, text=True, check=False)
        assert checked.returncode == 0, checked.stderr
        child = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        try:
            _await_port(child, port)
            tls = ssl.create_default_context(cafile=str(certificate))
            tls.check_hostname = False
            yield Nginx(port, clear_port, tls, folder / "access.log")
        finally:
            child.terminate()
            child.wait(_PATIENCE_SECONDS)


def _certificate(folder: Path) -> tuple[Path, Path]:
    certificate, key = folder / "cert.pem", folder / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
         "-nodes", "-days", "1", "-subj", "/CN=webhooks.example.com",
         "-keyout", str(key), "-out", str(certificate)],
        check=True, capture_output=True,
    )  # fmt: skip
    return certificate, key


def _await_port(child: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < deadline and child.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.02)  # bounded poll: the deadline above
    raise AssertionError("nginx does not answer")
