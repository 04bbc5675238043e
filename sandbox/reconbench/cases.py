"""The hard cases: each puts some payouts and lines into a world, with what they truly are."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from random import Random
from types import MappingProxyType
from typing import Final

from sandbox.reconbench import texts
from sandbox.reconbench.dates import HOLIDAYS, business_day
from sandbox.reconbench.model import Line, Payout, Truth, World

PRICE_POINTS: Final = (900, 1_900, 2_900, 4_900, 9_900)
ACCOUNTS: Final[Mapping[str, str]] = MappingProxyType(
    {"usd": "ops_usd", "eur": "ops_eur", "gbp": "ops_gbp", "jpy": "ops_jpy", "kwd": "ops_kwd",
     "usdc": "ops_usdc"}
)  # fmt: skip
_CURRENCIES: Final = ("usd",) * 6 + ("eur",) * 3 + ("gbp",)
_LAGS: Final = (0,) * 16 + (1,) * 3 + (2,)
_LAST: Final = "missing_in_bank"
_CHANGED: Final = "pending_changed"


@dataclass(slots=True)
class Maker:
    """A world being made: draws days, ids and amounts, and notes the truth."""

    world: World
    random: Random
    first: date
    days: int
    number: int = 0

    def payout(
        self,
        case: str,
        minor: int | None = None,
        *,
        currency: str = "",
        arrival: date | None = None,
        status: str = "paid",
        break_class: str = "",
        decidable: bool = True,
    ) -> Payout:
        """One more payout."""
        of = currency or self.random.choice(_CURRENCIES)
        on = arrival or business_day(self.day(), 0, of)
        made = datetime.combine(on - timedelta(days=2), time(8, self.random.randrange(60)), UTC)
        payout = Payout(
            id=texts.payout_id(self.random),
            minor=self.amount() if minor is None else minor,
            currency=of,
            created=made,
            arrival=on,
            status=status,
            trace=f"0910000{self.random.randrange(10**7, 10**8)}",
            told=(on - self.first).days * 10,
        )
        self.world.payouts.append(payout)
        self.world.of_payouts[payout.id] = Truth(case, decidable=decidable, break_class=break_class)
        return payout

    def line(
        self,
        case: str,
        like: Payout,
        description: str,
        *,
        minor: int | None = None,
        lag: int | None = None,
        reference: str = "",
        counterparty: str = "",
        settles: Sequence[Payout] | None = None,
        exact: bool = True,
        decidable: bool = True,
        break_class: str = "",
    ) -> Line:
        """One more line, by default one that pays a payout in full about when it arrives."""
        self.number += 1
        days = self.random.choice(_LAGS) if lag is None else lag
        on = business_day(like.arrival, days, like.currency)
        line = Line(
            account=ACCOUNTS[like.currency],
            id=f"bl_{self.number:07d}",
            minor=like.minor if minor is None else minor,
            currency=like.currency,
            booked_on=on,
            description=description,
            reference=reference,
            counterparty=counterparty,
            told=(on - self.first).days * 10 + 5,
        )
        self.world.lines.append(line)
        paid = (like,) if settles is None else settles
        self.world.of_lines[line.id] = Truth(
            case,
            settles=tuple(sorted(p.id for p in paid)),
            is_exact=exact,
            decidable=decidable,
            break_class=break_class,
        )
        return line

    def named(self, case: str, payout: Payout, **more: object) -> Line:
        """A line that pays a payout and names it."""
        text = texts.around(self.random, payout.id)
        return self.line(case, payout, text, **more)  # type: ignore[arg-type]  # the same options, handed on

    def day(self) -> date:
        """Some day of the world."""
        return self.first + timedelta(days=self.random.randrange(self.days))

    def amount(self) -> int:
        """An amount that hardly any other payout has."""
        return self.random.randrange(100_000, 90_000_000)

    def stranger(self) -> str:
        """A stranger's text."""
        return self.random.choice(texts.CREDITORS).format(self.random.randrange(1_000, 9_999))


def base(m: Maker) -> None:
    """A payout and the line that names it."""
    m.named("base", m.payout("base"))


