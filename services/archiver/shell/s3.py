"""Segments in a bucket of anything that speaks S3: the one file that knows the library."""

from typing import TYPE_CHECKING, Final

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError
from obstore.store import S3Store

from services.archiver.config import S3Place
from services.archiver.shell.store import AlreadyThere, StoreUnavailable

if TYPE_CHECKING:
    from obstore.store import S3Config  # there for checkers alone

TIMEOUT: Final = "60s"
CONNECT_TIMEOUT: Final = "5s"
RETRIES_MAX: Final = 3


class BucketStore:
    """A bucket, or a folder in one. A name is taken once: by ``If-None-Match`` at each put."""

    def __init__(self, place: S3Place) -> None:
        self._about = place.about
        config: S3Config = {
            "region": place.region,
            "virtual_hosted_style_request": not place.endpoint,
        }
        if place.endpoint:
            config["endpoint"] = place.endpoint
        if place.access_key_id:
            config["access_key_id"] = place.access_key_id
            config["secret_access_key"] = place.secret_access_key
        self._store = S3Store(
            place.bucket,
            prefix=place.prefix or None,
            config=config,
            client_options={
                "timeout": TIMEOUT,
                "connect_timeout": CONNECT_TIMEOUT,
                "allow_http": place.endpoint.startswith("http://"),
            },
            retry_config={"max_retries": RETRIES_MAX},
        )

    @property
    def about(self) -> str:
        """The bucket's address."""
        return self._about

    async def create(self, name: str, data: bytes) -> None:
        """Put an object there, whole or not at all.

        Raises:
            AlreadyThere: There is one of that name.
            StoreUnavailable: The store does not answer, or does not take it.
        """
        try:
            # In one piece: the condition holds for a put, and for the parts of one it would not.
            await obstore.put_async(self._store, name, data, mode="create", use_multipart=False)
        except AlreadyExistsError:
            raise AlreadyThere(f"{self._about}/{name} is there") from None
        except (BaseError, OSError) as error:
            raise self._unavailable(error) from None

    async def names(self, prefix: str) -> list[str]:
        """All names under a prefix."""
        found: list[str] = []
        try:
            pages = obstore.list(self._store, prefix)  # pyright: ignore[reportUnknownMemberType]  # its Arrow variant has no types
            async for page in pages:
                found.extend(entry["path"] for entry in page)
        except (BaseError, OSError) as error:
            raise self._unavailable(error) from None
        return sorted(found)

    async def read(self, name: str) -> bytes:
        """A whole object."""
        try:
            answer = await obstore.get_async(self._store, name)
            return bytes(await answer.bytes_async())
        except (BaseError, OSError) as error:
            raise self._unavailable(error) from None

    async def beginning(self, name: str, size_bytes: int) -> bytes:
        """The first bytes of an object."""
        try:
            found = await obstore.get_range_async(self._store, name, start=0, length=size_bytes)
            return bytes(found)
        except (BaseError, OSError) as error:
            raise self._unavailable(error) from None

    async def tidy(self) -> int:
        """Nothing: an object appears whole or not at all."""
        return 0

    def _unavailable(self, error: Exception) -> StoreUnavailable:
        # The first line says it; what follows is the library's own insides.
        return StoreUnavailable(f"{self._about} does not serve", str(error).partition("\n")[0])
