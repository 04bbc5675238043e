"""The simulated world as a process: how it is started and what it tells."""

import json
import sys
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast

from sandbox.stack.ports import LOOPBACK
from shared.contracts.errors import Unavailable
from tallystick.demo.proof import Balance, Found
from tallystick.demo.record import DemoRecord
from tallystick.supervisor import ProcessSpec

Json = dict[str, object]
ANSWER_TIMEOUT_SECONDS: Final = 5.0


class WorldSilent(Unavailable):
    """The simulated world did not answer."""


@dataclass(frozen=True, slots=True)
class Truth:
    """What the world says must come out."""

    balances: tuple[Balance, ...]
    discrepancies: tuple[Found, ...]
    is_over: bool
    raw: Json


def spec_of(record: DemoRecord, folder: Path) -> ProcessSpec:
    """The process that plays the world of a demo."""
    asked: list[str] = []
    for option, value in (
        ("--seed", record.seed),
        ("--payments", record.payments),
        ("--speed", record.speed),
    ):
        if value is not None:
            asked += [option, str(value)]
    return ProcessSpec(
        name="world",
        argv=(
            sys.executable,
            "-m",
            "sandbox.world",
            *("--scenario", record.scenario),
            *("--end", record.ends_on),
            *("--stripe-port", str(record.ports["stripe"])),
            *("--bank-port", str(record.ports["bank"])),
            *("--webhook-url", f"{address(record, 'door')}/webhooks/stripe/main"),
            *("--webhook-secret", record.webhook_secret),
            *("--state-file", str(folder / "world.json")),
            *asked,
        ),
        health_url=f"{address(record, 'stripe')}/sim/health",
    )


def address(record: DemoRecord, name: str) -> str:
    """Where a process of the demo listens."""
    return f"http://{LOOPBACK}:{record.ports[name]}"


def progress(record: DemoRecord) -> Json:
    """How far the world is."""
    return _get(record, "/sim/progress")


def truth(record: DemoRecord) -> Truth:
    """The books and discrepancies that must come out of what has happened so far."""
    told = _get(record, "/sim/truth")
    return Truth(
        balances=tuple(_balance(each) for each in _rows(told, "balances")),
        discrepancies=tuple(_found(each) for each in _rows(told, "discrepancies")),
        is_over=told.get("over") is True,
        raw=told,
    )


def _rows(told: Json, name: str) -> list[Json]:
    return cast("list[Json]", told[name])


def _balance(row: Json) -> Balance:
    return Balance(
        account=str(row["account"]),
        currency=str(row["currency"]),
        exponent=int(str(row["exponent"])),
        minor=int(str(row["minor"])),
    )


def _found(row: Json) -> Found:
    amount = cast("Json | None", row.get("amount"))
    return Found(
        kind=str(row["kind"]),
        subject=str(row["subject"]),
        minor=None if amount is None else int(str(amount["minor"])),
        currency="" if amount is None else str(amount["currency"]),
    )


def _get(record: DemoRecord, path: str) -> Json:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    url = address(record, "stripe") + path
    try:
        with opener.open(url, timeout=ANSWER_TIMEOUT_SECONDS) as response:
            return cast("Json", json.load(response))
    except (OSError, urllib.error.URLError, ValueError) as error:
        raise WorldSilent(f"the simulated world does not answer at {url}: {error}") from error
