"""The command itself, as a process: reports, mistakes, exit codes."""

import json
import subprocess
import sys
from pathlib import Path
from typing import cast

import pytest
from jsonschema import Draft202012Validator, validate

from tests.unit.ledger.telling import Json, charge, event, moved, transfer, txn

ROOT = Path(__file__).parents[3]
SCHEMA = cast("Json", json.loads((ROOT / "docs" / "reference" / "preview.schema.json").read_text()))


def run(*arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tallystick", "preview", *arguments],
        cwd=ROOT, input=stdin, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def report(*arguments: str, stdin: str = "") -> Json:
    done = run(*arguments, "--json", stdin=stdin)
    assert done.returncode == 0, done.stderr
    found = cast("Json", json.loads(done.stdout))
    of_schema(found, "report")
    return found


def of_schema(value: object, name: str) -> None:
    # The root allows a line or a report; here it is to be the one that is named.
    schema = {word: part for word, part in SCHEMA.items() if word != "anyOf"}
    validate(value, schema | {"$ref": f"#/$defs/{name}"}, cls=Draft202012Validator)


def rows(found: Json, name: str) -> list[Json]:
    return cast("list[Json]", found[name])


def balances(found: Json) -> dict[tuple[str, str, str], int]:
    return {
        (str(b["account"]), str(b["key"]), str(b["currency"])): int(str(b["minor"]))
        for b in rows(found, "balances")
    }


def text_of(*lines: Json) -> str:
    return "".join(json.dumps(line) + "\n" for line in lines)


SALE: Json = {"topic": "stripe.events", "value": event("charge.succeeded", charge())}
SETTLED: Json = {"topic": "stripe.objects", "value": txn()}
LINE: Json = {
    "topic": "bank.observations",
    "received_at": "2026-11-01T06:00:00Z",
    "value": {
        "kind": "line",
        "account": "main",
        "id": "l_1",
        "amount": {"minor": "-1200", "currency": "usd", "exponent": 2},
        "booked_on": "2026-10-31",
        "description": "FEE",
        "reference": "",
    },
}
MANUAL: Json = {
    "topic": "ledger.commands",
    "value": {
        "kind": "manual_entry",
        "idempotency_key": "key_1",
        "effective_at": "2026-10-31T00:00:00Z",
        "postings": [
            {
                "account": account,
                "side": side,
                "amount": {"minor": "100", "currency": "usd", "exponent": 2},
            }
            for account, side in (("expenses:compute", "debit"), ("assets:bank:main", "credit"))
        ],
    },
}
BOOKS = {
    ("assets:stripe:balance", "", "usd"): 9_680,
    ("expenses:stripe-fees", "", "usd"): 320,
    ("revenue:stripe", "", "usd"): -10_000,
}


def test_preview_reads_standard_input_and_tells_the_books() -> None:
    found = report("-", stdin=text_of(SALE, SETTLED))
    assert balances(found) == BOOKS
    assert found["discrepancies"] == []
    assert found["refused"] == []
    assert found["mode"] == "live"


def test_preview_reads_several_files_as_one(tmp_path: Path) -> None:
    one, other = tmp_path / "one.jsonl", tmp_path / "other.jsonl"
    one.write_text(text_of(SALE))
    other.write_text(text_of(SETTLED))
    assert balances(report(str(one), str(other))) == BOOKS
    assert report(str(one), str(other)) == report(str(other), str(one))


def test_preview_of_every_kind_of_line_follows_its_schema() -> None:
    lines = (SALE, SETTLED, LINE, MANUAL)
    for line in lines:
        of_schema(line, "line")
    found = report("-", stdin=text_of(*lines))
    assert balances(found)["assets:bank:main", "", "usd"] == -1_300
    assert [(d["kind"], d["subject"]) for d in rows(found, "discrepancies")] == [
        ("unidentified_bank_debit", "l_1")
    ]


def test_preview_goes_on_behind_a_line_that_cannot_be_read() -> None:
    found = report("-", stdin="what\n" + text_of(SALE) + '{"topic": "x"}\n' + text_of(SETTLED))
    assert balances(found) == BOOKS
    assert len(rows(found, "refused")) == 2


def test_preview_of_nothing_is_an_empty_report() -> None:
    found = report("-")
    assert (found["entries"], found["balances"], found["refused"]) == ([], [], [])


def test_preview_keeps_the_first_of_two_events_that_contradict_each_other() -> None:
    other: Json = {"topic": "stripe.events", "value": event("x", charge(id="ch_2"))}
    first = report("-", stdin=text_of(SALE, other, SETTLED))
    assert balances(first) == BOOKS
    assert [(d["kind"], d["subject"]) for d in rows(first, "discrepancies")] == [
        ("event_conflict", "evt_1")
    ]


def test_preview_keeps_the_first_of_two_tellings_with_other_money() -> None:
    value = event("x", charge(amount_captured=12_500), id="evt_2")
    more: Json = {"topic": "stripe.events", "value": value}
    found = report("-", stdin=text_of(SALE, more, SETTLED))
    assert balances(found) == BOOKS
    (conflict,) = rows(found, "discrepancies")
    assert (conflict["kind"], conflict["subject"]) == ("reference_conflict", "ch_1")
    assert conflict["amount"] == {"minor": "2500", "currency": "usd", "exponent": 2}


def test_preview_leaves_connected_accounts_out_unless_they_are_named_as_ours() -> None:
    value = event("x", charge(id="ch_2"), id="evt_2", account="acct_2")
    foreign: Json = {"topic": "stripe.events", "value": value}
    polled: Json = {"topic": "stripe.objects", "value": txn(id="txn_2"), "account": "acct_2"}
    lines = text_of(SALE, SETTLED, foreign, polled)
    assert balances(report("-", stdin=lines)) == BOOKS
    assert balances(report("-", "--account", "acct_1", stdin=lines)) == BOOKS
    ours = balances(report("-", "--account", "acct_1", "--account", "acct_2", stdin=lines))
    assert ours["revenue:stripe", "", "usd"] == -20_000


def of_account(account: str, charge_id: str = "ch_2", event_id: str = "evt_2") -> Json:
    shown = charge(id=charge_id)
    return {"topic": "stripe.events", "value": event("x", shown, id=event_id, account=account)}


def test_preview_says_whose_lines_it_left_out_and_how_to_take_them() -> None:
    polled: Json = {"topic": "stripe.objects", "value": txn(id="txn_2"), "account": "acct_2"}
    lines = text_of(SALE, of_account("acct_2"), polled, of_account("acct_3", "ch_3", "evt_3"))
    for options in ((), ("--json",)):
        done = run("-", *options, stdin=lines)
        assert done.returncode == 0
        assert done.stderr == (
            "2 lines are of acct_2, which is not in the book map and so is not booked:"
            " if it is yours, give --account acct_2\n"
            "1 line is of acct_3, which is not in the book map and so is not booked:"
            " if it is yours, give --account acct_3\n"
        )
    assert json.loads(run("-", "--json", stdin=lines).stdout)["mode"] == "live"


def test_preview_says_nothing_of_accounts_that_are_ours() -> None:
    lines = text_of(SALE, of_account("acct_2"))
    assert run("-", "--account", "acct_2", stdin=lines).stderr == ""
    assert run("-", stdin=text_of(SALE, SETTLED, LINE)).stderr == ""


def test_preview_names_a_few_of_many_foreign_accounts_and_no_terminal_codes() -> None:
    many = [of_account(f"acct_{n}", f"ch_{n}", f"evt_{n}") for n in range(8)]
    said = run("-", stdin=text_of(of_account("\x1b[2J", "ch_x", "evt_x"), *many)).stderr
    assert len(said.splitlines()) == 6
    assert said.splitlines()[-1].startswith("4 lines are of 4 further accounts")
    assert "\x1b" not in said


@pytest.mark.parametrize("options", [(), ("--mode", "live")])
def test_preview_refuses_the_other_mode(options: tuple[str, ...]) -> None:
    shown = charge(id="ch_2", livemode=False)
    other: Json = {
        "topic": "stripe.events",
        "value": event("x", shown, id="evt_2", livemode=False),
    }
    found = report("-", *options, stdin=text_of(SALE, SETTLED, other))
    assert balances(found) == BOOKS
    assert [(d["kind"], d["subject"]) for d in rows(found, "discrepancies")] == [
        ("mode_mismatch", "evt_2")
    ]


def test_preview_of_test_mode_takes_test_books() -> None:
    shown = charge(livemode=False)
    line: Json = {"topic": "stripe.events", "value": event("x", shown, livemode=False)}
    found = report("-", stdin=text_of(line))
    assert found["mode"] == "test"
    assert len(rows(found, "entries")) == 1


@pytest.mark.parametrize(
    ("as_of", "kinds"), [("1793200000", []), ("2026-11-20T00:00:00Z", ["clearing_overdue"])]
)
def test_preview_clock_decides_what_is_overdue(as_of: str, kinds: list[str]) -> None:
    found = report("-", "--as-of", as_of, stdin=text_of(SALE))
    assert [d["kind"] for d in rows(found, "discrepancies")] == kinds


def test_preview_with_a_config_knows_the_book(tmp_path: Path) -> None:
    config = tmp_path / "books.toml"
    config.write_text('name = "acme"\nmode = "test"\nstripe_accounts = ["acct_1"]\n')
    found = report("-", "--config", str(config), stdin=text_of(SALE))
    assert found["entries"] == []
    assert [d["kind"] for d in rows(found, "discrepancies")] == ["mode_mismatch"]


def test_preview_of_two_books_names_the_book_of_each_row() -> None:
    found = report("-", stdin=text_of(SALE | {"book": "a"}, SALE | {"book": "b"}))
    assert sorted(str(b["book"]) for b in rows(found, "balances")) == ["a", "a", "b", "b"]
    assert all("book" not in b for b in rows(report("-", stdin=text_of(SALE)), "balances"))


def test_preview_says_what_a_command_broke() -> None:
    nothing: list[Json] = []
    value = cast("Json", MANUAL["value"]) | {"postings": nothing}
    found = report("-", stdin=text_of({"topic": "ledger.commands", "value": value}))
    (refused,) = rows(found, "refused")
    assert refused["id"] == "key_1"
    assert "two or more postings" in str(refused["reason"])


def test_preview_refuses_a_payout_that_only_the_reconciler_cannot_read() -> None:
    payout: Json = {
        "id": "po_1",
        "object": "payout",
        "amount": 100,
        "currency": "usd",
        "status": "paid",
    }
    found = report("-", stdin=text_of({"topic": "stripe.objects", "value": payout}))
    (refused,) = rows(found, "refused")
    assert (refused["topic"], refused["id"]) == ("stripe.objects", "po_1")
    found = report(
        "-", stdin=text_of({"topic": "stripe.objects", "value": payout | {"amount": 1.5}})
    )
    assert found["refused"] == []
    assert [(d["kind"], d["subject"]) for d in rows(found, "discrepancies")] == [
        ("invalid_amount", "po_1")
    ]


def test_preview_shows_amounts_past_a_bigint_exactly() -> None:
    lines: list[Json] = [
        {"topic": "stripe.objects", "value": moved("charge", 2**70, 2**65)},
        {"topic": "stripe.objects", "value": transfer(amount=2**70)},
    ]
    found = balances(report("-", stdin=text_of(*lines)))
    assert found["assets:stripe:balance", "", "usd"] == 2**70 - 2**65
    assert found["liabilities:connect", "acct_m", "usd"] == 2**70


def test_preview_for_people_writes_as_a_bookkeeper() -> None:
    done = run("-", stdin=text_of(SALE, SETTLED, LINE) + "what\n")
    assert done.returncode == 0
    assert "Cr assets:stripe:settling[ch_1]  100.00 USD" in done.stdout
    assert "unidentified_bank_debit  l_1  12.00 USD" in done.stdout
    assert "Cr assets:bank:main           12.00 USD" in done.stdout
    assert "3 entries, 0 matches, 1 discrepancy, 1 refused" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["nowhere.jsonl"], "nowhere.jsonl cannot be read"),
        (["-", "--as-of", "soon"], "'soon' is not a time"),
        (["-", "--mode", "sandbox"], "--mode live or --mode test"),
        (["-", "--config", "nowhere.toml"], "nowhere.toml cannot be read"),
        (["-", "--colour"], "--colour"),
        ([], "FILE"),
    ],
)
def test_mistake_in_the_command_says_what_to_do_and_ends_with_2(
    arguments: list[str], part: str
) -> None:
    done = run(*arguments)
    assert done.returncode == 2
    assert part in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_config_that_is_not_right_ends_with_2(tmp_path: Path) -> None:
    (tmp_path / "books.toml").write_text('mode = "sandbox"')
    done = run("-", "--config", str(tmp_path / "books.toml"))
    assert done.returncode == 2
    assert "mode" in done.stderr


