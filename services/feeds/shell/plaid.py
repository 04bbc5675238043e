"""Plaid over httpx: balances, and what changed since a cursor; each account its own stream."""

from collections.abc import AsyncGenerator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Final, cast

import httpx

from services.feeds.increase import Fields
from services.feeds.plaid import (
    PROVIDER,
    Changes,
    PlaidAccount,
    accounts_of,
    changes_of,
    exact_json,
)
from services.feeds.revisions import ToldBalance
from services.feeds.shell.bank_api import BankAccountAt, BankRefused, ReadingBroken
from shared.contracts.errors import Refused, Unavailable
from shared.runtime.kafka import patiently

PAGE_LINES: Final = 500
PATIENCE_SECONDS: Final = 30.0
# The account changed while it was walked through: begin at the cursor that stands.
_MUTATED: Final = "TRANSACTIONS_SYNC_MUTATION_DURING_PAGINATION"
_LATER: Final = frozenset(
    {
        "PRODUCT_NOT_READY",
        "INSTITUTION_DOWN",
        "INSTITUTION_NOT_RESPONDING",
        "INSTITUTION_NOT_AVAILABLE",
        "INTERNAL_SERVER_ERROR",
        "PLANNED_MAINTENANCE",
    }
)


class CursorForgotten(ReadingBroken):
    """Plaid does not know the cursor any more: everything has to be read from the beginning."""


class PlaidApi:
    """One Item at Plaid."""

    provider: str = PROVIDER

    def __init__(
        self,
        *,
        base_url: str,
        client_id: str,
        secret: str,
        access_token: str,
        timeout_seconds: float,
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        self._patience_seconds = patience_seconds
        self._said = {"client_id": client_id, "secret": secret, "access_token": access_token}
        self._client = httpx.AsyncClient(
            base_url=base_url.rstrip("/"), timeout=timeout_seconds, follow_redirects=False
        )

    async def close(self) -> None:
        """Give the connections back."""
        await self._client.aclose()

    async def accounts(self) -> tuple[BankAccountAt, ...]:
        """The Item's accounts; Plaid's own name of one is its id."""
        found = await self._accounts("/accounts/get", {})
        return tuple(BankAccountAt(each.id, each.id, each.currency) for each in found)

    async def balance(self, account: BankAccountAt) -> ToldBalance:
        """What the account holds, asked of its bank now."""
        found = await self._accounts(
            "/accounts/balance/get", {"options": {"account_ids": [account.id]}}
        )
        for each in found:
            if each.id == account.id:
                return each.balance
        raise Unavailable(f"{account.name}: Plaid tells no balance of it")

    async def changes(self, account: BankAccountAt, cursor: str) -> AsyncGenerator[Changes, None]:
        """What changed since a cursor, page by page; whole when it ends without an error.

        Raises:
            ReadingBroken: The account changed meanwhile; begin at the same cursor again.
            CursorForgotten: The cursor is none; begin with an empty one.
        """
        while True:
            told, _ = await self._asked(
                "/transactions/sync",
                {
                    "cursor": cursor,
                    "count": PAGE_LINES,
                    "options": {
                        "account_id": account.id,
                        "include_original_description": True,
                    },
                },
            )
            try:
                page = changes_of(told, account.id)
            except Refused as error:
                raise Unavailable(f"Plaid's page makes no sense: {error}") from None
            yield page
            if not page.has_more:
                return
            if page.cursor == cursor:
                raise ReadingBroken("Plaid says that there is more, and stands still")
            cursor = page.cursor

    async def _accounts(self, path: str, asked: Mapping[str, object]) -> tuple[PlaidAccount, ...]:
        told, as_of = await self._asked(path, asked)
        try:
            return accounts_of(told, as_of=as_of)
        except Refused as error:
            raise Unavailable(f"Plaid's accounts make no sense: {error}") from None

    async def _asked(
        self, path: str, asked: Mapping[str, object]
    ) -> tuple[Fields, datetime | None]:
        async def ask() -> tuple[Fields, datetime | None]:
            return await self._answer(path, asked)

        return await patiently(
            ask, what=f"Plaid {path}", give_up_after_seconds=self._patience_seconds
        )

    async def _answer(
        self, path: str, asked: Mapping[str, object]
    ) -> tuple[Fields, datetime | None]:
        try:
            answer = await self._client.post(path, json={**self._said, **asked})
        except httpx.HTTPError as error:
            raise Unavailable(f"Plaid does not answer: {type(error).__name__}") from None
        told = _object(answer)
        status, code = answer.status_code, str((told or {}).get("error_code") or "")[:100]
        if status in (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.REQUEST_TIMEOUT) or status >= 500:
            raise Unavailable(f"Plaid answered {status} {code}".strip())
        if code in _LATER:
            raise Unavailable(f"Plaid answered {code}")
        if code == _MUTATED:
            raise ReadingBroken("the account changed while it was walked through")
        if status == HTTPStatus.BAD_REQUEST and asked.get("cursor"):
            said = str((told or {}).get("error_message") or "")
            if code == "INVALID_FIELD" and "cursor" in said:
                raise CursorForgotten("Plaid does not know the cursor any more")
        if status != HTTPStatus.OK:
            raise BankRefused(f"Plaid answered {status} {code} to {path}")
        if told is None:
            raise Unavailable(f"Plaid's answer to {path} is no JSON object")
        return told, _clock(answer)


def _object(answer: httpx.Response) -> Fields | None:
    try:
        told = exact_json(answer.content)
    except (ValueError, RecursionError):
        return None
    return cast("dict[str, object]", told) if isinstance(told, dict) else None


def _clock(answer: httpx.Response) -> datetime | None:
    try:
        at = parsedate_to_datetime(answer.headers.get("date", ""))
    except ValueError:
        return None
    return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
