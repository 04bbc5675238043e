"""Proof of cash and the bank reconciliation statement, from rows of the published views: pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from services.console.reconciling.paper import SOUND, WAITS, WRONG, Cell, Clocks, Paper, Section
from services.console.reconciling.reports import Row
from shared.contracts.books import BookData
from shared.contracts.money import Money


@dataclass(frozen=True, slots=True)
class Cash:
    """A bank account over a period, as one side has it; ``None`` where it is not known."""

    opening: int | None
    received: int
    spent: int
    closing: int | None

    @property
    def adds_up(self) -> bool:
        """Whether opening, received and spent make the closing."""
        if self.opening is None or self.closing is None:
            return True
        return self.opening + self.received - self.spent == self.closing


def cash_paper(
    book: str, account: str, currency: str, bank: Cash, books: Cash, *, clocks: Clocks, span: str
) -> Paper:
    """The proof of cash: four columns on both sides, each column and each row held together."""

    def row(name: str, cash: Cash) -> tuple[Cell, ...]:
        figures = (cash.opening, cash.received, -cash.spent, cash.closing)
        return (name, *(None if m is None else Money.of(m, currency) for m in figures))

    apart = tuple(
        None if one is None or other is None else Money.of(one - other, currency)
        for one, other in (
            (bank.opening, books.opening),
            (bank.received, books.received),
            (-bank.spent, -books.spent),
            (bank.closing, books.closing),
        )
    )
    differs = any(bool(each) for each in apart)
    notes = [
        f"{name}: opening, receipts and disbursements do not make the closing balance"
        for name, cash in (("bank", bank), ("books", books))
        if not cash.adds_up
    ]
    unknown = bank.opening is None or bank.closing is None
    style = WRONG if differs or notes else (WAITS if unknown else SOUND)
    verdict = {WRONG: "it does not prove", WAITS: _untold(bank)}.get(style, "proven")
    columns = ("side", "opening", "receipts", "disbursements", "closing")
    section = Section(
        f"{account}, {currency.upper()}",
        columns,
        (row("bank", bank), row("books", books), ("difference", *apart)),
        tuple(notes),
        WRONG if notes else "",
        amounts=columns[1:],
    )
    return Paper(f"Proof of cash, {span}", book, clocks, (section,), verdict, style)


def _untold(bank: Cash) -> str:
    if bank.opening is None and bank.closing is None:
        return "no bank balance of these days was told"
    if bank.opening is None:
        return "not proven: what the bank held at the opening was not told"
    return "not proven: what the bank held at the closing was not told"


def open_then(
    now: Iterable[Row], moved: Iterable[Row], created: Mapping[str, datetime]
) -> list[Row]:
    """What stood open at a moment: what stands open now, less what ``moved`` since.

    A key that is closed by now was open since its object's creation.
    """
    rows = {(row["key"], row["currency"]): dict(row) for row in now}
    for row in moved:
        at = (row["key"], row["currency"])
        item = rows.setdefault(
            at, {"key": at[0], "currency": at[1], "minor": 0, "since": created.get(at[0])}
        )
        item["minor"] -= row["minor"]
    return sorted(
        (row for row in rows.values() if row["minor"]),
        key=lambda r: (r["currency"], str(r["since"]), r["key"]),
    )


def of_account(
    items: Iterable[Row], destinations: Mapping[str, str], data: BookData, account: str
) -> tuple[list[Row], list[Row]]:
    """What is on its way to or from a bank account, and what to or from nobody says which."""
    own: list[Row] = []
    unnamed: list[Row] = []
    for item in items:
        owner = data.bank_account_of(destinations.get(item["key"], ""), item["currency"])
        if owner == account:
            own.append(item)
        elif owner is None:
            unnamed.append(item)
    return own, unnamed


def statement_paper(
    book: str,
    account: str,
    proof: Row | None,
    open_items: Iterable[Row],
    lines: Sequence[Mapping[str, Any]],
    *,
    clocks: Clocks,
    day: date,
    unnamed: Iterable[Row] = (),
) -> Paper:
    """The bank reconciliation statement of an account at a day.

    ``unnamed`` is on its way to or from a bank account that nobody has named: told beside it.
    """
    title = f"Bank reconciliation statement of {account}, {day}"
    if proof is None:
        verdict = "no balance of the bank up to that day was told"
        return Paper(title, book, clocks, (), verdict, WAITS)
    currency = proof["currency"]
    items = [i for i in open_items if i["currency"] == currency]
    on_the_way = sum(i["minor"] for i in items)
    bank, cash = proof["bank_minor"], proof["ledger_minor"]

    def money(minor: int) -> Money:
        return Money.of(minor, currency)

    rows: tuple[tuple[Cell, ...], ...] = (
        ("balance per bank", proof["at"], money(bank)),
        ("on its way between Stripe and the bank", None, money(on_the_way)),
        ("balance per bank, with what is on its way", None, money(bank + on_the_way)),
        ("cash per books", proof["told_at"], money(cash)),
        ("in transit per books", None, money(on_the_way)),
        ("balance per books, with what is in transit", None, money(cash + on_the_way)),
        ("difference", None, money(bank - cash)),
    )
    astray = [i for i in unnamed if i["currency"] == currency]
    more, names = money(sum(i["minor"] for i in astray)), ", ".join(i["key"] for i in astray[:5])
    note = f"{more} more is on its way to a bank account that the books file does not name: {names}"
    waiting = tuple((i["key"], i["since"], money(i["minor"])) for i in items)
    return Paper(
        title,
        book,
        clocks,
        (
            Section("Balances", ("", "clock", "amount"), rows, amounts=("amount",)),
            Section(
                "On its way",
                ("key", "since", "amount"),
                waiting,
                (note,) if astray else (),
                amounts=("amount",),
            ),
            _open_lines(lines),
        ),
        _agreement(proof, day),
        SOUND if bank == cash else WRONG,
    )


def _open_lines(lines: Iterable[Mapping[str, Any]]) -> Section:
    rows = tuple(
        (
            record["subject"],
            record["discrepancy"].replace("_", " "),
            Money.of(int(record["amount"]["minor"]), record["amount"]["currency"])
            if record.get("amount")
            else None,
            record["explanation"],
        )
        for record in lines
    )
    columns = ("line", "kind", "amount", "why")
    return Section("Lines that wait to be explained", columns, rows, amounts=("amount",))


def _agreement(proof: Row, day: date) -> str:
    """Whether both sides are equal, and by which balance where the bank told none that day."""
    says = "agree" if proof["bank_minor"] == proof["ledger_minor"] else "differ"
    earlier = f" on {proof['day']}, the bank's last balance by then" if proof["day"] < day else ""
    return f"bank and books {says}{earlier}"
