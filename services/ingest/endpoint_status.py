"""What Stripe says of the webhook endpoints, held against those that we keep: seen from outside.

An endpoint at Stripe is ours when its address ends in the path of one of ours, and, where we know
our public address, begins with it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, cast

from services.ingest.catch_up import Fields
from services.ingest.endpoints import ROUTE, Endpoint, Payload
from shared.contracts.discrepancies import DiscrepancyKind

EVERY_EVENT: Final = "*"
# Without these the books wait for what never comes; what else it is sent is its own affair.
NEEDED_EVENTS: Final = frozenset(
    {
        "charge.succeeded",
        "payout.canceled",
        "payout.created",
        "payout.failed",
        "payout.paid",
        "refund.created",
        "refund.failed",
        "transfer.created",
        "transfer.reversed",
    }
)


@dataclass(frozen=True, slots=True)
class Registered:
    """One webhook endpoint as Stripe lists it."""

    id: str
    url: str
    is_enabled: bool
    status: str
    api_version: str
    enabled_events: frozenset[str]


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something wrong with the way in: its kind, what it is about, and the words for it."""

    kind: DiscrepancyKind
    subject: str
    expected: str
    found: str
    explanation: str
    evidence: tuple[str, ...] = ()


def registered(items: Iterable[Fields]) -> tuple[Registered, ...]:
    """The endpoints of Stripe's list; what is none is left out."""
    return tuple(one for item in items if (one := _registered(item)) is not None)


def _registered(item: Fields) -> Registered | None:
    endpoint_id, url = item.get("id"), item.get("url")
    if not isinstance(endpoint_id, str) or not isinstance(url, str):
        return None
    told, version = item.get("enabled_events"), item.get("api_version")
    events = cast("list[object]", told) if isinstance(told, list) else []
    status = item.get("status")
    return Registered(
        id=endpoint_id,
        url=url,
        is_enabled=status == "enabled",
        status=status if isinstance(status, str) else "unknown",
        api_version=version if isinstance(version, str) else "",
        enabled_events=frozenset(e for e in events if isinstance(e, str)),
    )


def troubles(
    ours: Iterable[Endpoint],
    theirs: Sequence[Registered],
    *,
    public_url: str = "",
    needed: frozenset[str] = NEEDED_EVENTS,
) -> tuple[Trouble, ...]:
    """What is wrong with the endpoints at Stripe that send to ours.

    That one is not there at all is only said where ``public_url`` is known: without it, a tunnel
    or a forwarding tool may be the way in.
    """
    found: list[Trouble] = []
    for endpoint in sorted(ours, key=lambda e: e.name):
        matched = sorted((r for r in theirs if _is_for(r, endpoint, public_url)), key=_by_id)
        enabled = [r for r in matched if r.is_enabled]
        if not matched and public_url:
            found.append(_missing(endpoint, public_url, theirs))
        elif not enabled:
            # One that was replaced by another is rightly off: only when none is on, it is trouble.
            found.extend(_disabled(one) for one in matched)
        for one in enabled:
            wrong = _wrong(one, endpoint, needed)
            if wrong:
                found.append(_misconfigured(one, wrong))
    return tuple(found)


def matched_count(
    ours: Iterable[Endpoint], theirs: Sequence[Registered], *, public_url: str = ""
) -> tuple[int, int]:
    """How many endpoints at Stripe send to ours: those switched on, and those off."""
    found = {r.id: r for e in ours for r in theirs if _is_for(r, e, public_url)}
    enabled = sum(1 for r in found.values() if r.is_enabled)
    return enabled, len(found) - enabled


def _by_id(one: Registered) -> str:
    return one.id


def _is_for(one: Registered, endpoint: Endpoint, public_url: str) -> bool:
    route = ROUTE + endpoint.path
    if public_url:
        return one.url.rstrip("/") == public_url.rstrip("/") + route
    bare, _, _ = one.url.partition("?")
    return bare.rstrip("/").endswith(route)


def _missing(endpoint: Endpoint, public_url: str, theirs: Sequence[Registered]) -> Trouble:
    wanted = public_url.rstrip("/") + ROUTE + endpoint.path
    return Trouble(
        DiscrepancyKind.WEBHOOK_ENDPOINT_MISSING,
        endpoint.name,
        expected=f"an endpoint at Stripe with the address {wanted}",
        found=f"{len(theirs)} endpoints, and none of that address",
        explanation=f"No endpoint at Stripe sends to {wanted}: endpoint {endpoint.name!r} is deaf.",
    )


def _disabled(one: Registered) -> Trouble:
    return Trouble(
        DiscrepancyKind.WEBHOOK_ENDPOINT_DISABLED,
        one.id,
        expected="enabled",
        found=one.status,
        explanation=f"Stripe sends nothing to {one.url}: the endpoint {one.id} is {one.status}.",
        evidence=(one.url,),
    )


def _wrong(one: Registered, endpoint: Endpoint, needed: frozenset[str]) -> list[str]:
    wrong: list[str] = []
    expected, told = endpoint.api_version, one.api_version
    if expected and told and told != expected:
        wrong.append(f"API version {told} instead of {expected}")
    is_snapshot = endpoint.payload is Payload.SNAPSHOT
    lacking = sorted(needed - one.enabled_events)
    if is_snapshot and EVERY_EVENT not in one.enabled_events and lacking:
        wrong.append(f"not sent: {', '.join(lacking)}")
    return wrong


def _misconfigured(one: Registered, wrong: Sequence[str]) -> Trouble:
    said = "; ".join(wrong)
    return Trouble(
        DiscrepancyKind.WEBHOOK_ENDPOINT_MISCONFIGURED,
        one.id,
        expected="the API version that is expected here, and every event that moves money",
        found=said,
        explanation=f"The endpoint {one.id} at Stripe is not set as it should be: {said}.",
        evidence=(one.url,),
    )
