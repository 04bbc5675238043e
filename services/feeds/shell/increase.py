"""A bank whose API has Increase's shape, over httpx: pages, patience, its clock."""

from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Final, cast
from urllib.parse import quote

import httpx

from services.feeds.increase import (
    PROVIDER,
    Fields,
    pending_line,
    posted_line,
    text_of,
    told_balance,
)
from services.feeds.revisions import ToldBalance, ToldLine
from services.feeds.shell.bank_api import BankAccountAt, BankRefused, LinePage, ReadingBroken
from shared.contracts.envelope import rfc3339
from shared.contracts.errors import Refused, Unavailable
from shared.contracts.money import currency_of
from shared.runtime import log
from shared.runtime.kafka import patiently

PAGE_LINES: Final = 100
PATIENCE_SECONDS: Final = 30.0
_POSTED: Final = "/transactions"
_PENDING: Final = "/pending_transactions"
_log = log.get(__name__)


class IncreaseApi:
    """The ``BankApi`` of an API of Increase's shape."""

    provider: str = PROVIDER

    def __init__(
        self,
        *,
        base_url: str,
        key: str,
        timeout_seconds: float,
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        self._patience_seconds = patience_seconds
        self._client = httpx.AsyncClient(
            base_url=base_url.rstrip("/"),
            headers={"Authorization": f"Bearer {key}"},
            timeout=timeout_seconds,
            # An answer that sends us elsewhere would carry the key along.
            follow_redirects=False,
        )

    async def close(self) -> None:
        """Give the connections back."""
        await self._client.aclose()

    async def accounts(self) -> tuple[BankAccountAt, ...]:
        """The open accounts."""
        found: list[BankAccountAt] = []
        asked: dict[str, str] = {"limit": str(PAGE_LINES)}
        while True:
            told, _ = await self._asked("/accounts", asked)
            found.extend(_accounts(_items(told)))
            if (cursor := told.get("next_cursor")) is None:
                return tuple(found)
            asked["cursor"] = str(cursor)

    async def balance(self, account: BankAccountAt) -> ToldBalance:
        """What the account holds, as of the clock in the answer's ``Date``."""
        told, as_of = await self._asked(f"/accounts/{quote(account.id, safe='')}/balance", {})
        try:
            return told_balance(told, account.currency, as_of=as_of)
        except Refused as error:
            raise Unavailable(
                f"{account.name}: the bank's balance makes no sense: {error}"
            ) from None

    async def lines(
        self, account: BankAccountAt, *, since: datetime
    ) -> AsyncGenerator[LinePage, None]:
        """Posted lines, then pending ones, each newest first."""
        for path, read in ((_POSTED, posted_line), (_PENDING, pending_line)):
            asked: dict[str, str] = {
                "account_id": account.id,
                "limit": str(PAGE_LINES),
                "created_at.on_or_after": rfc3339(since),
            }
            while True:
                told, _ = await self._asked(path, asked)
                yield _page(told, read)
                if (cursor := told.get("next_cursor")) is None:
                    break
                asked["cursor"] = str(cursor)

    async def has_line(self, line: ToldLine) -> bool:
        """Whether the bank still finds the line by its id."""
        # Each list has ids of its own kind.
        path = _PENDING if line.id.startswith("pending_") else _POSTED
        try:
            await self._asked(f"{path}/{quote(line.id, safe='')}", {})
        except _NotFound:
            return False
        return True

    async def _asked(self, path: str, asked: Mapping[str, str]) -> tuple[Fields, datetime | None]:
        async def ask() -> tuple[Fields, datetime | None]:
            return await self._answer(path, asked)

        # In place, so that a long walk through pages goes on where it was slowed down.
        return await patiently(
            ask, what=f"bank {path}", give_up_after_seconds=self._patience_seconds
        )

    async def _answer(self, path: str, asked: Mapping[str, str]) -> tuple[Fields, datetime | None]:
        try:
            answer = await self._client.get(path, params=dict(asked))
        except httpx.HTTPError as error:
            raise Unavailable(f"the bank does not answer: {type(error).__name__}") from None
        status = answer.status_code
        if status in (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.REQUEST_TIMEOUT) or status >= 500:
            raise Unavailable(f"the bank answered {status}")
        if status == HTTPStatus.NOT_FOUND:
            raise _NotFound(f"the bank does not know {path}")
        if status == HTTPStatus.BAD_REQUEST and "cursor" in asked:
            raise ReadingBroken("the bank refuses its own cursor")
        if status != HTTPStatus.OK:
            raise BankRefused(f"the bank answered {status} to {path}")
        try:
            told: object = answer.json()
        except ValueError:
            raise Unavailable(f"the bank's answer to {path} is not JSON") from None
        if not isinstance(told, dict):
            raise Unavailable(f"the bank's answer to {path} is not an object")
        return cast("dict[str, object]", told), _clock(answer)


class _NotFound(BankRefused):
    """There is no such thing at the bank."""


def _accounts(values: list[Fields]) -> Iterator[BankAccountAt]:
    for value in values:
        if value.get("status") != "open":
            continue
        try:
            currency = currency_of(value.get("currency"))
        except Refused as error:
            _log.warning("bank_account.unreadable", reason=str(error))
            continue
        yield BankAccountAt(text_of(value.get("id")), text_of(value.get("name")), currency.code)


def _page(told: Fields, read: Callable[[Fields], ToldLine]) -> LinePage:
    lines: list[ToldLine] = []
    unreadable = 0
    for value in _items(told):
        try:
            lines.append(read(value))
        except (Refused, OverflowError) as error:
            unreadable += 1
            _log.warning("bank_line.unreadable", reason=str(error))
    return LinePage(tuple(lines), unreadable)


def _items(told: Fields) -> list[Fields]:
    data = told.get("data")
    if not isinstance(data, list):
        raise Unavailable("the bank's answer is not a list")
    items = cast("list[object]", data)
    if not all(isinstance(item, dict) for item in items):
        raise Unavailable("the bank's list holds something that is not an object")
    return cast("list[Fields]", items)


def _clock(answer: httpx.Response) -> datetime | None:
    try:
        at = parsedate_to_datetime(answer.headers.get("date", ""))
    except ValueError:
        return None
    return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
