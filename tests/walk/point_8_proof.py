"""Point 8: the books prove themselves, to their owner, and to somebody who has one file of ours."""

import base64
import hashlib
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

import orjson
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from services.ledger.decisions import RULES_VERSION
from shared.contracts import topics
from tests.walk import atelier, payloads
from tests.walk.atelier import ALL, BOOK, STORY
from tests.walk.offline import verified
from tests.walk.point_7_exports import export
from tests.walk.walking import Json, Walk

POINT = "8"
AMOUNT: Final = 4_242
HEAD_SECONDS_MAX: Final = 60.0

Lines = list[bytes]


def walk(w: Walk) -> None:
    """Verify, signed heads, proofs, exports offline, and a figure down to its bytes."""
    atelier.tell(w)
    charge = payloads.charge(w.new("ch"), AMOUNT)
    event = w.event("charge.succeeded", charge)
    body = orjson.dumps(event)
    answer = w.deliver(body)
    assert answer.status_code == 200, answer.text
    w.booked()
    await_heads(w)
    _verify(w)
    key = _heads(w)
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        _proofs(w, folder, key)
        _exports(w, folder, key)
    _trace(w, str(charge["id"]), body)
    _trace_of_figures(w)


def await_heads(w: Walk) -> None:
    """Wait until the last signed heads tell of every entry that the walk was answered for.

    Raises:
        TimeoutError: They do not, in time.
    """

    def are_told() -> bool:
        (row,) = w.sql("select count(*) as entries from ledger_read.entries")
        heads = w.cli("heads", "--json").json["heads"]
        return sum(int(head["size"]) for head in heads) == int(row["entries"])

    w.until("signed heads of all entries", are_told, seconds=HEAD_SECONDS_MAX)


def _verify(w: Walk) -> None:
    (row,) = w.sql("select count(*) as entries from ledger_read.entries")
    entries = int(row["entries"])
    for words in ((), ("--whole-topic",), ("--journal-only",)):
        said = w.cli("verify", "--json", *words)
        told = said.json
        w.same(
            POINT,
            f"verify {' '.join(words) or 'with the topics'}: every entry holds, nothing is found",
            (said.code, told["sound"], told["entries"], told["findings"]),
            (0, True, entries, list[Json]()),
        )


def _heads(w: Walk) -> str:
    """The signed heads on their topic; gives the public key."""
    key = w.cli("keys", "show").out.split()[0]
    told = [orjson.loads(record.value) for record in w.records(topics.LEDGER_TREE_HEADS)]
    wrong = [head for head in told if not _is_signed(head, key)]
    w.holds(
        POINT,
        "every head on ledger.tree-heads is signed by the installation's key: Ed25519, by hand",
        told and not wrong and {head["public_key"] for head in told} == {key},
        f"{len(told)} heads of {sorted({head['book'] for head in told})}, {len(wrong)} wrong",
    )
    forged = told[-1] | {"size": told[-1]["size"] + 1}
    w.same(POINT, "and a head that tells one entry more is not", _is_signed(forged, key), False)
    (row,) = w.sql("select count(*) as n from ledger_read.entries where book = $1", BOOK)
    last = [head for head in told if head["book"] == BOOK][-1]
    w.same(
        POINT,
        "the last head of a book is of all its entries",
        (last["size"], sum(origin["size"] for origin in last["origins"])),
        (int(row["n"]), int(row["n"])),
    )
    return key


def _is_signed(head: Json, key: str) -> bool:
    """Whether a signature covers the head as the documentation says that it is framed."""
    fields = (
        *(b"tallystick.tree-head.v1", head["book"].encode(), str(head["size"]).encode()),
        *(bytes.fromhex(head["root"]), str(head["rules_version"]).encode()),
        *(head["made_at"].encode(), bytes.fromhex(head["public_key"])),
    )
    framed = b"".join(len(field).to_bytes(8, "big") + field for field in fields)
    try:
        public = Ed25519PublicKey.from_public_bytes(bytes.fromhex(key))
        public.verify(bytes.fromhex(head["signature"]), framed)
    except InvalidSignature:
        return False
    return True


