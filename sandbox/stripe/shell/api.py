"""The simulated Stripe's HTTP face: as much of ``/v1`` as a treasury reads, and no more."""

import itertools
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from sandbox.stripe.expansion import Lookup, expanded
from sandbox.stripe.facts import (
    AnyFact,
    ApplicationFee,
    BalanceTransaction,
    Charge,
    CreditNote,
    Dispute,
    Event,
    FeeRefund,
    Invoice,
    PaymentIntent,
    Payout,
    Refund,
    ReserveHold,
    ReserveRelease,
    Topup,
    Transfer,
    TransferReversal,
)
from sandbox.stripe.queries import Parameters, StripeRefusal, filtered, missing, page
from sandbox.stripe.shapes.billing import credit_note_lines, invoice_lines, unless_expanded
from sandbox.stripe.shapes.money import balance_object
from sandbox.stripe.shapes.render import (
    API_VERSION,
    account_object,
    event_object,
    webhook_endpoint_object,
)
from sandbox.stripe.shapes.view import list_object
from sandbox.stripe.shell import thin_api
from sandbox.stripe.store import Store
from sandbox.world.jsons import JsonObject

_COLLECTIONS: Final[Mapping[str, type[AnyFact]]] = {
    "application_fees": ApplicationFee,
    "balance_transactions": BalanceTransaction,
    "charges": Charge,
    "credit_notes": CreditNote,
    "disputes": Dispute,
    "events": Event,
    "invoices": Invoice,
    "payment_intents": PaymentIntent,
    "payouts": Payout,
    "refunds": Refund,
    "reserve/holds": ReserveHold,
    "reserve/releases": ReserveRelease,
    "topups": Topup,
    "transfers": Transfer,
}
ENDPOINT: Final = "we_1SimulatedEndpoint"


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where the face looks: the objects, the world's second, and what was delivered."""

    store: Store
    api_keys: frozenset[str]
    now: Callable[[], int]
    is_delivered: Callable[[str], bool]
    webhook_url: str
    begun_at: int
    is_endpoint_disabled: Callable[[], bool] = lambda: False


