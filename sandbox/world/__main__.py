"""``python -m sandbox.world``: play a scenario, serving the simulated Stripe and bank."""

import argparse
import asyncio
import json
import os
import sys
from datetime import UTC, date, datetime
from pathlib import Path

from sandbox.stripe.shell.webhooks import SenderSettings
from sandbox.world.jsons import JsonObject
from sandbox.world.known import API_KEY, SECRET_VARIABLE, WEBHOOK_SECRET
from sandbox.world.shell.runner import Runner
from sandbox.world.shell.servers import bound, serve
from sandbox.world.shell.statefile import StateFile, StateRefused, Wanted

EXIT_REFUSED = 2


def _arguments(given: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m sandbox.world",
        description="Play a scenario: a simulated Stripe and bank on loopback, with webhooks.",
    )
    parser.add_argument("--scenario", default="month", help="a name, or the path of a .toml file")
    parser.add_argument("--seed", type=int, help="default: the scenario's")
    parser.add_argument("--payments", type=int, help="default: the scenario's")
    parser.add_argument(
        "--speed",
        type=float,
        help="simulated hours in a second; 0 waits for nothing; default: the scenario's",
    )
    parser.add_argument("--end", type=date.fromisoformat, help="the world's end; default: today")
    parser.add_argument("--live", action="store_true", help="events and objects of live mode")
    parser.add_argument("--hold", action="store_true", help="time passes by /sim/advance alone")
    parser.add_argument(
        "--wall-clock", action="store_true", help="the world's time is this machine's"
    )
    parser.add_argument("--stripe-port", type=int, default=0)
    parser.add_argument("--bank-port", type=int, default=0)
    parser.add_argument("--webhook-url", default="", help="without one no webhook is sent")
    parser.add_argument("--webhook-secret", help=f"default: ${SECRET_VARIABLE}, else a known one")
    parser.add_argument(
        "--thin-webhook-url", default="", help="a second endpoint, which is sent thin events"
    )
    parser.add_argument("--webhook-concurrency", type=int, default=8)
    parser.add_argument("--api-key", default=API_KEY)
    parser.add_argument("--state-file", type=Path, help="where a killed world goes on from")
    return parser.parse_args(given)


def _report(happening: JsonObject) -> None:
    sys.stdout.write(json.dumps(happening) + "\n")
    sys.stdout.flush()


def main(given: list[str] | None = None) -> int:
    """Run a world until a signal; the exit code."""
    arguments = _arguments(given)
    file = StateFile(arguments.state_file)
    wanted = Wanted(
        scenario=arguments.scenario,
        seed=arguments.seed,
        payments=arguments.payments,
        end=arguments.end or datetime.now(UTC).date(),
        livemode=arguments.live,
    )
    try:
        remembered = file.open(wanted)
        stripe_socket, bank_socket = bound(arguments.stripe_port), bound(arguments.bank_port)
    except (StateRefused, FileNotFoundError, OSError, ValueError) as error:
        sys.stderr.write(f"the world cannot begin: {error}\n")
        return EXIT_REFUSED
    speed = arguments.speed
    pace = float(remembered.plan.scenario.world.hours_per_second) if speed is None else speed
    secret = arguments.webhook_secret or os.environ.get(SECRET_VARIABLE, WEBHOOK_SECRET)
    sender, thin_sender = (
        SenderSettings(url=url, secret=secret, concurrency=arguments.webhook_concurrency)
        if url
        else None
        for url in (arguments.webhook_url, arguments.thin_webhook_url)
    )
    runner = Runner(
        remembered,
        file=file,
        sender=sender,
        hours_per_second=pace,
        is_held=arguments.hold,
        report=_report,
        is_on_wall_clock=arguments.wall_clock,
        thin_sender=thin_sender,
    )
    try:
        asyncio.run(
            serve(
                runner,
                stripe_socket=stripe_socket,
                bank_socket=bank_socket,
                api_keys=frozenset({arguments.api_key}),
                webhook_url=arguments.webhook_url,
                report=_report,
            )
        )
    finally:
        runner.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
