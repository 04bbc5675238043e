"""A book that switches to accrual is told again what it lacks, and stands as if born on accrual."""

import asyncio
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest
from msgspec import structs

from services.ledger.shell.rebuilding.rebuild import rebuild_and_compare, rebuild_and_swap
from shared.contracts.books import BookMap
from shared.contracts.commands import Activate, Activated, TickClock
from shared.contracts.envelope import Envelope
from shared.contracts.schemas import type_of
from shared.contracts.topics import LEDGER_COMMANDS, STRIPE_EVENTS, STRIPE_OBJECTS
from shared.runtime.kafka import Publication, end_offsets
from tests.integration.test_cli_ledger import tallystick
from tests.integration.test_oracle import audited
from tests.support.ledger import LedgerRig, charge, event, polled
from tests.unit.ledger.invoicing import credit_note, invoice, line, payment
from tests.unit.ledger.telling import listed

pytestmark = pytest.mark.stack

Json = dict[str, Any]  # Any: JSON
DAY: Final = 86_400
# `main` begins on cash and switches; `born` is on accrual from its first message.
BOOKS: Final = 'books = [{name = "main"}, {name = "born", basis = "accrual"}]\n'
MIDNIGHT: Final = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
BEGAN: Final = int((MIDNIGHT - timedelta(days=120)).timestamp())
ORDERS: Final = (
    "send tell tick",
    "tell send tick",
    "tick send tell tick",
    "send tick tell tick",
)


def bill(number: int, status: str = "open", **fields: object) -> Json:
    """An invoice of a year, a hundred and twenty days ago."""
    served = line(
        36_500,
        id=f"il_{number}",
        invoice=f"in_{number}",
        period={"start": BEGAN, "end": BEGAN + 365 * DAY},
    )
    passed = {"finalized_at": BEGAN + 60}
    passed |= {"paid_at": BEGAN + DAY} if status == "paid" else {}
    passed |= {"voided_at": BEGAN + 90 * DAY} if status == "void" else {}
    told = invoice(served, status=status, id=f"in_{number}", livemode=False, created=BEGAN)
    return told | {"status_transitions": passed} | fields


def paid(number: int) -> Json:
    """The same, paid by a payment intent."""
    part = payment(
        36_500,
        id=f"inpay_{number}",
        invoice=f"in_{number}",
        livemode=False,
        payment={"type": "payment_intent", "payment_intent": f"pi_{number}"},
    )
    return bill(number, "paid", payments=listed(part))


def money(number: int) -> Json:
    return charge(f"ch_{number}", 36_500, payment_intent=f"pi_{number}")


def taken_back() -> Json:
    """A credit note that takes back a part of the third one's line."""
    lines = [{"id": "cnli_1", "invoice_line_item": "il_3", "amount": 6_500}]
    return credit_note(
        6_500, invoice="in_3", livemode=False, created=BEGAN + 40 * DAY, lines=listed(*lines)
    )


# What Stripe told before the switch: of one the event alone, of another the poll, of one both.
BEFORE: Final = (
    event("evt_1", bill(1), "invoice.finalized"),
    event("evt_2", money(1)),
    event("evt_3", paid(1), "invoice.paid"),
    polled(bill(2)),
    event("evt_4", bill(3), "invoice.finalized"),
    polled(bill(3)),
    polled(taken_back()),
    event("evt_5", bill(4), "invoice.finalized"),
)
# And after it: a delivery that came before, the same by another event, payments, a void.
AFTER: Final = (
    event("evt_3", paid(1), "invoice.paid"),
    polled(paid(1)),
    event("evt_6", money(2)),
    event("evt_7", paid(2), "invoice.paid"),
    polled(paid(2)),
    event("evt_8", bill(4, "void"), "invoice.voided"),
)


def of_both(*told: Publication) -> list[Publication]:
    """The same messages for either book."""
    return [of_book(each, book) for each in told for book in ("main", "born")]


def of_book(told: Publication, book: str) -> Publication:
    assert told.envelope is not None
    named = structs.replace(told.envelope, extensions={**told.envelope.extensions, "book": book})
    return Publication(told.topic, told.key, named)


