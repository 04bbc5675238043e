"""Grows the trees over what was published, and publishes their heads.

    published entries ──▶ trees, tiles         a transaction for each stretch
    trees ──▶ ledger.tree-heads ──▶ tree_heads

Only what stands on ``ledger.entries`` comes into a tree, so no head tells more than was published.
A head is noted in the transaction that made it, after its acknowledgement: a crash between the two
has the same trees told again, or larger ones, never others.
"""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Final

import orjson

from services.ledger.decisions import RULES_VERSION
from services.ledger.proof.merkle import TILE_LEAVES, Frontier
from services.ledger.proof.tree_heads import Grown, contradiction, head_of
from services.ledger.shell import measures
from services.ledger.shell.booking.rows import Columns
from services.ledger.shell.failpoints import Failpoint, Failpoints
from services.ledger.shell.proof.head_tails import heads_are_known, learn_heads, note_head
from services.ledger.shell.proof.signing import SigningKey
from services.ledger.shell.queries import SQL
from services.ledger.shell.wire import head_publication
from shared.contracts.errors import InvariantBroken, Unavailable
from shared.contracts.topics import origin as origin_name
from shared.contracts.tree_heads import TreeHead
from shared.runtime import log
from shared.runtime.kafka import KafkaAddress, Publisher
from shared.runtime.kafka_client import RETRY_SECONDS_FIRST, RETRY_SECONDS_MAX
from shared.runtime.lifecycle import pause
from shared.runtime.metrics import Health
from shared.runtime.postgres import Database, Tx

HEALTH: Final = "trees"
BEAT_SECONDS_MAX: Final = 120.0
ORIGINS_MAX: Final = 64
# Of all origins together: what is held in memory at once.
ENTRIES_AT_ONCE: Final = 5_000
# What is left over of so few is looked for in the next interval, and not at once.
# As many in one round mean that more are waiting.
MORE_WAIT_FROM: Final = 500
HASHED_AT_ONCE: Final = 500
_Tree = tuple[int, str]
_logger = log.get(__name__)


@dataclass(frozen=True, slots=True)
class Pace:
    """When a head is due: after so many entries, or after so long if there is any."""

    entries: int
    seconds: float

    def is_due(self, *, new: int, told_at: datetime | None, now: datetime) -> bool:
        """Whether a book with so many new entries is to have a head."""
        if told_at is None or new >= self.entries:
            return new > 0
        return new > 0 and now - told_at >= timedelta(seconds=self.seconds)


@dataclass(slots=True)
class _Growth:
    """What becomes of a book's tree in a stretch of its origin."""

    tree: Frontier = field(default_factory=Frontier)
    sequence: int = 0
    chain: bytes = b""
    tiles: list[tuple[int, bytes, int]] = field(default_factory=list[tuple[int, bytes, int]])

    async def take(self, leaves: Sequence[tuple[int, bytes]]) -> None:
        """Add entries by sequence and link; others have their turn meanwhile."""
        before, told = self.tree.size, iter(leaves)
        while stretch := list(islice(told, HASHED_AT_ONCE)):
            for position, tile in self.tree.extend(chain for _, chain in stretch):
                last = (position + 1) * TILE_LEAVES - 1 - before
                self.tiles.append((position, tile, leaves[last][0]))
            await asyncio.sleep(0)  # lets them go first
        self.sequence, self.chain = leaves[-1]


@dataclass(slots=True)
class TreeKeeper:
    """Keeps the trees of the journal in use, and tells their heads."""

    database: Database
    kafka: KafkaAddress
    publisher: Publisher
    health: Health
    failpoints: Failpoints
    pace: Pace
    key: SigningKey | None = None
    interval_seconds: float = 0.5
    timeout_seconds: float = 20.0
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)

    async def run(self, stop: asyncio.Event) -> None:
        """Keep them until asked to stop.

        Raises:
            InvariantBroken: The journal is not the one whose heads were published.
        """
        backoff = RETRY_SECONDS_FIRST
        while not stop.is_set():
            self.health.beat(HEALTH, next_within_seconds=BEAT_SECONDS_MAX)
            try:
                while await self.grow() >= MORE_WAIT_FROM and not stop.is_set():
                    self.health.beat(HEALTH, next_within_seconds=BEAT_SECONDS_MAX)
                await self.publish_heads()
            except Unavailable as error:
                self.health.not_ready(HEALTH, str(error))
                _logger.warning("trees.waited", reason=str(error), seconds=backoff)
                await pause(stop, backoff)
                backoff = min(backoff * 2, RETRY_SECONDS_MAX)
                continue
            self.health.ready(HEALTH)
            backoff = RETRY_SECONDS_FIRST
            await pause(stop, self.interval_seconds)

    async def grow(self) -> int:
        """Take published entries into the trees, up to a bound; how many there were.

        Raises:
            InvariantBroken: The journal has no entry that it must have.
        """
        grown = await grow_trees(self.database)
        measures.TREE_LEAVES.inc(grown)
        return grown

    async def publish_heads(self) -> int:
        """Publish what heads are due; how many.

        Raises:
            InvariantBroken: A head that was published contradicts the trees.
        """
        async with self.database.connection() as connection:
            rows = await connection.fetch(SQL["heads_due"])
        now = self.clock()
        due = [
            row["book"]
            for row in rows
            if self.pace.is_due(new=row["size"] - row["told_size"], told_at=row["made_at"], now=now)
        ]
        if due and not await heads_are_known(self.database):
            await learn_heads(self.database, self.kafka)
        return sum([await self._publish_head(book) for book in due])

    async def _publish_head(self, book: str) -> bool:
        async with self.database.transaction() as tx:
            (hold,) = await tx.fetch(SQL["hold_head"], book)
            if not hold["is_held"]:
                return False
            told = [_told(row) for row in await tx.fetch(SQL["last_head"], book)]
            head = head_of(
                book,
                [_grown(row) for row in await tx.fetch(SQL["trees_of_book"], book)],
                rules_version=RULES_VERSION,
                made_at=self.clock(),
                public_key="",
            )
            if told and not _goes_on(told[0], head):
                return False
            if self.key is not None:
                head = self.key.signed(head)
            self.failpoints.reached(Failpoint.BEFORE_HEAD)
            await self.publisher.publish_all([head_publication(head)], self.timeout_seconds)
            self.failpoints.reached(Failpoint.AFTER_HEAD)
            await note_head(tx, head)
        measures.TREE_HEADS.inc()
        return True


