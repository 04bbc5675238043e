"""Renews the lock of Kafka's jars: ``python -m sandbox.stack.locks``."""

import tempfile
from pathlib import Path

from sandbox.stack.jars import LOCK_FILE, resolve_lock

if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="tallystick-lock-") as scratch:
        LOCK_FILE.write_text(resolve_lock(Path(scratch)), encoding="utf-8")
