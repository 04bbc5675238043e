"""``python -m oracle``: recompute the books from the raw topics and compare.

Exit 0: equal. 1: differences. 2: could not decide, which is never green.
"""

import argparse
import asyncio
import os
import sys
import urllib.request
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from oracle.compare import compare
from oracle.model import INPUTS, Books, model_of
from oracle.report import Report, as_json, as_text
from oracle.shell.kafka import (
    Address,
    partitions_of_entries,
    published_entries,
    reader,
    records_until,
)
from oracle.shell.postgres import books_at_a_moment
from oracle.truth import Truth, truth_of
from oracle.values import CannotDecide

_TRUTH_SECONDS_MAX = 10


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one audit and print its report; gives the exit code."""
    asked = _parser().parse_args(arguments)
    try:
        report = asyncio.run(audit(asked))
    except CannotDecide as why:
        report = Report({}, undecided=str(why))
    except Exception as why:  # noqa: BLE001  # the top of a process: a fault of ours decides nothing
        report = Report({}, undecided=f"the oracle itself failed: {why!r}")
    print(as_json(report) if asked.json else as_text(report))
    return int(report.verdict)


async def audit(asked: argparse.Namespace) -> Report:
    """The report of one audit.

    Raises:
        CannotDecide: Something that is needed is not to be had.
    """
    truth = _truth(asked.truth) if asked.truth else None
    book_map = Books.of(_text(Path(asked.books))) if asked.books else Books()
    dsn = asked.postgres or _secret("TALLYSTICK_POSTGRES_DSN")
    if not dsn:
        raise CannotDecide("no Postgres: give --postgres or TALLYSTICK_POSTGRES_DSN")
    books = await books_at_a_moment(dsn)
    unknown = sorted({topic for topic, _ in books.positions} - set(INPUTS))
    if unknown:
        raise CannotDecide(
            f"the ledger reads {', '.join(unknown)}, for which there is no rule here"
        )
    heads: dict[str, int] = {}
    for entry in books.entries:
        heads[entry.origin] = max(heads.get(entry.origin, 0), entry.sequence)
    address = _address(asked.kafka)
    partitions = await partitions_of_entries(address)
    async with reader(address) as consumer:
        records = await records_until(consumer, books.reach)
        model = model_of(records, book_map, books.put_in_force, books.positions)
        published = await published_entries(consumer, partitions, heads)
    return compare(model, replace(books, published=published), truth)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m oracle",
        description="Recompute the books from the raw topics and compare them with Postgres.",
        epilog="Exit 0: equal. 1: differences. 2: could not decide.",
    )
    parser.add_argument(
        "--kafka",
        default=os.environ.get("TALLYSTICK_KAFKA_BOOTSTRAP", "127.0.0.1:19092"),
        help="brokers, host:port, comma-separated; signing in by TALLYSTICK_KAFKA_… too",
    )
    parser.add_argument(
        "--postgres",
        default="",
        help="the database's address; better in TALLYSTICK_POSTGRES_DSN or …_FILE, out of sight",
    )
    parser.add_argument(
        "--books",
        default=os.environ.get("TALLYSTICK_BOOKS_FILE", ""),
        help="the TOML file that says which book a thing belongs to",
    )
    parser.add_argument("--truth", default="", help="file or URL of the world's own balances")
    parser.add_argument("--json", action="store_true", help="the whole report as JSON")
    return parser


def _address(bootstrap: str) -> Address:
    def told(name: str, otherwise: str) -> str:
        return os.environ.get(f"TALLYSTICK_KAFKA_{name}") or otherwise

    return Address(
        bootstrap=bootstrap,
        security_protocol=told("SECURITY_PROTOCOL", "PLAINTEXT"),
        sasl_mechanism=told("SASL_MECHANISM", "SCRAM-SHA-512"),
        username=told("SASL_USERNAME", ""),
        password=_secret("TALLYSTICK_KAFKA_SASL_PASSWORD"),
        ca_file=told("CA_FILE", ""),
    )


def _secret(name: str) -> str:
    file = os.environ.get(f"{name}_FILE")
    return _text(Path(file)).strip() if file else os.environ.get(name, "")


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except OSError as why:
        raise CannotDecide(f"{path}: {why.strerror}") from None


def _truth(where: str) -> Truth:
    if not where.startswith(("http://", "https://")):
        return truth_of(_text(Path(where)))
    try:
        with urllib.request.urlopen(where, timeout=_TRUTH_SECONDS_MAX) as answer:  # noqa: S310  # http(s) only, checked above
            return truth_of(answer.read().decode("utf-8"))
    except (OSError, ValueError) as why:
        raise CannotDecide(f"{where} does not tell the truth: {why}") from None


if __name__ == "__main__":
    sys.exit(main())
