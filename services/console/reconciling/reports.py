"""The reports of reconciliation, each from rows of the published views: pure."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from services.console.reconciling.paper import SOUND, WAITS, WRONG, Cell, Clocks, Paper, Section
from shared.contracts.money import Money

Row = Mapping[str, Any]  # Any: a row of a view
BUCKETS: Final = ("0-1", "2-3", "4-7", "8-30", "31-60", "61-90", "90+")
_OVER: Final = frozenset({"failed", "canceled"})
_STANDING: Final = (
    ("agrees", "at the bank"),
    ("written off", "written off, all or in part"),
    ("differs", "there with another amount"),
    ("waits", "not there yet"),
)


@dataclass(frozen=True, slots=True)
class PayoutRows:
    """What the payout reports are made of; ``settled`` is what lines paid, by payout.

    ``written_off`` is what people took off what was due.
    """

    payouts: Sequence[Row]
    contents: Mapping[str, Sequence[str]]
    movements: Mapping[str, Row]
    settled: Mapping[str, int]
    unpaid: Mapping[str, Sequence[Row]]
    ledger: Mapping[str, int]
    written_off: Mapping[str, int] = field(default_factory=dict[str, int])

    def at_the_bank(self, payout: Row) -> str:
        """How a payout stands at the bank."""
        seen, off = self.settled.get(payout["id"]), self.written_off.get(payout["id"], 0)
        if seen is None and not off:
            return "waits"
        if (seen or 0) + off != payout["minor"]:
            return "differs"
        return "written off" if off else "agrees"


def payouts_paper(book: str, rows: PayoutRows, clocks: Clocks, *, span: str) -> Paper:
    """Payouts that arrived in a period: summary by kind, each one, what is unpaid, what failed."""
    sections: list[Section] = []
    style = SOUND
    paid = [p for p in rows.payouts if p["what"] == "payout"]
    currencies = sorted({p["currency"] for p in paid} | set(rows.unpaid) | set(rows.ledger))
    for currency in currencies:
        here = [p for p in paid if p["currency"] == currency]
        good = [p for p in here if p["stage"] not in _OVER]
        sections += [
            _summary(good, rows, currency),
            _itemized(good, rows, currency),
            _ending(rows, currency),
            _failed([p for p in here if p["stage"] in _OVER], currency),
        ]
        if any(section.style == WRONG for section in sections):
            style = WRONG
    standing = Counter(rows.at_the_bank(p) for p in paid if p["stage"] not in _OVER)
    verdict = ", ".join(f"{standing[s]} {words}" for s, words in _STANDING if standing[s])
    if style == SOUND and (standing["waits"] or standing["differs"]):
        style = WAITS
    title = f"Payout reconciliation, {span}"
    return Paper(title, book, clocks, tuple(sections), verdict or "no payout", style)


def _summary(payouts: Sequence[Row], rows: PayoutRows, currency: str) -> Section:
    sums: defaultdict[str, list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    untold = 0
    for payout in payouts:
        if payout["id"] not in rows.contents:
            untold += payout["minor"]
            continue
        for name in rows.contents[payout["id"]]:
            movement = rows.movements.get(name)
            if movement is None or movement["source"] == payout["id"]:
                continue
            row = sums[movement["category"] or movement["type"]]
            row[0] += 1
            for n, column in enumerate(("amount_minor", "fee_minor", "net_minor"), start=1):
                row[n] += movement[column] or 0
    told: list[tuple[Cell, ...]] = [
        (kind.replace("_", " "), count, *(Money.of(minor, currency) for minor in minors))
        for kind, (count, *minors) in sorted(sums.items())
    ]
    net = sum(row[3] for row in sums.values())
    due = sum(p["minor"] for p in payouts)
    told.append(("not told by Stripe", None, None, None, Money.of(untold, currency)))
    told.append(("payouts", len(payouts), None, None, Money.of(due, currency)))
    apart = net + untold - due
    return Section(
        f"Summary, {currency.upper()}",
        ("kind", "count", "gross", "fees", "net"),
        tuple(told),
        (f"what they hold and what was paid are {Money.of(apart, currency)} apart",)
        if apart
        else (),
        WRONG if apart else "",
        amounts=("gross", "fees", "net"),
    )


def _itemized(payouts: Sequence[Row], rows: PayoutRows, currency: str) -> Section:
    told: list[tuple[Cell, ...]] = []
    for payout in payouts:
        seen = rows.settled.get(payout["id"])
        bank = None if seen is None else Money.of(seen, currency)
        told.append(
            (
                payout["id"],
                payout["arrival"],
                payout["stage"],
                len(rows.contents[payout["id"]]) if payout["id"] in rows.contents else None,
                Money.of(payout["minor"], currency),
                bank,
                rows.at_the_bank(payout),
            )
        )
    columns = ("payout", "arrival", "state", "movements", "amount", "at the bank", "bank")
    name = f"Payouts, {currency.upper()}"
    return Section(name, columns, tuple(told), amounts=("amount", "at the bank"))


def _ending(rows: PayoutRows, currency: str) -> Section:
    """What of the balance no payout has taken: by kind, and the ledger's Stripe balance."""
    sums: defaultdict[str, list[int]] = defaultdict(lambda: [0, 0])
    for movement in rows.unpaid.get(currency, ()):
        row = sums[movement["category"] or movement["type"]]
        row[0] += 1
        row[1] += movement["net_minor"] or 0
    told: list[tuple[Cell, ...]] = [
        (kind.replace("_", " "), count, Money.of(minor, currency))
        for kind, (count, minor) in sorted(sums.items())
    ]
    whole = sum(row[1] for row in sums.values())
    told.append(("in no payout's contents", None, Money.of(whole, currency)))
    if currency in rows.ledger:
        told.append(
            ("Stripe balance in the ledger", None, Money.of(rows.ledger[currency], currency))
        )
    note = (
        "Manual and instant payouts stand between the two: Stripe does not tell their contents;"
        " and so does what was returned."
    )
    notes = (note,) if rows.ledger.get(currency, whole) != whole else ()
    name = f"Ending balance, {currency.upper()}"
    return Section(name, ("kind", "count", "net"), tuple(told), notes, amounts=("net",))


