"""The tester tested: each fault that is planted in the books or in the topics must be reported."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from oracle.compare import compare
from oracle.journal import Books, KeyedPlace, Place, Totals
from oracle.report import Verdict
from oracle.truth import TrueBalance, Truth
from oracle.values import Leg, Model, Name, Position
from tests.unit.oracle.world import (
    CHARGE,
    WORLD,
    books_of,
    event,
    model,
    named,
    rechained,
    records,
    with_legs,
)

PAYMENT = "stripe:payment:ch_1"
REFUND = "stripe:refund:re_1"
BALANCE = Place("main", "assets:stripe:balance", "usd")
MODEL = model()
HONEST = books_of(MODEL)


def changed(books: Books, reference: str, change: Callable[[Leg], Leg]) -> Books:
    return with_legs(books, reference, map(change, named(books, reference).legs))


def without(books: Books, reference: str) -> Books:
    kept = tuple(e for e in books.entries if e.name.reference != reference)
    return rechained(replace(books, entries=kept))


def with_entry(books: Books, **other: object) -> Books:
    copy = replace(named(books, PAYMENT), **other)  # type: ignore[arg-type]  # planted
    return rechained(replace(books, entries=(*books.entries, copy)))


def edited(books: Books, reference: str, **other: object) -> Books:
    """One entry changed, nothing made to fit: what an UPDATE by hand leaves behind."""
    return replace(
        books,
        entries=tuple(
            replace(e, **other) if e.name.reference == reference else e  # type: ignore[arg-type]  # planted
            for e in books.entries
        ),
    )


FAULTS: dict[str, tuple[Books, str]] = {
    "an entry dropped": (without(HONEST, PAYMENT), "missing"),
    "an entry that nobody told": (
        with_entry(HONEST, name=Name("main", "stripe:payment:ch_ghost")),
        "extra",
    ),
    "an entry in another book": (
        edited(HONEST, PAYMENT, name=Name("other", PAYMENT)),
        "missing",
    ),
    "a fact booked twice": (with_entry(HONEST), "booked_twice"),
    "a leg doubled on both sides": (
        with_legs(HONEST, PAYMENT, named(HONEST, PAYMENT).legs * 2),
        "legs_differ",
    ),
    "a leg doubled on one side": (
        with_legs(HONEST, PAYMENT, [*named(HONEST, PAYMENT).legs, named(HONEST, PAYMENT).legs[0]]),
        "unbalanced",
    ),
    "legs that cancel out added": (
        with_legs(
            HONEST,
            PAYMENT,
            [
                *named(HONEST, PAYMENT).legs,
                Leg("equity:owner", "", "usd", 5),
                Leg("equity:owner", "", "usd", -5),
            ],
        ),
        "legs_differ",
    ),
    "accounts swapped": (
        changed(HONEST, PAYMENT, lambda leg: leg._replace(minor=-leg.minor)),
        "legs_differ",
    ),
    "off by one cent on both sides": (
        changed(HONEST, PAYMENT, lambda leg: leg._replace(minor=leg.minor + (1 if leg.minor > 0 else -1))),
        "legs_differ",
    ),
    "a wrong currency": (
        changed(HONEST, PAYMENT, lambda leg: leg._replace(currency="eur")),
        "legs_differ",
    ),
    "a refund with its sign turned": (
        changed(HONEST, REFUND, lambda leg: leg._replace(minor=-leg.minor)),
        "legs_differ",
    ),
    "a wrong key": (
        changed(HONEST, PAYMENT, lambda leg: leg._replace(key="ch_2") if leg.key else leg),
        "legs_differ",
    ),
    "a key left out": (changed(HONEST, PAYMENT, lambda leg: leg._replace(key="")), "legs_differ"),
    "another account of the same root": (
        changed(HONEST, PAYMENT, lambda leg: leg._replace(account=leg.account.replace("revenue:stripe", "revenue:chain"))),
        "legs_differ",
    ),
    "the fee booked into the balance": (
        changed(HONEST, "stripe:balance_transaction:txn_1", lambda leg: leg._replace(account="assets:stripe:balance") if leg.account.startswith("expenses") else leg),
        "legs_differ",
    ),
    "a stale cached balance": (
        replace(HONEST, balances={**HONEST.balances, BALANCE: HONEST.balances[BALANCE] - 1}),
        "cached_balance_differs",
    ),
    "a cached balance lost": (
        replace(HONEST, balances={p: m for p, m in HONEST.balances.items() if p != BALANCE}),
        "cached_balance_differs",
    ),
    "a cached balance of nobody": (
        replace(HONEST, balances={**HONEST.balances, Place("main", "equity:owner", "jpy"): 1}),
        "cached_balance_differs",
    ),
    "an open item lost": (replace(HONEST, open_items={}), "open_item_differs"),
    "an open item that is closed": (
        replace(
            HONEST,
            open_items={
                **HONEST.open_items,
                KeyedPlace("main", "assets:stripe:settling", "ch_1", "usd"): 10_000,
            },
        ),
        "open_item_differs",
    ),
    "a trial balance with a wrong net": (
        replace(HONEST, trial_balance={**HONEST.trial_balance, BALANCE: Totals(0, 0, 0)}),
        "trial_balance_differs",
    ),
    "an event id forgotten": (
        replace(HONEST, events={k: v for k, v in (HONEST.events or {}).items() if k[1] != "evt_1"}),
        "event_missing",
    ),
    "an event id that never came": (
        replace(
            HONEST,
            events={**(HONEST.events or {}), ("main", "evt_9"): Position("stripe.events", 0, 0)},
        ),
        "event_extra",
    ),
    "a message skipped in silence": (replace(HONEST, parked=frozenset()), "skipped_in_silence"),
    "a gap in a sequence": (edited(HONEST, REFUND, sequence=9), "sequence_gap"),
    "a link of the chain changed": (edited(HONEST, REFUND, chain="00" * 32), "chain_broken"),
    "a recorded time changed": (
        edited(HONEST, REFUND, recorded_at="2026-11-02T00:00:00Z"),
        "chain_broken",
    ),
    "a digest changed": (edited(HONEST, REFUND, digest="00" * 32), "digest_differs"),
    "an entry from a later telling": (
        rechained(edited(HONEST, PAYMENT, caused_by=Position("stripe.events", 0, 2))),
        "not_the_first_telling",
    ),
    "an entry with the id of another message": (
        rechained(edited(HONEST, PAYMENT, message_id="evt_2")),
        "message_differs",
    ),
    "an entry past the position": (
        replace(HONEST, positions={**HONEST.positions, ("ledger.commands", 0): 0}),
        "position_behind",
    ),
    "an entry not published": (replace(HONEST, published=HONEST.published[1:]), "not_published"),
    "an entry published otherwise": (
        replace(
            HONEST,
            published=tuple(replace(e, message_id="evt_x") for e in HONEST.published),
        ),
        "published_differs",
    ),
    "an entry published and not booked": (
        replace(without(HONEST, REFUND), published=HONEST.published),
        "published_differs",
    ),
    "a journal's tail cut off": (
        replace(HONEST, entries=tuple(e for e in HONEST.entries if e.name.reference != "command:k_1")),
        "published_not_booked",
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_oracle_with_a_planted_fault_reports_it(fault: str) -> None:
    books, kind = FAULTS[fault]
    report = compare(MODEL, books)
    assert report.verdict is Verdict.DIFFERENT
    assert kind in {difference.kind for difference in report.differences}


def test_oracle_of_honest_books_finds_them_equal() -> None:
    report = compare(MODEL, HONEST)
    assert report.differences == ()
    assert report.verdict is Verdict.EQUAL
    assert report.compared["entries"] == 12
    assert report.compared["records"] == len(WORLD)


@pytest.mark.parametrize("dropped", range(len(WORLD)))
def test_oracle_with_a_record_dropped_reports_it_where_only_that_record_told_something(
    dropped: int,
) -> None:
    told = [record for number, record in enumerate(WORLD) if number != dropped]
    report = compare(model(told), HONEST)
    tells_nothing_alone = dropped in {1, 6, 7}  # evt_1 again, the bytes that are no JSON, the poll
    assert (report.verdict is Verdict.EQUAL) == tells_nothing_alone


def contradicted(*, noted: bool) -> tuple[Model, Books]:
    other = records("stripe.events", [*([b"-"] * 7), event("evt_8", "charge.updated", CHARGE | {"amount_captured": 9_000})])  # fmt: skip
    told = [*WORLD, other[-1]]
    read = model(told)
    books = books_of(read, told)
    if noted:
        books = replace(books, reference_conflicts=frozenset({Name("main", PAYMENT)}))
    return read, books


def test_oracle_with_a_contradiction_that_was_noted_accepts_the_first_telling() -> None:
    assert compare(*contradicted(noted=True)).verdict is Verdict.EQUAL


def test_oracle_with_a_contradiction_that_nobody_noted_reports_it() -> None:
    report = compare(*contradicted(noted=False))
    assert [d.kind for d in report.differences] == ["conflict_not_noted"]


def test_oracle_with_the_later_of_two_contradicting_tellings_booked_reports_it() -> None:
    read, books = contradicted(noted=True)
    later = books.entries[0].caused_by._replace(offset=7)
    nine = with_legs(books, PAYMENT, [
        leg._replace(minor=leg.minor // 10 * 9) for leg in named(books, PAYMENT).legs
    ])  # fmt: skip
    forged = rechained(edited(nine, PAYMENT, caused_by=later, message_id="evt_8"))
    assert "not_the_first_telling" in {d.kind for d in compare(read, forged).differences}


def refused_twice(*, judged: bool) -> tuple[Model, Books]:
    nonsense = event("evt_9", "charge.succeeded", CHARGE | {"id": "ch_9", "currency": "zzz"})
    again = nonsense | {"pending_webhooks": 2}
    other = records("stripe.events", [*([b"-"] * 7), nonsense, again])[7:]
    told = [*WORLD, *other]
    read = model(told)
    books = books_of(read, told)
    first = frozenset({other[0].position}) if judged else frozenset[Position]()
    return read, replace(books, refused=first)


def test_oracle_with_a_refused_event_told_twice_wants_one_judgement() -> None:
    assert compare(*refused_twice(judged=True)).differences == ()


def test_oracle_with_a_refused_event_that_nobody_judged_reports_each_telling() -> None:
    report = compare(*refused_twice(judged=False))
    assert [d.kind for d in report.differences] == ["skipped_in_silence"] * 2


def same_id_other_content(*, noted: bool) -> tuple[Model, Books]:
    other = records("stripe.events", [*([b"-"] * 7), event("evt_1", "charge.succeeded", CHARGE | {"id": "ch_2"})])  # fmt: skip
    told = [*WORLD, other[-1]]
    read = model(told)
    books = without(books_of(read, told), "stripe:payment:ch_2")
    if noted:
        books = replace(books, conflicts=frozenset({other[-1].position}))
    return read, books


def test_oracle_with_a_contradicting_event_that_was_noted_expects_nothing_of_it() -> None:
    assert compare(*same_id_other_content(noted=True)).differences == ()


def test_oracle_with_a_contradicting_event_that_nobody_noted_reports_it() -> None:
    report = compare(*same_id_other_content(noted=False))
    assert [d.kind for d in report.differences] == ["conflict_not_noted"]


def test_oracle_with_two_contradicting_events_of_which_one_was_noted_reports_the_other() -> None:
    customer = {"object": "customer", "id": "cus_1"}
    others = records(
        "stripe.events",
        [
            *([b"-"] * 7),
            *(event(name, "customer.updated", customer) for name in ("evt_1", "evt_2")),
        ],
    )[-2:]
    told = [*WORLD, *others]
    read = model(told)
    books = replace(books_of(read, told), conflicts=frozenset({others[0].position}))
    assert [(d.kind, d.subject) for d in compare(read, books).differences] == [
        ("conflict_not_noted", "evt_2")
    ]


def test_oracle_with_a_contradicting_event_booked_reports_it() -> None:
    read, books = same_id_other_content(noted=True)
    ghost = with_entry(
        books,
        name=Name("main", "stripe:payment:ch_2"),
        caused_by=Position("stripe.events", 0, 7),
    )
    assert "extra" in {d.kind for d in compare(read, ghost).differences}


def test_oracle_with_a_refused_command_expects_no_entry_only_when_the_refusal_is_recorded() -> None:
    absent = without(HONEST, "command:k_1")
    assert "missing" in {d.kind for d in compare(MODEL, absent).differences}
    refused = replace(absent, refused=frozenset({Position("ledger.commands", 0, 0)}))
    assert compare(MODEL, refused).differences == ()


def test_oracle_with_a_recorded_refusal_of_a_charge_still_expects_it() -> None:
    absent = without(HONEST, PAYMENT)
    refused = replace(absent, refused=frozenset({Position("stripe.events", 0, 0)}))
    assert "missing" in {d.kind for d in compare(MODEL, refused).differences}


def test_oracle_with_the_worlds_own_balance_off_by_one_reports_both_other_sides() -> None:
    held = HONEST.balances[BALANCE]
    right = Truth((TrueBalance("main", "assets:stripe:balance", None, "usd", held),))
    wrong = Truth((TrueBalance("main", "assets:stripe:balance", None, "usd", held + 1),))
    assert compare(MODEL, HONEST, right).differences == ()
    assert {d.kind for d in compare(MODEL, HONEST, wrong).differences} == {
        "truth_differs_from_model",
        "truth_differs_from_journal",
    }


def test_oracle_with_a_complete_truth_reports_the_accounts_that_it_does_not_name() -> None:
    held = HONEST.balances[BALANCE]
    row = TrueBalance("main", "assets:stripe:balance", None, "usd", held)
    report = compare(MODEL, HONEST, Truth((row,), is_complete=True))
    assert "main:revenue:stripe:usd" in {d.subject for d in report.differences}


def test_oracle_that_compared_nothing_does_not_decide() -> None:
    nothing = Books((), {}, {}, {}, {}, ())
    assert compare(Model(), nothing).verdict is Verdict.UNDECIDED
    assert compare(Model(), HONEST).verdict is Verdict.UNDECIDED
    assert compare(MODEL, nothing).verdict is Verdict.UNDECIDED


def test_oracle_with_entries_published_after_the_snapshot_finds_no_difference() -> None:
    later = replace(
        HONEST.published[-1],
        caused_by=HONEST.published[-1].caused_by._replace(offset=99),
        sequence=HONEST.published[-1].sequence + 1,
    )
    books = replace(HONEST, published=(*HONEST.published, later))
    kinds = {d.kind for d in compare(MODEL, books).differences}
    assert "published_not_booked" not in kinds
    assert kinds == {"chain_broken"}  # a copy is no successor: its link cannot fit


def test_oracle_with_records_repeated_on_the_entries_topic_finds_no_difference() -> None:
    books = replace(HONEST, published=(*HONEST.published, *HONEST.published[-3:]))
    assert compare(MODEL, books).differences == ()
