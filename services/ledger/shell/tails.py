"""What our own topics know and the database does not: after a crash, a restore, or a loss.

``ledger.entries`` is the record of the order in which facts were booked. Before the first write,
what stands there beyond the journal is claimed on behalf of the very messages that it names. So
the same messages book the same entries under the same sequence, the chain comes out equal, and
what was published is not published again.
"""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from pydantic import ValidationError

from services.ledger.proof.hash_chain import GENESIS
from services.ledger.shell.booking.activated import Kept, activation_in, keep_activations
from services.ledger.shell.booking.decision_records import DecisionRecords
from services.ledger.shell.own_topics import Spans, spans_to_read, spans_were_read
from services.ledger.shell.queries import SQL
from shared.contracts.errors import InvariantBroken
from shared.contracts.messages import (
    OUTCOME_RECORD,
    EntryBooked,
    Outcome,
    OutcomeKind,
    Progress,
)
from shared.contracts.topics import LEDGER_ENTRIES, LEDGER_OUTCOMES
from shared.contracts.topics import origin as origin_name
from shared.runtime import log
from shared.runtime.kafka import KafkaAddress, Record, offset_bounds, scan
from shared.runtime.postgres import Database, Tx

_CLAIMS_AT_ONCE: Final = 5_000
_logger = log.get(__name__)


@dataclass(slots=True)
class Tail:
    """The last that our topics tell of an origin."""

    sequence: int = 0
    chain: bytes = GENESIS
    next_offset: int = 0


@dataclass(slots=True)
class Seeding:
    """What is found on the way through the tails."""

    origin_ids: Mapping[str, int]
    journal: Mapping[int, int]
    tails: dict[int, Tail] = field(default_factory=dict[int, Tail])
    claims: list[tuple[str, str, bytes, int, int]] = field(
        default_factory=list[tuple[str, str, bytes, int, int]]
    )
    activations: list[Kept] = field(default_factory=list[Kept])
    records: DecisionRecords = field(default_factory=DecisionRecords)
    seeded: int = 0
    is_order_taken: bool = True

    def entry(self, told: EntryBooked) -> None:
        """Take in a published entry; a repeated one says nothing new."""
        self.records.entry(self._origin_id(told.origin), told)
        if not self.is_order_taken:
            return
        origin_id = self._origin_id(told.origin)
        tail = self.tails.setdefault(origin_id, Tail())
        if told.sequence <= tail.sequence:
            return
        tail.sequence, tail.chain = told.sequence, bytes.fromhex(told.chain)
        if told.sequence > self.journal[origin_id]:
            place = (bytes.fromhex(told.digest), origin_id, told.caused_by.offset)
            self.claims.append((told.book, told.reference, *place))
            self.seeded += 1

    def outcome(self, told: Outcome) -> None:
        """Take in a decision, and what it put in force; a repeated telling says nothing new."""
        cause = told.caused_by
        origin_id = self._origin_id(origin_name(cause.topic, cause.partition))
        self.records.outcome(origin_id, told)
        record = activation_in(told.decided)
        if record is not None and told.outcome is OutcomeKind.ACCEPTED:
            self.activations.append(Kept(record, origin_id, cause.offset, told.recorded_at))

    def progress(self, told: Progress) -> None:
        """Take in a progress mark."""
        if not self.is_order_taken:
            return
        tail = self.tails.setdefault(self._origin_id(told.origin), Tail())
        tail.next_offset = max(tail.next_offset, told.next_offset)

    def _origin_id(self, name: str) -> int:
        found = self.origin_ids.get(name)
        if found is None:
            raise InvariantBroken(
                f"our own topics name the origin {name}, which is no input of ours"
            )
        return found