def _failed(payouts: Sequence[Row], currency: str) -> Section:
    told = tuple(
        (p["id"], p["arrival"], p["stage"], p["failure"], Money.of(p["minor"], currency))
        for p in payouts
    )
    columns = ("payout", "arrival", "state", "why", "amount")
    return Section(f"Failed or canceled, {currency.upper()}", columns, told, amounts=("amount",))


def custody_paper(book: str, rows: PayoutRows, clocks: Clocks, *, span: str) -> Paper:
    """From charge to bank line: of each payout what it holds, what it is, what the bank shows."""
    told: list[tuple[Cell, ...]] = []
    wrong = 0
    for payout in (p for p in rows.payouts if p["what"] == "payout" and p["stage"] not in _OVER):
        currency, named = payout["currency"], rows.contents.get(payout["id"])
        inside = [rows.movements[n] for n in named or () if n in rows.movements]
        inside = [m for m in inside if m["source"] != payout["id"]]
        net = None if named is None else sum(m["net_minor"] or 0 for m in inside)
        bank = rows.settled.get(payout["id"])
        state = rows.at_the_bank(payout)
        if net is not None and net != payout["minor"]:
            state = "differs"
        elif net is None and state != "differs":
            state = "waits"
        wrong += state == "differs"
        told.append(
            (
                payout["id"],
                payout["arrival"],
                sum(m["type"] in {"charge", "payment"} for m in inside) if named else None,
                None if net is None else Money.of(net, currency),
                Money.of(payout["minor"], currency),
                None if bank is None else Money.of(bank, currency),
                state,
            )
        )
    columns = ("payout", "arrival", "charges", "movements' net", "amount", "bank lines", "chain")
    section = Section(
        "Charge, balance transaction, payout, bank line",
        columns,
        tuple(told),
        amounts=("movements' net", "amount", "bank lines"),
    )
    waiting = sum(row[-1] == "waits" for row in told)
    verdict = f"{wrong} of {len(told)} differ" if wrong else "nothing differs"
    if not told:
        verdict = "no payout"
    verdict += f", {waiting} waiting" if waiting else ""
    style = WRONG if wrong else SOUND
    return Paper(f"Chain of custody, {span}", book, clocks, (section,), verdict, style)


def position_paper(
    book: str,
    proofs: Sequence[Row],
    stripe: Sequence[tuple[Row, int]],
    in_transit: Mapping[str, int],
    clocks: Clocks,
    *,
    span: str,
    ends: datetime | None = None,
) -> Paper:
    """Per account and day the bank's balance and the ledger's cash; per currency Stripe's balance.

    ``stripe`` has Stripe's last word and the ledger's balance of that moment. ``ends`` is the end
    of the span: what was told after it is said to be so.
    """
    days: tuple[tuple[Cell, ...], ...] = tuple(
        (
            p["account"],
            p["day"],
            p["at"],
            p["told_at"],
            Money.of(p["bank_minor"], p["currency"]),
            Money.of(p["ledger_minor"], p["currency"]),
            Money.of(p["bank_minor"] - p["ledger_minor"], p["currency"]),
        )
        for p in proofs
    )
    balances: tuple[tuple[Cell, ...], ...] = tuple(
        (
            word["account"] or "own",
            word["told_at"],
            Money.of(word["minor"], word["currency"]),
            Money.of(ledger, word["currency"]),
            Money.of(word["minor"] - ledger, word["currency"]),
        )
        for word, ledger in stripe
    )
    off = [p for p in proofs if p["bank_minor"] != p["ledger_minor"]]
    apart = [w for w, ledger in stripe if w["minor"] != ledger]
    columns = ("account", "day", "bank's clock", "told at", "bank", "ledger cash", "difference")
    others = ("Stripe account", "told at", "Stripe (payments)", "ledger then", "difference")
    verdict, style = _standing(len(off) + len(apart), len(proofs), len(stripe))
    sections = (
        Section("Bank and ledger, the last proof of each day", columns, days, amounts=columns[4:]),
        Section(
            "Stripe and ledger, at the moment of Stripe's word",
            others,
            balances,
            notes=_told_later([word["told_at"] for word, _ in stripe], ends),
            amounts=others[2:],
        ),
        Section(
            "In transit now",
            ("currency", "on its way to the bank"),
            tuple((c.upper(), Money.of(m, c)) for c, m in sorted(in_transit.items())),
            amounts=("on its way to the bank",),
        ),
    )
    return Paper(f"Position, {span}", book, clocks, sections, verdict, style)


