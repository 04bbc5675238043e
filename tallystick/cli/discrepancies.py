"""`tallystick discrepancies`: what is wrong, and what people do about it."""

import asyncio
import json
from collections import defaultdict
from typing import Annotated, Final

import typer

from services.console.views import Json
from shared.contracts.acts import WorkAct
from shared.contracts.discrepancies import DiscrepancyKind, ReasonCode, Severity
from shared.contracts.journal import DEFAULT_BOOK
from shared.contracts.messages import DiscrepancyReported
from shared.runtime import log
from tallystick.cli.act import act, rows_here
from tallystick.cli.ask import AsJson, InBook, UnderKey, require_book
from tallystick.cli.problems import ExitCode, Problem
from tallystick.cli.reach import require_database, settings_here
from tallystick.verdicts import printable

SHOWN_MAX: Final = 1_000
ABOUT_CHARACTERS_MAX: Final = 64
_OF_LINES: Final = frozenset(
    {
        DiscrepancyKind.UNIDENTIFIED_BANK_CREDIT,
        DiscrepancyKind.UNIDENTIFIED_BANK_DEBIT,
        DiscrepancyKind.AMBIGUOUS_MATCH,
        DiscrepancyKind.DUPLICATE_BANK_CREDIT,
        DiscrepancyKind.PENDING_CHANGED,
    }
)
app = typer.Typer(
    help="What is wrong: listed by cause, worked on, closed. Each act is an event on record.",
    no_args_is_help=True,
)
Ids = Annotated[
    list[str], typer.Argument(metavar="ID...", help="Ids, their beginnings, or subjects.")
]
Note = Annotated[str, typer.Option("--note", "-m", help="What to keep with it.")]
Code = Annotated[ReasonCode, typer.Option("--code", help="Why.")]


@app.command("list")
def listed(
    *,
    book: InBook = DEFAULT_BOOK,
    severity: Annotated[
        Severity, typer.Option(help="Those that matter at least so much.")
    ] = Severity.INFO,
    owner: Annotated[str | None, typer.Option(help="Only this owner's; '' for nobody's.")] = None,
    as_json: AsJson = False,
) -> None:
    """What is not resolved, by probable cause, what matters most first."""
    found = [
        report
        for report in _reports(book, [])
        if (report.severity or Severity.INFO).rank >= severity.rank
        and (owner is None or report.owner == owner)
    ]
    if as_json:
        print(json.dumps([json.loads(r.model_dump_json()) for r in found], indent=2))
        return
    print("\n".join(list_lines(found)))


@app.command("show")
def show(ids: Ids, *, book: InBook = DEFAULT_BOOK, as_json: AsJson = False) -> None:
    """All that is told of some: expected, found, evidence, and what was done about them."""
    found = _reports(book, _whole(book, ids, is_each=True))
    if as_json:
        print(json.dumps([json.loads(r.model_dump_json()) for r in found], indent=2))
        return
    print("\n\n".join("\n".join(shown_lines(report)) for report in found))