def h1(m: Maker) -> None:
    """What a bank makes of the reference; twins of the same amount are about half the time."""
    payout = m.payout("H1")
    description, reference = texts.mangled(m.random, payout.id)
    m.line("H1", payout, description, reference=reference)
    if m.random.random() < 0.5:
        twin = m.payout("H1", payout.minor, currency=payout.currency, arrival=payout.arrival)
        m.named("H1", twin)


def h2(m: Maker) -> None:
    """No reference: the amount and the day alone; or two days' payouts of one amount."""
    payout = m.payout("H2")
    if m.random.random() < 0.85:
        m.line("H2", payout, m.random.choice(texts.PLAIN), exact=False)
        return
    # Two payouts of one amount a day apart, and one line: nobody can tell, and one never came.
    later = business_day(payout.arrival, 1, payout.currency)
    m.payout("H2", payout.minor, currency=payout.currency, arrival=later, decidable=False)
    m.world.of_payouts[payout.id] = Truth("H2", decidable=False)
    m.line("H2", payout, "STRIPE TRANSFER", lag=1, exact=False, decidable=False,
           break_class="ambiguous")  # fmt: skip


def h3(m: Maker) -> None:
    """Two to twenty twins of one day: named, crossed, or with nothing that tells them apart."""
    first = m.payout("H3", m.amount() if m.random.random() < 0.7 else None)
    count = m.random.choice((2, 2, 2, 3, 4, 5, 8, 20))
    alike = [first]
    alike += (
        m.payout("H3", first.minor, currency=first.currency, arrival=first.arrival)
        for _ in range(count - 1)
    )
    order = list(alike)
    m.random.shuffle(order)
    style = m.random.choice(("named", "cut", "none"))
    for payout in order:
        if style == "named":
            m.named("H3", payout, lag=0)
        elif style == "cut":
            m.line("H3", payout, "STRIPE", reference=payout.id[:16], lag=0)
        else:
            m.line("H3", payout, "STRIPE TRANSFER", lag=0, exact=False)


def h4(m: Maker) -> None:
    """One line for many payouts at price points: with all their references, or with none."""
    currency = m.random.choice(_CURRENCIES)
    on = business_day(m.day(), 0, currency)
    if m.random.random() < 0.7:
        count = m.random.randrange(2, 41)
        some = [
            m.payout("H4", m.random.choice(PRICE_POINTS), currency=currency, arrival=on)
            for _ in range(count)
        ]
        text = "STRIPE " + " ".join(p.id for p in some)
        m.line("H4", some[0], text, minor=sum(p.minor for p in some), settles=some)
        return
    # No reference and price points: many sets add up, so none of them proves anything.
    unsure = m.random.random() < 0.7
    amounts = (
        [m.random.choice(PRICE_POINTS) for _ in range(m.random.randrange(4, 13))]
        if unsure
        else [m.random.randrange(10**6, 10**8) for _ in range(2)]
    )
    own = "kwd" if not unsure else currency
    some = [
        m.payout("H4", minor, currency=own, arrival=on, decidable=not unsure) for minor in amounts
    ]
    m.line("H4", some[0], "STRIPE TRANSFER", minor=sum(p.minor for p in some), settles=some,
           exact=False, decidable=not unsure,
           break_class="ambiguous unidentified_receipt" if unsure else "")  # fmt: skip


def h5(m: Maker) -> None:
    """One payout in two to four parts: named, or only adding up."""
    is_named = m.random.random() < 0.7
    payout = m.payout("H5", currency="" if is_named else "usdc")
    count = m.random.randrange(2, 5)
    cuts = sorted(m.random.sample(range(1_000, payout.minor - 1_000), count - 1))
    bounds = [0, *cuts, payout.minor]
    for low, high in pairwise(bounds):
        text = texts.around(m.random, payout.id) if is_named else "STRIPE TRANSFER"
        m.line("H5", payout, text, minor=high - low, lag=0 if not is_named else None,
               exact=is_named)  # fmt: skip


