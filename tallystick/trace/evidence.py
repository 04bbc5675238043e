"""An entry proved: its content and its link, the rule applied again, the message's signature."""

import hashlib
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final

from services.ingest.signature import Secret
from services.ledger.exports.journal import Leg, Told
from services.ledger.proof.hash_chain import GENESIS, chain_next
from services.ledger.shell.booking.deciding import Decided, Decider
from shared.contracts.commands import BookManualEntry, Command
from shared.contracts.errors import Refused, Unavailable
from shared.contracts.journal import Account, Book, Direction, Entry, Posting
from shared.contracts.journal import Reference as EntryReference
from shared.contracts.money import Currency, Money
from shared.contracts.references import passes_on
from shared.contracts.topics import STRIPE_EVENTS
from shared.runtime.kafka import KafkaAddress, Partition, Record, offset_bounds, scan
from tallystick.events.proof import Proof, Standing, proof_of
from tallystick.trace.passed_on import said_again
from tallystick.trace.rules import Rule, rule_of

# What each unsigned topic rests on instead.
WARRANTS: Final[Mapping[str, str]] = {
    "stripe.objects": "read from Stripe's API with our own key; Stripe signs no answers",
    "bank.observations": "read from the bank by our own feed; the bank signs no answers",
    "chain.observations": "read from a node by our own feed",
    "reconciliation.matches": "decided by our own reconciler",
    "ledger.commands": "sent by a person or an agent through the console or the command line",
}


@dataclass(frozen=True, slots=True)
class Retold:
    """What the rules make of the same bytes today."""

    holds: bool
    detail: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that stands behind one entry.

    ``record`` is ``None`` where the message cannot be read, ``lacking`` says why; ``head`` where
    no published tree head tells of the entry yet.
    """

    told: Told
    content_holds: bool
    link_holds: bool
    rule: Rule
    record: Record | None
    lacking: str
    retold: Retold | None
    proof: Proof | None
    head: Retold | None = None

    @property
    def is_sound(self) -> bool:
        """Whether nothing that could be proved has failed."""
        return (
            self.content_holds
            and self.link_holds
            and (self.retold is None or self.retold.holds)
            and (self.head is None or self.head.holds)
            and (self.proof is None or self.proof.standing is not Standing.FAILED)
        )


@dataclass(frozen=True, slots=True)
class Prover:
    """Proves entries with what this installation knows."""

    decider: Decider
    secrets: Mapping[str, Sequence[Secret]]
    tolerance_seconds: int

    def evidence(self, told: Told, record: Record | None, lacking: str) -> Evidence:
        """What stands behind an entry and holds."""
        entry = entry_of(told)
        content_holds = entry is not None and entry.digest().hex() == told.digest
        retold = proof = None
        if record is not None:
            retold = self._retold(told, self.decider.decided(record))
            if record.topic == STRIPE_EVENTS:
                proof = proof_of(
                    record.envelope(), self.secrets, tolerance_seconds=self.tolerance_seconds
                )
        rule = rule_of(told, record.value if record is not None else None)
        return Evidence(
            told, content_holds, _link_holds(told), rule, record, lacking, retold, proof
        )

    def _retold(self, told: Told, decided: Decided) -> Retold:
        if decided.decision is None:
            why = decided.refusal.detail if decided.refusal is not None else "nothing"
            return Retold(False, f"the rules of today refuse the bytes: {why}")
        if decided.decision.asked is not None:
            return _as_asked(told, decided.decision.asked.command)
        if passes_on(told.reference):
            return Retold(*said_again(told, decided.decision))
        for entry in decided.decision.entries:
            if (entry.reference, entry.book) == (told.reference, told.book):
                if entry.digest().hex() == told.digest:
                    return Retold(True, f"version {entry.rules_version} makes the same entry")
                return Retold(False, f"version {entry.rules_version} makes another entry")
        said = "".join(f": {each.reason}, {each.detail}" for each in decided.decision.remarks[:1])
        return Retold(
            False,
            f"the rules of today make no such entry of the bytes{said}; are the books file and the"
            " chart here those of the ledger?",
        )


def _as_asked(told: Told, command: Command) -> Retold:
    """A command was decided once, and is not judged again; its own postings can be compared."""
    if isinstance(command, BookManualEntry):
        asked = sorted(
            (p.account, p.key, p.side.value, p.amount.money().minor, p.amount.currency.lower())
            for p in command.postings
        )
        booked = sorted(
            (leg.account, leg.key, leg.direction, leg.minor, leg.currency) for leg in told.legs
        )
        if asked != booked:
            return Retold(False, "the command asks for other postings")
        return Retold(True, "the command asks for these very postings, and was accepted")
    return Retold(True, f"decided when the command came ({command.kind}), and never again")


async def records_of(kafka: KafkaAddress, entries: Sequence[Told]) -> dict[tuple[str, int], Record]:
    """The messages of entries, by origin and offset; those that are not there are left out.

    Raises:
        Unavailable: Kafka does not answer.
    """
    found: dict[tuple[str, int], Record] = {}
    topics = sorted({told.topic for told in entries})
    first, end = await offset_bounds(kafka, topics) if topics else ({}, {})
    for told in entries:
        where = Partition(told.topic, told.partition)
        place = (told.origin, told.offset)
        if place in found or not first.get(where, 0) <= told.offset < end.get(where, 0):
            continue
        async with aclosing(scan(kafka, {where: (told.offset, told.offset + 1)})) as batches:
            async for batch in batches:
                for record in batch:
                    found[place] = record
    return found


async def evidence_of(
    kafka: KafkaAddress, prover: Prover, entries: Sequence[Told]
) -> list[Evidence]:
    """What stands behind entries; where Kafka is away, what can be told without it."""
    lacking = "it is not on the topic any more; look into the archive"
    try:
        records = await records_of(kafka, entries)
    except Unavailable as error:
        records, lacking = {}, f"the topic cannot be read: {error}"
    found: list[Evidence] = []
    for told in entries:
        record = records.get((told.origin, told.offset))
        found.append(prover.evidence(told, record, "" if record is not None else lacking))
    return found


def sha256_of(record: Record) -> str:
    """The digest of a message's bytes."""
    return hashlib.sha256(record.value).hexdigest()


def entry_of(told: Told) -> Entry | None:
    """The entry that was told; ``None``: what stands there is none."""
    try:
        return Entry(
            book=Book(told.book),
            reference=EntryReference(told.reference),
            kind=told.kind,
            effective_at=told.effective_at,
            postings=tuple(map(posting_of, told.legs)),
            rules_version=told.rules_version,
            description=told.description,
            reverses=None if told.reverses is None else EntryReference(told.reverses),
        )
    except (ValueError, Refused):
        return None


def posting_of(leg: Leg) -> Posting:
    """A posting as the contracts have it."""
    amount = Money(leg.minor, Currency(leg.currency, leg.exponent))
    return Posting(Account(leg.account), leg.key, Direction(leg.direction), amount)


def _link_holds(told: Told) -> bool:
    previous = bytes.fromhex(told.previous) if told.previous else GENESIS
    link = chain_next(
        previous,
        origin=told.origin,
        sequence=told.sequence,
        digest=bytes.fromhex(told.digest),
        book=told.book,
        reference=told.reference,
        kind=told.kind,
        effective_at=told.effective_at,
        recorded_at=told.recorded_at,
        offset=told.offset,
        message_id=told.message_id,
        rules_version=told.rules_version,
        reverses=told.reverses,
        description=told.description,
    )
    return link.hex() == told.chain
