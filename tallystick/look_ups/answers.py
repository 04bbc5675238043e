"""What the look-ups said, from the views of those who carry them out: the poller and the feeds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from shared.contracts.errors import Unavailable
from shared.contracts.look_ups import LookUp
from shared.runtime.postgres import load_queries
from tallystick.published_views import published_views

# Who carries out which look-ups: the schema of its views, and the role that may read them.
_VIEWS: Final = {
    LookUp.STRIPE_OBJECT: ("ingest_read", "ingest_reader"),
    LookUp.BANK_LINES: ("feeds_read", "feeds_reader"),
}
_SQL: Final = load_queries(Path(__file__).parent / "sql")
_SAID: Final[Mapping[str, str]] = {
    "told": "Stripe answered",
    "gone": "Stripe does not know it",
    "refused": "Stripe refused it",
    "superseded": "a later one took its place",
    "read": "the bank was read",
    "by_files": "only files tell this account: import the statement of that day",
    "left": "nobody could answer",
}
_NOT_TAKEN: Final = "not answered yet"


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of one look-up. ``settled_at`` is empty while it is still to be carried out."""

    state: str
    reason: str
    tries: int
    try_at: datetime
    settled_at: datetime | None

    @property
    def said(self) -> str:
        """In words, without the time."""
        if self.settled_at is not None:
            what = _SAID.get(self.state, self.state)
            return f"{what}: {self.reason}" if self.reason else what
        if not self.tries:
            return _NOT_TAKEN
        often = "once" if self.tries == 1 else f"{self.tries} times"
        return f"tried {often}, again {self.try_at:%Y-%m-%d %H:%M}: {self.reason}"


async def answers_from_views(dsn: str, wanted: Mapping[LookUp, Sequence[str]]) -> dict[str, Answer]:
    """What became of these look-ups, by their ids.

    Raises:
        Unavailable: There is no database, it does not answer, or nobody has made the views yet.
    """
    if not dsn:
        raise Unavailable("no database is told")
    found: dict[str, Answer] = {}
    for look_up, (schema, role) in _VIEWS.items():
        if ids := wanted.get(look_up):
            found |= await _answers(dsn, schema, role, ids)
    return found


async def _answers(dsn: str, schema: str, role: str, ids: Sequence[str]) -> dict[str, Answer]:
    reading = published_views(
        dsn,
        schema=schema,
        role=role,
        application="tallystick-look-ups",
        missing=f"nobody has made {schema} here",
    )
    async with reading as database, database.connection() as connection:
        rows = await connection.fetch(_SQL["answers"], list(ids))
    return {
        row["id"]: Answer(
            row["state"], row["reason"], row["tries"], row["try_at"], row["settled_at"]
        )
        for row in rows
    }
