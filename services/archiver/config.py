"""What the archiver is told by its environment: where the copy stands, and how it is cut."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Final
from urllib.parse import urlsplit

from pydantic import Field, SecretStr

from services.archiver.segments import Compression
from shared.runtime.settings import PREFIX, Settings, SettingsInvalid

S3_SCHEME: Final = "s3"
MEBIBYTE: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class S3Place:
    """A bucket, the folder in it, and how we sign in."""

    bucket: str
    prefix: str
    endpoint: str
    region: str
    access_key_id: str = field(repr=False)
    secret_access_key: str = field(repr=False)

    @property
    def about(self) -> str:
        """The address, without keys."""
        return f"s3://{self.bucket}/{self.prefix}".rstrip("/")


class ArchiverSettings(Settings):
    """The settings of the archiver, and of the commands that read its copy."""

    area: ClassVar[str] = "ARCHIVER"

    archiver_host: str = Field(default="127.0.0.1", description="where health and metrics are")
    archiver_port: int = Field(default=8405, ge=0, le=65535, description="their port")
    archiver_place: str = Field(
        default="", description="where the copy stands: a folder, or s3://bucket/folder"
    )
    archiver_s3_endpoint: str = Field(
        default="", description="address of an S3-compatible store; empty for Amazon's own"
    )
    archiver_s3_region: str = Field(default="us-east-1", description="its region")
    archiver_s3_access_key_id: SecretStr = Field(
        default=SecretStr(""),
        description="the id of its key; left out, the machine's own role or AWS_… signs in",
    )
    archiver_s3_secret_access_key: SecretStr = Field(
        default=SecretStr(""), description="the key itself"
    )
    archiver_age_seconds: float = Field(
        default=300.0, ge=0.1, le=1_800, description="a record is in the copy after this long"
    )
    archiver_segment_bytes: int = Field(
        default=16 * MEBIBYTE,
        ge=256,
        le=256 * MEBIBYTE,
        description="a segment of this size is sealed before its time",
    )
    archiver_buffer_bytes: int = Field(
        default=128 * MEBIBYTE,
        ge=256,
        le=4_096 * MEBIBYTE,
        description="with more than this in hand segments are sealed before their time",
    )
    archiver_compression: Compression = Field(
        default=Compression.GZIP, description="how segments are packed: gzip or none"
    )

    def place(self, said: str = "") -> Path | S3Place:
        """Where the copy stands; ``said`` goes before the setting.

        Raises:
            SettingsInvalid: None is named, or it is no place.
        """
        text = said or self.archiver_place
        if not text:
            raise SettingsInvalid(f"set {PREFIX}ARCHIVER_PLACE: a folder, or s3://bucket/folder")
        if "://" not in text:
            return Path(text).expanduser()
        parts = urlsplit(text)
        if parts.scheme != S3_SCHEME or not parts.hostname or parts.query or "@" in parts.netloc:
            # The text is not repeated: an address may hold a key where none belongs.
            raise SettingsInvalid("the archive's place is neither a folder nor s3://bucket/folder")
        key_id = self.archiver_s3_access_key_id.get_secret_value()
        key = self.archiver_s3_secret_access_key.get_secret_value()
        if bool(key_id) != bool(key):
            raise SettingsInvalid(f"{PREFIX}ARCHIVER_S3_ACCESS_KEY_ID and …SECRET_ACCESS_KEY: both")
        return S3Place(
            bucket=parts.netloc,
            prefix=parts.path.strip("/"),
            endpoint=self.archiver_s3_endpoint,
            region=self.archiver_s3_region,
            access_key_id=key_id,
            secret_access_key=key,
        )
