"""Point 5: payloads of Stripe's API versions from 2020 on make their books; what is new survives."""

import json
import re
import subprocess
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any  # columns of any kind

from shared.contracts.money import decimal_text
from shared.contracts.topics import STRIPE_EVENTS
from tests.contract.test_stripe_shapes import (
    FILES,
    FOLDER,
    LAST_BY,
    archived,
    name_of,
    with_unknown_fields,
    with_unknown_words,
)
from tests.walk.payloads import charge
from tests.walk.walking import Json, Walk

POINT = "5"
# Those that version 2 of the rules books otherwise stand beside as it does.
BY_THESE_RULES = [path for path in FILES if name_of(path) not in LAST_BY]
# What two messages tell together is no part of what one shape tells.
BY_TWO = ("bad_debt:", "assigned:")
# Ids of Stripe's; accounts keep theirs, since they say whose a thing is.
_ID = re.compile(
    r"(?<![A-Za-z0-9_])(?:ch|py|pi|in|il|re|pyr|txn|tr|trr|po|tu|dp|du|cn|inpay|fee|fr|cus|evt|sub"
    r"|cs_live)_(?=[a-z]*[A-Z0-9])[A-Za-z0-9]+(?![A-Za-z0-9_])"
)


def walk(w: Walk) -> None:
    """The golden archive, as it is and with what Stripe may add; then words of tomorrow."""
    _archive_is_whole(w)
    _read(w, "as it is", lambda value: value)
    _read(w, "with a field that nobody knows in every object", with_unknown_fields)
    _read(w, "with words that nobody knows in open lists", with_unknown_words)
    _of_tomorrow(w)


def _archive_is_whole(w: Walk) -> None:
    done = subprocess.run(
        ["sha256sum", "--check", "--quiet", "DIGESTS"],
        check=False,
        capture_output=True,
        text=True,
        cwd=FOLDER,
    )
    w.same(POINT, "no payload of the golden archive was changed or removed",
           (done.returncode, done.stdout), (0, ""),
           command="sha256sum --check --quiet DIGESTS")  # fmt: skip
    versions = sorted({path.name[:10] for path in FILES})
    w.holds(POINT, f"its {len(FILES)} payloads are of versions from 2020 on, and older ones",
            {"2020-03-02", "2020-08-27", "2022-11-15", "2024-06-20", "2025-03-31", "2026-10-28"}
            <= set(versions), versions, command="tests/contract/shapes")  # fmt: skip


def _book_of(payload: Json) -> str:
    """The book of the walk that is kept as the payload asks for."""
    wanted = payload.get("book", {})
    if wanted.get("basis") == "accrual":
        return "studio"
    return "shop" if wanted.get("sells_credits") else "attic"


def _of_its_own(payload: Json, number: str) -> Json:
    """The same of test mode, with ids that no other payload has, in its books too."""
    text = json.dumps(payload).replace('"livemode": true', '"livemode": false')
    told: Json = json.loads(_ID.sub(rf"\g<0>x{number}", text))
    return told


def _read(w: Walk, how: str, changed: Callable[[object], object]) -> None:
    payloads: dict[Path, Json] = {}
    messages: dict[Path, str] = {}
    for path in BY_THESE_RULES:
        payload = _of_its_own(archived(path), w.new("n")[-5:])
        payloads[path] = payload
        value: Any = changed(payload["value"])  # Any: JSON
        book = _book_of(payload)
        if payload["topic"] == STRIPE_EVENTS:
            answer = w.deliver(value, endpoint=book)
            messages[path] = value["id"] if answer.status_code == 200 else answer.text
        else:
            messages[path] = w.poll(value, book=book)[0]
    w.booked()
    booked, outcomes = _booked(w, messages.values()), _outcomes(w, messages.values())
    wrong: dict[str, list[str]] = {}
    for path, payload in payloads.items():
        told_by_it = booked.get(messages[path], {})
        found = {name: legs for name, legs in told_by_it.items() if not name.startswith(BY_TWO)}
        if found != _expected(payload["books"]):
            wrong.setdefault(path.parent.name, []).append(f"{path.name}: {found}")
        expected: list[list[str]] = payload["outcomes"]
        told = outcomes.get(messages[path], [])
        if sorted(told) != sorted(tuple(each) for each in expected):
            wrong.setdefault(path.parent.name, []).append(f"{path.name}: {told}")
    for kind in sorted({path.parent.name for path in BY_THESE_RULES}):
        count = sum(path.parent.name == kind for path in BY_THESE_RULES)
        w.holds(POINT, f"{count} shapes of {kind}, {how}, make the books that stand with them",
                kind not in wrong, wrong.get(kind, f"{count} of {count}"),
                command="webhooks to the door and records on stripe.objects")  # fmt: skip


