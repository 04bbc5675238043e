"""What the doctor learns from Stripe itself: the keys, its clock, the endpoints there."""

import asyncio
from collections.abc import Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from services.ingest.catch_up import Fields
from services.ingest.config import IngestSettings
from services.ingest.endpoint_status import Registered, matched_count, registered, troubles
from services.ingest.endpoints import Endpoint
from services.ingest.polled import PolledAccount
from services.ingest.shell.stripe_api import ApiRefused, StripeApi
from shared.contracts.discrepancies import DiscrepancyKind
from shared.contracts.errors import Unavailable
from tallystick.doctor import Finding, bad, good, warning

PATIENCE_SECONDS: Final = 10.0
LOOK_SECONDS_MAX: Final = 30.0
# Stripe's clock is told to the second, and the answer takes its time.
SKEW_SECONDS_GOOD: Final = 3.0
SKEW_SECONDS_BAD: Final = 30.0
_KEY: Final = "TALLYSTICK_INGEST_STRIPE_API_KEY"
_FIXES: Final = {
    DiscrepancyKind.WEBHOOK_ENDPOINT_MISSING: "add it at Stripe (Developers, Webhooks)",
    DiscrepancyKind.WEBHOOK_ENDPOINT_DISABLED: (
        "switch it on at Stripe; then `tallystick ingest backfill` fetches what it was not sent"
    ),
    DiscrepancyKind.WEBHOOK_ENDPOINT_MISCONFIGURED: (
        "correct it at Stripe, or api_version in the endpoints file"
    ),
}


@dataclass(frozen=True, slots=True)
class Asked:
    """What Stripe answered to one account's key.

    Attributes:
        skew_seconds: How far Stripe's clock is before ours; ``None`` where it does not say.
        listed: The endpoints registered there; ``None`` where that could not be had.
        problem: Why not.
    """

    account: PolledAccount
    skew_seconds: float | None
    listed: tuple[Registered, ...] | None
    problem: str


def asked_of(account: PolledAccount, settings: IngestSettings) -> Asked:
    """Ask Stripe for its clock and its list of endpoints, with the poller's settings."""
    try:
        return asyncio.run(_asked(account, settings))
    except TimeoutError:
        return Asked(account, None, None, f"no answer within {LOOK_SECONDS_MAX:.0f} s")


async def _asked(account: PolledAccount, settings: IngestSettings) -> Asked:
    api = StripeApi(
        account.key.get_secret_value(),
        base=settings.ingest_stripe_api_base,
        requests_per_second=settings.ingest_requests_per_second,
        patience_seconds=PATIENCE_SECONDS,
    )
    async with asyncio.timeout(LOOK_SECONDS_MAX):
        skew: float | None = None
        listed: list[Fields] = []
        try:
            began = datetime.now(UTC)
            told = await api.clock()
            middle = began + (datetime.now(UTC) - began) / 2
            skew = None if told is None else (told - middle).total_seconds()
            async with aclosing(api.pages("/v1/webhook_endpoints")) as pages:
                async for page in pages:
                    listed.extend(page)
        except (ApiRefused, Unavailable) as error:
            return Asked(account, skew, None, str(error))
        finally:
            await api.close()
    return Asked(account, skew, registered(listed), "")


def clock_finding(skew_seconds: float) -> Finding:
    """Our clock against Stripe's: signatures are judged by it."""
    fact = f"Stripe's clock is {skew_seconds:+.0f} s from ours"
    if abs(skew_seconds) <= SKEW_SECONDS_GOOD:
        return good("clock", fact)
    fix = "synchronise this machine's clock (chrony, systemd-timesyncd)"
    if abs(skew_seconds) < SKEW_SECONDS_BAD:
        return warning("clock", fact, fix)
    return bad("clock", f"{fact}: true deliveries may be refused as out_of_tolerance", fix)


def key_findings(accounts: Sequence[PolledAccount], *, is_live: bool) -> Iterable[Finding]:
    """Whether each key may do no more than it must."""
    for account in accounts:
        kind = account.key.get_secret_value().partition("_")[0]
        who = f"the key of {account.name}"
        if kind == "rk":
            yield good("API key", f"{who} is a restricted one")
        elif kind == "sk" and (is_live or account.mode.value == "live"):
            yield warning(
                "API key",
                f"{who} is a secret key: whoever gets it may move money",
                f"at Stripe make a restricted key that may only read, and set it as {_KEY}",
            )
        elif kind == "sk":
            yield good("API key", f"{who} is a secret key of test mode (enough for trying)")
        else:
            yield bad(
                "API key",
                f"{who} is neither a restricted (rk_…) nor a secret one (sk_…)",
                f"set {_KEY} to a restricted key that may only read",
            )


def registration_findings(
    told: Sequence[Asked], ours: Iterable[Endpoint], *, public_url: str, is_live: bool
) -> Iterable[Finding]:
    """Whether Stripe sends to us, what it should, and in the shape that is expected."""
    endpoints = tuple(ours)
    for each in told:
        subject = "registration"
        if each.listed is None:
            yield warning(
                subject,
                f"Stripe does not list its endpoints to {each.account.name}: {each.problem}",
                "let the restricted key read webhook endpoints; status.stripe.com if it is away",
            )
            continue
        mine = [e for e in endpoints if _is_of(e, each.account)]
        found = troubles(mine, each.listed, public_url=public_url)
        for trouble in found:
            yield bad(subject, trouble.explanation, _FIXES[trouble.kind])
        enabled, _ = matched_count(mine, each.listed, public_url=public_url)
        if enabled and not found:
            yield good(
                subject, f"{enabled} endpoint(s) at Stripe send here, and all that is needed"
            )
        elif mine and not enabled and not found:
            said = f"none of {len(each.listed)} endpoints at Stripe has a path of ours"
            yield (warning if is_live else _enough)(
                subject, said, "set TALLYSTICK_INGEST_PUBLIC_URL to where Stripe reaches the door"
            )
    unasked = [e for e in endpoints if not any(_is_of(e, each.account) for each in told)]
    if told and unasked:
        names = ", ".join(sorted(endpoint.name for endpoint in unasked))
        yield (warning if is_live else _enough)(
            "registration",
            f"no API key here is of the account and mode of {names}: whether Stripe sends there,"
            " and what it never delivered, nobody looks",
            "give the poller that key too: TALLYSTICK_INGEST_ACCOUNTS_FILE",
        )


def _enough(subject: str, fact: str, _fix: str) -> Finding:
    return good(subject, f"{fact} (enough for trying)")


def _is_of(endpoint: Endpoint, account: PolledAccount) -> bool:
    """Whether an endpoint of ours stands at this account of Stripe, as far as anybody says."""
    is_other = endpoint.account and endpoint.account != account.whose.account
    return not is_other and endpoint.mode in (None, account.mode)
