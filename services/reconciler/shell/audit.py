"""The audit that nothing was lost: everything read once more from the topics, without a group.

Each record up to our positions must be a fact that the tables hold as the record tells it, or
parked; and what the core finds from the records alone must be what the tables keep and tell.
Balances (proofs, readings, what was at rest) are taken as kept: they are of moments.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime

from services.reconciler.facts.kinds import Fact, Reading
from services.reconciler.facts.known import fold
from services.reconciler.findings.replay import Kept, differences, worked_states
from services.reconciler.reconcile import reconcile
from services.reconciler.shell.judging import acts
from services.reconciler.shell.judging.in_hand import Rules, facts_in_hand
from services.reconciler.shell.keeping.fact_json import fact_of
from services.reconciler.shell.keeping.memory import SQL, OpenBook
from services.reconciler.shell.told import told_by
from shared.contracts.acts import ACT_DECIDED, Act, ActDecided
from shared.contracts.discrepancies import DiscrepancyState
from shared.contracts.errors import Refused
from shared.contracts.messages import MatchMade
from shared.contracts.topics import DECISIONS, LOOK_UPS
from shared.runtime.kafka import KafkaAddress, Partition, end_offsets, scan
from shared.runtime.postgres import Database, Tx

DIFFERENCES_MAX = 20


@dataclass(slots=True)
class Audited:
    """What an audit compared and where it found a difference; not decided while work waits."""

    records: int = 0
    facts: int = 0
    parked: int = 0
    discrepancies: int = 0
    matches: int = 0
    undecided: str = ""
    wrong: list[str] = field(default_factory=list[str])

    @property
    def lines(self) -> list[str]:
        """The result in words."""
        if self.undecided:
            return [f"Not decided: {self.undecided}."]
        compared = (
            f"Compared: {self.records} records, {self.facts} facts, {self.parked} parked,"
            f" {self.discrepancies} discrepancies, {self.matches} matches"
        )
        if not self.wrong:
            return ["Nothing was lost: what is kept follows from the topics.", compared]
        more = len(self.wrong) - DIFFERENCES_MAX
        shown = [f"  {each}" for each in self.wrong[:DIFFERENCES_MAX]]
        return [
            f"{len(self.wrong)} differences:",
            *shown,
            *([f"  and {more} more"] if more > 0 else []),
            compared,
        ]


@dataclass(slots=True)
class _Told:
    """What the topics tell, by book."""

    facts: dict[str, list[Fact]] = field(default_factory=dict[str, list[Fact]])
    acts: dict[str, Act] = field(default_factory=dict[str, Act])
    decisions: list[ActDecided] = field(default_factory=list[ActDecided])
    look_ups: set[str] = field(default_factory=set[str])


async def audit(
    address: KafkaAddress,
    database: Database,
    rules: Rules,
    *,
    inputs: Iterable[str],
    now: Callable[[], datetime],
) -> Audited:
    """Hold the tables against the topics.

    Raises:
        Unavailable: Kafka or Postgres does not answer.
    """
    result = Audited()
    at = now()
    async with (
        database.connection() as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        rows = await connection.fetch(SQL["behind"], list(inputs))
        positions = {Partition(r["topic"], r["partition"]): int(r["next_offset"]) for r in rows}
        if waits := await _what_waits(connection, address, positions, inputs, at):
            result.undecided = waits
            return result
        told = await _read(address, connection, rules, positions, result)
        rows = await connection.fetch(SQL["all_look_ups"])
        result.wrong += [
            f"look-up {row['id']} is kept and was not told"
            for row in rows
            if row["id"] not in told.look_ups
        ]
        for book in sorted(told.facts):
            await _compare(connection, rules, book, told, result, at=at)
    return result


async def _what_waits(
    connection: Tx,
    address: KafkaAddress,
    positions: dict[Partition, int],
    inputs: Iterable[str],
    at: datetime,
) -> str:
    ends = await end_offsets(address, sorted(inputs))
    behind = sum(end - positions.get(place, 0) for place, end in ends.items())
    if behind > 0:
        return f"{behind} records are not read yet"
    if await connection.fetchval(SQL["count_due"], at):
        return "a book waits to be judged"
    if waiting := await connection.fetchval(SQL["count_outbox"]):
        return f"{waiting} records are not published yet"
    return ""


async def _read(
    address: KafkaAddress,
    connection: Tx,
    rules: Rules,
    positions: dict[Partition, int],
    result: Audited,
) -> _Told:
    """Every record before our positions; one that cannot be read must have been parked."""
    told = _Told()
    parked = {
        f"{r['topic']}/{r['partition']}@{r['record_offset']}"
        for r in await connection.fetch(SQL["all_parked"])
    }
    async for records in scan(address, {p: (0, end) for p, end in positions.items() if end}):
        for record in records:
            result.records += 1
            if record.position in parked:
                result.parked += 1
                continue
            try:
                one = told_by(record, rules.books)
            except Refused:
                result.wrong.append(f"{record.position} cannot be read and was not parked")
                continue
            told.facts.setdefault(one.book, []).extend(one.facts)
            if one.act is not None:
                told.acts[record.envelope().id] = one.act
    ends = await end_offsets(address, [DECISIONS, LOOK_UPS])
    async for records in scan(address, {p: (0, end) for p, end in ends.items() if end}):
        for record in records:
            if record.topic == LOOK_UPS:
                told.look_ups.add(record.envelope().id)
            else:
                told.decisions.append(ACT_DECIDED.validate_json(record.value))
    for decision in told.decisions:
        told.facts.setdefault(decision.book, []).extend(acts.rulings_of(decision))
    told.facts.pop("", None)
    return told


async def _compare(
    connection: Tx,
    rules: Rules,
    book: str,
    told: _Told,
    result: Audited,
    *,
    at: datetime,
) -> None:
    known = fold(fact for fact in told.facts[book] if not isinstance(fact, Reading))
    rows = await connection.fetch(SQL["all_facts"], book)
    kept = {row["key"]: fact_of(row["kind"], row["body"]) for row in rows}
    result.facts += len(known)
    result.wrong += [f"{key} of the topics is not kept" for key in sorted(known.keys() - kept)]
    result.wrong += [f"{key} is kept and no topic tells it" for key in sorted(kept.keys() - known)]
    result.wrong += [
        f"{key} is kept otherwise than the topics tell it"
        for key in sorted(known.keys() & kept)
        if known[key] != kept[key]
    ]
    standing = {
        row["id"]: MatchMade.model_validate_json(row["record"])
        for row in await connection.fetch(SQL["standing_matches"], book)
    }
    whole = OpenBook(book, 0, known, standing)
    facts = await facts_in_hand(connection, whole, rules)
    wanted = reconcile(facts, at=at)
    found = {
        row["id"]: Kept(DiscrepancyState(row["state"]), row["resolution"] == "by_hand")
        for row in await connection.fetch(SQL["all_discrepancies"], book)
    }
    result.discrepancies += len(found)
    result.matches += len(standing)
    worked = worked_states((d for d in told.decisions if d.book == book), told.acts)
    result.wrong += differences(wanted, worked, found, frozenset(standing))