def _proofs(w: Walk, folder: Path, key: str) -> None:
    earlier = folder / "earlier.json"
    earlier.write_text(w.cli("heads", "--book", BOOK, "--json").out, "utf-8")
    answer = w.ask(BOOK, atelier.capital(1, "2026-08-02T00:00:00Z", "jpy"), key=w.new("grown"))
    assert answer.status_code == 201, answer.text
    await_heads(w)
    reference = STORY[4].reference
    entry, growth = folder / "entry.json", folder / "growth.json"
    said = w.cli(
        *("prove", reference, "--book", BOOK, "-o", str(entry), "--with-verifier"),
    )
    done = verified(entry, "--key", key)
    w.holds(
        POINT,
        "a proof of one entry holds offline, with the public key alone, and is small",
        said.code == done.returncode == 0 and reference in entry.read_text("utf-8"),
        f"{entry.stat().st_size} bytes; {done.stdout}{done.stderr}",
        command=f"{said.command}; python verify.py entry.json --key …",
    )
    said = w.cli("prove", "--from", str(earlier), "--book", BOOK, "-o", str(growth))
    done = verified(growth, "--key", key)
    w.holds(
        POINT,
        "that nothing was taken back since an earlier head holds offline too",
        said.code == done.returncode == 0,
        f"{growth.stat().st_size} bytes; {done.stdout}{done.stderr}",
    )
    other = "ab" * 32
    w.same(
        POINT,
        "under another public key neither holds",
        [verified(file, "--key", other).returncode for file in (entry, growth)],
        [1, 1],
        command="python verify.py … --key abab…",
    )
    text = entry.read_text("utf-8")
    assert '"80000"' in text, text
    entry.write_text(text.replace('"80000"', '"80001"'), "utf-8")
    done = verified(entry, "--key", key)
    w.holds(
        POINT,
        "a proof whose amount was touched does not hold",
        done.returncode == 1 and "does not hold" in done.stdout + done.stderr,
        done.stdout + done.stderr,
        command="python verify.py entry.json --key …",
    )
    said = w.cli("prove", "stripe:payment:nothing")
    w.holds(
        POINT,
        "an entry that is none is not proved",
        said.code == 1 and "no such entry" in said.all,
        f"exit {said.code}: {said.err}",
    )


def _exports(w: Walk, folder: Path, key: str) -> None:
    # All books: there it is seen too when an entry is left out.
    said, file = export(w, "jsonl", folder, book="")
    kept = file.read_bytes()
    count = said.json["entries"]
    done = verified(file, "--key", key)
    w.holds(
        POINT,
        "an export holds offline: chain, zero sums, trial balance, the balance sheet's equation",
        done.returncode == 0 and f"holds: {count} entries" in done.stdout,
        done.stdout + done.stderr,
        command="python -I -S verify.py books.jsonl --key …",
    )
    for what, change, named in TOUCHED:
        lines = kept.splitlines()
        at = change(lines)
        file.write_bytes(_sealed(lines))
        done = verified(file, "--key", key)
        told = done.stdout + done.stderr
        w.holds(
            POINT,
            f"export with {what}: the first wrong line is named",
            done.returncode == 1 and named in told and f"line {at}:" in told,
            told,
            command="python -I -S verify.py books.jsonl --key …",
        )
    file.write_bytes(b"".join(line + b"\n" for line in kept.splitlines()[:-4]))
    done = verified(file)
    w.holds(
        POINT,
        "export cut off: it says so",
        done.returncode == 1 and "cut off" in done.stdout + done.stderr,
        done.stdout + done.stderr,
        command="python -I -S verify.py books.jsonl",
    )


def _amount(lines: Lines) -> int:
    lines[3] = lines[3].replace(b'"minor":"', b'"minor":"1', 1)
    return 4


def _both_legs(lines: Lines) -> int:
    lines[3] = lines[3].replace(b'"minor":"', b'"minor":"1')
    return 4


def _text(lines: Lines) -> int:
    lines[4] = lines[4].replace(b'"description":"', b'"description":"not ', 1)
    return 5


def _gone(lines: Lines) -> int:
    at = _of_a_long_chain(lines)
    del lines[at]
    return at + 1


def _swapped(lines: Lines) -> int:
    at = _of_a_long_chain(lines)
    lines[at], lines[at + 1] = lines[at + 1], lines[at]
    return at + 1


