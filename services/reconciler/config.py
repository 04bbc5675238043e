"""What the reconciler is told by its environment."""

import re
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import ClassVar, Self

from pydantic import Field, field_validator, model_validator

from services.reconciler.rules.matching_rules import MatchingRules, default_rules, rules_of
from shared.contracts.errors import Unreadable
from shared.runtime.settings import Settings, SettingsInvalid

_FAILPOINT = re.compile(r"([a-z_]+)(?::([1-9][0-9]{0,5}))?")


class FailpointPlace(StrEnum):
    """Where the process can be made to die, for tests of what it has kept by then."""

    BEFORE_TX = "before_tx"
    MID_TX = "mid_tx"
    AFTER_COMMIT = "after_commit"
    AFTER_PUBLISH = "after_publish"


@dataclass(frozen=True, slots=True)
class Failpoint:
    """A place, and at which of its passings, counted from 1, the process ends."""

    place: FailpointPlace
    passing: int = 1

    @classmethod
    def of(cls, text: str) -> "Failpoint":
        """The failpoint of ``place`` or ``place:n``.

        Raises:
            ValueError: Not such text.
        """
        found = _FAILPOINT.fullmatch(text)
        if found is None or found[1] not in set(FailpointPlace):
            raise ValueError(f"not one of {', '.join(FailpointPlace)}, with :n for the n-th time")
        return cls(FailpointPlace(found[1]), int(found[2] or 1))


class ReconcilerSettings(Settings):
    """The settings of the reconciler."""

    area: ClassVar[str] = "RECONCILER"

    reconciler_host: str = Field(
        default="127.0.0.1", description="where health and metrics are served"
    )
    reconciler_port: int = Field(
        default=8404, ge=1, le=65535, description="the port of health and metrics"
    )
    reconciler_instance: str = Field(
        default="reconciler-0",
        min_length=1,
        max_length=200,
        description="this replica's stable name in the consumer group; no two may share one",
    )
    reconciler_session_timeout_seconds: int = Field(
        default=10, ge=6, le=300, description="how long Kafka waits for a silent replica"
    )
    reconciler_batch_records_max: int = Field(
        default=500, ge=1, le=10_000, description="records of one transaction"
    )
    reconciler_batch_wait_seconds: float = Field(
        default=0.05, gt=0, le=5, description="how long a batch gathers"
    )
    reconciler_sweep_seconds: float = Field(
        default=2.0,
        gt=0,
        le=300,
        description="how often positions are held against the ends of the topics",
    )
    reconciler_due_seconds: float = Field(
        default=1.0, gt=0, le=300, description="how often due times are looked at"
    )
    reconciler_require_readings: bool = Field(
        default=True,
        description="a payout is overdue only when its bank has been read past the due time",
    )
    reconciler_proofs_needed: int = Field(
        default=2, ge=1, le=10, description="consecutive readings that open a balance drift"
    )
    reconciler_write_off_minor_max: int = Field(
        default=1_000,
        ge=0,
        le=1_000_000_000,
        description="the most that may be written off at once, in minor units of two decimals",
    )
    reconciler_rules_file: Path | None = Field(
        default=None,
        description="TOML: how lines are matched, instead of the rules that are shipped",
    )
    reconciler_start_timeout_seconds: float = Field(
        default=60.0, ge=0, le=3_600, description="how long Kafka and Postgres are waited for"
    )
    reconciler_stop_seconds_max: float = Field(
        default=5.0, gt=0, le=120, description="how long a batch in work may take to finish"
    )
    reconciler_failpoint: str = Field(
        default="", description="for tests: place[:n] where the process ends at once"
    )

    @field_validator("reconciler_failpoint")
    @classmethod
    def _is_a_place(cls, text: str) -> str:
        if text:
            Failpoint.of(text)
        return text

    @model_validator(mode="after")
    def _no_failpoint_with_real_money(self) -> Self:
        if self.reconciler_failpoint and self.is_live():
            raise ValueError("RECONCILER_FAILPOINT is refused where a book is live")
        return self

    @property
    def failpoint(self) -> Failpoint | None:
        """Where to die, if anywhere."""
        return Failpoint.of(self.reconciler_failpoint) if self.reconciler_failpoint else None

    def matching_rules(self) -> MatchingRules:
        """How lines are matched: the file's rules, else those that are shipped.

        Raises:
            SettingsInvalid: The file cannot be read, or does not make rules.
        """
        if self.reconciler_rules_file is None:
            return default_rules()
        try:
            return rules_of(self.reconciler_rules_file.read_text("utf-8"))
        except (OSError, UnicodeDecodeError, Unreadable) as error:
            name = "TALLYSTICK_RECONCILER_RULES_FILE"
            raise SettingsInvalid(f"{name}: {self.reconciler_rules_file}: {error}") from error

    @property
    def dsn(self) -> str:
        """The database's address.

        Raises:
            SettingsInvalid: It was not told.
        """
        dsn = self.postgres_dsn.get_secret_value()
        if not dsn:
            raise SettingsInvalid("TALLYSTICK_POSTGRES_DSN: must be set")
        return dsn
