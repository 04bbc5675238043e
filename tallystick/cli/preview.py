"""``tallystick preview``: a dry run over files: what would be booked, matched, and found wrong."""

import sys
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from tallystick.cli.problems import ExitCode, Problem

if TYPE_CHECKING:
    from tallystick.preview.options import Config, Options

STDIN: Final = "-"
_FORMAT: Final = "see docs/reference/preview.md for the form of the lines"

ByConfig = Annotated[
    str | None,
    typer.Option(
        metavar="FILE",
        help="TOML: books, charts, bank accounts and the Stripe destinations that they are.",
    ),
]
ByBasis = Annotated[
    str | None,
    typer.Option(metavar="cash|accrual", help="The basis of every book, over the config's."),
]
ByChart = Annotated[
    str | None, typer.Option(metavar="FILE", help="The chart of every book, likewise.")
]
ByRules = Annotated[
    int | None, typer.Option(metavar="N", help="The version of the rules; else the latest.")
]


def preview(
    files: Annotated[
        list[str],
        typer.Argument(metavar="FILE…", help="JSON Lines; - reads standard input."),
    ],
    *,
    as_of: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="What is overdue is overdue at this time: RFC 3339 or Unix seconds."
            " Without it: the latest time that the lines tell.",
        ),
    ] = None,
    account: Annotated[
        list[str] | None,
        typer.Option(metavar="acct_…", help="A Stripe account of ours; may be repeated."),
    ] = None,
    mode: Annotated[
        str | None,
        typer.Option(
            metavar="live|test",
            help="Stripe's mode of the books. Without it: live where any line is live.",
        ),
    ] = None,
    config: ByConfig = None,
    basis: ByBasis = None,
    chart: ByChart = None,
    rules: ByRules = None,
    json: Annotated[bool, typer.Option("--json", help="Write the report as JSON.")] = False,
) -> None:
    """What would be booked and matched, with no Kafka and no Postgres.

    Each line is {"topic": …, "value": …, "received_at": …}; the topics are stripe.events,
    stripe.objects, bank.observations and ledger.commands.
    """
    options = _supposing(options_of(as_of, tuple(account or ()), mode, config), basis, chart, rules)
    sources = [(name, lines_of(name)) for name in files]
    # The rules and Rich are loaded here, so that help and mistakes answer at once.
    from tallystick.preview.foreign import hints  # noqa: PLC0415
    from tallystick.preview.run import preview as run  # noqa: PLC0415

    report = run(sources, options)
    if json:
        import json as json_text  # noqa: PLC0415

        sys.stdout.write(json_text.dumps(report.as_json(), indent=2, ensure_ascii=True) + "\n")
    else:
        from tallystick.preview.render import show  # noqa: PLC0415

        show(report, sys.stdout)
    # Last, where a person looks first; the report may be read by a program.
    sys.stdout.flush()
    for hint in hints(report.foreign):
        sys.stderr.write(hint + "\n")


def options_of(
    as_of: str | None, accounts: tuple[str, ...], mode: str | None, config: str | None
) -> "Options":
    """The options as they stand on the command line."""
    from shared.contracts.books import Mode  # noqa: PLC0415
    from tallystick.preview.options import Options  # noqa: PLC0415

    if mode is not None and mode not in set(Mode):
        raise _usage(f"{mode!r} is not a mode", "Stripe has two", "say --mode live or --mode test")
    return Options(
        as_of=None if as_of is None else _moment(as_of),
        mode=None if mode is None else Mode(mode),
        accounts=tuple(a for a in accounts if a),
        config=None if config is None else _config(config),
    )


def _supposing(
    options: "Options", basis: str | None, chart: str | None, rules: int | None
) -> "Options":
    """The options with what is to be in force for these lines."""
    from services.ledger.activation.rule_versions import RULES  # noqa: PLC0415
    from services.ledger.chart import chart_of  # noqa: PLC0415
    from shared.contracts.books import Basis  # noqa: PLC0415
    from shared.contracts.errors import Refused  # noqa: PLC0415

    if basis is not None and basis not in set(Basis):
        raise _usage(f"{basis!r} is not a basis", "there are two", "say cash or accrual")
    if rules is not None and rules not in RULES:
        known = ", ".join(map(str, sorted(RULES)))
        raise _usage(f"There is no version {rules} of the rules", f"there is {known}", "name one")
    try:
        given = None if chart is None else chart_of(Path(chart).read_text("utf-8"))
    except (OSError, ValueError, Refused) as error:
        raise _usage(f"The chart {chart} cannot be used", str(error), _FORMAT) from None
    return replace(
        options,
        basis=options.basis if basis is None else Basis(basis),
        chart=given,
        rules_version=options.rules_version if rules is None else rules,
    )


def _moment(text: str) -> datetime:
    from shared.contracts.errors import Refused  # noqa: PLC0415
    from tallystick.preview.lines import moment  # noqa: PLC0415

    try:
        return moment(text)
    except Refused as refused:
        raise _usage(
            f"--as-of {text[:60]!r} is not a time",
            str(refused),
            "say it like --as-of 2026-11-21T04:05:06Z or --as-of 1793000000",
        ) from None


def _config(name: str) -> "Config":
    from shared.contracts.errors import Refused  # noqa: PLC0415
    from tallystick.preview.options import config_from  # noqa: PLC0415

    try:
        return config_from(Path(name))
    except OSError as error:
        raise _usage(
            f"The config {error.filename or name} cannot be read",
            error.strerror or str(error),
            "check the path after --config",
        ) from None
    except Refused as refused:
        raise _usage(f"The config {name} is not right", str(refused), _FORMAT) from None


def lines_of(name: str) -> Iterable[bytes]:
    """The lines of a file, opened now, so that a missing one is said before anything is read."""
    if name == STDIN:
        return sys.stdin.buffer.read().split(b"\n")
    try:
        return Path(name).read_bytes().split(b"\n")
    except OSError as error:
        raise _usage(
            f"{name} cannot be read",
            error.strerror or str(error),
            "check the path; - reads standard input",
        ) from None


def _usage(what: str, why: str, fix: str) -> Problem:
    return Problem(what, why=why, fix=fix, code=ExitCode.USAGE)
