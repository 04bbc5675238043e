"""Worlds with a known truth, for the laws of matching: who paid what is decided before it is told.

Payouts arrive in time, late within the window, never, in parts, together, short or twice; banks
keep, cut, garble, respace or drop references; strangers pay the same amounts.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from random import Random

from services.reconciler.facts.kinds import Fact, Line
from services.reconciler.rules.calendars import business_days_after
from services.reconciler.rules.expectations import Expectation
from tests.support.reconciler_facts import line, payout

ALPHABET = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghjkmnpqrstuvwxyz23456789"
ACCOUNT = "LkdIwHu7ix"
PRICES = (900, 1_900, 2_900, 4_900, 9_900)
FIRST = date(2026, 11, 2)
STRANGERS = (
    "WIRE FROM ACME INDUSTRIES GMBH INV 4711",
    "SEPA CREDIT GLOBEX SA",
    "JOHN SMITH RENT NOVEMBER",
    "PAYPAL TRANSFER",
    "ACH CREDIT CONTOSO LLC PAYROLL",
    "BARGELDEINZAHLUNG FILIALE 12",
)
PLAIN = ("STRIPE", "STRIPE PAYOUT", "STRIPE TRANSFER", "ACH CREDIT STRIPE", "", "PAYOUT")


@dataclass
class World:
    """What is told, and for each line what it really settles."""

    payouts: list[Expectation] = field(default_factory=list[Expectation])
    lines: list[Line] = field(default_factory=list[Line])
    truth: dict[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])

    def pays(self, made: Line, *payouts: Expectation) -> None:
        """A line comes, and settles these."""
        self.lines.append(made)
        self.truth[made.id] = tuple(sorted(p.id for p in payouts))

    @property
    def facts(self) -> list[Fact]:
        """All that is told."""
        return [*self.payouts, *self.lines]

    @property
    def by_id(self) -> Mapping[str, Expectation]:
        """The payouts by id."""
        return {p.id: p for p in self.payouts}


def world_of(random: Random, *, payouts: int) -> World:
    """A world of so many payouts."""
    world = World()
    number = 0
    while len(world.payouts) < payouts:
        number += 1
        _happen(world, random, number)
    for i in range(random.randrange(4)):
        _stranger(world, random, i)
    return world


def world_from(seed: int, payouts: int) -> World:
    """The world that a seed makes."""
    return world_of(Random(seed), payouts=payouts)


def _happen(world: World, random: Random, number: int) -> None:
    made = _payout(random, random.choice(PRICES))
    twins = random.choice((0, 0, 0, 1, 2))
    match random.choice(("comes", "comes", "comes", "lost", "parts", "short", "twice", "batch")):
        case "comes":
            group = [made, *(_twin(random, made) for _ in range(twins))]
            world.payouts += group
            for i, one in enumerate(group):
                world.pays(_line(random, one, f"l{number}_{i}", _text(random, one)), one)
        case "lost":
            world.payouts.append(made)
        case "parts":
            world.payouts.append(made)
            part = random.randrange(1, made.minor)
            for i, minor in enumerate((part, made.minor - part)):
                text = _named(random, made)
                world.pays(_line(random, made, f"l{number}_{i}", text, minor), made)
        case "short":
            world.payouts.append(made)
            text = _named(random, made)
            world.pays(_line(random, made, f"l{number}", text, made.minor - 100), made)
        case "twice":
            world.payouts.append(made)
            first = _line(random, made, f"l{number}_0", _named(random, made))
            again = _line(random, made, f"l{number}_1", _named(random, made))
            world.pays(first, made)
            world.pays(again, made)
        case _:
            _batch(world, random, number)


def _batch(world: World, random: Random, number: int) -> None:
    day = FIRST + timedelta(days=random.randrange(20))
    some = [
        _payout(random, random.randrange(100_000, 900_000), day)
        for _ in range(random.choice((2, 3)))
    ]
    world.payouts += some
    text = random.choice(PLAIN)
    if random.random() < 0.5:
        text = "STRIPE " + " ".join(p.id for p in some)
    made = _line(random, some[0], f"l{number}", text, sum(p.minor for p in some))
    world.pays(made, *some)


def _stranger(world: World, random: Random, number: int) -> None:
    like = random.choice(world.payouts)
    text = random.choice((*STRANGERS, f"STRIPE PAYOUT {_id(random)}", f"STRIPE {_id(random)[:18]}"))
    world.pays(_line(random, like, f"s{number}", text))


def _payout(random: Random, minor: int, day: date | None = None) -> Expectation:
    arrival = day or FIRST + timedelta(days=random.randrange(20))
    traces = (f"0910000{random.randrange(10**7, 10**8)}",) if random.random() < 0.3 else ()
    return payout(_id(random), minor, arrival=arrival, traces=traces)


def _twin(random: Random, of: Expectation) -> Expectation:
    return payout(_id(random), of.minor, arrival=of.arrival)


def _id(random: Random) -> str:
    time, rest = (random.choices(ALPHABET, k=n) for n in (5, 8))
    return f"po_1{''.join(time)}{ACCOUNT}{''.join(rest)}"


def _line(random: Random, of: Expectation, name: str, text: str, minor: int | None = None) -> Line:
    day = business_days_after(of.arrival, random.choice((-1, 0, 0, 1, 2, 5)))
    return line(text, of.minor if minor is None else minor, id=name, on=day)


def _text(random: Random, of: Expectation) -> str:
    return random.choice(PLAIN) if random.random() < 0.5 else _named(random, of)


def _named(random: Random, of: Expectation) -> str:
    name = of.id
    match random.choice(("whole", "upper", "spaced", "cut", "end", "garbled", "trace", "glued")):
        case "upper":
            name = name.upper().replace("_", "")
        case "spaced":
            name = " ".join(name[i : i + 6] for i in range(0, len(name), 6))
        case "cut":
            name = name[: random.choice((16, 18, 22))]
        case "end":
            name = name[8:]
        case "garbled":
            place = random.randrange(5, 20)
            name = name[:place] + random.choice(("", "?", "x")) + name[place + 1 :]
        case "trace" if of.traces:
            name = of.traces[0]
        case "glued":
            return f"STRIPEPAYOUT{name.upper().replace('_', '')}"
        case _:
            pass
    return f"STRIPE {name}"
