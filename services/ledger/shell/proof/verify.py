"""The journal in use proved, from its first entry: by itself, and by what was published of it.

each entry      balanced, its digest that of its postings, its link that of its content
each origin     no gap, every link behind the one before, its head reached
witnesses       chains and trees as in the heads and links that were published or printed
its tail        what was not published yet: of messages that are there and were not passed
what is kept    balances, days, months, open items, claims, trees are what the entries make
"""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import starmap
from typing import Final

from services.ledger.proof.merkle import Frontier
from services.ledger.proof.proving import Anchor, Anchors, Finding, LegRow, OriginProof, Row
from services.ledger.proof.unpublished import Mark
from services.ledger.shell.booking.rows import Columns
from services.ledger.shell.proof.unpublished import begun_origins, hear_marks, tail_findings
from services.ledger.shell.proof.witnesses import Suspect, Witnesses, first_difference
from services.ledger.shell.queries import SQL
from shared.contracts.topics import origin as origin_name
from shared.runtime.kafka import KafkaAddress, Partition
from shared.runtime.postgres import Database, Tx

ENTRIES_AT_ONCE: Final = 2_000
FINDINGS_MAX: Final = 20
# A sum over the whole journal may take its time; nobody else waits for it.
SUM_SECONDS_MAX: Final = 1_800.0
Progress = Callable[[int, int], None]


def silent(_: int, __: int) -> None:
    """Progress that nobody is told of."""


@dataclass(frozen=True, slots=True)
class Verified:
    """How many entries were proved, and what does not hold: the first of each origin."""

    entries: int
    findings: tuple[Finding, ...]

    @property
    def problems(self) -> tuple[str, ...]:
        """What does not hold, each in a sentence."""
        return tuple(map(str, self.findings))

    @property
    def is_sound(self) -> bool:
        """Whether nothing was found."""
        return not self.findings


async def verify_journal(
    database: Database,
    witnesses: Witnesses | None = None,
    kafka: KafkaAddress | None = None,
    progress: Progress = silent,
) -> Verified:
    """Prove every entry of one snapshot, from the first of each origin on.

    With ``kafka`` an entry that does not hold is laid beside what was published of it.
    ``progress`` is told how many entries were proved, and of how many.

    Raises:
        Unavailable: Postgres or Kafka is away.
    """
    anchors = witnesses.anchors if witnesses is not None else Anchors()
    findings = list(witnesses.findings) if witnesses is not None else []
    marks: Mapping[str, Mark] = {}
    if kafka is not None:
        # Heard before the snapshot is taken, so that the journal has come at least so far.
        async with database.transaction() as tx:
            begun = await begun_origins(tx)
        marks = await hear_marks(kafka, set(begun))
    async with database.transaction("repeatable_read") as tx:
        await tx.execute(SQL["verify_settings"])
        heads = await tx.fetch(SQL["verify_origins"])
        total, checked = sum(head["sequence"] for head in heads), 0
        for head in heads:
            told = partial(_told, progress, checked, total)
            proof, found = await _verify_origin(tx, head, anchors, told)
            checked += proof.sequence if not found else max(0, found[0].sequence - 1)
            if found and kafka is not None:
                found = await _exactly(tx, kafka, head, proof, found)
            findings += found
        known = {origin_name(head["topic"], head["partition"]) for head in heads}
        findings += [
            Finding(
                name,
                1,
                "",
                f"it is missing: the journal has no such origin, and {a[0].witness}"
                f" tells of entry {a[0].sequence}",
            )
            for name, a in sorted(anchors.by_origin.items())
            if name not in known
        ]
        findings += await tail_findings(tx, heads, kafka, marks, anchors.by_origin)
        findings += await _kept_findings(tx, heads)
    return Verified(checked, tuple(findings[:FINDINGS_MAX]))


def _told(progress: Progress, before: int, total: int, done: int) -> None:
    progress(before + done, total)


