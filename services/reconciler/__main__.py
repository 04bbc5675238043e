"""The reconciler's process: ``python -m services.reconciler``."""

import sys

from services.reconciler.shell.process import main
from shared.runtime.lifecycle import run_service

if __name__ == "__main__":
    sys.exit(run_service(main, name="reconciler"))