def h6(m: Maker) -> None:
    """A bank on the way takes a fee: it says so, with or without the reference; or says nothing."""
    payout = m.payout("H6")
    fee = m.random.randrange(500, 4_000)
    minor = payout.minor - min(fee, payout.minor // 40)
    said = m.random.choice(texts.CHARGED)
    style = m.random.choice(("named", "named", "unnamed", "silent"))
    if style == "silent":
        m.named("H6", payout, minor=minor, break_class="amount_mismatch")
    elif style == "named":
        text = f"{texts.around(m.random, payout.id)} {said}"
        m.line("H6", payout, text, minor=minor, break_class="fee_diff")
    else:
        m.line("H6", payout, f"STRIPE TRANSFER {said}", minor=minor, exact=False,
               break_class="fee_diff")  # fmt: skip


def h7(m: Maker) -> None:
    """Exchanged on the way, with spread and rounding; or booked in another currency altogether."""
    payout = m.payout("H7")
    off = m.random.choice((1, 2, -1, -2, payout.minor // 200, -payout.minor // 150))
    if m.random.random() < 0.8:
        text = f"{texts.around(m.random, payout.id)} {m.random.choice(texts.CONVERTED)}"
        m.line("H7", payout, text, minor=payout.minor + off, break_class="fx_diff")
        return
    other = "eur" if payout.currency != "eur" else "usd"
    # Told once, of the payout: its line is not a stranger's, and the payout is not missing.
    m.world.of_payouts[payout.id] = Truth("H7", break_class="fx_diff")
    line = m.named("H7", payout, settles=())
    elsewhere = replace(
        line, currency=other, account=ACCOUNTS[other], minor=payout.minor * 108 // 100
    )
    m.world.lines[-1] = elsewhere


def h8(m: Maker) -> None:
    """Around weekends, holidays and the month's end, late by days, or dated back."""
    currency = m.random.choice(("usd", "eur", "gbp", "jpy"))
    last = m.first + timedelta(days=m.days)
    near = [d for d in HOLIDAYS[currency] if m.first < d < last] or [m.day()]
    ends = [d for d in (m.first + timedelta(days=n) for n in range(m.days)) if d.day in (30, 31)]
    around = m.random.choice(sorted(near) + sorted(ends)[:3])
    arrival = business_day(around, -m.random.randrange(1, 4), currency)
    payout = m.payout("H8", currency=currency, arrival=arrival)
    lag = m.random.choice((-1, 2, 3, 4, 5))
    if m.random.random() < 0.5:
        m.named("H8", payout, lag=lag)
    else:
        m.line("H8", payout, m.random.choice(texts.PLAIN), lag=lag, exact=False)


def h9(m: Maker) -> None:
    """Pending first: posted with another amount, or taken away, lately or for good.

    What is posted right is no break, whatever was pending. What is posted short is the bank's
    change where the pending amount was right. What was taken away lately is told of the line, and
    of its payout once that is overdue.
    """
    style = m.random.random()
    if style < 0.7:
        payout = m.payout("H9")
        is_right = style < 0.5
        minor = payout.minor - (0 if is_right else 150)
        posted = m.named("H9", payout, minor=minor, break_class="" if is_right else _CHANGED)
        before = replace(posted, minor=payout.minor - 150 * is_right, state="pending")
        m.world.lines[-1] = replace(posted, revision=2)
        m.world.lines.append(replace(before, told=posted.told - 3))
        return
    is_late = style < 0.85
    soon = m.world.at.date() + timedelta(days=1)
    payout = m.payout("H9", break_class=_LAST) if is_late else m.payout("H9", arrival=soon)
    pending = m.named("H9", payout, settles=(), break_class="" if is_late else _CHANGED)
    m.world.lines[-1] = replace(pending, state="pending")
    m.world.lines.append(replace(pending, state="removed", revision=2, told=pending.told + 20))


def h10(m: Maker) -> None:
    """Credited twice, told twice, or a true twin that has a payout of its own."""
    payout = m.payout("H10")
    text = texts.around(m.random, payout.id)
    style = m.random.choice(("credited", "told", "twin"))
    line = m.line("H10", payout, text, lag=0)
    if style == "credited":
        m.line("H10", payout, text, lag=1, settles=(), break_class="duplicate_bank")
    elif style == "told":
        m.world.lines.append(replace(line, told=line.told + 30))
    else:
        twin = m.payout("H10", payout.minor, currency=payout.currency, arrival=payout.arrival)
        m.named("H10", twin, lag=0)


def h11(m: Maker) -> None:
    """It came, was matched, and went back: both lines cancel out, and Stripe says failed."""
    payout = m.payout("H11", status="failed", break_class="returned")
    m.named("H11", payout, lag=0)
    m.line("H11", payout, f"RETURN {texts.around(m.random, payout.id)}", minor=-payout.minor, lag=3)


def h12(m: Maker) -> None:
    """A debit payout (chargebacks above sales) that the bank nets with a credit in one line."""
    credit = m.payout("H12")
    debit = m.payout("H12", -(credit.minor // 7), currency=credit.currency, arrival=credit.arrival)
    text = f"STRIPE {credit.id} LESS {debit.id}"
    m.line("H12", credit, text, minor=credit.minor + debit.minor, settles=(credit, debit))


def h13(m: Maker) -> None:
    """The same figures in currencies of none, three and six decimals."""
    minor = m.amount()
    for currency in ("jpy", "kwd", "usdc"):
        payout = m.payout("H13", minor, currency=currency, arrival=business_day(m.day(), 0, "jpy"))
        if m.random.random() < 0.6:
            m.named("H13", payout, lag=0)
        else:
            m.line("H13", payout, "STRIPE TRANSFER", lag=0, exact=False)


def h14(m: Maker) -> None:
    """Strangers pay in and take out, half of them an amount that a payout has as well."""
    payout = m.payout("H14")
    m.named("H14", payout)
    minor = payout.minor if m.random.random() < 0.5 else m.amount()
    if m.random.random() < 0.6:
        m.line("H14", payout, m.stranger(), minor=minor, settles=(),
               break_class="unidentified_receipt")  # fmt: skip
    else:
        text = m.random.choice(texts.DEBTORS).format(m.random.randrange(1_000, 9_999))
        m.line("H14", payout, text, minor=-minor, settles=(), break_class="unidentified_debit")


def h15(m: Maker) -> None:
    """A feed that was away for days: its lines are told at once, long after they were booked."""
    flood = m.random.randrange(60, 200)
    for _ in range(3):
        line = m.named("H15", m.payout("H15"))
        m.world.lines[-1] = replace(line, told=line.told + flood)


def h16(m: Maker) -> None:
    """The amount and the day of a payout, and the reference or the name of somebody else."""
    payout = m.payout("H16")
    m.line("H16", payout, m.random.choice(texts.PLAIN), lag=1, exact=False)
    style = m.random.choice(("unknown", "other account", "similar name"))
    if style == "similar name":
        m.line("H16", payout, m.random.choice(texts.SIMILAR), lag=0, settles=(),
               break_class="unidentified_receipt")  # fmt: skip
        return
    own = texts.OWN_ACCOUNT if style == "unknown" else texts.OTHER_ACCOUNT
    named = texts.payout_id(m.random, account=own)
    m.line("H16", payout, texts.around(m.random, named), lag=0, settles=(),
           break_class="missing_in_ledger")  # fmt: skip


def h17(m: Maker) -> None:
    """The line is told first, and its payout days later; the month's last ones are on their way."""
    payout = m.payout("H17")
    m.named("H17", payout)
    m.world.payouts[-1] = replace(payout, told=payout.told + m.random.randrange(20, 90))


def lost(m: Maker) -> None:
    """A payout that never comes."""
    m.payout("base", break_class=_LAST)


def on_its_way(m: Maker) -> None:
    """A payout that is not due yet: nothing is wrong with it."""
    m.payout("base", status="in_transit", arrival=m.world.at.date() + timedelta(days=1))


# How often each happens, in thousandths of what happens.
RATES: Final[Sequence[tuple[int, Callable[[Maker], None]]]] = (
    (800, base), (60, h1), (50, h2), (10, h3), (6, h4), (12, h5), (20, h6), (15, h7), (30, h8),
    (12, h9), (12, h10), (8, h11), (8, h12), (10, h13), (30, h14), (8, h15), (25, h16), (20, h17),
    (10, lost), (4, on_its_way),
)  # fmt: skip
