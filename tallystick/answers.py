"""How a process on this machine is, asked at its address."""

import json
import urllib.error
import urllib.request
from typing import Final

HEALTH_TIMEOUT_SECONDS: Final = 2.0


def reasons_at(url: str) -> str:
    """What keeps a process from its work, as its ``/readyz`` tells; empty when it does not."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=HEALTH_TIMEOUT_SECONDS):
            return ""
    except urllib.error.HTTPError as error:
        try:
            reasons = json.load(error)["reasons"]
            return "; ".join(f"{name}: {reason}" for name, reason in reasons.items())
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return ""
    except (OSError, ValueError):
        return ""


def answers_ok(url: str) -> bool:
    """Whether an address on this machine answers 200."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=HEALTH_TIMEOUT_SECONDS) as response:
            return bool(response.status == 200)
    except (OSError, urllib.error.URLError, ValueError):
        return False