async def grow_trees(database: Database) -> int:
    """Take published entries of a journal into its trees, up to a bound; how many there were.

    Raises:
        InvariantBroken: The journal has no entry that it must have.
    """
    async with database.transaction() as tx:
        await tx.execute(SQL["begin_tree_origins"])
        due = await tx.fetch(SQL["tree_origins_due"], ORIGINS_MAX)
        return await _grow_origins(tx, due) if due else 0


def _goes_on(told: TreeHead, head: TreeHead) -> bool:
    """Whether a head is one to tell after another.

    Raises:
        InvariantBroken: They contradict one another.
    """
    if head.size <= told.size:
        # The trees of a journal that was made anew have not come to where the last ones were.
        if head.size == told.size and head.root != told.root:
            raise InvariantBroken(
                f"book {head.book}: the tree of {head.size} entries has the root {head.root}, and"
                f" {told.root} was published: the journal is not the one that was published"
            )
        return False
    sizes = {each.origin: each.size for each in head.origins}
    if any(sizes.get(each.origin, 0) < each.size for each in told.origins):
        return False
    if said := contradiction(told, head):
        raise InvariantBroken(f"book {head.book}: what was published is another journal's: {said}")
    return True


async def _grow_origins(tx: Tx, due: Sequence[Columns]) -> int:
    """Take what is due of origins into their trees, so much of each that all is not too much."""
    share = max(1, ENTRIES_AT_ONCE // len(due))
    spans = {
        each["origin_id"]: (each["sequence"], min(each["up_to"], each["sequence"] + share))
        for each in due
    }
    leaves: defaultdict[_Tree, list[tuple[int, bytes]]] = defaultdict(list)
    found: Counter[int] = Counter()
    for origin_id, sequence, book, chain in await tx.fetch(
        SQL["tree_leaves"], list(spans), *_columns(spans.values())
    ):
        leaves[origin_id, book].append((sequence, chain))
        found[origin_id] += 1
    for each in due:
        after, up_to = spans[each["origin_id"]]
        if found[each["origin_id"]] != up_to - after:
            raise InvariantBroken(
                f"{origin_name(each['topic'], each['partition'])}: the journal has"
                f" {found[each['origin_id']]} entries after sequence {after} and up to {up_to}"
            )
    trees = {
        (row["origin_id"], row["book"]): _Growth(Frontier.from_bytes(row["size"], row["peaks"]))
        for row in await tx.fetch(SQL["trees_of_origins"], *_columns(leaves))
    }
    for tree, of_tree in sorted(leaves.items()):
        await trees.setdefault(tree, _Growth()).take(of_tree)
    tiles = [(*tree, *tile) for tree, growth in sorted(trees.items()) for tile in growth.tiles]
    if tiles:
        await tx.execute(SQL["keep_tiles"], *_columns(tiles))
    grown = [
        (*tree, growth.tree.size, growth.sequence, growth.chain, growth.tree.to_bytes())
        for tree, growth in sorted(trees.items())
    ]
    await tx.execute(SQL["grow_trees"], *_columns(grown))
    await tx.execute(SQL["move_tree_origins"], list(spans), [up_to for _, up_to in spans.values()])
    return found.total()


def _columns(rows: Iterable[tuple[object, ...]]) -> list[list[object]]:
    return [list(column) for column in zip(*rows, strict=True)]


def _grown(row: Columns) -> Grown:
    return Grown(
        origin_name(row["topic"], row["partition"]),
        Frontier.from_bytes(row["size"], row["peaks"]),
        row["sequence"],
        row["chain"],
    )


def _told(row: Columns) -> TreeHead:
    return TreeHead.model_validate_json(orjson.dumps(row["head"]))
