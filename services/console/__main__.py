"""``python -m services.console``."""

import sys

from services.console.shell.service import run_console
from shared.runtime.lifecycle import run_service

if __name__ == "__main__":
    sys.exit(run_service(run_console, name="console"))
