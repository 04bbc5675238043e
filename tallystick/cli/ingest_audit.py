"""`tallystick ingest audit` and `backfill`: Stripe's lists held against the log, and mended."""

import asyncio
import json
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final

import typer

from services.ingest.gaps import EVENT_LIST_DAYS, EVENTS, Looked, reach, types_of
from services.ingest.shell.one_look import NotLooked, look_once
from shared.contracts.envelope import rfc3339
from shared.runtime import log
from tallystick.cli.problems import ExitCode, Problem
from tallystick.cli.reach import require_database
from tallystick.cli.talk import Talk
from tallystick.events.moments import moment_of
from tallystick.events.show import instant
from tallystick.local_door import local_door

IDS_SHOWN_MAX: Final = 50
_TITLES: Final = (
    "ACCOUNT",
    "LIST",
    "LOOKED FOR",
    "FOUND",
    "ALREADY HAD",
    "FETCHED",
    "STILL LACKING",
)
_COUNTS_FROM: Final = 2

Until = Annotated[
    str, typer.Option("--until", help="The same; not included. Without it: until a grace ago.")
]
Types = Annotated[
    str, typer.Option("--types", help="Event types alone: charge.succeeded,payout.paid")
]
Json = Annotated[bool, typer.Option("--json", help="JSON Lines: one object a list.")]

_Found = list[Looked | NotLooked]


def audit(
    *,
    since: Annotated[
        str,
        typer.Option("--since", help="2h (ago), 2026-11-21, or a time of RFC 3339."),
    ] = f"{EVENT_LIST_DAYS}d",
    until: Until = "",
    types: Types = "",
    as_json: Json = False,
) -> None:
    """Hold Stripe's lists against the log, and say what is missing; nothing is fetched.

    Exit 0: nothing lacks. 1: something does, or a list is empty of which the log has something.
    4: Stripe does not show a list to this key.
    """
    asked = _Asked(since, until, types)
    found = asked.look(is_fetching=False)
    _show(found, asked, as_json=as_json)
    raise typer.Exit(_code(found))


def backfill(
    *,
    since: Annotated[
        str,
        typer.Option("--since", help="2h (ago), 2026-11-21, or a time of RFC 3339."),
    ],
    until: Until = "",
    types: Types = "",
    yes: Annotated[bool, typer.Option("--yes", help="Fetch without asking.")] = False,
    as_json: Json = False,
) -> None:
    """Fetch from Stripe what the log lacks, and nothing else; what lacks is shown first.

    Stripe keeps its event list for 30 days. Of what is older, the balance transactions are
    fetched, with what they are about. It may be broken off and run again, and beside a poller.

    Exit 0: nothing lacks any more. 1: something does. 4: Stripe does not show a list to this key,
    or nobody said yes.
    """
    asked = _Asked(since, until, types)
    talk = Talk()
    before = asked.look(is_fetching=False)
    lacking = sum(each.tally.still_lacking for each in before if isinstance(each, Looked))
    talk.done(_summary(before))
    if not lacking:
        _show(before, asked, as_json=as_json)
        raise typer.Exit(_code(before))
    _require_yes(lacking, yes=yes)
    found = asked.look(is_fetching=True)
    _show(found, asked, as_json=as_json)
    raise typer.Exit(_code(found))


class _Asked:
    """The window and the types that were asked for, and the settings of this place."""

    def __init__(self, since: str, until: str, types: str) -> None:
        self.settings = local_door().settings
        require_database(self.settings)
        now = datetime.now(UTC)
        # What is younger than this may still come by itself.
        grace = timedelta(seconds=self.settings.ingest_event_grace_seconds)
        self.now = now
        try:
            self.since = moment_of(since, now=now)
            self.until = moment_of(until, now=now) if until else now - grace
            self.types = types_of(types or self.settings.ingest_event_types)
        except ValueError as error:
            raise Problem("That cannot be asked", why=str(error), code=ExitCode.USAGE) from error
        if self.since >= self.until:
            raise Problem(
                "That cannot be asked",
                why=f"{rfc3339(self.since)} is not before {rfc3339(self.until)}",
                code=ExitCode.USAGE,
            )

    def look(self, *, is_fetching: bool) -> _Found:
        """One look at every list."""
        # What is fetched is counted on stdout; a line for each would hide it.
        log.set_up(level="error")
        return asyncio.run(
            look_once(
                self.settings,
                since=max(0, int(self.since.timestamp())),
                until=int(self.until.timestamp()),
                types=self.types,
                is_fetching=is_fetching,
                say=Talk(),
            )
        )

    @property
    def events_from(self) -> datetime | None:
        """From when on the event list tells of the window; ``None`` if of all of it."""
        begin = reach(int(self.since.timestamp()), now=int(self.now.timestamp()))
        return None if begin <= self.since.timestamp() else datetime.fromtimestamp(begin, UTC)


