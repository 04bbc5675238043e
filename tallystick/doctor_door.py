"""What the doctor says of the door: how it is, its walls, and where it writes its verdicts."""

import os
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

import httpx

from services.ingest.allow_list import AllowListInvalid
from services.ingest.config import IngestSettings
from services.ingest.peers import is_loopback
from services.ingest.shell.allow_list_file import read_allow_list
from tallystick.doctor import DISK_FREE_BYTES_WANTED, Finding, bad, good, warning
from tallystick.installation import health_url, verdict_dir
from tallystick.local_door import LocalDoor
from tallystick.preflight import stack_settings
from tallystick.processes import SERVICES

ANSWER_SECONDS_MAX: Final = 3.0
_NGINX: Final = "docs/howto/put-it-behind-nginx.md"
_REFRESH: Final = "tallystick ingest allow-list refresh"
_OTHERS: Final = 0o007


def door_findings(door: LocalDoor, *, is_live: bool) -> Iterator[Finding]:
    """The running processes, the second wall, the verdicts' folder."""
    yield from _running_findings(door)
    yield from bind_findings(door.settings, is_live=is_live)
    yield from allow_list_findings(door.settings, is_live=is_live)
    yield from _verdict_findings(door, is_live=is_live)


def _running_findings(door: LocalDoor) -> Iterator[Finding]:
    """What door and poller say of themselves."""
    for service in SERVICES:
        if service.name not in ("door", "poller"):
            continue
        url = health_url(service, door.variables, "/readyz")
        try:
            told = httpx.get(url, timeout=ANSWER_SECONDS_MAX, trust_env=False).json()
            reasons, warnings = told["reasons"], told.get("warnings", {})
        except (httpx.HTTPError, ValueError, KeyError, TypeError):
            yield warning(service.name, f"does not answer at {url}", "tallystick run")
            continue
        for name, reason in reasons.items():
            yield bad(service.name, f"{name}: {reason}", f"tallystick logs {service.name}")
        for name, said in warnings.items():
            yield warning(service.name, f"{name}: {said}", f"tallystick logs {service.name}")
        if not reasons and not warnings:
            yield good(service.name, f"is ready at {url}")


def bind_findings(settings: IngestSettings, *, is_live: bool) -> Iterator[Finding]:
    """Whether who can speak to the door fits what the door believes of them."""
    host, hops = settings.ingest_door_host, settings.ingest_trusted_hops
    is_public = not (is_loopback(host) or host == "localhost")
    subject = "peers"
    if is_public and hops and not settings.proxies.proxies:
        yield bad(
            subject,
            f"the door listens on {host} and believes {hops} hop(s) of whoever speaks to it:"
            " anybody may claim any address",
            "set TALLYSTICK_INGEST_TRUSTED_PROXIES to where your proxies are",
        )
    elif is_public and not hops and is_live:
        yield warning(
            subject,
            f"the door listens on {host} without a proxy before it, and speaks no TLS",
            f"listen on 127.0.0.1 behind one: {_NGINX}",
        )
    elif not is_public and not hops and settings.ingest_allow_list_file is not None:
        yield bad(
            subject,
            "behind a proxy that the door is not told of every peer is this machine itself, which"
            " no allow-list holds",
            "set TALLYSTICK_INGEST_TRUSTED_HOPS to the number of your proxies",
        )
    else:
        yield good(subject, f"the door listens on {host}, {hops} trusted hop(s)")


def allow_list_findings(
    settings: IngestSettings, *, is_live: bool, at: datetime | None = None
) -> Iterator[Finding]:
    """Whether the allow-list is there and young enough to hold Stripe's newest addresses."""
    subject, file = "allow-list", settings.ingest_allow_list_file
    if file is None:
        if is_live:
            yield warning(
                subject,
                "is off: signatures are the only wall",
                f"set TALLYSTICK_INGEST_ALLOW_LIST_FILE, then {_REFRESH}",
            )
        else:
            yield good(subject, "is off (enough for trying)")
        return
    now = at or datetime.now(UTC)
    try:
        found = read_allow_list(file)
    except (OSError, AllowListInvalid) as error:
        yield bad(subject, f"{file}: {error}", _REFRESH)
        return
    days = found.age(now).days
    fact = f"{len(found.in_force(now))} networks, last seen published {days} days ago"
    if found.is_older_than(settings.ingest_allow_list_days_max, now):
        yield warning(
            subject,
            f"{fact}: Stripe tells of a change 7 days ahead, and one may be missed",
            f"{_REFRESH}, daily by a timer",
        )
    else:
        yield good(subject, fact)


def _verdict_findings(door: LocalDoor, *, is_live: bool) -> Iterator[Finding]:
    """Whether the folder of the verdicts can be written to, has room, and is closed to others."""
    subject = "verdicts"
    folder = door.settings.ingest_verdicts_dir
    if folder is None:
        # `tallystick run` gives its door one of its own.
        folder = verdict_dir(stack_settings())
        if not folder.is_dir():
            said = "no folder: the verdicts stand on the topic alone"
            fix = "set TALLYSTICK_INGEST_VERDICTS_DIR to a folder that only the door writes to"
            yield warning(subject, said, fix) if is_live else good(subject, f"{said} (enough)")
            return
    there = folder.absolute()
    while not there.exists():
        there = there.parent
    if not os.access(there, os.W_OK | os.X_OK):
        yield bad(
            subject,
            f"{there} cannot be written to by this user",
            f"run this as the door's user, or chown the door's user to {folder}",
        )
        return
    if folder.exists() and folder.stat().st_mode & _OTHERS:
        yield warning(subject, f"{folder} is open to others", f"chmod 750 {folder}")
    free = shutil.disk_usage(there).free
    fact = f"{free / 1e9:.1f} GB free at {folder}"
    if free < DISK_FREE_BYTES_WANTED:
        yield warning(subject, fact, "free some space, or lower TALLYSTICK_INGEST_VERDICTS_…")
    else:
        yield good(subject, fact)