def _expected(lines: Iterable[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    reference = ""
    for line in lines:
        if line.startswith(("Dr ", "Cr ")):
            found[reference].append(" ".join(line.split()))
        else:
            reference = line
            found[reference] = []
    return {name: sorted(legs) for name, legs in found.items()}


def _booked(w: Walk, messages: Iterable[str]) -> dict[str, dict[str, list[str]]]:
    """What each message booked, written as the archive writes it."""
    rows = w.sql(
        "select e.message_id, e.reference, p.direction, p.account, p.key, p.minor, p.currency,"
        " p.exponent from ledger_read.entries e join ledger_read.postings p"
        " on p.book = e.book and p.reference = e.reference where e.message_id = any($1)",
        list(messages),
    )
    found: dict[str, dict[str, list[str]]] = {}
    for row in rows:
        entry = found.setdefault(row["message_id"], {}).setdefault(row["reference"], [])
        entry.append(_line(row))
        entry.sort()
    return found


def _line(row: Mapping[str, Any]) -> str:  # Any: columns of any kind
    side = "Dr" if row["direction"] == "debit" else "Cr"
    key = f"[{row['key']}]" if row["key"] else ""
    amount = decimal_text(int(row["minor"]), int(row["exponent"]))
    return f"{side} {row['account']}{key} {amount} {row['currency'].upper()}"


def _outcomes(w: Walk, messages: Iterable[str]) -> dict[str, list[tuple[str, ...]]]:
    rows = w.sql(
        "select message_id, outcome, reason, subject from ledger_read.outcomes"
        " where message_id = any($1)",
        list(messages),
    )
    found: dict[str, list[tuple[str, ...]]] = {}
    for row in rows:
        told = (row["outcome"], row["reason"], row["subject"])
        found.setdefault(row["message_id"], []).append(told)
    return found


def _of_tomorrow(w: Walk) -> None:
    sale = w.new("ch")
    shown = charge(sale, 12_345, payment_method_details={"type": "telepathy", "æther": [1.5, None]},
                   outcome={"type": "agreed_in_a_dream"}, hologram={"object": "hologram"})  # fmt: skip
    event = w.event("charge.succeeded", shown, api_version="2031-02-29.zenith", mood="calm")
    body = json.dumps(event, ensure_ascii=False, indent=3).encode()
    answer = w.deliver(body)
    w.booked()
    w.same(POINT, "an event of a version that does not exist yet is taken and booked",
           (answer.status_code, w.at_key("assets:stripe:settling", sale)), (200, 12_345))  # fmt: skip
    kept = [r.value for r in w.records(STRIPE_EVENTS) if sale.encode() in r.value]
    w.same(POINT, "all of it survives, byte for byte: unknown fields, words, blanks",
           kept, [body])  # fmt: skip
    raw = w.cli("events", "show", str(event["id"]), "--raw")
    secret = w.at.folder / "shop.secret"
    proved = w.cli("events", "show", str(event["id"]), "--secret-file", str(secret))
    w.holds(POINT, "and its bytes, as stored, still prove their signature on the command line",
            raw.out.encode() == body and proved.code == 0 and "the signature fits" in proved.all,
            f"exit {proved.code}: {proved.all}")  # fmt: skip
    states = {"succeeded": 1_000, "teleported": 0}
    for status, expected in states.items():
        odd = w.new("ch")
        w.tell("charge.updated", charge(odd, 1_000, status=status, paid=status == "succeeded"))
        w.booked()
        w.same(POINT, f"a charge whose status is {status} counts {expected}",
               w.at_key("assets:stripe:settling", odd), expected)  # fmt: skip
    flipped = w.tell("widget.flipped", {"id": w.new("wid"), "object": "widget", "amount": 10**9})
    w.booked()
    rows = w.sql("select outcome from ledger_read.outcomes where message_id = $1", flipped)
    w.same(POINT, "an object that nobody knows books nothing, and an outcome says so",
           [row["outcome"] for row in rows], ["nothing_to_book"])  # fmt: skip
