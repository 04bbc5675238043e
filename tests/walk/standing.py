"""The one installation that a walk goes through: every service, on ports of its own.

It is set up as its user would: files of books, endpoints and tokens, and `tallystick run`. A
simulated Stripe and a simulated bank stand beside it and are polled for the book ``main``; the
other books hear what the walk itself signs and sends.
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Generator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

import orjson

from sandbox.stack.ports import LOOPBACK, free_ports, is_free
from sandbox.stack.process import ProcessRecord, spawn, stop
from sandbox.world.known import API_KEY
from sandbox.world.scenario import ACCOUNT
from services.console.permissions import hash_of
from tallystick.answers import answers_ok, reasons_at
from tallystick.local_books import sandbox_folder
from tallystick.local_stripe import RECORD_NAME, LocalStripe
from tallystick.preflight import stack_settings
from tallystick.processes import SERVICES

ROOT: Final = Path(__file__).parents[2]
READY_SECONDS_MAX: Final = 180.0
STOP_SECONDS_MAX: Final = 60.0

# Book, Stripe account, name of its endpoint. ``main`` is the simulated Stripe's.
SHOP_ACCOUNT: Final = "acct_1WalkShop"
STUDIO_ACCOUNT: Final = "acct_1WalkStudio"
YARD_ACCOUNT: Final = "acct_1WalkYard"
ATTIC_ACCOUNT: Final = "acct_1WalkAttic"
ACCOUNTS: Final[Mapping[str, str]] = {
    "main": ACCOUNT,
    "shop": SHOP_ACCOUNT,
    "studio": STUDIO_ACCOUNT,
    "yard": YARD_ACCOUNT,
    "attic": ATTIC_ACCOUNT,
}
BOOKS: Final = f"""
[[books]]
name = "main"
mode = "test"
stripe_accounts = ["{ACCOUNT}"]
reporting_currency = "usd"

[[books.bank_accounts]]
name = "main_usd"
currency = "usd"
destinations = ["ba_1SimulatedMainUsd"]

[[books.bank_accounts]]
name = "main_jpy"
currency = "jpy"
destinations = ["ba_1SimulatedMainJpy"]

# Cash basis; hears whatever the walk tells in Stripe's name.
[[books]]
name = "shop"
mode = "test"
stripe_accounts = ["{SHOP_ACCOUNT}"]
sells_credits = true

# Accrual basis; invoices.
[[books]]
name = "studio"
mode = "test"
stripe_accounts = ["{STUDIO_ACCOUNT}"]
basis = "accrual"

# Cash basis, until a command puts another in force; its days are closed and opened again.
[[books]]
name = "yard"
mode = "test"
stripe_accounts = ["{YARD_ACCOUNT}"]

# Cash basis; hears old shapes.
[[books]]
name = "attic"
mode = "test"
stripe_accounts = ["{ATTIC_ACCOUNT}"]

# Commands alone.
[[books]]
name = "desk"
mode = "test"
time_zone = "Europe/Berlin"
reporting_currency = "usd"

[[books.bank_accounts]]
name = "desk_usd"
currency = "usd"

[[books.bank_accounts]]
name = "desk_eur"
currency = "eur"

# A story told by command, whose every figure the walk knows: atelier.py.
[[books]]
name = "atelier"
mode = "test"
time_zone = "Europe/Berlin"
reporting_currency = "usd"

[[books.bank_accounts]]
name = "atelier_usd"
currency = "usd"

[[books.bank_accounts]]
name = "atelier_eur"
currency = "eur"

[[books.bank_accounts]]
name = "atelier_jpy"
currency = "jpy"
"""
# Thresholds that are watched from the start; each [[monitors]] is of one point's.
MONITORS: Final = """
[[monitor]]
name = "the till of atelier is low"
book = "atelier"
account = "assets:bank:atelier_jpy"
currency = "jpy"
falls_to = "1000"
clears_at = "1500"

