"""What of a batch is new: messages by their ids, facts by their references."""

from collections.abc import Mapping, Sequence

from services.ledger.decisions import COMMAND
from services.ledger.posting_rules import Remark, difference, subject_of
from services.ledger.shell.booking.batch import Batch, Claim, Name, Seen, Told
from services.ledger.shell.booking.deciding import Decided
from services.ledger.shell.booking.opening import comes_behind, first_messages, message_columns
from services.ledger.shell.booking.rows import entries_of
from services.ledger.shell.queries import SQL
from shared.contracts import topics
from shared.contracts.discrepancies import DiscrepancyKind
from shared.contracts.errors import InvariantBroken, Unreadable
from shared.contracts.journal import Entry
from shared.contracts.messages import OutcomeKind
from shared.runtime.dead_letters import attempts_of
from shared.runtime.kafka import Partition
from shared.runtime.postgres import Tx


async def remember(tx: Tx, batch: Batch) -> None:
    """Tell messages that are new from repeated ones and from those that contradict an earlier one.

    What is new brings its entries and remarks into the batch; what it asks is judged later. A
    command whose decision is on record is neither repeated nor contradicting: it is followed.
    """
    first = first_messages([each for each in batch.decided if _may_be_first(batch, each)])
    standing = batch.seen if batch.seen is not None else await _remembered(tx, first)
    for each in batch.decided:
        decision = each.decision
        if decision is None:
            batch.booked.parked += 1
            continue
        name = (decision.book, decision.identity or "")
        is_new = decision.identity is None or (first.get(name) is each and name not in standing)
        if is_new or id(each) in batch.recorded:
            _take_in(batch, each)
            continue
        said = standing.get(name) or _seen(batch, first.get(name))
        if said is not None and said.digest == decision.identity_digest:
            batch.booked.repeated += 1
            if _is_sent_again(each):
                _take_in(batch, each)
            elif each.record.topic == topics.LEDGER_COMMANDS:
                batch.again.append((each, said.place))
        else:
            batch.booked.conflicts += 1
            batch.remark(each, _contradiction(each, decision.identity or ""))


def _may_be_first(batch: Batch, each: Decided) -> bool:
    if comes_behind(each, batch.contradicting):
        return False
    record = batch.recorded.get(id(each))
    return record is None or record.is_first


def _seen(batch: Batch, first: Decided | None) -> Seen | None:
    if first is None or first.decision is None or first.decision.identity_digest is None:
        return None
    place = (batch.head_of(first).origin_id, first.record.offset)
    return Seen(first.decision.identity_digest, place)


async def _remembered(tx: Tx, first: Mapping[Name, Decided]) -> dict[Name, Seen]:
    """What those messages of the batch had said that were remembered before it."""
    if not first:
        return {}
    return {
        (row["book"], row["identity"]): Seen(
            row["digest"], (row["origin_id"], row["caused_offset"])
        )
        for row in await tx.fetch(SQL["remember_messages"], *message_columns(first))
    }


def _take_in(batch: Batch, each: Decided) -> None:
    if each.decision is None:
        return
    if each.decision.entries:
        batch.tellings.extend(batch.tellings_of(each, each.decision.entries))
    if each.decision.asked is not None:
        batch.asked.append(each)
    if each.decision.passed_on:
        batch.passing_on.append(each)
    if each.decision.remarks:
        batch.remark(each, *each.decision.remarks)


def _is_sent_again(each: Decided) -> bool:
    """Whether a person has sent the record again: what was refused of it then may be booked now.

    What was booked of it is not booked twice, for a fact is booked under its own reference.
    """
    is_command = each.record.topic == topics.LEDGER_COMMANDS
    return not is_command and attempts_of(each.record.headers) > 0


def _contradiction(each: Decided, identity: str) -> Remark:
    if each.record.topic == topics.LEDGER_COMMANDS:
        return Remark(
            OutcomeKind.CONFLICT,
            COMMAND,
            subject_of(identity),
            "this idempotency key came before with another command",
            identity,
        )
    return Remark(
        OutcomeKind.CONFLICT,
        DiscrepancyKind.EVENT_CONFLICT,
        identity,
        "this event came before with other content; the first stands, nothing of this is booked",
    )


