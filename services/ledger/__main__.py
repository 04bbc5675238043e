"""The ledger service: ``python -m services.ledger``."""

import asyncio
import sys

from services.ledger.config import LedgerSettings
from services.ledger.shell.service import run_ledger
from shared.runtime import log
from shared.runtime.lifecycle import run_service


async def main(stop: asyncio.Event) -> None:
    """Read the settings once, and run until asked to stop."""
    settings = LedgerSettings.load()
    log.configure(settings, service="ledger")
    await run_ledger(settings, stop)


if __name__ == "__main__":
    sys.exit(run_service(main, name="ledger"))
