"""An S3 that answers over HTTP for tests: moto's server as a process, or one that is running."""

import contextlib
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Generator
from typing import Final

from pydantic import SecretStr

from sandbox.stack.ports import free_ports
from services.archiver.config import ArchiverSettings, S3Place

WAIT_SECONDS: Final = 60.0


@contextlib.contextmanager
def s3_server() -> Generator[str]:
    """The address of a fresh, empty S3."""
    (port,) = free_ports(1)
    address = f"http://127.0.0.1:{port}"
    process = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait_for(address, process)
        yield address
    finally:
        process.kill()
        process.wait()


def bucket_at(address: str) -> ArchiverSettings:
    """Settings whose place is a folder in a new bucket there."""
    bucket = f"copy-{uuid.uuid4().hex[:8]}"
    made = urllib.request.Request(f"{address}/{bucket}", method="PUT")
    with urllib.request.urlopen(made, timeout=10):
        return ArchiverSettings.model_validate(
            {
                "archiver_place": f"s3://{bucket}/tallystick/log",
                "archiver_s3_endpoint": address,
                "archiver_s3_access_key_id": SecretStr("key-id"),
                "archiver_s3_secret_access_key": SecretStr("canary-secret-key"),
            }
        )


def s3_place(settings: ArchiverSettings) -> S3Place:
    """The bucket of those settings."""
    place = settings.place()
    if not isinstance(place, S3Place):
        raise TypeError("not a bucket")
    return place


def _wait_for(address: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        try:
            with urllib.request.urlopen(f"{address}/moto-api/", timeout=2):
                return
        except urllib.error.HTTPError:
            return
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise
            time.sleep(0.05)  # bounded poll: the deadline above
