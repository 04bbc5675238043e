"""Books made of commands, booked by the ledger's own booker into a real Postgres, without a broker."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from services.ledger.activation.in_force import InForce
from services.ledger.shell.booking.booker import BatchBooker
from services.ledger.shell.booking.books import INPUT_TOPICS, Books
from services.ledger.shell.booking.deciding import Decider
from services.ledger.shell.store import bring_up_to_date, open_journal
from shared.contracts.books import BookData, BookMap
from shared.contracts.commands import (
    BookManualEntry,
    ManualPosting,
    RenameAccount,
    SetExchangeRate,
    Side,
)
from shared.contracts.envelope import Envelope
from shared.contracts.money import Currency, Money, MoneyOnWire
from shared.contracts.schemas import type_of
from shared.contracts.topics import LEDGER_COMMANDS
from shared.runtime.kafka import Partition, Record
from shared.runtime.positions import Log
from shared.runtime.postgres import Database
from tests.support.statements import USD

PARTITIONS = 3


@dataclass(slots=True)
class Commanded:
    """A journal that takes commands; each is one record on the topic of commands."""

    database: Database
    books: Books
    decider: Decider
    told: list[Record] = field(default_factory=list[Record])
    offsets: dict[int, int] = field(default_factory=dict[int, int])
    count: int = 0

    def entry(
        self,
        effective_at: datetime,
        recorded_at: datetime,
        *legs: tuple[str, int],
        currency: Currency = USD,
        key: str = "",
    ) -> None:
        """An entry of legs, debit positive, effective and recorded when it is said."""
        self._tell(
            BookManualEntry(
                idempotency_key=f"k{self.count}",
                book="main",
                effective_at=effective_at,
                postings=tuple(
                    ManualPosting(
                        account=account,
                        side=Side.DEBIT if minor > 0 else Side.CREDIT,
                        amount=MoneyOnWire.of(Money(abs(minor), currency)),
                        key=(key or "k1") if account == "assets:stripe:settling" else "",
                    )
                    for account, minor in legs
                ),
                description=f"entry {self.count}",
            ),
            recorded_at,
        )

    def rate(
        self, base: str, quote: str, rate: str, on: date, recorded_at: datetime | None = None
    ) -> None:
        """A rate; recorded at the end of its day where nothing else is said."""
        command = SetExchangeRate(
            idempotency_key=f"k{self.count}", base=base, quote=quote, rate=Decimal(rate), on=on
        )
        self._tell(command, recorded_at or datetime(on.year, on.month, on.day, 23, tzinfo=UTC))

    def rename(self, account: str, display: str, recorded_at: datetime) -> None:
        """Another name for an account."""
        command = RenameAccount(idempotency_key=f"k{self.count}", account=account, display=display)
        self._tell(command, recorded_at)

    def _tell(
        self, command: BookManualEntry | RenameAccount | SetExchangeRate, recorded_at: datetime
    ) -> None:
        partition = self.count % PARTITIONS
        envelope = Envelope(
            id=f"cmd_{self.count}",
            source="test",
            type=type_of(type(command)),
            time=recorded_at,
            data=command.model_dump_json().encode(),
            extensions={"book": "main"},
        )
        offset = self.offsets.get(partition, 0)
        self.offsets[partition] = offset + 1
        self.count += 1
        self.told.append(
            Record(
                LEDGER_COMMANDS, partition, offset, b"k", envelope.data,
                tuple(envelope.headers()), int(recorded_at.timestamp() * 1000),
            )
        )  # fmt: skip

    async def book(self, batch: int = 50) -> None:
        """Book what was told since, some at a time."""
        booker = BatchBooker(self.database, self.books)
        while self.told:
            records, self.told = self.told[:batch], self.told[batch:]
            moves: dict[Partition, tuple[int, int]] = {}
            for record in records:
                place = Partition(record.topic, record.partition)
                first = moves.get(place, (record.offset, 0))[0]
                moves[place] = (first, record.offset + 1)
            booked = await booker.take([self.decider.decided(r) for r in records], moves)
            assert booked.parked == 0


@asynccontextmanager
async def commanded(dsn: str, book: BookData) -> AsyncGenerator[Commanded]:
    """A fresh journal of one book."""
    await bring_up_to_date(dsn)
    book_map = BookMap(books=(book,))
    log = Log("cluster", dict.fromkeys(INPUT_TOPICS, "topic"))
    books = Books(log, book_map)
    database = await open_journal(dsn)
    try:
        async with database.transaction() as tx:
            await books.begin(tx, [Partition(LEDGER_COMMANDS, n) for n in range(PARTITIONS)])
        yield Commanded(database, books, Decider(InForce(book_map)))
    finally:
        await database.close()


def local(zone: ZoneInfo, day: date, minutes: int) -> datetime:
    """So many minutes after a day's midnight there."""
    return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC) + timedelta(
        minutes=minutes
    )