async def claimed(tx: Tx, batch: Batch, tellings: Sequence[Told]) -> list[Told]:
    """Those of the tellings that may be booked, in the order of the messages.

    A telling is ours to book when the claim names its very message. That is so for what was
    claimed just now, and for what was claimed on its behalf from our own published entries after
    a database was lost.
    """
    first: dict[Name, Told] = {}
    for told in tellings:
        first.setdefault(told.name, told)
    claims, batch.claims = batch.claims, None
    if claims is not None and len(first) != batch.claims_asked:
        raise InvariantBroken(f"{batch.claims_asked} facts were claimed, and {len(first)} are told")
    if not first:
        return []
    if claims is None:
        claims = await _earlier_claims(tx, first)
    fresh: list[Told] = []
    for told in tellings:
        earlier = claims.get(told.name)
        if earlier is None and first[told.name] is told:
            fresh.append(told)
            batch.fresh[told.name] = told.entry
            continue
        claim = earlier or _claim_of(first[told.name])
        if told.digest != claim.digest:
            if _was_told_so(batch, told, claim):
                batch.booked.already_booked += 1
                continue
            batch.booked.conflicts += 1
            batch.conflicting.append(told)
        elif told.place == claim.place:
            fresh.append(told)
            batch.fresh[told.name] = told.entry
        else:
            batch.booked.already_booked += 1
    return fresh


def _was_told_so(batch: Batch, told: Told, claim: Claim) -> bool:
    """Whether it says what stands, and only what is in force has changed between the two.

    A fact is booked by what was in force where it was told first. Told again where other rules are
    in force, it is the same fact when those of the first place make the same of it.
    """
    origin_id, offset = claim.place
    places = (p for p, head in batch.heads.items() if head.origin_id == origin_id)
    where = next(places, None)
    again = told.by.told_at(Partition(*where), offset) if where is not None else None
    entries = again.entries if again is not None else ()
    return any(
        each.reference == told.entry.reference and each.digest() == claim.digest for each in entries
    )


def _claim_of(told: Told) -> Claim:
    return Claim(told.digest, told.place)


async def _earlier_claims(tx: Tx, first: Mapping[Name, Told]) -> dict[Name, Claim]:
    """Claim all; gives the claims of those that were claimed before."""
    rows = [first[name] for name in sorted(first)]
    return {
        (row["book"], row["reference"]): Claim(
            row["digest"], (row["origin_id"], row["caused_offset"])
        )
        for row in await tx.fetch(
            SQL["claim_references"],
            [told.entry.book for told in rows],
            [told.entry.reference for told in rows],
            [told.digest for told in rows],
            [told.by.record.topic for told in rows],
            [told.by.record.partition for told in rows],
            [told.by.record.offset for told in rows],
        )
    }


async def look_into_conflicts(tx: Tx, batch: Batch) -> None:
    """Say of each conflict by how much it differs from what stands."""
    if not batch.conflicting:
        return
    elsewhere = sorted({told.name for told in batch.conflicting} - batch.fresh.keys())
    standing: dict[Name, Entry] = dict(batch.fresh)
    if elsewhere:
        standing |= entries_of(
            await tx.fetch(
                SQL["read_claimed_entries"],
                [book for book, _ in elsewhere],
                [reference for _, reference in elsewhere],
            )
        )
    for told in batch.conflicting:
        first = standing.get(told.name)
        batch.remark(
            told.by,
            Remark(
                OutcomeKind.CONFLICT,
                DiscrepancyKind.REFERENCE_CONFLICT,
                _subject(told.entry.reference),
                "this fact was booked before with other postings; the first stands",
                told.entry.reference,
                difference(first, told.entry) if first is not None else None,
            ),
        )


def _subject(reference: str) -> str:
    try:
        return subject_of(reference)
    except Unreadable:
        return reference
