"""What the services of a demo are told: where the simulated world is, and whose books they keep."""

import shlex
from pathlib import Path
from typing import Final

from sandbox.stack.ports import LOOPBACK
from sandbox.world.known import API_KEY
from sandbox.world.scenario import ACCOUNT, scenario_named
from tallystick.demo.record import DemoRecord
from tallystick.processes import SERVICES

MODE: Final = "test"
BOOKS_NAME: Final = "books.toml"
SHELL_NAME: Final = "env"
# A simulated month passes in seconds, so everything that looks round looks round often.
POLL_SECONDS: Final = "0.5"
EVENT_GRACE_SECONDS: Final = "2"


def environment_of(record: DemoRecord, folder: Path) -> dict[str, str]:
    """The variables of all services of a demo."""
    scenario = scenario_named(record.scenario)
    ports = {service.port_variable: str(record.ports[service.name]) for service in SERVICES}
    return ports | {
        "TALLYSTICK_BOOKS_FILE": str(folder / BOOKS_NAME),
        "TALLYSTICK_LOG_FORMAT": "json",
        "TALLYSTICK_INGEST_MODE": MODE,
        "TALLYSTICK_INGEST_STRIPE_ACCOUNT": ACCOUNT,
        "TALLYSTICK_INGEST_WEBHOOK_SECRET": record.webhook_secret,
        "TALLYSTICK_INGEST_STRIPE_API_KEY": API_KEY,
        "TALLYSTICK_INGEST_STRIPE_API_BASE": f"http://{LOOPBACK}:{record.ports['stripe']}",
        "TALLYSTICK_INGEST_POLL_INTERVAL_SECONDS": POLL_SECONDS,
        "TALLYSTICK_INGEST_EVENT_GRACE_SECONDS": EVENT_GRACE_SECONDS,
        "TALLYSTICK_INGEST_POLL_LOOKBACK_DAYS": str(scenario.world.days + 10),
        "TALLYSTICK_INGEST_REQUESTS_PER_SECOND": "50",
        "TALLYSTICK_FEEDS_BANK_BASE_URL": f"http://{LOOPBACK}:{record.ports['bank']}",
        "TALLYSTICK_FEEDS_BANK_API_KEY": API_KEY,
        "TALLYSTICK_FEEDS_POLL_INTERVAL_SECONDS": POLL_SECONDS,
        "TALLYSTICK_FEEDS_LOOKBACK_DAYS": str(scenario.world.days + 10),
        # The simulated month ends today, and its truth knows of no tick of the wall clock.
        "TALLYSTICK_CONSOLE_CLOCK_SECONDS": "0",
    }


def write_shell_file(record: DemoRecord, folder: Path) -> Path:
    """Write what a shell must know for the other commands to look into the demo; the file.

    Kafka's and Postgres' addresses are found by the folder, as everywhere.
    """
    file = folder / SHELL_NAME
    told = environment_of(record, folder) | {"TALLYSTICK_STACK_DIR": str(folder)}
    lines = [f"export {name}={shlex.quote(value)}\n" for name, value in sorted(told.items())]
    file.unlink(missing_ok=True)
    file.touch(mode=0o600)
    file.write_text("".join(lines), "utf-8")
    return file


def write_books(record: DemoRecord, folder: Path) -> None:
    """Write which Stripe account and which bank accounts belong to the demo's one book."""
    scenario = scenario_named(record.scenario)
    lines = [
        "[[books]]",
        'name = "main"',
        f'mode = "{MODE}"',
        f'stripe_accounts = ["{ACCOUNT}"]',
        f'basis = "{scenario.books.basis}"',
        f"sells_credits = {str(scenario.books.sells_credits).lower()}",
    ]
    for name, bank in scenario.banks.items():
        lines += [
            "",
            "[[books.bank_accounts]]",
            f'name = "{name}"',
            f'currency = "{bank.currency}"',
            f'destinations = ["{bank.destination}"]',
        ]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / BOOKS_NAME).write_text("\n".join(lines) + "\n", "utf-8")
