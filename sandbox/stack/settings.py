"""Where the embedded stack lives and how much of the machine it may take."""

import os
from pathlib import Path
from typing import Annotated

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

Port = Annotated[int, Field(ge=0, le=65_534)]


def default_cache_dir() -> Path:
    """The user's cache folder, shared by all checkouts so that jars are fetched once."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if base else Path.home() / ".cache") / "tallystick"


class StackSettings(BaseSettings):
    """Settings of the embedded stack, read from ``TALLYSTICK_STACK_*``."""

    model_config = SettingsConfigDict(env_prefix="TALLYSTICK_STACK_", frozen=True, extra="ignore")

    dir: Path = Field(
        default=Path(".tallystick"), description="data, logs and pid files of the stack"
    )
    cache_dir: Path = Field(
        default_factory=default_cache_dir, description="verified jars, shared by all checkouts"
    )
    kafka_port: Port = Field(
        default=19092,
        description="the broker's port; its controller takes the next one; 0 picks free ones",
    )
    postgres_port: Port = Field(default=15432, description="Postgres' port; 0 picks a free one")
    kafka_heap_mb: int = Field(
        default=512, ge=128, le=65_536, description="the broker's Java heap, in MiB"
    )
    postgres_user: str = Field(
        default="nobody",
        description="system user that runs Postgres when we are root, which Postgres refuses to be",
    )
    start_timeout_seconds: float = Field(
        default=120, gt=0, description="how long a part may take until it answers"
    )
    maven_repository: str = Field(
        default="", description="a mirror to fetch jars from; sums are checked all the same"
    )