def asked(command: Activate | TickClock) -> Publication:
    envelope = Envelope(
        id=f"cmd_{command.idempotency_key}",
        source="test",
        type=type_of(type(command)),
        time=datetime.now(UTC),
        data=command.model_dump_json().encode(),
        extensions={"book": command.book},
    )
    return Publication(
        LEDGER_COMMANDS, f"{command.book}|{command.idempotency_key}".encode(), envelope
    )


def accrual() -> Publication:
    return asked(Activate(idempotency_key="a", book="main", what=Activated.BASIS, value="accrual"))


def tick(days_ago: int) -> list[Publication]:
    until = MIDNIGHT - timedelta(days=days_ago)
    return [
        asked(TickClock(idempotency_key=f"{book}-{days_ago}", book=book, until=until))
        for book in ("main", "born")
    ]


async def standing(rig: LedgerRig, book: str) -> Mapping[tuple[str, str], int]:
    """What stands on each account under each key."""
    rows = await rig.fetch(
        "select account, key, sum(case direction when 'debit' then minor else -minor end) as net"
        " from ledger_read.postings where book = $1 group by account, key",
        book,
    )
    return {(row["account"], row["key"]): int(row["net"]) for row in rows if row["net"]}


async def corrections(rig: LedgerRig, folder: Path, file: Path) -> str:
    """Write what corrects `main`; gives what was said of it."""
    supposed = ("what-if", "--basis", "accrual", "--write-corrections", str(file))
    done = await tallystick(rig, folder, *supposed)
    assert done.returncode == 0, done.stderr
    return done.stderr + done.stdout


async def sent(rig: LedgerRig, folder: Path, file: Path, *options: str) -> str:
    done = await tallystick(rig, folder, "book", "send", str(file), *options)
    assert done.returncode == 0, done.stderr
    await rig.caught_up()
    return done.stdout


@pytest.mark.parametrize("order", ORDERS)
async def test_book_that_switches_stands_as_one_that_was_born_on_accrual(
    rig: LedgerRig, tmp_path: Path, order: str
) -> None:
    books, file = tmp_path / "books.toml", tmp_path / "corrections.jsonl"
    books.write_text(BOOKS, encoding="utf-8")
    async with rig.ledger(books_file=books):
        await rig.publish(*of_both(*BEFORE))
        await rig.caught_up()
        await rig.publish(*tick(60), accrual())
        await rig.caught_up()
        said = await corrections(rig, tmp_path, file)
        assert "10 facts that the books lack are told again" in said
        assert "invoice           4  1460.00 USD" in said
        days_ago = 10
        for step in order.split():
            match step:
                case "send":
                    await sent(rig, tmp_path, file)
                case "tell":
                    await rig.publish(*of_both(*AFTER))
                case _:
                    await rig.publish(*tick(days_ago))
                    days_ago -= 10
            await rig.caught_up()
        main = await standing(rig, "main")
        assert main == await standing(rig, "born")
        # Of 365 days a hundred and twenty, or ten fewer, are served; of the second all are owed.
        assert main["liabilities:unearned", "il_2"] == -36_500 + 100 * (120 - days_ago - 10)
        await nothing_is_left(rig, tmp_path, file)
        await rebuilt_alike(rig)


async def nothing_is_left(rig: LedgerRig, folder: Path, file: Path) -> None:
    """The same file sent again, and written again, changes nothing."""
    before = await standing(rig, "main")
    ends = await end_offsets(rig.bootstrap, (STRIPE_EVENTS, STRIPE_OBJECTS, LEDGER_COMMANDS))
    assert await sent(rig, folder, file) == ("10 facts to be told again: all of them are booked\n")
    said = await corrections(rig, folder, file)
    assert "no balance would differ" in said
    assert "0 commands in" in said
    assert file.stat().st_size == 0  # noqa: ASYNC240  # one look at a local file
    assert await standing(rig, "main") == before
    assert ends == await end_offsets(
        rig.bootstrap, (STRIPE_EVENTS, STRIPE_OBJECTS, LEDGER_COMMANDS)
    )


