"""A simulated Stripe beside a local installation: what it is told, where it is, what it can do.

``tallystick run --sandbox`` plays it on the wall clock, for as long as the installation runs; its
record and its past are in the folder of the stack, so that the same world goes on the next time.
"""

import json
import secrets
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final, Self, cast

from sandbox.stack.ports import LOOPBACK, free_ports
from sandbox.world.known import API_KEY, SECRET_VARIABLE
from sandbox.world.scenario import ACCOUNT, scenario_named
from shared.contracts.errors import Unavailable
from shared.runtime.settings import PREFIX
from tallystick.answers import answers_ok
from tallystick.local_books import books_file
from tallystick.supervisor import ProcessSpec

Json = Mapping[str, object]
SCENARIO: Final = "sandbox"
RECORD_NAME: Final = "sandbox.json"
MODE: Final = "test"
POLL_SECONDS: Final = "1"
ANSWER_TIMEOUT_SECONDS: Final = 10.0
# The world begins some days before today, and ends so long before its scenario does.
BEGUN_DAYS_AGO: Final = 3


class SandboxSilent(Unavailable):
    """The simulated Stripe did not answer."""


class SandboxRefused(ValueError):
    """The simulated Stripe does not do what it was asked for."""


@dataclass(frozen=True, slots=True)
class LocalStripe:
    """One simulated Stripe: which world it is, where it listens, how its webhooks are signed."""

    seed: int
    ends_on: str
    webhook_secret: str
    stripe_port: int
    bank_port: int

    @classmethod
    def new(cls) -> Self:
        """A world of its own, on ports that are free now."""
        stripe_port, bank_port = free_ports(2)
        days = scenario_named(SCENARIO).world.days
        ends_on = datetime.now(UTC).date() + timedelta(days=days - BEGUN_DAYS_AGO)
        return cls(
            seed=secrets.randbelow(2**31),
            ends_on=ends_on.isoformat(),
            webhook_secret=f"whsec_sandbox{secrets.token_hex(20)}",
            stripe_port=stripe_port,
            bank_port=bank_port,
        )

    @classmethod
    def load(cls, folder: Path) -> Self | None:
        """The sandbox of a folder; ``None`` when there is none that can be read."""
        try:
            return cls(**json.loads((folder / RECORD_NAME).read_text("utf-8")))
        except (OSError, ValueError, TypeError):
            return None

    @classmethod
    def of(cls, folder: Path) -> Self:
        """The sandbox of a folder, made where there is none or where its world has ended."""
        known = cls.load(folder)
        if known is not None and date.fromisoformat(known.ends_on) > datetime.now(UTC).date():
            return known
        folder.mkdir(parents=True, exist_ok=True)
        _world_file(folder).unlink(missing_ok=True)
        made = cls.new()
        draft = folder / f"{RECORD_NAME}.new"
        draft.unlink(missing_ok=True)
        draft.touch(mode=0o600)
        draft.write_text(json.dumps(asdict(made), indent=2), "utf-8")
        draft.replace(folder / RECORD_NAME)
        return made

    @property
    def url(self) -> str:
        """Where its API and its control face are."""
        return f"http://{LOOPBACK}:{self.stripe_port}"

    @property
    def bank_url(self) -> str:
        """Where the simulated bank beside it is."""
        return f"http://{LOOPBACK}:{self.bank_port}"

    def is_running(self) -> bool:
        """Whether it answers."""
        return answers_ok(f"{self.url}/sim/health")

    def environment(self, folder: Path) -> dict[str, str]:
        """The variables of an installation whose Stripe and bank it is."""
        return {
            f"{PREFIX}BOOKS_FILE": str(books_file(folder)),
            f"{PREFIX}INGEST_MODE": MODE,
            f"{PREFIX}INGEST_STRIPE_ACCOUNT": ACCOUNT,
            f"{PREFIX}INGEST_WEBHOOK_SECRET": self.webhook_secret,
            f"{PREFIX}INGEST_STRIPE_API_KEY": API_KEY,
            f"{PREFIX}INGEST_STRIPE_API_BASE": self.url,
            f"{PREFIX}INGEST_POLL_INTERVAL_SECONDS": POLL_SECONDS,
            f"{PREFIX}FEEDS_BANK_BASE_URL": self.bank_url,
            f"{PREFIX}FEEDS_BANK_API_KEY": API_KEY,
            f"{PREFIX}FEEDS_POLL_INTERVAL_SECONDS": POLL_SECONDS,
        }

    def spec(self, folder: Path, *, webhook_url: str, webhook_secret: str = "") -> ProcessSpec:
        """The process that plays it, sending webhooks to a door."""
        return ProcessSpec(
            name="sandbox",
            argv=(
                *(sys.executable, "-m", "sandbox.world", "--wall-clock"),
                *("--scenario", SCENARIO, "--seed", str(self.seed), "--end", self.ends_on),
                *("--stripe-port", str(self.stripe_port), "--bank-port", str(self.bank_port)),
                *("--webhook-url", webhook_url, "--state-file", str(_world_file(folder))),
            ),
            env={SECRET_VARIABLE: webhook_secret or self.webhook_secret},
            health_url=f"{self.url}/sim/health",
        )

    def do(self, command: Json) -> Json:
        """Make something happen in it, and what came of that.

        Raises:
            SandboxRefused: It cannot do that.
            SandboxSilent: It does not answer.
        """
        return self._asked("/sim/do", command)

    def deliveries(self) -> Json:
        """Which webhooks were answered 2xx, and how many are on their way.

        Raises:
            SandboxSilent: It does not answer.
        """
        return self._asked("/sim/deliveries", None)

    def _asked(self, path: str, body: Json | None) -> Json:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data=data)  # noqa: S310  # loopback
        try:
            with opener.open(request, timeout=ANSWER_TIMEOUT_SECONDS) as response:
                return cast("Json", json.load(response))
        except urllib.error.HTTPError as error:
            raise SandboxRefused(_refusal(error)) from error
        except (OSError, urllib.error.URLError, ValueError) as error:
            raise SandboxSilent(f"the simulated Stripe at {self.url}: {error}") from error


def write_books(folder: Path) -> None:
    """Write which Stripe account and which bank accounts belong to the sandbox's one book."""
    lines = [
        "[[books]]",
        'name = "main"',
        f'mode = "{MODE}"',
        f'stripe_accounts = ["{ACCOUNT}"]',
    ]
    for name, bank in scenario_named(SCENARIO).banks.items():
        lines += [
            "",
            "[[books.bank_accounts]]",
            f'name = "{name}"',
            f'currency = "{bank.currency}"',
            f'destinations = ["{bank.destination}"]',
        ]
    books_file(folder).write_text("\n".join(lines) + "\n", "utf-8")


def _world_file(folder: Path) -> Path:
    return folder / "world.jsonl"


def _refusal(error: urllib.error.HTTPError) -> str:
    try:
        return str(json.load(error)["error"])
    except (OSError, ValueError, KeyError, TypeError):
        return f"it answered {error.code}"
