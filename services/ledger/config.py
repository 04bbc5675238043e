"""What the ledger is told by its environment."""

from typing import ClassVar, Literal

from pydantic import Field, SecretStr

from shared.runtime.settings import Settings


class LedgerSettings(Settings):
    """Settings of the ledger, beside the common ones."""

    area: ClassVar[str] = "LEDGER"

    ledger_host: str = Field(default="127.0.0.1", description="where health and metrics listen")
    ledger_port: int = Field(default=8403, ge=0, le=65_535, description="their port")
    ledger_group: str = Field(
        default="ledger",
        min_length=1,
        description="consumer group that shares the partitions out among ledger processes",
    )
    ledger_part: Literal["both", "projector", "publisher"] = Field(
        default="both",
        description="which half this process does; on many cores each may have its own",
    )
    ledger_instance: str = Field(
        default="",
        max_length=200,
        description=(
            "this process's own name in the group, the same after each restart: it gets its"
            " partitions back at once instead of after a session's end; two never share one"
        ),
    )
    ledger_batch_messages_max: int = Field(
        default=2_000, ge=1, le=50_000, description="messages in one transaction at most"
    )
    ledger_batch_bytes_max: int = Field(
        default=16 * 1024 * 1024, ge=1024, description="bytes in one transaction, about, at most"
    )
    ledger_batch_wait_seconds: float = Field(
        default=0.2, gt=0, le=5, description="how long a quiet topic is listened to at once"
    )
    ledger_batch_gather_seconds: float = Field(
        default=0.02, ge=0, le=5, description="how much longer a batch is filled once it has begun"
    )
    ledger_publish_records_max: int = Field(
        default=1_000, ge=1, le=10_000, description="entries of one origin in one publication"
    )
    ledger_publish_interval_seconds: float = Field(
        default=0.5,
        gt=0,
        le=60,
        description="how often the journal is looked through for what nobody announced",
    )
    ledger_publish_timeout_seconds: float = Field(
        default=20, gt=0, le=120, description="how long a publication may take"
    )
    ledger_tree_head_key: SecretStr = Field(
        default=SecretStr(""),
        description=(
            "the Ed25519 key that tree heads are signed with, from `tallystick keys new`; without"
            " one they are published unsigned"
        ),
    )
    ledger_tree_head_public_keys: str = Field(
        default="",
        description=(
            "public keys of before whose signatures are ours too, in hexadecimal, comma-separated"
        ),
    )
    ledger_tree_head_entries: int = Field(
        default=10_000, ge=1, description="new entries of a book after which it has a tree head"
    )
    ledger_tree_head_seconds: float = Field(
        default=60, gt=0, le=86_400, description="how old a head gets when there are new entries"
    )
    ledger_start_wait_seconds: float = Field(
        default=120, ge=0, description="how long Kafka and Postgres are waited for at the start"
    )
    ledger_connections_max: int = Field(
        default=4, ge=3, le=50, description="connections to the database at most"
    )
    ledger_failpoint: str = Field(
        default="",
        description="for fault tests: NAME or NAME:N, where the process ends itself at once",
    )