@pytest.mark.parametrize(
    "named",
    [
        {"account": "acct_other"},
        {"context": "acct_other"},
        {"context": "acct_1/acct_other"},
        {"account": "acct_other", "livemode": False},
    ],
)
def test_preview_books_nothing_of_a_connected_account_and_finds_nothing_wrong_with_it(
    named: Json,
) -> None:
    shown = charge(id="ch_2", livemode=named.get("livemode", True))
    other: Json = {"topic": "stripe.events", "value": event("x", shown, id="evt_2") | named}
    found = report("-", "--account", "acct_1", stdin=text_of(SALE, SETTLED, other))
    assert balances(found) == BOOKS
    assert rows(found, "discrepancies") == []
    assert rows(found, "refused") == []


def test_preview_knows_a_thin_event_and_books_nothing_of_it() -> None:
    thin: Json = {
        "id": "evt_thin",
        "object": "v2.core.event",
        "type": "v1.charge.succeeded",
        "created": "2026-10-26T00:00:00Z",
        "livemode": True,
        "context": None,
        "related_object": {"id": "ch_1", "type": "charge", "url": "/v1/charges/ch_1"},
    }
    found = report("-", stdin=text_of(SALE, {"topic": "stripe.events", "value": thin}, SETTLED))
    assert balances(found) == BOOKS
    assert rows(found, "discrepancies") == []
    assert rows(found, "refused") == []
