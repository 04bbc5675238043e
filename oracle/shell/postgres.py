"""The books of one moment: every published view, read in one REPEATABLE READ snapshot."""

import json
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import asyncpg

from oracle.in_force import PutInForce
from oracle.journal import Booked, Books, KeyedPlace, Place, Totals
from oracle.values import CannotDecide, Leg, Name, Position

_SQL = Path(__file__).parent / "sql"
_CONNECT_SECONDS_MAX = 10.0


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of every view, as they came."""

    by_view: dict[str, list[asyncpg.Record]]

    def of(self, view: str) -> list[asyncpg.Record]:
        """The rows of one view."""
        return self.by_view[view]


async def books_at_a_moment(dsn: str) -> Books:
    """Everything that the ledger publishes, as it stood at one moment; without ``published``.

    Raises:
        CannotDecide: The database does not answer, or the views are not there.
    """
    try:
        connection = await asyncpg.connect(dsn, timeout=_CONNECT_SECONDS_MAX)
    except (OSError, TimeoutError, ValueError, asyncpg.PostgresError) as why:
        raise CannotDecide(f"Postgres does not answer: {why}") from None
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            rows = Rows(
                {
                    file.stem: await connection.fetch(file.read_text("utf-8"))
                    for file in sorted(_SQL.glob("*.sql"))
                }
            )
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as why:
        raise CannotDecide(f"the ledger's views cannot be read: {why}") from None
    finally:
        await connection.close()
    return _books(rows)


def _books(rows: Rows) -> Books:
    return Books(
        entries=tuple(_entries(rows.of("entries"), rows.of("postings"))),
        balances={_place(row): _integer(row["minor"]) for row in rows.of("balances")},
        open_items={
            KeyedPlace(row["book"], row["account"], row["key"], row["currency"]): _integer(
                row["minor"]
            )
            for row in rows.of("open_items")
        },
        trial_balance={
            _place(row): Totals(
                _integer(row["debit_minor"]),
                _integer(row["credit_minor"]),
                _integer(row["net_minor"]),
            )
            for row in rows.of("trial_balance")
        },
        positions={
            (row["topic"], row["partition"]): row["next_offset"] for row in rows.of("positions")
        },
        published=(),
        refused=frozenset(
            _position(row) for row in rows.of("outcomes") if row["outcome"] == "refused"
        ),
        parked=frozenset(_position(row) for row in rows.of("dead_letters")),
        conflicts=frozenset(
            _position(row) for row in rows.of("outcomes") if row["outcome"] == "conflict"
        ),
        reference_conflicts=frozenset(
            Name(row["book"], row["reference"])
            for row in rows.of("outcomes")
            if row["outcome"] == "conflict" and row["reference"]
        ),
        ticked={_position(row): row["ticked_until"] for row in rows.of("ticks")},
        put_in_force=tuple(_put_in_force(row) for row in rows.of("activations")),
        events={(row["book"], row["identity"]): _position(row) for row in rows.of("messages")},
    )


def _put_in_force(row: asyncpg.Record) -> PutInForce:
    positions = json.loads(row["positions"])
    return PutInForce(
        row["number"],
        _position(row),
        {(told["topic"], told["partition"]): told["offset"] for told in positions},
    )


def _entries(
    entries: Iterable[asyncpg.Record], postings: Iterable[asyncpg.Record]
) -> Iterable[Booked]:
    legs: defaultdict[tuple[str, int, int], list[Leg]] = defaultdict(list)
    for row in postings:
        leg = Leg(row["account"], row["key"], row["currency"], _integer(row["minor"]))
        legs[row["topic"], row["partition"], row["sequence"]].append(leg)
    for row in entries:
        found = legs.pop((row["topic"], row["partition"], row["sequence"]), [])
        yield Booked(
            name=Name(row["book"], row["reference"]),
            kind=row["kind"],
            legs=tuple(sorted(found)),
            effective_at=_instant(row["effective_at"]),
            recorded_at=_instant(row["recorded_at"]),
            rules_version=row["rules_version"],
            caused_by=_position(row),
            message_id=row["message_id"],
            sequence=row["sequence"],
            digest=row["digest"],
            chain=row["chain"],
            reverses=row["reverses"],
            description=row["description"],
        )
    if legs:
        raise CannotDecide(f"postings without an entry: {min(legs)}")


def _place(row: asyncpg.Record) -> Place:
    return Place(row["book"], row["account"], row["currency"])


def _position(row: asyncpg.Record) -> Position:
    return Position(row["topic"], row["partition"], row["offset"])


def _instant(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _integer(value: Decimal) -> int:
    whole = int(value)
    if whole != value:
        raise CannotDecide(f"{value} is no whole number of minor units")
    return whole
