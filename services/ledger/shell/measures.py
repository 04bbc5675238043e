"""What the ledger counts."""

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

MESSAGES: Final = Counter("tallystick_projector_events_total", "Messages taken in", ["outcome"])
ENTRIES_BOOKED: Final = Counter("tallystick_ledger_entries_booked_total", "Entries booked")
OUTCOMES: Final = Counter("tallystick_ledger_outcomes_total", "Outcomes written")
BATCH_SECONDS: Final = Histogram(
    "tallystick_ledger_batch_seconds",
    "From the first message of a batch in hand to its commit",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
BATCH_MESSAGES: Final = Histogram(
    "tallystick_ledger_batch_messages",
    "Messages in a batch",
    buckets=(1, 10, 100, 500, 1000, 2000, 5000),
)
FENCED: Final = Counter("tallystick_ledger_fenced_total", "Batches that another process had booked")
PARTITIONS: Final = Gauge("tallystick_ledger_partitions", "Input partitions read by this process")
PUBLISHED: Final = Counter("tallystick_ledger_published_total", "Records published", ["topic"])
TREE_LEAVES: Final = Counter("tallystick_ledger_tree_leaves_total", "Entries taken into trees")
TREE_HEADS: Final = Counter("tallystick_ledger_tree_heads_total", "Tree heads published")
CHECKED_AT: Final = Gauge(
    "tallystick_ledger_rebuild_check_timestamp_seconds",
    "When the books were last rebuilt beside those in use and held against them",
)
CHECK_DIFFERS: Final = Gauge(
    "tallystick_ledger_rebuild_check_differs", "1 when that found a difference, 0 when none"
)
