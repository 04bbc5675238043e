"""A rebuilding that ends itself, as ``kill -9`` would, where it is told to.

``python -m tests.support.swapping BOOTSTRAP DSN PLACE [ONTO]``; without a place it goes through.
"""

import asyncio
import os
import sys

from services.ledger.shell.rebuilding.rebuild import rebuild_and_swap
from shared.contracts.books import BookMap
from shared.runtime.kafka import KafkaAddress

EXIT_CODE = 137


def main(bootstrap: str, dsn: str, place: str, onto: str = "") -> None:
    """Rebuild and swap, up to the place."""

    def passed(name: str) -> None:
        if name == place:
            os._exit(EXIT_CODE)

    swapped = asyncio.run(
        rebuild_and_swap(KafkaAddress(bootstrap), dsn, BookMap(), onto=onto, passed=passed)
    )
    sys.exit(0 if swapped.kept else 1)


if __name__ == "__main__":
    main(*sys.argv[1:])
