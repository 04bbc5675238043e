"""What the archiver counts."""

from typing import Final

from prometheus_client import Counter, Gauge

SEGMENTS: Final = Counter("tallystick_archiver_segments_total", "Segments sealed", ["topic"])
RECORDS: Final = Counter("tallystick_archiver_records_total", "Records copied", ["topic"])
CONTENT_BYTES: Final = Counter(
    "tallystick_archiver_content_bytes_total", "Bytes of records copied, unpacked", ["topic"]
)
STORED_BYTES: Final = Counter(
    "tallystick_archiver_stored_bytes_total", "Bytes written to the store", ["topic"]
)
LOST_OFFSETS: Final = Counter(
    "tallystick_archiver_lost_offsets_total",
    "Offsets that the broker had dropped before they were copied",
    ["topic"],
)
OLDEST_SECONDS: Final = Gauge(
    "tallystick_archiver_oldest_uncopied_seconds",
    "Age of the oldest record that was read and is not in the copy yet; 0 without one",
)
BUFFERED_BYTES: Final = Gauge("tallystick_archiver_buffered_bytes", "Bytes read and not sealed")