class StripeApi:
    """Answers reading requests as Stripe would."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._requests = itertools.count(1)

    def app(self, *more: BaseRoute) -> Starlette:
        """The ASGI application, with the routes of the control face beside it."""
        routes: list[BaseRoute] = [
            *more,
            Route("/v1/balance", self._answering(self._balance)),
            Route("/v1/account", self._answering(self._account)),
            Route("/v1/accounts", self._answering(self._accounts)),
            Route("/v1/accounts/{id}", self._answering(self._account)),
            Route("/v2/core/events", self._answering(self._thin_events)),
            Route("/v2/core/events/{id}", self._answering(self._thin_event)),
            Route("/v1/webhook_endpoints", self._answering(self._endpoints)),
            Route("/v1/webhook_endpoints/{id}", self._answering(self._endpoint)),
            Route("/v1/transfers/{parent}/reversals", self._answering(self._reversals)),
            Route("/v1/transfers/{parent}/reversals/{id}", self._answering(self._reversal)),
            Route("/v1/invoices/{parent}/lines", self._answering(self._invoice_lines)),
            Route("/v1/credit_notes/{parent}/lines", self._answering(self._credit_note_lines)),
            Route("/v1/application_fees/{parent}/refunds", self._answering(self._fee_refunds)),
        ]
        for path, kind in _COLLECTIONS.items():
            routes.append(Route(f"/v1/{path}", self._answering(self._listing(path, kind))))
            routes.append(Route(f"/v1/{path}/{{id}}", self._answering(self._single(kind))))
        routes.append(
            Route(
                "/{path:path}",
                self._answering(_unrecognized),
                methods=["GET", "POST", "DELETE", "PUT", "PATCH"],
            )
        )
        return Starlette(routes=routes)

    def _answering(
        self, handler: Callable[[Request, str], JsonObject]
    ) -> Callable[[Request], Awaitable[Response]]:
        """A route: who asks, for which account, and Stripe's way of saying no."""

        # On the loop, not in a thread: the world is changed by the loop alone.
        async def answer(request: Request) -> Response:
            request_id = f"req_{next(self._requests):014d}"
            try:
                self._admit(request)
                body, status = handler(request, self._owner(request)), 200
            except StripeRefusal as refusal:
                body, status = refusal.body(), refusal.status
            return Response(
                json.dumps(body, indent=2),
                status_code=status,
                media_type="application/json",
                headers={
                    "Request-Id": request_id,
                    "Stripe-Version": request.headers.get("Stripe-Version", API_VERSION),
                },
            )

        return answer

    def _admit(self, request: Request) -> None:
        header = request.headers.get("Authorization", "")
        scheme, _, key = header.partition(" ")
        if scheme.lower() != "bearer" or not key:
            raise StripeRefusal(
                401,
                "You did not provide an API key. You need to provide your API key in the"
                " Authorization header, using Bearer auth.",
            )
        if key not in self._source.api_keys:
            raise StripeRefusal(401, f"Invalid API Key provided: {key[:8]}****")

    def _owner(self, request: Request) -> str:
        store = self._source.store
        # A context is a path of accounts, and the last one is meant.
        context = request.headers.get("Stripe-Context", "").rpartition("/")[2]
        owner = request.headers.get("Stripe-Account") or context or store.account
        if owner not in store.owners():
            raise StripeRefusal(
                403,
                f"The provided key does not have access to account '{owner}' (or that account"
                " does not exist). Application access may have been revoked.",
                code="account_invalid",
            )
        return owner

    def _shown(self, fact: AnyFact, owner: str) -> JsonObject:
        source = self._source
        if isinstance(fact, Event):
            is_delivered = source.is_delivered(fact.id)
            # Asked by the connected account itself, its own event names no account.
            platform = source.store.account if owner == source.store.account else fact.owner
            return event_object(fact, pending_webhooks=0 if is_delivered else 1, platform=platform)
        return source.store.shown(fact, source.now())

    def _lookup(self, owner: str) -> Lookup:
        store = self._source.store

        def find(fact_id: str) -> JsonObject | None:
            try:
                return self._shown(store.find(fact_id), owner)
            except KeyError:
                return None

        def refunds(charge_id: str) -> JsonObject:
            found = [r for r in store.every(Refund) if r.charge == charge_id]
            shown = [self._shown(refund, owner) for refund in reversed(found)]
            return list_object(f"/v1/charges/{charge_id}/refunds", shown)

        def how_paid(invoice_id: str) -> JsonObject:
            view = store.view(self._source.now())
            return unless_expanded(store.get(Invoice, invoice_id), view)

        return Lookup(find, refunds, how_paid)

    def _page(
        self, request: Request, owner: str, path: str, kind: type[AnyFact], facts: list[AnyFact]
    ) -> JsonObject:
        parameters = Parameters.read(request.query_params.multi_items())
        found = filtered(kind, facts, parameters)
        success = parameters.single.get("delivery_success")
        if success is not None and kind is Event:
            wanted = success.lower() == "true"
            found = [fact for fact in found if self._source.is_delivered(fact.id) is wanted]
        shown, has_more = page(found, parameters)
        body = list_object(
            f"/v1/{path}", [self._shown(fact, owner) for fact in shown], has_more=has_more
        )
        return expanded(body, parameters.arrays.get("expand", ()), self._lookup(owner))

    def _listing(self, path: str, kind: type[AnyFact]) -> Callable[[Request, str], JsonObject]:
        def listing(request: Request, owner: str) -> JsonObject:
            every: list[AnyFact] = [
                fact for fact in self._source.store.every(kind) if fact.owner == owner
            ]
            return self._page(request, owner, path, kind, every)

        return listing

    def _single(self, kind: type[AnyFact]) -> Callable[[Request, str], JsonObject]:
        def single(request: Request, owner: str) -> JsonObject:
            return self._one(request, owner, kind, request.path_params["id"])

        return single

    def _one(self, request: Request, owner: str, kind: type[AnyFact], fact_id: str) -> JsonObject:
        noun = _noun(kind)
        try:
            fact: AnyFact = self._source.store.get(kind, fact_id)
        except KeyError:
            raise missing(fact_id, noun=noun) from None
        if fact.owner != owner:
            raise missing(fact_id, noun=noun)
        parameters = Parameters.read(request.query_params.multi_items())
        paths = parameters.arrays.get("expand", ())
        return expanded(self._shown(fact, owner), paths, self._lookup(owner))

    def _reversals(self, request: Request, owner: str) -> JsonObject:
        parent = self._parent(Transfer, request)
        every: list[AnyFact] = [
            reversal
            for reversal in self._source.store.every(TransferReversal)
            if reversal.transfer == parent and reversal.owner == owner
        ]
        path = f"transfers/{parent}/reversals"
        return self._page(request, owner, path, TransferReversal, every)

    def _reversal(self, request: Request, owner: str) -> JsonObject:
        self._parent(Transfer, request)
        return self._one(request, owner, TransferReversal, request.path_params["id"])

    def _fee_refunds(self, request: Request, owner: str) -> JsonObject:
        parent = self._parent(ApplicationFee, request)
        every: list[AnyFact] = [
            refund
            for refund in self._source.store.every(FeeRefund)
            if refund.fee == parent and refund.owner == owner
        ]
        return self._page(request, owner, f"application_fees/{parent}/refunds", FeeRefund, every)

    def _invoice_lines(self, request: Request, owner: str) -> JsonObject:
        """Every line of an invoice, in the order in which it has them."""
        store = self._source.store
        invoice = store.get(Invoice, self._parent(Invoice, request))
        lines = invoice_lines(invoice, store.view(self._source.now()))
        return self._lines(request, owner, invoice, f"/v1/invoices/{invoice.id}/lines", lines)

    def _credit_note_lines(self, request: Request, owner: str) -> JsonObject:
        """Every line of a credit note, in the order in which it has them."""
        store = self._source.store
        note = store.get(CreditNote, self._parent(CreditNote, request))
        lines = credit_note_lines(note, store.view(self._source.now()))
        return self._lines(request, owner, note, f"/v1/credit_notes/{note.id}/lines", lines)

    def _lines(
        self,
        request: Request,
        owner: str,
        parent: Invoice | CreditNote,
        path: str,
        lines: list[JsonObject],
    ) -> JsonObject:
        if parent.owner != owner:
            raise missing(parent.id, noun=_noun(type(parent)))
        ids = [line["id"] for line in lines]
        parameters = Parameters.read(request.query_params.multi_items())
        limit, after = parameters.limit(), parameters.single.get("starting_after")
        if after is not None and after not in ids:
            raise missing(after, param="starting_after", noun="line item")
        rest = lines if after is None else lines[ids.index(after) + 1 :]
        return list_object(path, rest[:limit], has_more=len(rest) > limit)

    def _parent(self, kind: type[AnyFact], request: Request) -> str:
        parent = str(request.path_params["parent"])
        try:
            return self._source.store.get(kind, parent).id
        except KeyError:
            raise missing(parent, noun=_noun(kind)) from None

    def _balance(self, _request: Request, owner: str) -> JsonObject:
        store = self._source.store
        own = [txn for txn in store.every(BalanceTransaction) if txn.owner == owner]
        return balance_object(own, store.view(self._source.now()))

    def _account(self, request: Request, owner: str) -> JsonObject:
        account = request.path_params.get("id", owner)
        if account not in self._source.store.owners():
            raise missing(account, noun="account")
        return account_object(account, created=self._source.begun_at)

    def _accounts(self, request: Request, owner: str) -> JsonObject:
        """The accounts connected to the one that asks, newest first."""
        store = self._source.store
        is_platform = owner == store.account
        connected = sorted(store.owners() - {store.account})[::-1] if is_platform else []
        parameters = Parameters.read(request.query_params.multi_items())
        limit, after = parameters.limit(), parameters.single.get("starting_after")
        if after is not None and after not in connected:
            raise missing(after, param="starting_after", noun="account")
        rest = connected if after is None else connected[connected.index(after) + 1 :]
        shown = [account_object(a, created=self._source.begun_at) for a in rest[:limit]]
        return list_object("/v1/accounts", shown, has_more=len(rest) > limit)

    def _thin_events(self, request: Request, owner: str) -> JsonObject:
        return thin_api.listed(self._source.store, dict(request.query_params), owner)

    def _thin_event(self, request: Request, owner: str) -> JsonObject:
        return thin_api.one(self._source.store, request.path_params["id"], owner)

    def _endpoints(self, _request: Request, _owner: str) -> JsonObject:
        return list_object("/v1/webhook_endpoints", [self._endpoint_shown()])

    def _endpoint(self, request: Request, _owner: str) -> JsonObject:
        if request.path_params["id"] != ENDPOINT:
            raise missing(request.path_params["id"], noun="webhook endpoint")
        return self._endpoint_shown()

    def _endpoint_shown(self) -> JsonObject:
        source = self._source
        return webhook_endpoint_object(
            ENDPOINT,
            url=source.webhook_url,
            created=source.begun_at,
            livemode=source.store.livemode,
            is_disabled=source.is_endpoint_disabled(),
        )


def _noun(kind: type[AnyFact]) -> str:
    words = "".join(
        f" {letter.lower()}" if letter.isupper() else letter for letter in kind.__name__
    )
    return words.strip()


def _unrecognized(request: Request, _owner: str) -> JsonObject:
    raise StripeRefusal(
        404,
        f"Unrecognized request URL ({request.method}: {request.url.path}). Please see"
        " https://stripe.com/docs or we can help at https://support.stripe.com/.",
    )


def excuse(status: int) -> JsonObject:
    """Stripe's error body for a mishap."""
    if status == 429:
        return StripeRefusal(429, "Request rate limit exceeded.", code="rate_limit").body()
    return StripeRefusal(status, "An unknown error occurred", error_type="api_error").body()
