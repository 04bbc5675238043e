"""Settings from the environment: read once, frozen, and a name that nobody knows refuses to start.

Every variable is ``TALLYSTICK_`` and the field's name in capitals. With ``_FILE`` behind it the
variable names a file that holds the value, which is how secrets come in; or they stand together in
one encrypted file (``secrets_file.py``).
"""

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Final, Literal, Self

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from shared.contracts.books import BookMap, Mode
from shared.runtime import secrets_file
from shared.runtime.kafka_client import KafkaAddress

PREFIX: Final = "TALLYSTICK_"
_FILE: Final = "_FILE"
# Names that begin so belong to somebody; each room checks its own to the letter.
AREAS: Final = (
    "STACK",
    "TEST",
    "INGEST",
    "FEEDS",
    "LEDGER",
    "RECONCILER",
    "CONSOLE",
    "SANDBOX",
    "DEMO",
    "RUN",
    "ARCHIVER",
)


class SettingsInvalid(ValueError):
    """The environment does not make settings; the message names each variable, never a value."""

    what = "The settings are not right"
    fix = "correct or unset them; docs/reference/settings.md has every name"

    @property
    def why(self) -> str:
        """The variables and what is wrong with each."""
        return str(self)


def variables(environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """An environment, the process's own when left out, with what its secrets file holds in it.

    Raises:
        SettingsInvalid: The secrets file cannot be used, or a name stands in both.
    """
    try:
        return secrets_file.with_secrets(os.environ if environment is None else environment)
    except secrets_file.SecretsInvalid as error:
        raise SettingsInvalid(f"{secrets_file.FILE_VARIABLE}: {error}") from None


class Settings(BaseSettings):
    """What every process is told. A service subclasses it and names its own fields with its area.

    ``area`` is the part of the names that the subclass answers for: with ``"LEDGER"`` a
    ``TALLYSTICK_LEDGER_…`` which is not a field is refused.
    """

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid")
    area: ClassVar[str] = ""

    kafka_bootstrap: str = Field(
        default="127.0.0.1:19092", description="brokers to begin with, host:port, comma-separated"
    )
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        default="PLAINTEXT", description="how the brokers are spoken to"
    )
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = Field(
        default="SCRAM-SHA-512", description="how we sign in where the protocol is SASL"
    )
    kafka_sasl_username: str = Field(default="", description="the name that we sign in with")
    kafka_sasl_password: SecretStr = Field(
        default=SecretStr(""), description="the password that we sign in with"
    )
    kafka_ca_file: Path | None = Field(
        default=None, description="certificates that the brokers are checked against"
    )
    postgres_dsn: SecretStr = Field(
        default=SecretStr(""), description="the database's address, postgresql://user:…@host/name"
    )
    secrets_file: Path | None = Field(
        default=None,
        description="age-encrypted file with NAME=value lines: more of these variables",
    )
    secrets_identity: SecretStr = Field(
        default=SecretStr(""), description="the age identity that reads it, AGE-SECRET-KEY-1…"
    )
    books_file: Path | None = Field(
        default=None, description="TOML file that says which book a thing belongs to"
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="what is worth a line"
    )
    log_format: Literal["auto", "json", "text"] = Field(
        default="auto", description="text on a terminal and JSON elsewhere, unless said"
    )

    @classmethod
    def load(cls, environment: Mapping[str, str] | None = None) -> Self:
        """The settings that an environment makes; the process's own when left out.

        Raises:
            SettingsInvalid: A value does not fit, a name is unknown, or a file cannot be read.
        """
        around = os.environ if environment is None else environment
        given = variables(around)
        # What tells of the secrets file was taken out by the reading of it.
        given |= {name: around[name] for name in secrets_file.VARIABLES if around.get(name)}
        problems = [f"{name}: no such setting" for name in cls.unknown_names(given)]
        values: dict[str, str] = {}
        for field in cls.model_fields:
            name = PREFIX + field.upper()
            try:
                value = _value_of(name, given)
            except (OSError, ValueError) as error:
                problems.append(f"{name}: {error}")
                continue
            if value is not None:
                values[field] = value
        try:
            if not problems:
                return cls.model_validate(values)
        except ValidationError as error:
            problems.extend(
                f"{PREFIX}{'.'.join(map(str, e['loc'])).upper()}: {e['msg']}"
                for e in error.errors(include_input=False, include_url=False)
            )
        raise SettingsInvalid("\n".join(problems))

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only what ``load`` or the caller gives: one way in."""
        del settings_cls, env_settings, dotenv_settings, file_secret_settings
        return (init_settings,)

    @classmethod
    def unknown_names(cls, environment: Mapping[str, str]) -> list[str]:
        """The ``TALLYSTICK_…`` names of an environment that nobody answers for."""
        known = {PREFIX + field.upper() for field in cls.model_fields}
        known |= {name + _FILE for name in known}
        own = f"{PREFIX}{cls.area}_" if cls.area else ""
        others = tuple(f"{PREFIX}{area}_" for area in AREAS)
        return sorted(
            name
            for name in environment
            if name.startswith(PREFIX)
            and name not in known
            and ((own and name.startswith(own)) or not name.startswith(others))
        )

    @property
    def kafka(self) -> KafkaAddress:
        """Where Kafka is and how to sign in."""
        return KafkaAddress(
            bootstrap=self.kafka_bootstrap,
            security_protocol=self.kafka_security_protocol,
            sasl_mechanism=self.kafka_sasl_mechanism,
            sasl_username=self.kafka_sasl_username,
            sasl_password=self.kafka_sasl_password.get_secret_value(),
            ca_file=str(self.kafka_ca_file or ""),
        )

    def books(self) -> BookMap:
        """The book map of ``books_file``; one book named ``main`` without one.

        Raises:
            SettingsInvalid: The file cannot be read or does not make a book map.
        """
        if self.books_file is None:
            return BookMap()
        try:
            return BookMap.model_validate(tomllib.loads(self.books_file.read_text("utf-8")))
        except (OSError, ValueError) as error:
            raise SettingsInvalid(f"{PREFIX}BOOKS_FILE: {self.books_file}: {error}") from error

    def is_live(self) -> bool:
        """Whether any book is one of real money."""
        return any(book.mode is Mode.LIVE for book in self.books().books)


def _value_of(name: str, environment: Mapping[str, str]) -> str | None:
    # A file of no name is none: so one is taken back where variables are laid over others.
    value, file = environment.get(name), environment.get(name + _FILE) or None
    if value is not None and file is not None:
        raise ValueError(f"set twice, once as {name + _FILE}")
    if file is not None:
        return Path(file).read_text("utf-8").strip()
    return value
