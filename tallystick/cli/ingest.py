"""`tallystick ingest`: what comes from Stripe, looked at and mended from the command line.

Each command stands in a module of its own; this file only gives them their names.
"""

import typer

from tallystick.cli import ingest_allow_list
from tallystick.cli.ingest_audit import audit, backfill
from tallystick.cli.ingest_endpoints import endpoints
from tallystick.cli.ingest_verdicts import verdicts

app = typer.Typer(
    help="What comes from Stripe: the door, the poller, the gap audit.",
    no_args_is_help=True,
    add_completion=False,
)
app.command()(audit)
app.command()(backfill)
app.command()(endpoints)
app.add_typer(ingest_allow_list.app, name="allow-list")
app.command()(verdicts)


@app.callback()
def _ingest() -> None:
    """What comes from Stripe: the door, the poller, the gap audit."""
