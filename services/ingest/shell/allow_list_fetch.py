"""Stripe's published list of addresses, from its address or from a file."""

import ipaddress
from http import HTTPStatus
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import httpx

from services.ingest.allow_list import AllowListInvalid
from shared.contracts.errors import Unavailable

BYTES_MAX: Final = 262_144
SECONDS_MAX: Final = 10.0


def published_text(source: str) -> str:
    """The text of a published list; ``source`` is an address or a file's path.

    Only HTTPS is asked, but for this machine itself, and nobody who sends us elsewhere is
    followed: who chooses the list chooses who comes in.

    Raises:
        AllowListInvalid: The address is not one that is asked, or what came is no text.
        Unavailable: Nobody answered, or not with the list.
    """
    if "://" not in source:
        return _text(_from_file(Path(source)))
    _check_address(source)
    try:
        return _text(_from_address(source))
    except httpx.HTTPError as error:
        raise Unavailable(f"{source}: {error or type(error).__name__}") from error
    except (httpx.InvalidURL, UnicodeError) as error:
        raise AllowListInvalid(f"{source!r} is no address: {error}") from None


def _check_address(source: str) -> None:
    try:
        parts = urlsplit(source)
        host = parts.hostname or ""
    except ValueError as error:
        raise AllowListInvalid(f"{source}: {error}") from None
    if parts.username or parts.password:
        raise AllowListInvalid(f"{host}: a list is not asked for with a name and a password")
    if parts.scheme == "https" and host:
        return
    if parts.scheme == "http" and _is_loopback(host):
        return
    raise AllowListInvalid(f"{source}: only https is asked, and http on this machine")


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _from_address(source: str) -> bytes:
    content = bytearray()
    with (
        # The environment could name a proxy, and a proxy could write the list.
        httpx.Client(timeout=SECONDS_MAX, follow_redirects=False, trust_env=False) as client,
        client.stream("GET", source, headers={"accept": "application/json, text/plain"}) as answer,
    ):
        if answer.is_redirect:
            raise Unavailable(f"{source}: sends us elsewhere, and is not followed")
        if answer.status_code != HTTPStatus.OK:
            raise Unavailable(f"{source}: answered {answer.status_code}")
        for chunk in answer.iter_bytes():
            content += chunk
            if len(content) > BYTES_MAX:
                raise AllowListInvalid(f"{source}: larger than {BYTES_MAX} bytes")
    return bytes(content)


def _from_file(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(BYTES_MAX + 1)
    except OSError as error:
        raise AllowListInvalid(f"{path}: {error.strerror}") from None
    if len(content) > BYTES_MAX:
        raise AllowListInvalid(f"{path}: larger than {BYTES_MAX} bytes")
    return content


def _text(content: bytes) -> str:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise AllowListInvalid(f"not UTF-8 text: {error.reason} at {error.start}") from None
