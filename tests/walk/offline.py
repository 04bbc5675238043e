"""``verify.py`` as a stranger runs it: one file, isolated, with the standard library alone."""

import subprocess
import sys
from pathlib import Path


def verified(file: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the ``verify.py`` that stands beside a file on it.

    It has no site packages, no variable, and nothing of ours but the file itself.
    """
    return subprocess.run(
        [sys.executable, "-I", "-S", "verify.py", str(file), *words],
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
        env={},
        cwd=file.parent,
    )