def _require_yes(lacking: int, *, yes: bool) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        raise Problem(
            "Nothing was fetched",
            why=f"{lacking} would be fetched, and there is nobody to ask",
            fix="give --yes as well",
            code=ExitCode.REFUSED,
        )
    typer.confirm(f"Fetch {lacking}?", abort=True, err=True)


def _code(found: _Found) -> ExitCode:
    if any(isinstance(each, NotLooked) for each in found):
        return ExitCode.REFUSED
    looked = [each for each in found if isinstance(each, Looked)]
    is_wrong = any(e.tally.still_lacking or e.is_suspiciously_empty for e in looked)
    return ExitCode.FOUND_A_PROBLEM if is_wrong else ExitCode.OK


def _summary(found: _Found) -> str:
    said = [
        f"{each.resource} of {each.account or 'the account'}:"
        f" {each.tally.still_lacking} of {each.tally.found} lack"
        for each in found
        if isinstance(each, Looked)
    ]
    return "; ".join(said) or "no list could be read"


def _show(found: _Found, asked: _Asked, *, as_json: bool) -> None:
    if as_json:
        for each in found:
            print(json.dumps(_as_json(each, asked)))
        return
    print(f"from {instant(asked.since)} to {instant(asked.until)}, by Stripe's time")
    for line in _table([each for each in found if isinstance(each, Looked)]):
        print(line)
    for each in found:
        for line in _remarks(each, asked):
            print(line)


def _table(looked: Sequence[Looked]) -> Iterator[str]:
    rows = [_TITLES, *(_row(each) for each in looked)]
    widths = [max(len(row[at]) for row in rows) for at in range(len(_TITLES))]
    for row in rows:
        yield "  ".join(
            cell.ljust(width) if at < _COUNTS_FROM else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()


def _row(each: Looked) -> tuple[str, ...]:
    tally = each.tally
    counts = (tally.looked_for, tally.found, tally.already_had, tally.fetched, tally.still_lacking)
    return (each.account or "-", each.resource, *map(str, counts))


def _remarks(each: Looked | NotLooked, asked: _Asked) -> Iterator[str]:
    if isinstance(each, NotLooked):
        yield f"{each.resource} of {each.account or 'the account'}: Stripe refuses: {each.reason}"
        return
    if each.resource.startswith(EVENTS) and asked.events_from is not None:
        yield (
            f"{each.resource}: Stripe's event list reaches back to {rfc3339(asked.events_from)};"
            " of what is older, balance transactions alone can be looked for"
        )
    if each.is_suspiciously_empty:
        yield (
            f"ALARM: the list of {each.resource} is empty, and the log has {each.expected} of that"
            " time: is the key this account's, and may it read the list?"
        )
    for missing in each.missing[:IDS_SHOWN_MAX]:
        created = rfc3339(datetime.fromtimestamp(missing.created, UTC))
        why = f"  {missing.reason}" if missing.reason else ""
        yield f"missing {missing.id}  {created}  {missing.kind}{why}"
    more = each.tally.still_lacking - min(len(each.missing), IDS_SHOWN_MAX)
    if more > 0:
        yield f"and {more} more"


def _as_json(each: Looked | NotLooked, asked: _Asked) -> dict[str, object]:
    if isinstance(each, NotLooked):
        return {"account": each.account, "list": each.resource, "refused": each.reason}
    begin = asked.events_from if each.resource.startswith(EVENTS) else None
    return {
        "account": each.account,
        "list": each.resource,
        "since": rfc3339(datetime.fromtimestamp(each.since, UTC)),
        "until": rfc3339(datetime.fromtimestamp(each.until, UTC)),
        "listed_since": None if begin is None else rfc3339(begin),
        "looked_for": each.tally.looked_for,
        "found": each.tally.found,
        "already_had": each.tally.already_had,
        "fetched": each.tally.fetched,
        "still_lacking": each.tally.still_lacking,
        "is_suspiciously_empty": each.is_suspiciously_empty,
        "missing": [
            {
                "id": m.id,
                "type": m.kind,
                "created": rfc3339(datetime.fromtimestamp(m.created, UTC)),
                "reason": m.reason,
            }
            for m in each.missing
        ],
    }
