"""Whether sign-offs hold together: each digest is over its figures and the digest before."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

GENESIS: Final = "0" * 64
Frozen = Mapping[str, Any]  # Any: JSON, as it was published


def broken_link(frozen: Iterable[Frozen]) -> str:
    """What is wrong with the first sign-off that does not hold; empty where all do."""
    last: dict[tuple[str, str], str] = {}
    for told in frozen:
        where = (str(told["account"]), str(told["currency"]))
        name = f"{where[0]} {where[1]} through {told['through']}"
        if told["previous"] != last.get(where, GENESIS):
            return f"{name} does not follow the one before it"
        if digest_of(told) != told["digest"]:
            return f"the figures of {name} are not those that were signed"
        last[where] = str(told["digest"])
    return ""


def digest_of(frozen: Frozen) -> str:
    """The SHA-256 over the figures as canonical JSON, the digest before among them."""
    told = {name: value for name, value in frozen.items() if name != "digest"}
    text = json.dumps(told, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()
