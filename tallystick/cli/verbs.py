"""Every verb of the command line, in the groups that its help shows; said only here."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Verb:
    """A command: ``attribute`` of ``module`` is its function, or a Typer app of its own."""

    name: str
    about: str
    panel: str
    place: str = ""
    attribute: str = "app"

    @property
    def module(self) -> str:
        """The module that is loaded when the verb stands on the command line."""
        return f"tallystick.cli.{self.place or self.name.replace('-', '_')}"


START: Final = "Start"
STRIPE: Final = "Stripe"
BOOKS: Final = "Books"
UPKEEP: Final = "Upkeep"

VERBS: Final = (
    Verb("demo", "One simulated month, proved right", START, attribute="demo"),
    Verb("run", "Kafka, Postgres and all services, watched", START, attribute="run"),
    Verb("up", "Start Kafka and Postgres and leave them running", START, "stack", "up"),
    Verb("down", "Stop what runs; data stays", START, "stack", "down"),
    Verb("status", "What runs, where, and how it is", START, "stack", "status"),
    Verb("doctor", "Look for what is wrong, with the way out", START, attribute="doctor"),
    Verb("logs", "Show a log, or follow it", START, "stack", "logs"),
    Verb("listen", "Where webhooks go, and the verdicts", STRIPE, attribute="listen"),
    Verb("trigger", "Make a simulated event happen", STRIPE, attribute="trigger"),
    Verb("events", "What came: find, prove, send again", STRIPE),
    Verb("ingest", "What comes from Stripe, looked at", STRIPE),
    Verb("signature", "Was a webhook Stripe's? Offline", STRIPE),
    Verb(
        "credits",
        "What customers have; given and spent",
        BOOKS,
        attribute="customer_credits",
    ),
    Verb("tick", "The books' clock: what was served is earned", BOOKS, attribute="tick"),
    Verb("preview", "A dry run over files: no Kafka, no Postgres", BOOKS, attribute="preview"),
    Verb("book", "Entries by hand, reversals, expenses, rates", BOOKS),
    Verb("hold", "Money set aside, taken, set free", BOOKS),
    Verb("period", "Days closed, locked, opened again", BOOKS),
    Verb("bank", "Statement files: imported, looked at", BOOKS),
    Verb("accounts", "Accounts opened, closed, renamed", BOOKS),
    Verb(
        "expectations",
        "What is waited for at the bank, and until when",
        BOOKS,
        attribute="expectations",
    ),
    Verb("rules", "How bank lines are matched: other rules tried", BOOKS),
    Verb("activate", "Rules, chart, basis, book map put in force", BOOKS),
    Verb("discrepancies", "What is wrong, worked on and closed", BOOKS),
    Verb("payouts", "Payouts, each with its certificate", BOOKS),
    Verb("match", "Bank lines matched by hand, written off, signed off", BOOKS),
    Verb("report", "Statements that a person signs", BOOKS),
    Verb(
        "export",
        "The books as CSV, JSON Lines, Parquet, Beancount, hledger",
        BOOKS,
        attribute="export",
    ),
    Verb("monitors", "Watched figures and how they stand", BOOKS, attribute="monitors"),
    Verb("trace", "From a figure to the bytes behind it, proved", BOOKS, attribute="trace"),
    Verb("rebuild", "The books once more from the topics, and swapped", BOOKS),
    Verb("what-if", "The books under other rules: what would differ", BOOKS, attribute="what_if"),
    Verb("verify", "Every entry, chain and sum, and signed heads", BOOKS, attribute="verify"),
    Verb("prove", "An entry in a signed head, for others to check", BOOKS, attribute="prove"),
    Verb("heads", "The last signed head of each book", BOOKS, attribute="heads"),
    Verb("audit", "The books held against the topics", BOOKS, attribute="audit"),
    Verb("dead-letters", "Records that could not be read, dealt with", UPKEEP),
    Verb("archive", "The copy of the topics: how it is", UPKEEP),
    Verb("restore", "Fill an empty broker from the copy", UPKEEP, attribute="restore"),
    Verb("secrets", "The encrypted secrets file", UPKEEP),
    Verb("keys", "The key that tree heads are signed with", UPKEEP),
    Verb("bench", "How right the matching is, on made worlds", UPKEEP),
    Verb("topics", "Create and check the topics", UPKEEP),
    Verb("docs", "The generated reference pages", UPKEEP),
)
