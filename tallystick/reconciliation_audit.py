"""The reconciler's audit, with the settings that its service has here."""

from datetime import UTC, datetime

from services.reconciler.config import ReconcilerSettings
from services.reconciler.shell.audit import Audited, audit
from services.reconciler.shell.judging.in_hand import Rules
from services.reconciler.shell.process import INPUTS, SCHEMA
from shared.runtime.postgres import Database
from tallystick.cli.reach import variables_here


async def audited(dsn: str) -> Audited:
    """Hold the reconciler's tables against the topics.

    Raises:
        Unavailable: Kafka or Postgres does not answer.
    """
    settings = ReconcilerSettings.load(variables_here())
    database = await Database.open(
        dsn, search_path=SCHEMA, connections_max=1, application="tallystick-audit"
    )
    try:
        return await audit(
            settings.kafka,
            database,
            Rules(
                books=settings.books(),
                require_readings=settings.reconciler_require_readings,
                proofs_needed=settings.reconciler_proofs_needed,
                matching=settings.matching_rules(),
            ),
            inputs=INPUTS,
            now=lambda: datetime.now(UTC),
        )
    finally:
        await database.close()
