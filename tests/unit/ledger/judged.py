"""A desk at which commands are judged one after another, for tests that say what comes of them."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from msgspec import structs

from services.ledger.activation.in_force import BookInForce
from services.ledger.chart import Chart, default_chart
from services.ledger.decisions import Decision
from services.ledger.rulings.asking import Asked
from services.ledger.rulings.judging import Judged, judge
from services.ledger.rulings.standing import PeriodFigures, Standing
from shared.contracts.books import BookData
from shared.contracts.commands import LEDGER_COMMAND, ClosePeriod, LockPeriod
from shared.contracts.journal import DEFAULT_BOOK, render
from shared.contracts.messages import OutcomeKind

NOON = datetime(2024, 6, 12, 12, tzinfo=UTC)
Json = dict[str, Any]  # Any: JSON


def usd(minor: int) -> Json:
    return {"minor": str(minor), "currency": "usd", "exponent": 2}


def with_floor(*names: str) -> Chart:
    return Chart(
        tuple(
            replace(row, has_floor=True) if row.name in names else row
            for row in default_chart().accounts
        )
    )


@dataclass(slots=True)
class Desk:
    """One book; its clock goes on by a minute with each command."""

    book: BookInForce = field(default_factory=BookInForce)
    standing: Standing = field(default_factory=lambda: Standing(DEFAULT_BOOK))
    now: datetime = NOON
    asked: int = 0

    @classmethod
    def of(cls, *, zone: str = "UTC", chart: Chart | None = None) -> "Desk":
        return cls(BookInForce(BookData(time_zone=zone), chart or default_chart()))

    def ask(self, kind: str, *, named: str = "", **fields: object) -> Judged:
        self.asked += 1
        self.now += timedelta(minutes=1)
        told = {"kind": kind, "idempotency_key": named or f"k{self.asked}", **fields}
        command = LEDGER_COMMAND.validate_python(told, strict=False)
        if isinstance(command, ClosePeriod | LockPeriod):
            self.standing.figures.setdefault(command.through, PeriodFigures())
        return judge(Asked(command, self.book), self.standing, recorded_at=self.now)

    def does(self, kind: str, *, named: str = "", **fields: object) -> Judged:
        """Ask, and it must be accepted."""
        judged = self.ask(kind, named=named, **fields)
        assert judged.remark.outcome is OutcomeKind.ACCEPTED, judged.remark.detail
        return judged

    def refuses(self, rule: str, kind: str, **fields: object) -> str:
        """Ask, and it must be refused by this rule; gives the sentence."""
        judged = self.ask(kind, named="", **fields)
        assert judged.remark.outcome is OutcomeKind.REFUSED, "it was accepted"
        decided = judged.remark.decided or {}
        assert decided.get("rule") == rule, judged.remark.detail
        assert decided.get("values")
        assert decided.get("way_out")
        assert judged.entries == ()
        assert judged.effects == ()
        return judged.remark.detail

    def receives(self, minor: int, *, account: str = "assets:bank:main") -> None:
        self.does(
            "owner_capital",
            direction="contribute",
            amount=usd(minor),
            account=account,
            effective_at=self.now,
        )

    def available(self, account: str, key: str = "", code: str = "usd") -> int:
        known = self.standing.account(account, self.book)
        assert known is not None
        return self.standing.available((account, key, code), known.normal, self.now)


def books_of(judged: Judged) -> str:
    return "\n".join(render(booked) for booked in judged.entries)


def obeyed(decision: Decision, at: datetime = NOON) -> Decision:
    """The decision on a message with what comes of its command in books where nothing stands."""
    if decision.asked is None:
        return decision
    judged = judge(decision.asked, Standing(decision.book), recorded_at=at)
    return structs.replace(decision, entries=judged.entries, remarks=(judged.remark,))