[[monitor]]
name = "atelier owes too much"
book = "atelier"
ratio = "debt_to_equity"
currency = "usd"
rises_to = "0.5"
clears_at = "0.2"
"""
# Tokens by name, with their scopes and the books that they open; none named is all.
TOKENS: Final[Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]]] = {
    "reader": (("read",), ()),
    "desk": (("read", "command"), ()),
    "agent": (("command",), ("desk",)),
    "closer": (("read", "reconcile"), ()),
}


@dataclass(frozen=True, slots=True)
class Standing:
    """An installation that runs: where it is, and what opens it."""

    folder: Path
    kafka: str
    door_url: str
    console_url: str
    stripe: LocalStripe
    # As a person's shell has it: where the stack is and which books it keeps.
    shell: Mapping[str, str] = field(repr=False)

    @property
    def dsn(self) -> str:
        """The database's address, as the stack's own settings tell it."""
        told = subprocess.run(
            [sys.executable, "-m", "tallystick", "status", "--env"],
            check=True,
            capture_output=True,
            text=True,
            cwd=ROOT,
            env=dict(self.shell),
        ).stdout
        name = "TALLYSTICK_POSTGRES_DSN="
        (line,) = [line for line in told.splitlines() if name in line]
        return line.partition(name)[2].strip("'\"")


def token_of(name: str) -> str:
    """The bearer token that the walk gave to a name."""
    return f"walk-token-of-{name}"


def secret_of(endpoint: str) -> str:
    """The signing secret of an endpoint."""
    return f"whsec_walk_{endpoint}"


@contextlib.contextmanager
def standing(folder: Path) -> Generator[Standing]:
    """An installation with all services that are ready, ended with the block."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o755)
    made, services = _prepared(folder)
    with contextlib.ExitStack() as held:
        held.enter_context(_child(folder, "run", services, "tallystick", "run"))
        held.enter_context(_world(folder, made))
        _await_ready(folder, services)
        yield made


def _prepared(folder: Path) -> tuple[Standing, dict[str, str]]:
    """The files and variables of an installation that does not run yet."""
    kafka, postgres = free_ports(2)
    # The controller takes the port after the broker's.
    while not is_free(kafka + 1) or kafka + 1 == postgres:
        (kafka,) = free_ports(1)
    ports = dict(zip((each.name for each in SERVICES), free_ports(len(SERVICES)), strict=True))
    stack = {
        "TALLYSTICK_STACK_DIR": str(folder),
        "TALLYSTICK_STACK_KAFKA_PORT": str(kafka),
        "TALLYSTICK_STACK_POSTGRES_PORT": str(postgres),
        "TALLYSTICK_STACK_KAFKA_HEAP_MB": "384",
        "TALLYSTICK_BOOKS_FILE": _written(folder / "books.toml", BOOKS),
        "TALLYSTICK_INGEST_MODE": "test",
        "TALLYSTICK_INGEST_STRIPE_ACCOUNT": ACCOUNT,
    }
    stack |= {each.port_variable: str(ports[each.name]) for each in SERVICES}
    shell = {k: v for k, v in os.environ.items() if not k.startswith("TALLYSTICK_")}
    shell |= stack | {"COLUMNS": "160", "NO_COLOR": "1"}
    stripe = _simulated(folder)
    services = shell | {
        "TALLYSTICK_LOG_FORMAT": "json",
        "TALLYSTICK_INGEST_ENDPOINTS_FILE": _endpoints(folder, stripe),
        "TALLYSTICK_INGEST_STRIPE_API_KEY": API_KEY,
        "TALLYSTICK_INGEST_STRIPE_API_BASE": stripe.url,
        "TALLYSTICK_INGEST_POLL_INTERVAL_SECONDS": "1",
        "TALLYSTICK_FEEDS_BANK_BASE_URL": stripe.bank_url,
        "TALLYSTICK_FEEDS_BANK_API_KEY": API_KEY,
        "TALLYSTICK_FEEDS_POLL_INTERVAL_SECONDS": "1",
        "TALLYSTICK_CONSOLE_TOKENS_FILE": _tokens(folder),
        # Days are ended by the walk's own command.
        "TALLYSTICK_CONSOLE_CLOCK_SECONDS": "0",
        "TALLYSTICK_ARCHIVER_PLACE": str(folder / "archive"),
        "TALLYSTICK_LEDGER_TREE_HEAD_SECONDS": "1",
    }
    if MONITORS:
        file = _written(folder / "monitors.toml", MONITORS)
        services["TALLYSTICK_CONSOLE_MONITORS_FILE"] = file
    made = Standing(
        folder=folder,
        kafka=f"{LOOPBACK}:{kafka}",
        door_url=f"http://{LOOPBACK}:{ports['door']}",
        console_url=f"http://{LOOPBACK}:{ports['console']}",
        stripe=stripe,
        shell=shell,
    )
    return made, services


