"""`tallystick verify`: the journal in use proved, by itself and by what was published of it."""

import asyncio
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from services.ledger.config import LedgerSettings
from services.ledger.proof.proving import Anchor
from services.ledger.proof.tree_heads import known_public_keys
from services.ledger.shell.proof.verify import Verified, verify_journal
from services.ledger.shell.proof.witnesses import Witnesses
from services.ledger.shell.service import signing_key_of
from shared.contracts.envelope import rfc3339
from shared.runtime import log
from shared.runtime.settings import SettingsInvalid
from tallystick.cli.problems import ExitCode, Problem
from tallystick.cli.reach import require_database, variables_here
from tallystick.cli.talk import Talk
from tallystick.journal_here import journal_at
from tallystick.proofs.given import given_in

FIX = (
    "keep the data as it is: a copy of it is evidence.\n"
    "`tallystick trace ORIGIN#SEQUENCE` shows an entry with the message behind it;\n"
    "`tallystick rebuild` makes the books once more from the topics, and can put them in place"
)


@dataclass(frozen=True, slots=True)
class _Asked:
    heads: tuple[Path, ...]
    is_offline: bool
    whole_topic: bool


def verify(
    head: Annotated[
        list[Path] | None,
        typer.Option(
            "--head",
            help="A file with a head from elsewhere: of `tallystick heads`, a proof, an export in"
            " JSON Lines. May be given several times.",
        ),
    ] = None,
    journal_only: Annotated[
        bool, typer.Option("--journal-only", help="Ask no topic: the journal against itself.")
    ] = False,
    whole_topic: Annotated[
        bool,
        typer.Option(
            "--whole-topic", help="Hear all of ledger.entries, not only since the last head."
        ),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Data for programs on stdout.")] = False,
) -> None:
    """Prove the journal in use: every entry, every chain, every sum, and what was published.

    Names the first entry of each origin that is not what it was, and what of it differs. Exit 0:
    all holds. 1: something does not. 3: Kafka or Postgres is away.
    """
    settings = LedgerSettings.load(variables_here())
    log.set_up(level="critical")
    asked = _Asked(tuple(head or ()), journal_only, whole_topic)
    witnesses = _witnesses(settings, asked)
    talk = Talk()
    verified = asyncio.run(_verified(settings, asked, witnesses, talk))
    if as_json:
        print(json.dumps(_told(verified, witnesses)))
    else:
        _show(verified, witnesses, asked)
    if not verified.is_sound:
        raise Problem(
            "The books do not hold",
            why="\n".join(verified.problems),
            fix=FIX,
            code=ExitCode.FOUND_A_PROBLEM,
        )


def _witnesses(settings: LedgerSettings, asked: _Asked) -> Witnesses:
    """Whoever is given by file."""
    try:
        keys = dict(known_public_keys(settings.ledger_tree_head_public_keys))
    except ValueError as error:
        raise SettingsInvalid(f"TALLYSTICK_LEDGER_TREE_HEAD_PUBLIC_KEYS: {error}") from None
    key = signing_key_of(settings)
    if key is not None:
        keys[key.public_key] = None
    witnesses = Witnesses(tuple(keys))
    for path in asked.heads:
        try:
            given = given_in(path)
        except ValueError as error:
            raise typer.BadParameter(f"--head: {error}") from None
        for each in given.heads:
            witnesses.head(each, str(path))
        for origin, sequence, chain in given.links:
            witnesses.anchors.add(origin, Anchor(sequence, chain, str(path)))
    return witnesses


async def _verified(
    settings: LedgerSettings, asked: _Asked, witnesses: Witnesses, talk: Talk
) -> Verified:
    kafka = None if asked.is_offline else settings.kafka
    if kafka is not None:
        talk("hearing the heads that were published")
        await witnesses.hear_heads(kafka)
        talk("hearing the links that were published")
        await witnesses.hear_links(kafka, whole=asked.whole_topic)

    def progress(done: int, total: int) -> None:
        talk(f"proved {done:,} of {total:,} entries" if done < total else "adding up")

    async with journal_at(require_database(settings)) as journal:
        return await verify_journal(journal, witnesses, kafka, progress)


def _show(verified: Verified, witnesses: Witnesses, asked: _Asked) -> None:
    print(f"{verified.entries:,} entries hold, each by its content and its chain")
    if asked.is_offline and not asked.heads:
        print("no witness was asked: a journal that was wholly made anew holds too")
        return
    signed = witnesses.heads - witnesses.unsigned
    print(f"{witnesses.heads:,} tree heads heard, {signed:,} signed")
    for book, head in sorted(witnesses.last.items()):
        by = f"signed by key {head.key_id}" if head.signature else "not signed"
        print(f"  {book}: {head.size:,} entries, {rfc3339(head.made_at)}, {by}, root {head.root}")
    if not asked.is_offline:
        since = witnesses.links_since
        when = f"since {rfc3339(since)}" if since is not None else "from the beginning"
        print(f"{witnesses.links:,} published entries heard, {when}")


def _told(verified: Verified, witnesses: Witnesses) -> dict[str, object]:
    return {
        "sound": verified.is_sound,
        "entries": verified.entries,
        "findings": [
            {
                "origin": each.origin,
                "sequence": each.sequence,
                "reference": each.reference,
                "said": each.said,
            }
            for each in verified.findings
        ],
        "heads": witnesses.heads,
        "heads_unsigned": witnesses.unsigned,
        "last_heads": {
            book: head.model_dump(mode="json") for book, head in sorted(witnesses.last.items())
        },
        "links": witnesses.links,
        "links_since": None if witnesses.links_since is None else rfc3339(witnesses.links_since),
    }
