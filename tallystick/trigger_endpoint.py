"""Which endpoint of the door a triggered event is sent to, and why another cannot take it."""

from collections.abc import Mapping
from datetime import datetime

from services.ingest.endpoints import Endpoint, EndpointKind, Payload


class EndpointUnfit(ValueError):
    """No endpoint, or not the one that was named, takes events of a simulated Stripe."""


def endpoint_for(endpoints: Mapping[str, Endpoint], name: str, at: datetime) -> Endpoint:
    """The endpoint of that name, or the only one that a simulated Stripe can send to.

    Raises:
        EndpointUnfit: It cannot take such events, there is none of the name, or there are several;
            says why and which can.
    """
    unfit = {each.name: why for each in endpoints.values() if (why := _unfit(each, at))}
    fitting = sorted(each.name for each in endpoints.values() if each.name not in unfit)
    able = f"those that can are {', '.join(fitting)}" if fitting else "there is none that can"
    if name in unfit:
        raise EndpointUnfit(f"{name} {unfit[name]}; {able}")
    found = next((e for e in endpoints.values() if e.name == (name or "".join(fitting[:1]))), None)
    if found is None and name:
        known = ", ".join(sorted(each.name for each in endpoints.values())) or "none"
        raise EndpointUnfit(f"there is no endpoint {name!r}, the door has {known}; {able}")
    if found is None:
        said = "; ".join(f"{each} {why}" for each, why in sorted(unfit.items()))
        raise EndpointUnfit(f"none of the door's endpoints can take it: {said}")
    if not name and len(fitting) > 1:
        raise EndpointUnfit(f"say which one of several takes it: {', '.join(fitting)}")
    return found


def _unfit(endpoint: Endpoint, at: datetime) -> str:
    """Why a simulated Stripe of one command cannot send there; empty: it can."""
    if endpoint.kind is EndpointKind.CONNECT:
        return "takes events of connected accounts, and what is triggered happens in our own"
    if endpoint.payload is Payload.THIN:
        return (
            "takes thin events, which only name an object, and nobody could ask for it: this"
            " simulated Stripe is gone with the command"
        )
    if not endpoint.secrets_in_force(at):
        return "has no signing secret in force"
    return ""
