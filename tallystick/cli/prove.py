"""`tallystick prove`: that an entry stands in a book, or that the book goes on from a head."""

import asyncio
import io
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import typer

from services.ledger.exports.journal import Told
from services.ledger.exports.json_lines import JsonLines
from services.ledger.shell.proof.proofs import Growth, Inclusion, NotInATree, Prover
from services.ledger.shell.reading.export import journal_in
from services.ledger.shell.reading.tracing import Tracer
from shared.contracts.tree_heads import TreeHead
from shared.runtime import log
from shared.runtime.postgres import Tx
from tallystick.cli.problems import ExitCode, Problem
from tallystick.cli.reach import require_database, settings_here
from tallystick.cli.talk import Talk
from tallystick.exports import verify
from tallystick.exports.hashes import Wrong
from tallystick.exports.verifier import write_verifier
from tallystick.journal_here import journal_at
from tallystick.proofs.given import given_in
from tallystick.trace.asked import Link, Reference, asked

FORM: Final = "tallystick.proof.v1"
LATER: Final = "wait for the next head (`tallystick heads`); the ledger must run"


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What is to be proved: an entry, or that a book goes on from a head."""

    entry: Link | Reference | None
    book: str
    earlier: TreeHead | None


def prove(
    entry: Annotated[
        str, typer.Argument(metavar="[ENTRY]", help="stripe:payment:ch_1, or stripe.events/3#12.")
    ] = "",
    since: Annotated[
        Path | None,
        typer.Option("--from", help="A head from before: prove that the book goes on from it."),
    ] = None,
    book: Annotated[str, typer.Option("--book", help="The book; without it all.")] = "",
    output: Annotated[str, typer.Option("--output", "-o", help="A file, or - .")] = "-",
    with_verifier: Annotated[
        bool, typer.Option("--with-verifier", help="Put verify.py beside the file.")
    ] = False,
) -> None:
    """Write a proof that `verify.py` checks offline, with the public key alone.

    Of an entry: it stands in the book whose head was signed, at this place, with this content.
    With --from: nothing that an earlier head tells was changed or taken out since.
    """
    wanted = _wanted(entry, since, book)
    if with_verifier and output == "-":
        raise typer.BadParameter("this needs a file: --output PATH")
    settings = settings_here()
    log.set_up(level="critical")
    try:
        proof = asyncio.run(_proof(require_database(settings), wanted))
    except NotInATree as error:
        raise Problem("There is nothing to prove it with yet", why=str(error), fix=LATER) from error
    line = json.dumps(proof) + "\n"
    _require_sound(line)
    if output == "-":
        sys.stdout.write(line)
        return
    _write(Path(output), line)
    talk = Talk()
    if with_verifier:
        beside = write_verifier(Path(output).parent)
        talk.done(f"check it anywhere: python {beside} {output} --key PUBLIC_KEY")


def _wanted(entry: str, since: Path | None, book: str) -> _Wanted:
    if bool(entry) == (since is not None):
        raise typer.BadParameter("name an entry, or a head with --from")
    if since is not None:
        try:
            heads = [h for h in given_in(since).heads if not book or h.book == book]
        except ValueError as error:
            raise typer.BadParameter(f"--from: {error}") from None
        if len(heads) != 1:
            raise typer.BadParameter(f"--from: {since} tells of {len(heads)} books; say --book")
        return _Wanted(None, book, heads[0])
    try:
        found = asked(entry)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    if not isinstance(found, Link | Reference):
        raise typer.BadParameter("an entry is named by its reference or as stripe.events/3#12")
    return _Wanted(found, book, None)


async def _proof(dsn: str, wanted: _Wanted) -> dict[str, object]:
    async with journal_at(dsn) as journal, journal.transaction("repeatable_read") as tx:
        prover = await Prover.of(tx)
        if wanted.earlier is not None:
            return _of_growth(await prover.growth(wanted.earlier))
        told = await _entry(tx, wanted)
        return _of_inclusion(told, await prover.inclusion(told.book, told.origin, told.sequence))


async def _entry(tx: Tx, wanted: _Wanted) -> Told:
    tracer = Tracer(tx, await journal_in(tx))
    books = (wanted.book,) if wanted.book else tracer.books
    match wanted.entry:
        case Reference(name):
            found = await tracer.of_reference(name, books)
        case Link(topic, partition, sequence):
            found = await tracer.of_sequence(topic, partition, sequence)
        case None:
            found = []
    if len(found) != 1:
        several = f"it stands in the books {', '.join(told.book for told in found)}; say --book"
        raise Problem(
            "There is no such entry" if not found else "There are several such entries",
            why=several if found else f"no entry of {', '.join(books) or 'any book'} fits",
            fix=""
            if found
            else "`tallystick trace` follows an account or a message to its entries",
            code=ExitCode.FOUND_A_PROBLEM if not found else ExitCode.USAGE,
        )
    return found[0]


def _of_inclusion(told: Told, proved: Inclusion) -> dict[str, object]:
    return {
        "line": "proof",
        "form": FORM,
        "entry": json.loads(JsonLines().entry(told)),
        "index": proved.index,
        "path": proved.path,
        "head": proved.head.model_dump(mode="json"),
    }


def _of_growth(proved: Growth) -> dict[str, object]:
    return {
        "line": "proof",
        "form": FORM,
        "from": proved.earlier.model_dump(mode="json"),
        "paths": dict(proved.paths),
        "head": proved.later.model_dump(mode="json"),
    }


def _require_sound(line: str) -> None:
    """Check our own proof as its reader will."""
    try:
        verify.check(io.BytesIO(line.encode()), {})
    except Wrong as wrong:
        raise Problem(
            "The proof does not hold",
            why=str(wrong),
            fix="`tallystick verify` says what in the books is not what was published",
        ) from wrong


def _write(path: Path, line: str) -> None:
    try:
        path.write_text(line, "utf-8")
    except OSError as error:
        raise Problem(
            f"{path} cannot be written", why=str(error.strerror), code=ExitCode.USAGE
        ) from error