def _of_a_long_chain(lines: Lines) -> int:
    """The place of an entry that has another of its origin on both sides."""
    told = [orjson.loads(line).get("origin") for line in lines]
    return next(at for at in range(2, len(told)) if told[at - 1] == told[at] == told[at + 1])


TOUCHED: Final[tuple[tuple[str, Callable[[Lines], int], str], ...]] = (
    ("one leg's amount", _amount, "debits less credits are"),
    ("both legs' amount", _both_legs, "its digest is not that of its postings"),
    ("a text", _text, "link"),
    ("an entry taken out", _gone, "is missing"),
    ("two entries swapped", _swapped, "is missing"),
)


def _sealed(lines: Lines) -> bytes:
    """The lines under a right seal, as whoever touches them would put it."""
    before = b"".join(line + b"\n" for line in lines[:-1])
    seal = {"line": "seal", "sha256": hashlib.sha256(before).hexdigest()}
    return before + orjson.dumps(seal) + b"\n"


def _trace(w: Walk, charge: str, body: bytes) -> None:
    reference = f"stripe:payment:{charge}"
    endpoints = str(w.at.folder / "endpoints.toml")
    variables = {"TALLYSTICK_INGEST_ENDPOINTS_FILE": endpoints}
    said = w.cli("trace", reference, "--json", **variables)
    (entry,) = said.json["entries"]
    message = entry["message"]
    w.same(
        POINT,
        "trace: digest, chain, signed head, the rules applied once more: each holds",
        (
            said.code,
            *(entry[name] for name in ("digest_holds", "chain_holds", "sound")),
            *(entry[name]["holds"] for name in ("head", "retold")),
            (entry["rule"]["kind"], entry["rule"]["version"]),
        ),
        (0, True, True, True, True, True, ("payment", RULES_VERSION)),
    )
    w.same(
        POINT,
        "down to the raw bytes as they were sent, and the signature's verdict made anew",
        (
            base64.b64decode(message["body_b64"]) == body,
            message["sha256"],
            message["id"],
            entry["proof"]["standing"],
        ),
        (True, hashlib.sha256(body).hexdigest(), orjson.loads(body)["id"], "accepted"),
    )
    said = w.cli("trace", f"assets:stripe:settling[{charge}]", **variables)
    w.holds(
        POINT,
        "from a figure of the books: what waits under a charge, its entry, rule and message",
        said.code == 0 and "42.42 USD" in said.out and reference in said.out
        and "services.ledger.rules.payments.payment" in said.out,
        said.out,
    )  # fmt: skip
    wrong = w.at.folder / "wrong-endpoints.toml"
    wrong.write_text(Path(endpoints).read_text("utf-8").replace("shop.secret", "main.secret"))
    said = w.cli("trace", reference, TALLYSTICK_INGEST_ENDPOINTS_FILE=str(wrong))
    w.holds(
        POINT,
        "with another secret the signature does not hold, and the trace ends with 1",
        said.code == 1 and "accepted:" not in said.out,
        f"exit {said.code}: {said.out[-260:]}",
    )
    kept = w.at.folder / "shop.secret"
    said = w.cli(
        *("trace", reference, "--secret-file", str(kept)),
        TALLYSTICK_INGEST_ENDPOINTS_FILE=str(wrong),
    )
    w.holds(
        POINT,
        "with the right one beside it, as after a rotation, it holds again",
        said.code == 0 and "accepted:" in said.out,
        f"exit {said.code}: {said.out[-260:]}",
    )


def _trace_of_figures(w: Walk) -> None:
    said = w.cli("trace", "revenue:stripe EUR", "--book", BOOK, "--json")
    told = said.json
    w.same(
        POINT,
        "a balance of an account in a currency, down to the entry that it comes from",
        (said.code, [each["reference"] for each in told["entries"]]),
        (0, [each.reference for each in ALL if each.key == "a-07"]),
    )
    said = w.cli("trace", "stripe:payment:nothing")
    w.holds(
        POINT,
        "a figure that nothing stands behind is told as such",
        said.code != 0 and "stripe:payment:nothing" in said.all,
        f"exit {said.code}: {said.err}",
    )
