"""`tallystick heads`: the last tree head of each book, to be kept in another place."""

import asyncio
import json
from typing import Annotated

import typer

from services.ledger.shell.proof.proofs import Prover
from services.ledger.shell.proof.signing import is_signed
from shared.contracts.envelope import rfc3339
from shared.contracts.tree_heads import TreeHead
from shared.runtime import log
from tallystick.cli.problems import Problem
from tallystick.cli.reach import require_database, settings_here
from tallystick.journal_here import journal_at


def heads(
    book: Annotated[str, typer.Option("--book", help="The book; without it all.")] = "",
    as_json: Annotated[
        bool, typer.Option("--json", help="What `tallystick verify --head` takes, on stdout.")
    ] = False,
) -> None:
    """Show the last published tree head of each book.

    A head is a few bytes that everything in a book hangs on. Printed, mailed to an accountant or
    kept where the database's administrator has no hand, it tells later whether the books are what
    they were.
    """
    settings = settings_here()
    log.set_up(level="critical")
    found = [
        head
        for head in asyncio.run(_last_heads(require_database(settings)))
        if not book or head.book == book
    ]
    if not found:
        raise Problem(
            "There is no tree head yet",
            why=f"none of book {book[:80]} was published" if book else "none was published",
            fix="the ledger publishes one as soon as it has booked; `tallystick status`",
        )
    if as_json:
        print(json.dumps({"heads": [head.model_dump(mode="json") for head in found]}))
        return
    print("\n\n".join(map(_shown, found)))


async def _last_heads(dsn: str) -> tuple[TreeHead, ...]:
    async with journal_at(dsn) as journal, journal.transaction("repeatable_read") as tx:
        return await (await Prover.of(tx)).last_heads()


def _shown(head: TreeHead) -> str:
    by = f"{head.public_key} (key id {head.key_id})" if head.signature else "nobody"
    lines = [
        f"book {head.book}: {head.size:,} entries, {rfc3339(head.made_at)}",
        f"  root       {head.root}",
        f"  signed by  {by}{'' if not head.signature or is_signed(head) else ': DOES NOT HOLD'}",
    ]
    if head.signature:
        lines.append(f"  signature  {head.signature}")
    lines += [
        f"  {each.origin}#{each.sequence}  {each.size} entries, root {each.root}"
        for each in head.origins
    ]
    return "\n".join(lines)
