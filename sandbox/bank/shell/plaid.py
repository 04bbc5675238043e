"""The simulated bank's HTTP face in the shape of Plaid's API."""

import json
from collections.abc import Callable
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.bank.core import SimulatedBank
from sandbox.bank.facts import BankAccount
from sandbox.bank.plaid import PlaidRefusal, PlaidStream, account_balance_object
from sandbox.world.jsons import JsonObject, Misshapen, as_list, as_object, as_text

CLIENT_ID: Final = "plaid_client_simulated"
ACCESS_TOKEN: Final = "access-sandbox-simulated"  # a token of a bank that is not there
_COUNT_MAX: Final = 500
_REQUEST_ID: Final = "simulated"


class PlaidFace:
    """Answers as Plaid would; ``stream`` holds what its readers have been told."""

    def __init__(
        self, bank: SimulatedBank, *, secrets: frozenset[str], now: Callable[[], int]
    ) -> None:
        self._bank = bank
        self._secrets = secrets
        self._now = now
        self.stream = PlaidStream(bank)

    def routes(self) -> list[Route]:
        """The three questions that it answers."""
        post = ["POST"]
        return [
            Route("/accounts/get", self._answering(self._accounts), methods=post),
            Route("/accounts/balance/get", self._answering(self._accounts), methods=post),
            Route("/transactions/sync", self._answering(self._sync), methods=post),
        ]

    def _answering(
        self, handler: Callable[[JsonObject], JsonObject]
    ) -> Callable[[Request], object]:
        async def answer(request: Request) -> Response:
            try:
                asked = as_object(json.loads(await request.body()))
                self._admit(asked)
                body, status = handler(asked), 200
            except PlaidRefusal as refusal:
                body, status = refusal.body(_REQUEST_ID), 400
            except (Misshapen, ValueError, KeyError) as error:
                misread = PlaidRefusal("INVALID_REQUEST", "INVALID_BODY", str(error))
                body, status = misread.body(_REQUEST_ID), 400
            return Response(json.dumps(body), status_code=status, media_type="application/json")

        return answer

    def _admit(self, asked: JsonObject) -> None:
        if asked.get("client_id") != CLIENT_ID or asked.get("secret") not in self._secrets:
            raise PlaidRefusal(
                "INVALID_INPUT", "INVALID_API_KEYS", "invalid client_id or secret provided"
            )
        if asked.get("access_token") != ACCESS_TOKEN:
            raise PlaidRefusal(
                "INVALID_INPUT", "INVALID_ACCESS_TOKEN", "provided access token is invalid"
            )

    def _accounts(self, asked: JsonObject) -> JsonObject:
        options = as_object(asked.get("options") or {})
        wanted = options.get("account_ids")
        ids = None if wanted is None else {as_text(each) for each in as_list(wanted)}
        return {
            "accounts": [
                self._account(account)
                for account in self._bank.accounts()
                if ids is None or account.id in ids
            ],
            "item": {
                "available_products": [],
                "billed_products": ["transactions"],
                "consent_expiration_time": None,
                "error": None,
                "institution_id": "ins_simulated",
                "item_id": "item_simulated",
                "update_type": "background",
                "webhook": None,
            },
            "request_id": _REQUEST_ID,
        }

    def _account(self, account: BankAccount) -> JsonObject:
        posted, available = self._bank.told_balance(account.id, self._now())
        return account_balance_object(account, posted=posted, available=available)

    def _sync(self, asked: JsonObject) -> JsonObject:
        options = as_object(asked.get("options") or {})
        account = self._bank.account(as_text(options.get("account_id")))
        count = asked.get("count", 100)
        if type(count) is not int or not 1 <= count <= _COUNT_MAX:
            raise PlaidRefusal("INVALID_REQUEST", "INVALID_FIELD", "count must be from 1 to 500")
        cursor = as_text(asked.get("cursor") or "")
        return self.stream.page(self._now(), account, cursor, count)