def _simulated(folder: Path) -> LocalStripe:
    """A Stripe beside it, on record where `tallystick trigger` looks for it."""
    stripe = LocalStripe.new()
    place = sandbox_folder(stack_settings().model_copy(update={"dir": folder}))
    place.mkdir(parents=True, exist_ok=True)
    (place / RECORD_NAME).write_bytes(orjson.dumps(asdict(stripe)))
    return stripe


def _endpoints(folder: Path, stripe: LocalStripe) -> str:
    lines: list[str] = []
    for name, account in ACCOUNTS.items():
        secret = stripe.webhook_secret if name == "main" else secret_of(name)
        _written(folder / f"{name}.secret", secret)
        lines += [
            "[[endpoints]]",
            f'name = "{name}"',
            'kind = "account"',
            'mode = "test"',
            f'account = "{account}"',
            f'secret_file = "{name}.secret"',
            "",
        ]
    return _written(folder / "endpoints.toml", "\n".join(lines))


def _tokens(folder: Path) -> str:
    lines: list[str] = []
    for name, (scopes, books) in TOKENS.items():
        lines += [
            "[[tokens]]",
            f'name = "{name}"',
            f'sha256 = "{hash_of(token_of(name))}"',
            f"scopes = {orjson.dumps(scopes).decode()}",
            f"books = {orjson.dumps(books).decode()}",
            "",
        ]
    return _written(folder / "tokens.toml", "\n".join(lines))


def _written(file: Path, text: str) -> str:
    file.touch(mode=0o600)
    file.write_text(text, "utf-8")
    return str(file)


@contextlib.contextmanager
def _world(folder: Path, made: Standing) -> Generator[None]:
    place = sandbox_folder(stack_settings().model_copy(update={"dir": folder}))
    spec = made.stripe.spec(place, webhook_url=f"{made.door_url}/webhooks/stripe/main")
    with _child(folder, "world", dict(made.shell) | dict(spec.env), *spec.argv[2:]):
        yield


@contextlib.contextmanager
def _child(folder: Path, name: str, env: Mapping[str, str], *words: str) -> Generator[None]:
    """A module of ours as a process, asked to end with the block, and ended where we are."""
    child = spawn(
        [sys.executable, "-m", *words],
        log=folder / f"{name}.out",
        env=env,
        cwd=ROOT,
        death_signal=signal.SIGTERM,
    )
    record = ProcessRecord.of(child.pid)
    try:
        yield
    finally:
        stop(record, grace_seconds=STOP_SECONDS_MAX)


def _await_ready(folder: Path, services: Mapping[str, str]) -> None:
    """Wait until every service says that it is ready.

    Raises:
        TimeoutError: One is not, in time; the message has what was said.
    """
    deadline = time.monotonic() + READY_SECONDS_MAX
    waiting = {
        each.name: f"http://{LOOPBACK}:{services[each.port_variable]}/readyz" for each in SERVICES
    }
    while waiting:
        waiting = {name: url for name, url in waiting.items() if not answers_ok(url)}
        if waiting and time.monotonic() > deadline:
            said = {name: reasons_at(url) or "nothing" for name, url in waiting.items()}
            told = (folder / "run.out").read_text("utf-8", "replace")[-4000:]
            raise TimeoutError(f"not ready after {READY_SECONDS_MAX:.0f} s: {said}\n{told}")
        time.sleep(0.1)  # bounded poll: the deadline above
