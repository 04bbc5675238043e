"""``python -m services.ingest door`` and ``python -m services.ingest poller``."""

import sys

from shared.runtime.lifecycle import EXIT_CONFIGURATION, Main, run_service


def main(arguments: list[str]) -> int:
    """Run the process that is named and give its exit code."""
    part: Main
    # Imported when asked for: the door loads neither a database nor a client of Stripe's API.
    match arguments:
        case ["door"]:
            from services.ingest.shell.door import run_door as part  # noqa: PLC0415
        case ["poller"]:
            from services.ingest.shell.poller import run_poller as part  # noqa: PLC0415
        case _:
            sys.stderr.write("usage: python -m services.ingest door|poller\n")
            return EXIT_CONFIGURATION
    return run_service(part, name=f"ingest {arguments[0]}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
