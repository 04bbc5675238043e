"""What ingest is told by its environment, and the endpoints that come of it."""

import tomllib
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import ClassVar, Final

from pydantic import Field, SecretStr, ValidationError, field_validator

from services.ingest.allow_list import Network, network_of
from services.ingest.endpoint_words import in_words
from services.ingest.endpoints import (
    CURRENT,
    PREVIOUS,
    AccountId,
    Endpoint,
    EndpointData,
    EndpointsFile,
    SecretData,
    Whose,
    book_of,
    endpoint_of,
)
from services.ingest.gaps import types_of
from services.ingest.peers import ProxyRule
from services.ingest.polled import mode_of_key
from services.ingest.signature import TOLERANCE_SECONDS_DEFAULT, Secret
from shared.contracts.books import BookMap, Mode
from shared.runtime.settings import PREFIX, Settings, SettingsInvalid, variables

DEFAULT_ENDPOINT: Final = "main"


class FailpointPlace(StrEnum):
    """Where the door can be made to die, for tests of what it has promised by then."""

    BEFORE_SEND = "before_send"
    AFTER_SEND = "after_send"
    AFTER_ACK = "after_ack"
    BEFORE_REPLY = "before_reply"


class IngestSettings(Settings):
    """The settings of the door and of the poller; only the poller's process needs the API key."""

    area: ClassVar[str] = "INGEST"

    ingest_door_host: str = Field(default="127.0.0.1", description="where the door listens")
    ingest_door_port: int = Field(default=8400, ge=1, le=65535, description="the door's port")
    ingest_poller_host: str = Field(
        default="127.0.0.1", description="where the poller's health and metrics are"
    )
    ingest_poller_port: int = Field(default=8401, ge=1, le=65535, description="the poller's port")
    ingest_mode: Mode | None = Field(
        default=None, description="the mode that this installation hears, where no file says it"
    )
    ingest_stripe_account: AccountId = Field(
        default="", description="our own Stripe account, acct_…, as the books name it"
    )

    ingest_endpoints_file: Path | None = Field(
        default=None, description="TOML file with the webhook endpoints"
    )
    ingest_endpoints_look_seconds: float = Field(
        default=5.0, ge=0.05, le=3_600, description="how often endpoints and secrets are read again"
    )
    ingest_webhook_secret: SecretStr | None = Field(
        default=None, description="signing secret of the one endpoint 'main', without a file"
    )
    ingest_webhook_secret_previous: SecretStr | None = Field(
        default=None, description="the older secret, while it is being rotated; may be empty"
    )
    ingest_tolerance_seconds: int = Field(
        default=TOLERANCE_SECONDS_DEFAULT,
        ge=1,
        le=86_400,
        description="how far a signature's time may be from ours, in both directions",
    )
    ingest_body_bytes_max: int = Field(
        default=1_048_576, ge=1_024, le=3_145_728, description="the largest body taken"
    )
    ingest_body_timeout_seconds: float = Field(
        default=10.0, gt=0, le=60, description="how long a body may take to come"
    )
    ingest_in_flight_max: int = Field(
        default=1_024, ge=1, le=100_000, description="deliveries at once; above, 503"
    )
    ingest_publish_timeout_seconds: float = Field(
        default=1.5, gt=0, le=1.8, description="how long Kafka may take before the answer is 503"
    )
    ingest_allow_list_file: Path | None = Field(
        default=None, description="addresses that may deliver; off when unset, re-read when changed"
    )
    ingest_allow_list_days_max: int = Field(
        default=7, ge=1, le=365, description="how old the list may be before it is warned of"
    )
    ingest_trusted_hops: int = Field(
        default=0, ge=0, le=10, description="proxies of yours before the door; 0 is none"
    )
    ingest_trusted_proxies: str = Field(
        default="127.0.0.0/8,::1",
        description="where those proxies are; empty is: whoever speaks to the door is one",
    )
    ingest_rate_per_second: float = Field(
        default=20_000.0, ge=0, description="deliveries a second, of all; above, 503; 0 is no bound"
    )
    ingest_rate_per_peer_per_second: float = Field(
        default=2_000.0, ge=0, description="deliveries a second of one peer; above, 429"
    )
    ingest_refusals_per_peer_per_second: float = Field(
        default=20.0, ge=0, description="refused deliveries a second of one peer; above, 429"
    )
    ingest_verdicts_per_peer_per_second: float = Field(
        default=10.0,
        ge=0,
        description="refusals a second of one peer and reason that are written one by one",
    )
    ingest_connections_max: int = Field(
        default=4_096, ge=1, le=1_000_000, description="connections at once; above, the idlest goes"
    )
    ingest_connections_per_peer_max: int = Field(
        default=512, ge=1, description="connections at once of one peer; above, 429"
    )
    ingest_head_timeout_seconds: float = Field(
        default=5.0, gt=0, le=60, description="how long a request's head may take to come"
    )
    ingest_idle_timeout_seconds: float = Field(
        default=5.0, gt=0, le=300, description="how long a connection may wait between requests"
    )
    ingest_head_bytes_max: int = Field(
        default=16_384, ge=1_024, le=262_144, description="the largest head taken; above, 431"
    )
    ingest_headers_max: int = Field(
        default=100, ge=10, le=10_000, description="headers of a request; above, 431"
    )
    ingest_body_bytes_per_second_min: int = Field(
        default=1_024, ge=0, description="how slowly a body may come, after its first 3 s"
    )
    ingest_verdicts_queue_max: int = Field(
        default=10_000, ge=1, description="verdicts that wait for Kafka; above, counted and left"
    )
    ingest_verdicts_dir: Path | None = Field(
        default=None, description="folder for the verdicts on disk; unset, only the topic has them"
    )
    ingest_verdicts_file_bytes_max: int = Field(
        default=67_108_864, ge=4_096, description="a file of verdicts ends here, or with the day"
    )
    ingest_verdicts_files_max: int = Field(
        default=160, ge=2, description="files of verdicts that are kept; the oldest go"
    )
    ingest_verdicts_days_max: int = Field(
        default=400, ge=1, description="days for which files of verdicts are kept"
    )
    ingest_failpoint: str = Field(
        default="", description="for tests: PLACE[:N], die at the Nth delivery there"
    )

    ingest_stripe_api_key: SecretStr = Field(
        default=SecretStr(""), description="the poller's key; a restricted one that may only read"
    )
    ingest_stripe_api_base: str | None = Field(
        default=None, description="another address of Stripe's API, for a simulated one"
    )
    ingest_accounts_file: Path | None = Field(
        default=None, description="TOML file with the accounts to poll, each with its own API key"
    )
    ingest_connected_accounts: str = Field(
        default="", description="connected accounts that are polled too: acct_…, acct_…, or all"
    )
    ingest_poll_interval_seconds: float = Field(
        default=60.0, ge=0.05, le=86_400, description="the pause between two polls"
    )
    ingest_poll_lookback_days: int = Field(
        default=90, ge=0, le=36_500, description="how far the very first poll looks back"
    )
    ingest_poll_overlap_seconds: int = Field(
        default=3_600, ge=1, description="how much of the time before its cursor a poll reads again"
    )
    ingest_payout_overlap_days: int = Field(
        default=14, ge=1, description="the same for payouts and top-ups, which change for days"
    )
    ingest_event_grace_seconds: float = Field(
        default=60.0, ge=0, description="how long a listed event may be without its webhook"
    )
    ingest_requests_per_second: float = Field(
        default=10.0, gt=0, le=100, description="calls to Stripe's API, at most, by each key"
    )
    ingest_watch_seconds: float = Field(
        default=600.0, ge=0.05, description="when an open object is first asked for again"
    )
    ingest_thin_retry_seconds: float = Field(
        default=30.0, ge=0.05, description="when a thin event is first resolved again; it doubles"
    )
    ingest_thin_give_up_days: int = Field(
        default=7, ge=1, le=365, description="after which a thin event is given up as unresolved"
    )

    ingest_mirror: bool = Field(
        default=True, description="whether lists are mirrored; off, the gap audit alone asks Stripe"
    )
    ingest_event_types: str = Field(
        default="", description="event types that are audited: charge.succeeded, …; empty is all"
    )
    ingest_audit_interval_seconds: float = Field(
        default=21_600.0,
        ge=0.05,
        le=2_592_000,
        description="the pause between two whole audits; one is made at the start",
    )
    ingest_audit_window_days: int = Field(
        default=30, ge=1, le=3_650, description="how far back a whole audit looks"
    )
    ingest_public_url: str = Field(
        default="",
        pattern=r"^(https?://[^\s/?#]+)?/?$",
        description="where Stripe reaches the door: https://…; then a missing endpoint is told",
    )

    @field_validator("ingest_event_types")
    @classmethod
    def _types(cls, text: str) -> str:
        types_of(text)
        return text

    @field_validator("ingest_failpoint")
    @classmethod
    def _failpoint(cls, text: str) -> str:
        if text:
            parsed_failpoint(text)
        return text

    @field_validator("ingest_trusted_proxies")
    @classmethod
    def _proxies(cls, text: str) -> str:
        proxies_of(text)
        return text

    @property
    def proxies(self) -> ProxyRule:
        """Which proxies before the door are believed."""
        return ProxyRule(self.ingest_trusted_hops, proxies_of(self.ingest_trusted_proxies))

    def endpoints(
        self,
        books: BookMap,
        environment: Mapping[str, str] | None = None,
        *,
        at: datetime | None = None,
    ) -> dict[str, Endpoint]:
        """The endpoints in force by name, their secrets read.

        ``environment`` is where secrets named as variables are, beside the encrypted secrets file;
        the process's own when left out.

        Raises:
            SettingsInvalid: None is named, a secret is lacking, or the books contradict; or by
                ``at``, where it is told, every secret of an endpoint has ended.
        """
        file = self.ingest_endpoints_file
        if file is not None and self.ingest_webhook_secret is not None:
            raise SettingsInvalid(
                f"{PREFIX}INGEST_ENDPOINTS_FILE: {PREFIX}INGEST_WEBHOOK_SECRET is set as well"
            )
        given = variables(environment)
        try:
            if file is None:
                found = [self._only_endpoint(books)]
            else:
                found = [
                    endpoint_of(data, _secrets_of(data, file.parent, given), books, at=at)
                    for data in _endpoint_data(file)
                ]
        except (OSError, ValueError) as error:
            name = "WEBHOOK_SECRET" if file is None else "ENDPOINTS_FILE"
            raise SettingsInvalid(f"{PREFIX}INGEST_{name}: {error}") from None
        return {endpoint.name: endpoint for endpoint in found}

    def polled(self, books: BookMap) -> Whose:
        """Whose API the poller asks.

        Raises:
            SettingsInvalid: The key's mode and the setting's differ, or the books contradict.
        """
        try:
            mode = self.api_mode()
            book = book_of(
                books,
                who="the poller",
                account=self.ingest_stripe_account,
                mode=mode,
                name=None,
            )
        except ValueError as error:
            raise SettingsInvalid(f"{PREFIX}INGEST_…: {error}") from error
        return Whose("poller", mode, self.ingest_stripe_account, book.book)

    def api_mode(self) -> Mode:
        """The mode that the API key belongs to, which its own text says.

        Raises:
            ValueError: There is no key, or it is of another mode than the setting.
        """
        key = self.ingest_stripe_api_key.get_secret_value()
        if not key:
            raise ValueError("set TALLYSTICK_INGEST_STRIPE_API_KEY or …_API_KEY_FILE")
        try:
            return mode_of_key(key, self.ingest_mode, who="the poller")
        except ValueError as error:
            raise ValueError(f"{error} ({PREFIX}INGEST_MODE)") from None

    def _only_endpoint(self, books: BookMap) -> Endpoint:
        if self.ingest_webhook_secret is None:
            raise ValueError(
                "no signing secret: set TALLYSTICK_INGEST_WEBHOOK_SECRET, …_SECRET_FILE"
                " or TALLYSTICK_INGEST_ENDPOINTS_FILE"
            )
        data = EndpointData(
            name=DEFAULT_ENDPOINT,
            mode=self.ingest_mode,
            account=self.ingest_stripe_account,
            secret_env=f"{PREFIX}INGEST_WEBHOOK_SECRET",
        )
        secrets = [Secret(CURRENT, self.ingest_webhook_secret.get_secret_value().strip())]
        if self.ingest_webhook_secret_previous is not None:
            previous = self.ingest_webhook_secret_previous.get_secret_value().strip()
            # An empty file waits for the next rotation, so that none needs a restart.
            secrets.extend([Secret(PREVIOUS, previous)] if previous else [])
        return endpoint_of(data, secrets, books)


