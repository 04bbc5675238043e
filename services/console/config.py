"""What the console is told by its environment."""

import ipaddress
import tomllib
from pathlib import Path
from typing import ClassVar

from pydantic import Field, SecretStr, ValidationError

from services.console.monitors import Monitor, monitors_of
from services.console.permissions import Scope, Token, TokenFile
from shared.contracts.errors import Unreadable
from shared.runtime.settings import PREFIX, Settings, SettingsInvalid


class ConsoleSettings(Settings):
    """The settings of the console."""

    area: ClassVar[str] = "CONSOLE"

    console_host: str = Field(default="127.0.0.1", description="where the console listens")
    console_port: int = Field(default=8480, ge=1, le=65535, description="the console's port")
    console_hosts_allowed: str = Field(
        default="localhost,127.0.0.1,[::1]",
        description="names that a request may call us by, comma-separated",
    )
    console_token_sha256: SecretStr = Field(
        default=SecretStr(""),
        description="SHA-256 (hex) of the one token that may read and command, without a file",
    )
    console_tokens_file: Path | None = Field(
        default=None, description="TOML file of tokens: name, sha256, scopes, books"
    )
    console_await_seconds: float = Field(
        default=2.0, ge=0, le=10, description="how long a command's outcome is waited for"
    )
    console_body_bytes_max: int = Field(
        default=262_144, ge=1_024, le=3_145_728, description="the largest body taken"
    )

    console_clock_seconds: float = Field(
        default=900.0,
        ge=0,
        le=86_400,
        description="how often it is looked whether a day began, to release revenue; 0: never",
    )
    console_monitors_file: Path | None = Field(
        default=None,
        description="TOML file of monitors: thresholds on balances and ratios; one process has it",
    )
    console_monitors_seconds: float = Field(
        default=1.0,
        ge=0.05,
        le=3_600,
        description="how often monitors look whether more was booked",
    )

    def tokens(self) -> tuple[Token, ...]:
        """The tokens in force.

        Raises:
            SettingsInvalid: The file cannot be read, a hash is none, or an open console would
                listen beyond this machine.
        """
        found: list[Token] = []
        try:
            if self.console_token_sha256.get_secret_value():
                sha256 = self.console_token_sha256.get_secret_value()
                found.append(Token(name="operator", sha256=sha256, scopes=frozenset(Scope)))
            if self.console_tokens_file is not None:
                text = self.console_tokens_file.read_text("utf-8")
                found += TokenFile.model_validate(tomllib.loads(text)).tokens
        except ValidationError as error:
            fields = sorted({".".join(map(str, e["loc"])) for e in error.errors()})
            raise SettingsInvalid(
                f"{PREFIX}CONSOLE_TOKENS: {', '.join(fields)} is not right"
            ) from None
        except (OSError, ValueError) as error:
            raise SettingsInvalid(f"{PREFIX}CONSOLE_TOKENS_FILE: {error}") from None
        if not found and not self.is_loopback:
            raise SettingsInvalid(
                f"{PREFIX}CONSOLE_HOST: beyond this machine the console needs tokens"
            )
        return tuple(found)

    def monitors(self) -> tuple[Monitor, ...]:
        """What is watched.

        Raises:
            SettingsInvalid: The file cannot be read, or is none of monitors.
        """
        if self.console_monitors_file is None:
            return ()
        try:
            text = self.console_monitors_file.read_text("utf-8")
            return monitors_of(text, [book.name for book in self.books().books])
        except (OSError, ValueError, Unreadable) as error:
            raise SettingsInvalid(f"{PREFIX}CONSOLE_MONITORS_FILE: {error}") from None

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach the console."""
        if self.console_host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.console_host).is_loopback
        except ValueError:
            return False