def _told_later(told: Sequence[datetime], ends: datetime | None) -> tuple[str, ...]:
    """That Stripe's word is of after the days that are asked for, where it is."""
    if ends is None or not any(at >= ends for at in told):
        return ()
    note = (
        "Stripe's word is its last one, of after these days: earlier ones are kept on the topic"
        " stripe.objects and not here. The ledger's balance beside it is of the same moment."
    )
    return (note,)


def _standing(wrong: int, proofs: int, words: int) -> tuple[str, str]:
    """How positions stand, in words and as a style."""
    if wrong:
        return f"{wrong} of {proofs + words} positions differ", WRONG
    if not proofs:
        return "no bank balance of these days was told", WAITS
    return "every position agrees", SOUND


@dataclass(frozen=True, slots=True)
class LineWrittenOff:
    """What people took out of suspense of a bank line, signed as it, and to which accounts."""

    minor: int = 0
    accounts: frozenset[str] = frozenset()

    def told(self, whole_minor: int) -> str:
        """It in words, beside what the line came with; empty where there is nothing."""
        if not self.minor:
            return ""
        part = "" if self.minor == whole_minor else "in part "
        return f"written off {part}to {', '.join(sorted(self.accounts))}"


_NOTHING_OFF: Final = LineWrittenOff()


def lines_paper(
    book: str,
    account: str,
    lines: Sequence[Row],
    matched: Mapping[str, tuple[str, str]],
    said: Mapping[str, str],
    *,
    off: Mapping[str, LineWrittenOff],
    clocks: Clocks,
    span: str,
) -> Paper:
    """Each bank line with what it settles, what was written off of it, or what is said of it."""
    told: list[tuple[Cell, ...]] = []
    open_lines = 0
    for line in lines:
        settles, rule = matched.get(line["id"], ("", ""))
        what = said.get(line["id"], "")
        written_off = off.get(line["id"], _NOTHING_OFF)
        open_lines += not settles and written_off.minor != line["minor"]
        done = " + ".join(t for t in (settles, written_off.told(line["minor"])) if t)
        told.append(
            (
                f"{account}/{line['id']}",
                line["booked_on"],
                Money.of(line["minor"], line["currency"]),
                done or what or "waits",
                rule,
                " / ".join(t for t in (line["counterparty"], line["description"]) if t)[:60],
            )
        )
    columns = ("line", "booked on", "amount", "settles", "rule", "text")
    verdict = f"{open_lines} of {len(lines)} lines settle nothing" if open_lines else "all settled"
    if not lines:
        verdict = "no line was booked in these days"
    style = WAITS if open_lines else SOUND
    section = Section("Bank lines", columns, tuple(told), amounts=("amount",))
    return Paper(f"Lines of {account}, {span}", book, clocks, (section,), verdict, style)


def aging_paper(
    book: str, records: Sequence[Mapping[str, Any]], open_items: Sequence[Row], clocks: Clocks,
    *, now: datetime,
) -> Paper:  # fmt: skip
    """What is not resolved by class and age, and what is in transit by age."""
    counts: defaultdict[tuple[str, str], dict[str, int]] = defaultdict(dict)
    sums: defaultdict[tuple[str, str], int] = defaultdict(int)
    for record in records:
        amount = record.get("amount") or {"currency": "", "minor": 0}
        name = str(record.get("break_class") or record["discrepancy"]).replace("_", " ")
        here = (name, str(amount["currency"]))
        age = str(record.get("age") or BUCKETS[0])
        counts[here][age] = counts[here].get(age, 0) + 1
        sums[here] += int(amount["minor"])
    by_class: tuple[tuple[Cell, ...], ...] = tuple(
        (
            name,
            *(found.get(bucket) for bucket in BUCKETS),
            Money.of(sums[name, currency], currency) if currency else None,
        )
        for (name, currency), found in sorted(counts.items())
    )
    in_transit: tuple[tuple[Cell, ...], ...] = tuple(
        (i["key"], i["since"], (now - i["since"]).days, Money.of(i["minor"], i["currency"]))
        for i in open_items
    )
    return Paper(
        "Aging",
        book,
        clocks,
        (
            Section(
                "Not resolved, by class and days open",
                ("class", *BUCKETS, "amount"),
                by_class,
                amounts=("amount",),
            ),
            Section(
                "In transit",
                ("key", "since", "days", "amount"),
                in_transit,
                amounts=("amount",),
            ),
        ),
        f"{len(records)} not resolved",
        WAITS if records else SOUND,
    )