async def rebuilt_alike(rig: LedgerRig) -> None:
    """The oracle finds nothing, and a rebuild that takes the journal's place says the same."""
    code, report = await audited(rig)
    assert (code, report["undecided"], report["differences"]) == (0, "", [])
    swapped = await rebuild_and_swap(rig.settings().kafka, rig.dsn, BookMap())
    assert swapped.comparison.differences == ()
    assert swapped.kept
    compared, _ = await rebuild_and_compare(rig.settings().kafka, rig.dsn, BookMap())
    assert compared.differences == ()


async def test_messages_told_twice_at_once_book_each_fact_once_and_a_lost_database_says_the_same(
    rig: LedgerRig, tmp_path: Path
) -> None:
    file = tmp_path / "corrections.jsonl"
    inputs = (STRIPE_EVENTS, STRIPE_OBJECTS)
    async with rig.ledger():
        await rig.publish(*(of_book(each, "main") for each in BEFORE), accrual())
        await rig.caught_up()
        await corrections(rig, tmp_path, file)
        lines = [json.loads(text) for text in file.read_text("utf-8").splitlines()]
        assert {each["kind"] for each in lines} == {"tell_again"}
        told_by = {each["message"] for each in lines}
        assert await sent(rig, tmp_path, file, "--dry-run") == shown_of(told_by)
        ends = await end_offsets(rig.bootstrap, inputs)
        assert sum(ends.values()) == len(BEFORE)
        await asyncio.gather(*(sent(rig, tmp_path, file) for _ in range(2)))
        told = sum((await end_offsets(rig.bootstrap, inputs)).values()) - len(BEFORE)
        assert len(told_by) <= told <= 2 * len(told_by)
        assert await rig.value("select count(*) from ledger_read.entries") == 11
        await rig.publish(*tick(0)[:1])
        await rig.caught_up()
        before = await standing(rig, "main")
    await rig.fetch("drop schema ledger_read cascade")
    await rig.fetch("drop schema ledger cascade")
    async with rig.ledger():
        await rig.caught_up()
        assert await standing(rig, "main") == before
        await rebuilt_alike(rig)


def shown_of(messages: set[str]) -> str:
    """What a dry run says."""
    return f"""\
{len(messages)} messages tell 10 facts again
  credit_note       1    65.00 USD
  invoice           4  1460.00 USD
  invoice_paid      1   365.00 USD
  revenue_deferred  4  1460.00 USD
"""


async def test_delivery_that_stripe_repeats_after_the_switch_books_nothing_until_it_is_told_again(
    rig: LedgerRig, tmp_path: Path
) -> None:
    file = tmp_path / "corrections.jsonl"
    once = of_book(event("evt_1", bill(1), "invoice.finalized"), "main")
    async with rig.ledger():
        await rig.publish(once, of_book(event("evt_2", money(2)), "main"), accrual())
        await rig.caught_up()
        await rig.publish(once)
        await rig.caught_up()
        assert ("assets:receivable", "in_1") not in await standing(rig, "main")
        await rebuilt_alike(rig)
        await corrections(rig, tmp_path, file)
        await sent(rig, tmp_path, file)
        assert (await standing(rig, "main"))["assets:receivable", "in_1"] == 36_500
        await rebuilt_alike(rig)


