"""Stripe's API by the ``stripe`` library's asynchronous client: pages as told, at a capped rate."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from copy import copy
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from types import MappingProxyType
from typing import Any, Final, cast

import stripe

from services.ingest.catch_up import Fields, Window
from shared.contracts.errors import TallystickError, Unavailable
from shared.runtime.kafka import patiently

# What the shapes that we read were seen in; it moves with the library, which pins the same.
API_VERSION: Final[str] = stripe.api_version
PAGE_ITEMS: Final = 100
LIBRARY_RETRIES: Final = 2
TIMEOUT_SECONDS: Final = 30.0
PATIENCE_SECONDS: Final = 60.0
# The least of Stripe's limits: what one list, or an account in test mode, may be asked a second.
STRIPE_PER_SECOND_MAX: Final = 25.0
RETRY_AFTER_SECONDS_DEFAULT: Final = 1
RETRY_AFTER_SECONDS_MAX: Final = 60
NO_FILTER: Final[Mapping[str, object]] = MappingProxyType({})


class ApiRefused(TallystickError):
    """Stripe refuses the key or the question: a person must mend it, no retry will."""

    def __init__(self, message: str, *, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list, newest first."""

    items: tuple[Fields, ...]
    has_more: bool


class _Pace:
    """At most so many calls a second, evenly."""

    def __init__(self, per_second: float) -> None:
        self._gap = 1 / per_second
        self._free_at = 0.0

    async def turn(self) -> None:
        clock = asyncio.get_running_loop().time
        at = max(clock(), self._free_at)
        self._free_at = at + self._gap
        await asyncio.sleep(at - clock())  # the cap on calls a second

    def hold(self, seconds: float) -> None:
        """Nobody's turn comes before so many seconds have passed."""
        self._free_at = max(self._free_at, asyncio.get_running_loop().time() + seconds)


class StripeApi:
    """Reading lists and single objects by one key, within one rate; it never writes.

    Stripe allows 100 calls a second in live mode, 25 in test mode, and 25 on any one list: the
    rate is kept below these, whatever was set, but before a simulated Stripe.
    """

    def __init__(
        self,
        key: str,
        *,
        base: str | None,
        requests_per_second: float,
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        cap = requests_per_second if base else min(requests_per_second, STRIPE_PER_SECOND_MAX)
        self._pace = _Pace(cap)
        self._options: Mapping[str, str] = {}
        self._patience_seconds = patience_seconds
        self._http = stripe.HTTPXClient(timeout=TIMEOUT_SECONDS)
        self._client = stripe.StripeClient(
            key,
            http_client=self._http,
            max_network_retries=LIBRARY_RETRIES,
            stripe_version=API_VERSION,
            base_addresses={"api": base.rstrip("/")} if base else {},
        )

    def behalf(self, *, account: str = "", context: str = "") -> "StripeApi":
        """The same key and the same rate, asking for a connected account or in a context."""
        other = copy(self)
        told = {"stripe_account": account, "stripe_context": context}
        other._options = {name: text for name, text in told.items() if text}  # noqa: SLF001 - its own copy
        return other

    async def close(self) -> None:
        """Give the connections back."""
        await self._http.close_async()  # type: ignore[no-untyped-call]  # the library has no type for it

    async def pages(
        self,
        path: str,
        window: Window | None = None,
        *,
        expand: tuple[str, ...] = (),
        where: Mapping[str, object] = NO_FILTER,
    ) -> AsyncGenerator[tuple[Fields, ...], None]:
        """The pages of a list, newest first: within a window, and as ``where`` filters it.

        Raises:
            Unavailable: Stripe does not answer, or slows us down for longer than our patience.
            ApiRefused: Stripe refuses the key or the question.
        """
        asked: dict[str, object] = {"limit": PAGE_ITEMS, **where}
        if window is not None:
            until = {} if window.until is None else {"lt": window.until}
            asked["created"] = {"gte": window.since} | until
        if expand:
            asked["expand"] = list(expand)
        while True:
            page = await self._page(path, asked)
            if page.items:
                yield page.items
            last = page.items[-1].get("id") if page.items else None
            if not page.has_more or not isinstance(last, str):
                return
            asked = asked | {"starting_after": last}

    async def is_empty(self, path: str, window: Window) -> bool:
        """Whether a list has nothing from the window's beginning on; one call tells.

        Raises:
            Unavailable: As for pages.
            ApiRefused: As for pages.
        """
        page = await self._page(path, {"limit": 1, "created": {"gte": window.since}})
        return not page.items

    async def one(self, path: str, *, expand: tuple[str, ...] = ()) -> Fields:
        """A single object.

        Raises:
            Unavailable: As for pages.
            ApiRefused: As for pages.
        """
        return _object(await self._asked(path, {"expand": list(expand)} if expand else {}))

    async def clock(self) -> datetime | None:
        """What Stripe's clock says, to the second; ``None`` where no answer tells it.

        A refusal tells it, too.
        """
        client: Any = self._client  # Any: raw_request_async has no types
        try:
            response = await client.raw_request_async("get", "/v1/balance", **self._options)
            headers = cast("Mapping[str, str]", response.headers)
        except stripe.StripeError as error:
            headers = cast("Mapping[str, str]", error.headers or {})
        told = {name.lower(): text for name, text in headers.items()}.get("date", "")
        try:
            return parsedate_to_datetime(told)
        except ValueError:
            return None

    async def _page(self, path: str, asked: Mapping[str, object]) -> Page:
        told = _object(await self._asked(path, asked))
        items = told.get("data")
        if not isinstance(items, list):
            raise Unavailable(f"Stripe's answer to {path} is not a list")
        found = cast("list[object]", items)
        return Page(tuple(_object(item) for item in found), told.get("has_more") is True)

    async def _asked(self, path: str, asked: Mapping[str, object]) -> object:
        async def ask() -> object:
            await self._pace.turn()
            return await self._answer(path, asked)

        # In place, so that a long walk through pages goes on where it was slowed down.
        return await patiently(
            ask, what=f"Stripe {path}", give_up_after_seconds=self._patience_seconds
        )

    async def _answer(self, path: str, asked: Mapping[str, object]) -> object:
        client: Any = self._client  # Any: raw_request_async has no types
        try:
            response = await client.raw_request_async("get", path, **asked, **self._options)
        except stripe.RateLimitError as error:
            # The library does not try this again, and whoever else has this key must wait as well.
            self._pace.hold(_retry_after(error))
            raise Unavailable(_said(error)) from None
        except stripe.APIConnectionError as error:
            raise Unavailable(_said(error)) from None
        except stripe.APIError as error:
            raise Unavailable(_said(error)) from None
        except stripe.StripeError as error:
            raise ApiRefused(_said(error), status=error.http_status) from None
        return cast("object", response.data)


def _retry_after(error: stripe.StripeError) -> float:
    """How long Stripe asks to be left alone, within reason."""
    headers = cast("Mapping[str, str]", error.headers or {})
    told = {name.lower(): text for name, text in headers.items()}.get("retry-after", "")
    seconds = int(told) if told.isascii() and told.isdigit() else RETRY_AFTER_SECONDS_DEFAULT
    return float(min(seconds, RETRY_AFTER_SECONDS_MAX))


def _said(error: stripe.StripeError) -> str:
    # Without the library's own text, which shows a part of the key.
    return f"{type(error).__name__}, status {error.http_status}, request {error.request_id}"


def _object(value: object) -> Fields:
    if not isinstance(value, dict):
        raise Unavailable("Stripe's answer holds something that is not an object")
    return cast("dict[str, object]", value)