def proxies_of(text: str) -> tuple[Network, ...]:
    """The networks of a comma-separated list.

    Raises:
        ValueError: One of them is none.
    """
    return tuple(network_of(word.strip()) for word in text.split(",") if word.strip())


def parsed_failpoint(text: str) -> tuple[FailpointPlace, int]:
    """The place of a failpoint and the count at which it strikes, from ``PLACE`` or ``PLACE:N``.

    Raises:
        ValueError: Not of that form.
    """
    place, colon, count = text.partition(":")
    if colon and not (count.isascii() and count.isdigit() and int(count) > 0):
        raise ValueError(f"{count!r} is not a count from 1")
    return FailpointPlace(place), int(count) if colon else 1


def _endpoint_data(path: Path) -> tuple[EndpointData, ...]:
    try:
        file = tomllib.loads(path.read_text("utf-8"))
    except RecursionError:
        raise ValueError(f"{path}: nested too deeply") from None
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    try:
        return EndpointsFile.model_validate(file).endpoints
    except ValidationError as error:
        raise ValueError(f"{path}: {in_words(error, file)}") from None
    except RecursionError:
        raise ValueError(f"{path}: nested too deeply") from None


def _secrets_of(data: EndpointData, folder: Path, environment: Mapping[str, str]) -> list[Secret]:
    return [
        Secret(
            secret.id,
            _text_of(secret, data.name, folder, environment),
            secret.valid_from,
            secret.valid_until,
        )
        for secret in data.named_secrets()
    ]


def _text_of(
    secret: SecretData, endpoint: str, folder: Path, environment: Mapping[str, str]
) -> str:
    if secret.file is not None:
        # A relative path means: beside the endpoints file.
        text = (folder / secret.file).read_text("utf-8").strip()
        where = f"the file {secret.file}"
    else:
        text = environment.get(secret.env or "", "").strip()
        where = f"the variable {secret.env}"
    if not text:
        lacking = "is empty" if secret.file is not None else "is not set"
        raise ValueError(f"endpoint {endpoint}: secret {secret.id}: {where} {lacking}")
    return text
