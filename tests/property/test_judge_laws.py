"""Laws of the judge, for any commands in any order: it answers, and what it grants is covered."""

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from services.ledger.activation.in_force import BookInForce
from services.ledger.rulings.asking import Asked
from services.ledger.rulings.judging import Recorded, followed, judge
from services.ledger.rulings.standing import Standing
from shared.contracts.commands import LEDGER_COMMAND, Command
from shared.contracts.journal import DEFAULT_BOOK, Direction
from shared.contracts.messages import OutcomeKind
from tests.unit.ledger.judged import with_floor

Json = dict[str, Any]  # Any: JSON
NOON = datetime(2024, 6, 12, 12, tzinfo=UTC)
CHART = with_floor("assets:bank:NAME", "liabilities:connect")
BOOK = BookInForce(chart=CHART)

accounts = st.sampled_from(
    ["assets:bank:a", "assets:bank:a", "assets:bank:b", "liabilities:connect", "liabilities:payable", "memo:credits",
     "expenses:compute", "revenue:stripe", "equity:owner", "assets:till:one", "assets:nowhere",
     "assets:stripe:balance", "liabilities:suspense", "foo:bar", ":", "assets"]
)  # fmt: skip
keys = st.sampled_from(["", "acct_1", "acct_2"])


def amount_of(minor: int, code: str) -> Json:
    return {"minor": str(minor), "currency": code, "exponent": 0 if code == "jpy" else 2}


money: st.SearchStrategy[Json] = st.builds(
    amount_of,
    st.sampled_from([0, 1, 5, 50, 400, 1000, -3, 2**63 + 1, 10**30]),
    st.sampled_from(["usd", "usd", "usd", "USD", "jpy", "zzz"]),
)
moments = st.sampled_from(
    ["2024-06-11T10:00:00Z", "2024-05-30T23:30:00-03:00", "2024-06-01T00:00:00Z",
     "1900-01-01T00:00:00Z", "9999-12-31T23:59:59-12:00", "0001-01-01T00:00:00+12:00"]
)  # fmt: skip
days = st.sampled_from(
    [date.min, date(1900, 1, 2), date(2024, 5, 30), date(2024, 5, 31), date(2024, 6, 1),
     date(2024, 6, 11), date(2024, 6, 12), date(9998, 12, 31), date.max]
).map(str)  # fmt: skip
names = st.sampled_from(["h1", "h2", "h3", "k1", "k2"])
leg: st.SearchStrategy[Json] = st.fixed_dictionaries(
    {
        "account": accounts,
        "side": st.sampled_from(["debit", "credit"]),
        "amount": money,
        "key": keys,
    }
)


def a(kind: str, **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Json]:
    return st.fixed_dictionaries({"kind": st.just(kind), **fields})


@st.composite
def covered(draw: st.DrawFn) -> Json:
    """An entry that balances."""
    amount, postings = draw(money), draw(st.lists(leg, min_size=2, max_size=2))
    postings[0] |= {"amount": amount, "side": "debit"}
    postings[1] |= {"amount": amount, "side": "credit"}
    return {"kind": "manual_entry", "effective_at": draw(moments), "postings": postings}


def funded(debited: str, credited: str, key: str = "") -> Json:
    amount = {"minor": "1000", "currency": "usd", "exponent": 2}
    return {
        "kind": "manual_entry",
        "effective_at": "2024-06-11T10:00:00Z",
        "postings": [
            {"account": debited, "side": "debit", "amount": amount},
            {"account": credited, "side": "credit", "amount": amount, "key": key},
        ],
    }


FUNDS = (
    (funded("assets:bank:a", "equity:owner"), "f1"),
    (funded("revenue:stripe", "liabilities:connect", "acct_1"), "f2"),
)
flag = st.booleans()
commands: st.SearchStrategy[Json] = st.one_of(
    covered(),
    covered(),
    a("manual_entry", effective_at=moments, postings=st.lists(leg, max_size=3), floor=flag),
    a("reverse_entry", reference=st.sampled_from(["f1", "f2", "h1", "k1"]).map(lambda n: f"command:{n}"), reason=st.just("why")),
    a("book_expense", category=st.sampled_from(["compute", "yachts", "assets:bank:a"]), amount=money,
      paid_from=accounts, paid_from_key=keys, effective_at=moments, floor=flag),
    a("owner_capital", direction=st.sampled_from(["contribute", "withdraw"]), amount=money,
      account=accounts, key=keys, effective_at=moments, floor=flag),
    a("exchange_rate", base=st.just("eur"), quote=st.just("usd"), rate=st.just("1.1"), on=days),
    a("close_period", through=days),
    a("lock_period", through=days),
    a("reopen_period", since=days, reason=st.just("why")),
    a("open_account", account=accounts, display=st.just("x"), key=keys, floor=flag),
    a("close_account", account=accounts),
    a("rename_account", account=accounts, display=st.sampled_from(["x", "y"])),
    a("place_hold", account=accounts, key=keys, amount=money),
    a("place_hold", account=st.just("liabilities:connect"), key=st.just("acct_1"), amount=money),
    a("place_hold", account=st.just("assets:bank:a"), amount=money),
    a("settle_hold", hold=names, to=accounts, to_key=keys),
    a("settle_hold", hold=names, to=st.just("assets:bank:b")),
    a("release_hold", hold=names),
    a("grant_credits", customer=keys, amount=money),
    a("spend_credits", customer=keys, amount=money),
    a("tick_clock", until=moments),
)  # fmt: skip


def read(told: Json, name: str) -> Command | None:
    try:
        return LEDGER_COMMAND.validate_json(json.dumps(told | {"idempotency_key": name}))
    except ValidationError:
        return None


@settings(max_examples=400, deadline=None)
@given(st.lists(st.tuples(commands, names), max_size=25))
def test_any_commands_are_answered_and_what_is_granted_is_covered(
    told: list[tuple[Json, str]],
) -> None:
    standing, again = Standing(DEFAULT_BOOK), Standing(DEFAULT_BOOK)
    for number, (each, name) in enumerate([*FUNDS, *told]):
        is_used = name in standing.holds or f"command:{name}" in standing.entries
        key = f"{name}.{number}" if is_used else name
        command = read(each, key)
        if command is None:
            continue
        at = NOON + timedelta(minutes=number)
        judged = judge(Asked(command, BOOK), standing, recorded_at=at)
        remark = judged.remark
        assert remark.outcome in (OutcomeKind.ACCEPTED, OutcomeKind.REFUSED)
        if remark.outcome is OutcomeKind.REFUSED:
            assert (judged.entries, judged.effects) == ((), ())
            assert remark.detail
            assert {"rule", "values", "way_out"} == (remark.decided or {}).keys()
        _is_covered(standing, at)
        # What is followed from its record leaves the books where deciding it left them.
        record = Recorded(
            remark.outcome,
            remark.reason,
            remark.detail,
            remark.reference,
            remark.decided,
            judged.entries,
        )
        followed(Asked(command, BOOK), again, record, recorded_at=at)
        assert (again.posted, again.holds, again.changes, again.closings) == (
            standing.posted,
            standing.holds,
            standing.changes,
            standing.closings,
        )


def _is_covered(standing: Standing, at: datetime) -> None:
    for name, posted in standing.posted.items():
        row = CHART.find(name[0])
        if row is None or not row.has_floor or bool(row.key) != bool(name[1]):
            continue
        own = posted if row.normal is Direction.DEBIT else -posted
        assert own >= standing.pending(name, at)