async def test_what_was_corrected_by_hand_too_early_is_taken_back_when_it_is_told_again(
    rig: LedgerRig, tmp_path: Path
) -> None:
    books, file = tmp_path / "books.toml", tmp_path / "corrections.jsonl"
    books.write_text(BOOKS, encoding="utf-8")
    async with rig.ledger(books_file=books):
        await rig.publish(*of_both(*BEFORE), *tick(60))
        await rig.caught_up()
        said = await corrections(rig, tmp_path, file)
        assert "stand by hand, since what is supposed is not in force now" in said
        await sent(rig, tmp_path, file)
        # By hand, what a tick has released since is on the books as well.
        assert (await standing(rig, "main")) == (await standing(rig, "born"))
        await rig.publish(accrual())
        await rig.caught_up()
        said = await corrections(rig, tmp_path, file)
        assert "10 facts that the books lack are told again" in said
        assert "10 commands in" in said
        shown = await sent(rig, tmp_path, file)
        assert "10 accepted\n10 facts booked\n" in shown
        await rig.publish(*of_both(*AFTER), *tick(0))
        await rig.caught_up()
        assert (await standing(rig, "main")) == (await standing(rig, "born"))
        said = await corrections(rig, tmp_path, file)
        assert file.read_text("utf-8") == ""
        await rebuilt_alike(rig)


async def test_message_that_is_gone_or_books_something_else_now_is_refused_and_nothing_is_sent(
    rig: LedgerRig, tmp_path: Path
) -> None:
    file = tmp_path / "corrections.jsonl"
    async with rig.ledger():
        await rig.publish(of_book(polled(bill(1)), "main"), accrual())
        await rig.caught_up()
        await corrections(rig, tmp_path, file)
        right = file.read_text("utf-8")
        first = json.loads(right.splitlines()[0])

        async def refused(**changes: object) -> str:
            file.write_text(json.dumps(first | changes), encoding="utf-8")
            done = await tallystick(rig, tmp_path, "book", "send", str(file))
            assert done.returncode in (2, 4)
            return done.stderr

        assert "no longer on the broker: stripe.objects/0@999" in await refused(
            message="stripe.objects/0@999"
        )
        assert "is no message of Stripe or a bank" in await refused(
            message="reconciliation.matches/0@1"
        )
        assert "books otherwise stripe:invoice:in_1" in await refused(digest="00")
        assert "does not book stripe:invoice:in_2" in await refused(reference="stripe:invoice:in_2")
        assert "Line 1 of" in await refused(amounts=None)
        cash = Activate(idempotency_key="b", book="main", what=Activated.BASIS, value="cash")
        await rig.publish(asked(cash))
        await rig.caught_up()
        file.write_text(right, encoding="utf-8")
        done = await tallystick(rig, tmp_path, "book", "send", str(file))
        assert done.returncode == 4
        assert "what is in force now does not book stripe:invoice:in_1" in done.stderr
        assert await rig.value("select count(*) from ledger_read.entries") == 0
        ends = await end_offsets(rig.bootstrap, (STRIPE_OBJECTS,))
        assert sum(ends.values()) == 1


async def test_closed_period_stays_as_it_was_and_what_is_told_again_is_reported_after_it(
    rig: LedgerRig, tmp_path: Path
) -> None:
    file = tmp_path / "corrections.jsonl"
    through = f"{MIDNIGHT - timedelta(days=31):%Y-%m-%d}"
    asked_for = ("report", "trial-balance", "--as-of", through, "--format", "json")
    async with rig.ledger():
        await rig.publish(
            of_book(event("evt_0", charge("ch_0", created=BEGAN)), "main"),
            *(of_book(polled(bill(number)), "main") for number in (1, 2)),
            accrual(),
        )
        await rig.caught_up()
        closed = await tallystick(rig, tmp_path, "period", "close", "--through", through)
        assert closed.returncode == 0, closed.stderr
        before = await tallystick(rig, tmp_path, *asked_for)
        await corrections(rig, tmp_path, file)
        await sent(rig, tmp_path, file)
        await rig.publish(*tick(0)[:1])
        await rig.caught_up()
        after = await tallystick(rig, tmp_path, *asked_for)
        assert figures(before.stdout) == figures(after.stdout)
        late = await rig.fetch("select count(*) from ledger_read.late_entries")
        assert late[0][0] == 4
        main = await standing(rig, "main")
        assert main["liabilities:unearned", "il_2"] == -24_500
        await rebuilt_alike(rig)


def figures(statement: str) -> list[Json]:
    """A statement's rows, without when it was asked for."""
    found: list[Json] = json.loads(statement)["statements"]
    assert found
    return found