async def _verify_origin(
    tx: Tx, head: Columns, anchors: Anchors, progress: Callable[[int], None]
) -> tuple[OriginProof, list[Finding]]:
    """What of an origin does not hold: the first entry, or else what is kept of it."""
    origin_id, name = head["origin_id"], origin_name(head["topic"], head["partition"])
    trees = await tx.fetch(SQL["verify_trees"], origin_id)
    asked: defaultdict[int, list[str]] = defaultdict(list)
    for tree in trees:
        asked[tree["sequence"]].append(tree["book"])
    by_sequence = anchors.of(name)
    if head["published_sequence"]:
        noted = Anchor(
            head["published_sequence"], head["published_chain"].hex(), "what is noted as published"
        )
        by_sequence.setdefault(noted.sequence, []).append(noted)
    proof = OriginProof(name, by_sequence, asked)
    finding = await _walk(tx, head, proof, progress)
    if finding is not None:
        return proof, [finding]
    kept = [*await _sums_of(tx, origin_id, proof), *await _trees_of(tx, origin_id, proof, trees)]
    return proof, kept


async def _walk(
    tx: Tx, head: Columns, proof: OriginProof, progress: Callable[[int], None]
) -> Finding | None:
    origin_id = head["origin_id"]
    while True:
        progress(proof.sequence)
        span = (origin_id, proof.sequence, proof.sequence + ENTRIES_AT_ONCE)
        legs: defaultdict[int, list[LegRow]] = defaultdict(list)
        for leg in starmap(LegRow, await tx.fetch(SQL["verify_postings"], *span)):
            legs[leg.sequence].append(leg)
        rows = list(starmap(Row, await tx.fetch(SQL["verify_entries"], *span)))
        if finding := proof.take(rows, legs):
            return finding
        if more := sorted(legs.keys() - {row.sequence for row in rows}):
            said = "it is missing, and its postings are there"
            return proof.finding(more[0], "", said)
        if len(rows) < ENTRIES_AT_ONCE:
            (further,) = await tx.fetch(SQL["verify_next_sequence"], origin_id, proof.sequence)
            if further["sequence"] is None:
                break
            said = f"it is missing; entry {further['sequence']} follows"
            return proof.finding(proof.sequence + 1, "", said)
    return proof.ended(sequence=head["sequence"], chain=head["chain"])


async def _exactly(
    tx: Tx, kafka: KafkaAddress, head: Columns, proof: OriginProof, found: list[Finding]
) -> list[Finding]:
    """A finding about an entry, as exactly as what was published tells it."""
    finding = found[0]
    if not finding.sequence:
        return found
    where = Partition(head["topic"], head["partition"])
    suspect = Suspect(head["origin_id"], where, proof.agreed, finding.sequence, proof.agreed_at)
    exact = await first_difference(tx, kafka, suspect)
    return [exact or finding]


async def _sums_of(tx: Tx, origin_id: int, proof: OriginProof) -> list[Finding]:
    kept = {
        (row["book"], row["account"], row["currency"]): [row["debit_minor"], row["credit_minor"]]
        for row in await tx.fetch(SQL["verify_balances"], origin_id)
    }
    zero = [0, 0]
    return [
        proof.finding(
            0,
            "",
            f"the balance of {account} in book {book} is kept as debits {kept_debit}, credits"
            f" {kept_credit} {currency}; its entries sum to debits {debit}, credits {credit}",
        )
        for place in sorted(kept.keys() | proof.sums.keys())
        for (book, account, currency), (kept_debit, kept_credit), (debit, credit) in (
            (place, kept.get(place, zero), proof.sums.get(place, zero)),
        )
        if (kept_debit, kept_credit) != (debit, credit)
    ]


async def _trees_of(
    tx: Tx, origin_id: int, proof: OriginProof, trees: Sequence[Columns]
) -> list[Finding]:
    """What of the kept trees is not made of the entries; they may lag behind them."""
    found: list[Finding] = []
    for row in trees:
        if proof.recorded.get(row["book"]) != (row["size"], _root_of(row), row["chain"]):
            said = f"the kept tree of book {row['book']} is not its entries'"
            found.append(proof.finding(0, "", said))
    for row in await tx.fetch(SQL["verify_tiles"], origin_id):
        if proof.tiles.get((row["book"], row["position"])) != row["hash"]:
            said = f"tile {row['position']} of the kept tree of book {row['book']} is not its"
            found.append(proof.finding(0, "", f"{said} entries'"))
    return found


