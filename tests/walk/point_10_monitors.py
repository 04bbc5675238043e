"""Point 10: watched figures: told once when they cross, once when they are back, in between never."""

from typing import Final

import orjson

from shared.contracts import topics
from tests.walk import atelier
from tests.walk.atelier import BOOK, JPY
from tests.walk.walking import Json, Walk

POINT = "10"
TILL: Final = "the till of atelier is low"
RATIO: Final = "atelier owes too much"
TOLD_SECONDS_MAX: Final = 30.0
# Behind the story, so that its own statements stay what they are.
AT: Final = "2026-11-10T00:00:00Z"


def walk(w: Walk) -> None:
    """A balance and a ratio, each over its threshold and back, with what a band between is for."""
    atelier.tell(w)
    _without_a_rate(w)
    answer = w.ask(
        BOOK,
        {"kind": "exchange_rate", "base": "eth", "quote": "usd", "rate": "1", "on": "2026-11-01"},
        key="rate-eth",
    )
    assert answer.status_code in (200, 201), answer.text
    before = _told(w, TILL)
    w.same(POINT, "the till stands as it was told last", before[-1]["state"], "cleared")
    _to(w, 1_001)
    _owe(w, "owe-1", 800_000)
    _await_state(w, RATIO, "breached")
    w.same(
        POINT,
        "one unit above its threshold nothing is told of the till, though it was read",
        (len(_told(w, TILL)), w.balance(JPY, "jpy", book=BOOK)),
        (len(before), 1_001),
    )
    _to(w, 1_000)
    _await_state(w, TILL, "breached")
    _breached(w, before)
    _to(w, 1_499)
    _owe(w, "owe-2", -800_000)
    _await_state(w, RATIO, "cleared")
    w.same(
        POINT,
        "between threshold and way back the till stays breached: hysteresis",
        _told(w, TILL)[-1]["state"],
        "breached",
    )
    _to(w, 1_500)
    _await_state(w, TILL, "cleared")
    _cleared(w, before)
    _ratio(w)
    _shown(w)


def _told(w: Walk, monitor: str) -> list[Json]:
    """Every record of a monitor, in the order of the topic."""
    found: list[Json] = [orjson.loads(record.value) for record in w.records(topics.LEDGER_MONITORS)]
    return [each for each in found if each["monitor"] == monitor]


def _await_state(w: Walk, monitor: str, state: str) -> None:
    w.until(
        f"{monitor}: {state}",
        lambda: [each["state"] for each in _told(w, monitor)][-1:] == [state],
        seconds=TOLD_SECONDS_MAX,
    )


def _to(w: Walk, minor: int) -> None:
    """Bring the till to an amount."""
    change = minor - w.balance(JPY, "jpy", book=BOOK)
    command = atelier.capital(abs(change), AT, "jpy")
    way = "contribute" if change > 0 else "withdraw"
    answer = w.ask(BOOK, command | {"direction": way}, key=w.new("till"))
    assert answer.status_code == 201, answer.text


def _owe(w: Walk, key: str, minor: int) -> None:
    """Owe a supplier so much for compute; below zero: no more."""
    amount = {"minor": str(abs(minor)), "currency": "usd", "exponent": 2}
    sides = ("debit", "credit") if minor > 0 else ("credit", "debit")
    accounts = (("expenses:compute", ""), ("liabilities:payable", "acme"))
    postings = [
        {"account": account, "key": under, "side": side, "amount": amount}
        for (account, under), side in zip(accounts, sides, strict=True)
    ]
    command = {"kind": "manual_entry", "effective_at": AT, "postings": postings}
    answer = w.ask(BOOK, command, key=w.new(key))
    assert answer.status_code == 201, answer.text


def _without_a_rate(w: Walk) -> None:
    file = str(w.at.folder / "monitors.toml")
    said = w.cli("monitors", file, "--json")
    shown = {each["monitor"]: each for each in map(orjson.loads, said.out.splitlines())}
    w.same(
        POINT,
        "a ratio that misses a rate has no figure, names the rate, and was never told",
        (said.code, shown[RATIO]["value"], shown[RATIO]["why_none"], _told(w, RATIO)),
        (0, None, "no rate of ETH in USD", list[Json]()),
        command=said.command,
    )


def _breached(w: Walk, before: list[Json]) -> None:
    last = _told(w, TILL)
    w.same(
        POINT,
        "at its threshold it is told, once: figure, amount, threshold, one revision more",
        (
            len(last) - len(before),
            *(last[-1][name] for name in ("state", "value", "threshold", "book", "revision")),
            last[-1]["amount"]["minor"],
        ),
        (1, "breached", "1000 JPY", "1000", BOOK, before[-1]["revision"] + 1, "1000"),
        command=f"read {topics.LEDGER_MONITORS}",
    )
    positions = {(p["topic"], p["partition"]): p["offset"] for p in last[-1]["positions"]}
    stood = {(p["topic"], p["partition"]): p["offset"] for p in before[-1]["positions"]}
    w.holds(
        POINT,
        "and from which positions it was read, further than the last time",
        positions.keys() == stood.keys()
        and positions != stood
        and all(positions[place] >= stood[place] for place in stood),
        f"{len(positions)} positions, {sum(positions[p] > stood[p] for p in stood)} further",
        command=f"read {topics.LEDGER_MONITORS}",
    )


def _cleared(w: Walk, before: list[Json]) -> None:
    last = _told(w, TILL)
    w.same(
        POINT,
        "at its way back it is told as cleared; in all two records for the whole way",
        [(each["state"], each["value"]) for each in last[len(before) :]],
        [("breached", "1000 JPY"), ("cleared", "1500 JPY")],
        command=f"read {topics.LEDGER_MONITORS}",
    )


def _ratio(w: Walk) -> None:
    told = _told(w, RATIO)
    states = [each["state"] for each in told][-2:]
    w.same(
        POINT,
        "the ratio too was told once up and once back",
        (states, [each["revision"] for each in told] == list(range(1, len(told) + 1))),
        (["breached", "cleared"], True),
        command=f"read {topics.LEDGER_MONITORS}",
    )
    keys = {record.key for record in w.records(topics.LEDGER_MONITORS)}
    w.same(POINT, "records stand under their book", keys, {BOOK.encode()})


def _shown(w: Walk) -> None:
    said = w.cli("monitors", str(w.at.folder / "monitors.toml"), "--json")
    shown = {each["monitor"]: each for each in map(orjson.loads, said.out.splitlines())}
    w.same(
        POINT,
        "the command line shows both with their figures now",
        {name: (each["state"], each["why_none"]) for name, each in shown.items()},
        {TILL: ("cleared", None), RATIO: ("cleared", None)},
        command=said.command,
    )
    w.same(POINT, "the till's is the balance", shown[TILL]["value"], "1500 JPY")
    bad = w.at.folder / "bad-monitors.toml"
    bad.write_text(
        '[[monitor]]\nname = "odd"\naccount = "assets"\ncurrency = "usd"\nfalls_to = "x"\n', "utf-8"
    )
    refused = w.cli("monitors", str(bad))
    w.holds(
        POINT,
        "a file that makes no sense is refused, with what is wrong in it",
        refused.code == 2 and "falls_to" in refused.err and "currency" not in refused.err,
        f"exit {refused.code}: {refused.err}",
    )
