"""Every process of ours: its name, its command, its variables, its port. Said only here.

The supervisor starts what stands here, and ``docker-compose.yml`` is checked against it: one
machine and many run the same commands with the same variables.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

KAFKA_VARIABLE: Final = "TALLYSTICK_KAFKA_BOOTSTRAP"
POSTGRES_VARIABLE: Final = "TALLYSTICK_POSTGRES_DSN"
ARCHIVE_VARIABLE: Final = "TALLYSTICK_ARCHIVER_PLACE"
VERDICTS_VARIABLE: Final = "TALLYSTICK_INGEST_VERDICTS_DIR"


@dataclass(frozen=True, slots=True)
class ServiceProcess:
    """One process, as it is started anywhere.

    Attributes:
        arguments: What follows the Python interpreter.
        prefix: The variables of its address are ``{prefix}_HOST`` and ``{prefix}_PORT``.
        port: The default port of its HTTP face; 0 when it has none.
        needs: What it must be told to run at all; of each group one variable is enough. A
            variable may also be given as a file that holds the value: ``NAME_FILE``.
        wants: What it must be told to do all of its work, in the same way; without, it does
            ``at_least`` and runs all the same.
        after: Processes that are started before it.
        runs_once: It ends when its work is done, and what comes after it waits for that.
        settings: What it is told wherever one such process runs, unless the environment says
            otherwise. A stable name in its consumer group gives a process that was killed its
            partitions back at once, instead of after the end of a session.
    """

    name: str
    about: str
    arguments: tuple[str, ...]
    prefix: str = ""
    port: int = 0
    needs: tuple[tuple[str, ...], ...] = ((KAFKA_VARIABLE,), (POSTGRES_VARIABLE,))
    after: tuple[str, ...] = ("topics",)
    runs_once: bool = False
    settings: tuple[tuple[str, str], ...] = ()
    wants: tuple[tuple[str, ...], ...] = ()
    at_least: str = ""

    @property
    def host_variable(self) -> str:
        """The variable of the address that it listens on."""
        return f"{self.prefix}_HOST"

    @property
    def port_variable(self) -> str:
        """The variable of the port that it listens on."""
        return f"{self.prefix}_PORT"

    def lacks(self, environment: Mapping[str, str]) -> tuple[tuple[str, ...], ...]:
        """The groups without which it does not run and of which an environment gives none."""
        return _not_given(self.needs, environment)

    def lacks_for_all(self, environment: Mapping[str, str]) -> tuple[tuple[str, ...], ...]:
        """The groups of which an environment gives none, so that it does less than it could."""
        return _not_given(self.wants, environment)


def _not_given(
    groups: tuple[tuple[str, ...], ...], environment: Mapping[str, str]
) -> tuple[tuple[str, ...], ...]:
    return tuple(
        group
        for group in groups
        if not any(environment.get(name) or environment.get(f"{name}_FILE") for name in group)
    )


TOPICS: Final = ServiceProcess(
    name="topics",
    about="creates the topics of the registry and checks those that are there",
    arguments=("-m", "tallystick", "topics", "create"),
    needs=((KAFKA_VARIABLE,),),
    after=(),
    runs_once=True,
)

# In the order in which they are started; stopped in the opposite one, so that what takes messages
# in stops first, and what books them has time to finish.
SERVICES: Final = (
    # Stopped last, so that the copy has what the others wrote on their way out.
    ServiceProcess(
        name="archiver",
        about="copies the topics to another place",
        arguments=("-m", "services.archiver"),
        prefix="TALLYSTICK_ARCHIVER",
        port=8405,
        needs=((KAFKA_VARIABLE,), (ARCHIVE_VARIABLE,)),
    ),
    ServiceProcess(
        name="ledger",
        about="books what the topics say",
        arguments=("-m", "services.ledger"),
        prefix="TALLYSTICK_LEDGER",
        port=8403,
        settings=(("TALLYSTICK_LEDGER_INSTANCE", "ledger-0"),),
    ),
    ServiceProcess(
        name="reconciler",
        about="lays both halves side by side",
        arguments=("-m", "services.reconciler"),
        prefix="TALLYSTICK_RECONCILER",
        port=8404,
        after=("topics", "ledger"),
        settings=(("TALLYSTICK_RECONCILER_INSTANCE", "reconciler-0"),),
    ),
    ServiceProcess(
        name="console",
        about="shows books and discrepancies over HTTP",
        arguments=("-m", "services.console"),
        prefix="TALLYSTICK_CONSOLE",
        port=8480,
        after=("topics", "ledger", "reconciler"),
    ),
    ServiceProcess(
        name="feeds",
        about="asks the banks",
        arguments=("-m", "services.feeds"),
        prefix="TALLYSTICK_FEEDS",
        port=8402,
        needs=(
            (KAFKA_VARIABLE,),
            (POSTGRES_VARIABLE,),
            ("TALLYSTICK_FEEDS_BANKS_FILE", "TALLYSTICK_FEEDS_BANK_BASE_URL"),
        ),
    ),
    ServiceProcess(
        name="poller",
        about="asks Stripe's API, keeps the index of what came",
        arguments=("-m", "services.ingest", "poller"),
        prefix="TALLYSTICK_INGEST_POLLER",
        port=8401,
        wants=(("TALLYSTICK_INGEST_STRIPE_API_KEY", "TALLYSTICK_INGEST_ACCOUNTS_FILE"),),
        at_least="keeps the index of what came and asks Stripe nothing",
    ),
    ServiceProcess(
        name="door",
        about="takes Stripe's webhooks",
        arguments=("-m", "services.ingest", "door"),
        prefix="TALLYSTICK_INGEST_DOOR",
        port=8400,
        needs=(
            (KAFKA_VARIABLE,),
            ("TALLYSTICK_INGEST_WEBHOOK_SECRET", "TALLYSTICK_INGEST_ENDPOINTS_FILE"),
        ),
    ),
)

PROCESSES: Final = (TOPICS, *SERVICES)
