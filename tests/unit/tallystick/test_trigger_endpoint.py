"""Where a triggered event can go, and why not elsewhere."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final

import pytest

from services.ingest.endpoints import Endpoint, EndpointKind, Payload
from services.ingest.signature import Secret
from shared.contracts.journal import DEFAULT_BOOK
from tallystick.trigger_endpoint import EndpointUnfit, endpoint_for

NOW: Final = datetime(2026, 11, 21, tzinfo=UTC)
SECRET: Final = Secret("given", "whsec_" + "a" * 32)
OVER: Final = Secret("given", "whsec_" + "b" * 32, valid_until=NOW - timedelta(days=1))


OURS: Final = Endpoint(
    name="ours",
    mode=None,
    account="",
    book=DEFAULT_BOOK,
    kind=EndpointKind.ACCOUNT,
    secrets=(SECRET,),
)
THIN: Final = replace(OURS, name="thin", path="thin", payload=Payload.THIN)
CONNECT: Final = replace(OURS, name="connect", path="connect", kind=EndpointKind.CONNECT)
ENDED: Final = replace(OURS, name="ended", path="ended", secrets=(OVER,))
ALL: Final = {each.name: each for each in (OURS, THIN, CONNECT, ENDED)}


@pytest.mark.parametrize("name", ["", "ours"])
def test_only_endpoint_that_fits_takes_it_named_or_not(name: str) -> None:
    assert endpoint_for(ALL, name, NOW) is OURS


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("thin", "takes thin events, which only name an object"),
        ("connect", "takes events of connected accounts"),
        ("ended", "has no signing secret in force"),
        ("other", "there is no endpoint 'other', the door has connect, ended, ours, thin"),
    ],
)
def test_endpoint_that_cannot_take_it_is_refused_with_why_and_which_can(
    name: str, why: str
) -> None:
    with pytest.raises(EndpointUnfit) as refused:
        endpoint_for(ALL, name, NOW)
    assert why in str(refused.value)
    assert str(refused.value).endswith("; those that can are ours")


def test_of_several_that_fit_one_is_to_be_named() -> None:
    two = ALL | {"second": replace(OURS, name="second", path="second")}
    with pytest.raises(EndpointUnfit, match="say which one of several takes it: ours, second"):
        endpoint_for(two, "", NOW)


def test_door_without_any_that_fits_says_why_of_each() -> None:
    with pytest.raises(EndpointUnfit) as refused:
        endpoint_for({"thin": THIN, "ended": ENDED}, "", NOW)
    assert "ended has no signing secret in force; thin takes thin events" in str(refused.value)
