"""The records of a broker beside those of a copy: read in any portions, in the same form."""

from dataclasses import dataclass, field
from typing import Final

from services.archiver.records import CopiedRecord
from shared.contracts.errors import Unavailable
from shared.runtime.kafka_client import Partition
from shared.runtime.kafka_exact import ExactReader, RawRecord

READ_WAIT_MS: Final = 500
READ_RECORDS_MAX: Final = 2_000
SILENT_READS_MAX: Final = 60


@dataclass(slots=True)
class BrokerRecords:
    """The records of one partition, by any number at a time."""

    reader: ExactReader
    where: Partition
    left: list[RawRecord] = field(default_factory=list[RawRecord])

    async def take(self, count: int) -> list[RawRecord]:
        """The next ``count`` records; fewer when the partition has no more."""
        silent = 0
        while len(self.left) < count:
            found = await self.reader.more(wait_ms=READ_WAIT_MS, records_max=READ_RECORDS_MAX)
            self.left += found.get(self.where, [])
            if found:
                silent = 0
                continue
            if self.reader.is_at_end(self.where, await self.reader.position(self.where)):
                break
            silent += 1
            if silent > SILENT_READS_MAX:
                raise Unavailable(f"Kafka is silent about {self.where}")
        taken, self.left = self.left[:count], self.left[count:]
        return taken


def raw_of(record: CopiedRecord) -> RawRecord:
    """A copied record as the broker takes it and gives it."""
    return RawRecord(record.offset, record.timestamp_ms, record.key, record.value, record.headers)