@app.command("ack")
def ack(
    ids: Ids, *, note: Note = "", book: InBook = DEFAULT_BOOK, key: UnderKey = "",
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Say that somebody looks into it."""
    _work(WorkAct.ACKNOWLEDGE, ids, book, key, as_json=as_json, note=note)


@app.command("explain")
def explain(
    ids: Ids, *, code: Code, note: Note = "", book: InBook = DEFAULT_BOOK, key: UnderKey = "",
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Say why it is as it is; it stays until the facts, or you, resolve it."""
    _work(WorkAct.EXPLAIN, ids, book, key, as_json=as_json, note=note, code=code)


@app.command("resolve")
def resolve(
    ids: Ids, *, code: Code, note: Note = "", book: InBook = DEFAULT_BOOK, key: UnderKey = "",
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Close it though it stands; it opens again when it says something else."""
    _work(WorkAct.RESOLVE, ids, book, key, as_json=as_json, note=note, code=code)


@app.command("reopen")
def reopen(
    ids: Ids,
    *,
    note: Annotated[str, typer.Option("--note", "-m", help="Why.")],
    book: InBook = DEFAULT_BOOK,
    key: UnderKey = "",
    as_json: AsJson = False,
) -> None:
    """Take back that it is acknowledged, explained or resolved."""
    _work(WorkAct.REOPEN, ids, book, key, as_json=as_json, note=note)


@app.command("assign")
def assign(
    owner: Annotated[str, typer.Argument(metavar="OWNER", help="Who; '' for nobody.")],
    ids: Ids,
    *,
    note: Note = "",
    book: InBook = DEFAULT_BOOK,
    key: UnderKey = "",
    as_json: AsJson = False,
) -> None:
    """Say who looks after it."""
    _work(WorkAct.ASSIGN, ids, book, key, as_json=as_json, note=note, owner=owner)


@app.command("comment")
def comment(
    ids: Ids,
    *,
    note: Annotated[str, typer.Option("--note", "-m", help="What to keep with it.")],
    book: InBook = DEFAULT_BOOK,
    key: UnderKey = "",
    as_json: AsJson = False,
) -> None:
    """Keep a remark with it."""
    _work(WorkAct.COMMENT, ids, book, key, as_json=as_json, note=note)


@app.command("audit")
def audit() -> None:
    """Read every topic once more, and hold what is kept against what follows from them.

    Exit 0: nothing was lost. 1: differences. 3: it is still at work, so that nothing is decided.
    """
    from tallystick.reconciliation_audit import audited  # noqa: PLC0415  # only this verb needs it

    settings = settings_here()
    log.set_up(level="error")
    found = asyncio.run(audited(require_database(settings)))
    print("\n".join(found.lines))
    if found.undecided:
        raise typer.Exit(ExitCode.UNREACHABLE)
    if found.wrong:
        raise typer.Exit(ExitCode.FOUND_A_PROBLEM)


def _work(
    what: WorkAct,
    ids: list[str],
    book: str,
    key: str,
    *,
    as_json: bool,
    note: str = "",
    owner: str = "",
    code: ReasonCode | None = None,
) -> None:
    told = {
        "kind": "discrepancies",
        "act": what.value,
        "discrepancies": _whole(book, ids),
        "note": note,
        "owner": owner,
        "code": None if code is None else code.value,
    }
    act(told, book=book, key=key, as_json=as_json)


def _whole(book: str, texts: list[str], *, is_each: bool = False) -> list[str]:
    """The ids that beginnings or subjects stand for: of each text one, or each that there is."""
    settings = settings_here()
    log.set_up(level="error")
    require_book(settings, book)
    found: list[str] = []
    for text in texts:
        rows = asyncio.run(rows_here(settings, "discrepancies_like", book, text))
        ids = [str(row["id"]) for row in rows]
        if text in ids:
            ids = [text]
        if not ids or (len(ids) > 1 and not is_each):
            raise Problem(
                f"{text[:60]!r} is {'no discrepancy' if not ids else 'several discrepancies'}",
                why=f"in book {book}" if not ids else ", ".join(ids[:5]),
                fix="list them with `tallystick discrepancies list`, and name one by its id",
                code=ExitCode.USAGE,
            )
        found += ids
    return found


def _reports(book: str, ids: list[str]) -> list[DiscrepancyReported]:
    settings = settings_here()
    log.set_up(level="error")
    require_book(settings, book)
    rows = asyncio.run(rows_here(settings, "discrepancies_in_full", book, ids, SHOWN_MAX))
    return [_report(row) for row in rows]


def _report(row: Json) -> DiscrepancyReported:
    return DiscrepancyReported.model_validate_json(json.dumps(row["record"]))


def list_lines(found: list[DiscrepancyReported]) -> list[str]:
    """What is wrong, grouped by cause, what matters most first."""
    if not found:
        return ["Nothing is wrong that is not resolved."]
    groups: defaultdict[str, list[DiscrepancyReported]] = defaultdict(list)
    for report in found:
        groups[report.cause or report.discrepancy].append(report)
    order = sorted(groups.items(), key=lambda each: (-max(map(_rank, each[1])), each[0]))
    lines: list[str] = []
    for cause, reports in order:
        many = f", {len(reports)} of one cause" if len(reports) > 1 else ""
        lines.append(f"{cause.replace('_', ' ')}{many}")
        for report in sorted(reports, key=lambda r: (-_rank(r), r.opened_at, r.id)):
            amount = "" if report.amount is None else f"{report.amount.money()}"
            about = f"{report.discrepancy} {_about(report)}"
            owner = f"  {report.owner}" if report.owner else ""
            lines.append(
                f"  {report.severity or '':<8} {report.state:<12} {report.age:>5}d"
                f"  {report.id[:12]}  {amount:>16}  {about}{owner}"
            )
    worst = f"{len(found)} not resolved; show one with `tallystick discrepancies show ID`"
    return [*lines, "", worst]


def _about(report: DiscrepancyReported) -> str:
    """What it is about: a bank line by what it says, since its id says nothing to a person.

    A file by its name, with the beginning of its digest, by which the folders of files know it.
    """
    if report.discrepancy is DiscrepancyKind.STATEMENT_FILE_REFUSED:
        name = report.expected.removeprefix("statement file ").removesuffix(" to be taken")
        return f"{printable(name)} ({report.subject})"
    if report.discrepancy not in _OF_LINES or not report.found:
        return report.subject
    amount, on, where = report.found.partition(" on ")
    is_said = report.amount is not None and amount.lstrip("-") == str(report.amount.money())
    text = printable(f"on {where}" if on and is_said else report.found)
    return text if len(text) <= ABOUT_CHARACTERS_MAX else f"{text[: ABOUT_CHARACTERS_MAX - 1]}…"


def shown_lines(report: DiscrepancyReported) -> list[str]:
    """One discrepancy with all that is told of it."""
    amount = "" if report.amount is None else str(report.amount.money())
    facts = (
        ("id", f"{report.id} (revision {report.revision})"),
        ("what", f"{report.discrepancy} {report.subject}"),
        ("state", _state(report)),
        (
            "severity",
            f"{report.severity or ''}, {report.break_class or ''}, {report.age} days old",
        ),
        ("amount", amount),
        ("expected", report.expected),
        ("found", report.found),
        ("because", report.explanation),
        ("probably", report.probable_cause),
        ("next", report.next_step),
        ("owner", report.owner),
        ("since", "" if report.since is None else report.since.isoformat()),
        ("opened", report.opened_at.isoformat()),
        ("changed", report.changed_at.isoformat()),
        ("resolved", report.resolved_at.isoformat() if report.resolved_at else ""),
    )
    lines = [f"{name:<9} {text}" for name, text in facts if text]
    lines += [f"evidence  {text}" for text in report.evidence]
    lines += [
        f"{comment.at.isoformat()}  {comment.by}  {comment.act}"
        f"{': ' + comment.text if comment.text else ''}"
        for comment in report.comments
    ]
    return lines


def _state(report: DiscrepancyReported) -> str:
    code = f", {report.code.replace('_', ' ')}" if report.code else ""
    how = f" ({report.resolution.replace('_', ' ')})" if report.resolution else ""
    return f"{report.state}{how}{code}"


def _rank(report: DiscrepancyReported) -> int:
    return (report.severity or Severity.INFO).rank