def _root_of(tree: Columns) -> bytes:
    """The root of a kept tree; empty: these are no peaks of a tree of that size."""
    try:
        return Frontier.from_bytes(tree["size"], tree["peaks"]).root()
    except ValueError:
        return b""


async def _kept_findings(tx: Tx, heads: Sequence[Columns]) -> list[Finding]:
    """What is kept beside the journal and is not what its entries make."""
    begun = [head for head in heads if head["next_offset"] is not None]
    reached = ([h["origin_id"] for h in begun], [h["next_offset"] for h in begun])

    async def rows(name: str, *arguments: object) -> Sequence[Columns]:
        return await tx.fetch(SQL[name], *arguments, timeout=SUM_SECONDS_MAX)

    found = [
        Finding(
            origin_name(row["topic"], row["partition"]),
            row["sequence"],
            row["reference"],
            f"its message, at offset {row['caused_offset']}, has not been read yet, says the"
            " position",
        )
        for row in await rows("verify_positions_passed", *reached)
    ]
    found += [
        Finding(
            origin_name(row["topic"], row["partition"]),
            row["sequence"],
            row["reference"],
            "its reference is claimed for another entry"
            if row["is_claimed"]
            else "its reference is not claimed: it could be booked twice",
        )
        for row in await rows("verify_unclaimed", FINDINGS_MAX)
    ]
    found += [
        Finding(
            origin_name(row["topic"], row["partition"]),
            0,
            row["reference"],
            f"claimed in book {row['book']} for the message at offset {row['caused_offset']},"
            " which has booked no such entry: it could never be booked",
        )
        for row in await rows("verify_claims_without_entry", *reached, FINDINGS_MAX)
    ]
    found += [
        Finding(
            origin_name(row["topic"], row["partition"]),
            0,
            "",
            f"{row['identity']} of book {row['book']} is remembered as told at offset"
            f" {row['caused_offset']}, which has not been read yet",
        )
        for row in await rows("verify_events_ahead", *reached, FINDINGS_MAX)
    ]
    return found + [Finding("", 0, "", said) for said in await _sums_kept(rows)]


async def _sums_kept(rows: Callable[..., Awaitable[Sequence[Columns]]]) -> list[str]:
    """Days, months and open items, now and as they were kept, that are not what they sum."""
    said = [
        f"the {row['span']} of {row['account']} in book {row['book']} do not sum to its "
        f"{row['currency']} balance: debits {row['summed_debit_minor']} for "
        f"{row['debit_minor']}, credits {row['summed_credit_minor']} for {row['credit_minor']}"
        for row in await rows("buckets_off", FINDINGS_MAX)
    ]
    said += [
        f"the month {row['effective_month']:%Y-%m} (recorded {row['recorded_month']:%Y-%m}) of "
        f"{row['account']} in book {row['book']} is not the sum of its days"
        for row in await rows("months_off", FINDINGS_MAX)
    ]
    said += [
        f"the folded {row['span']} {row['effective']} (recorded {row['recorded']}) of "
        f"{row['account']} in book {row['book']} is not the sum of what it folds"
        for row in await rows("folds_off", FINDINGS_MAX)
    ]
    said += [
        f"{row['account']}[{row['key']}] in book {row['book']} is kept open with "
        f"{row['kept_minor']} {row['currency']}, and its postings sum to {row['summed_minor']}"
        for row in await rows("verify_open_items", FINDINGS_MAX)
    ]
    said += [
        f"{row['account']}[{row['key']}] in book {row['book']} was kept open at moment"
        f" {row['number']} with {row['excess']} {row['currency']} more than its postings sum to"
        for row in await rows("verify_kept_items", FINDINGS_MAX)
    ]
    return said