async def learn_from_tails(
    database: Database,
    kafka: KafkaAddress | str,
    *,
    is_order_taken: bool = True,
    are_ticks_remade: bool = False,
) -> int:
    """Take in what our topics know beyond the database, and give how many entries are to come.

    The rows of all origins are there before. Nothing is done twice; several processes take turns.
    A journal that is not to become the published one takes only what was decided; where other
    things are in force in it, clock ticks are decided on once more.

    Raises:
        InvariantBroken: What was published is not what the journal has.
        Unavailable: Kafka or Postgres is away.
    """
    first, end = await offset_bounds(kafka, (LEDGER_ENTRIES, LEDGER_OUTCOMES))
    async with database.transaction() as tx:
        spans = await spans_to_read(tx, first, end)
        rows = await tx.fetch(SQL["read_published"])
        seeding = Seeding(
            {origin_name(row["topic"], row["partition"]): row["origin_id"] for row in rows},
            {row["origin_id"]: row["journal_sequence"] for row in rows},
            records=DecisionRecords(
                {r["origin_id"]: r["next_offset"] for r in await tx.fetch(SQL["booked_offsets"])},
                are_ticks_remade=are_ticks_remade,
                is_passed_on_anew=not is_order_taken,
            ),
            is_order_taken=is_order_taken,
        )
        await read_through(tx, seeding, scan(kafka, spans))
        await write_tails(tx, seeding, spans)
        await check_published_chains(tx)
    if seeding.seeded:
        _logger.warning("journal.behind_its_topic", entries=seeding.seeded)
    return seeding.seeded


async def check_published_chains(tx: Tx) -> bool:
    """Hold the chain that was published against the journal's, where the journal has come so far.

    True when it has come so far everywhere.

    Raises:
        InvariantBroken: They part: the journal is not the one that was published.
    """
    published = await tx.fetch(SQL["read_published"])
    rows = [row for row in published if 0 < row["sequence"] <= row["journal_sequence"]]
    at = await tx.fetch(
        SQL["chains_at"], [r["origin_id"] for r in rows], [r["sequence"] for r in rows]
    )
    chains = {row["origin_id"]: row["chain"] for row in at}
    for row in rows:
        if chains.get(row["origin_id"]) != row["chain"]:
            raise InvariantBroken(
                f"{row['topic']}/{row['partition']}: the chain of the journal at sequence "
                f"{row['sequence']} is not the one that was published"
            )
    return all(row["sequence"] <= row["journal_sequence"] for row in published)


async def read_through(tx: Tx, seeding: Seeding, batches: AsyncIterator[list[Record]]) -> None:
    """Take in records of our own topics, writing down what is claimed and decided by them.

    Raises:
        InvariantBroken: A record is not what we publish.
    """
    async for batch in batches:
        for record in batch:
            try:
                if record.topic == LEDGER_ENTRIES:
                    seeding.entry(EntryBooked.model_validate_json(record.value))
                else:
                    told = OUTCOME_RECORD.validate_json(record.value)
                    if isinstance(told, Progress):
                        seeding.progress(told)
                    else:
                        seeding.outcome(told)
            except ValidationError as error:
                raise InvariantBroken(
                    f"{record.position} is not what we publish: {error.error_count()} mistakes"
                ) from None
        if max(len(seeding.claims), len(seeding.records)) >= _CLAIMS_AT_ONCE:
            await _seed(tx, seeding)
    await _seed(tx, seeding)


async def _seed(tx: Tx, seeding: Seeding) -> None:
    if seeding.claims:
        columns = [list(column) for column in zip(*seeding.claims, strict=True)]
        await tx.execute(SQL["seed_claims"], *columns)
        seeding.claims.clear()
    await seeding.records.write(tx)


async def write_tails(tx: Tx, seeding: Seeding, spans: Spans) -> None:
    """Write down how far our own topics tell of each origin, and what was put in force."""
    found = sorted(seeding.tails.items())
    await tx.execute(
        SQL["advance_published"],
        [origin_id for origin_id, _ in found],
        [tail.sequence for _, tail in found],
        [tail.chain for _, tail in found],
        [tail.next_offset for _, tail in found],
    )
    await keep_activations(tx, seeding.activations)
    await spans_were_read(tx, spans)
