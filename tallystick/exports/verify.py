#!/usr/bin/env python3
"""Proves a JSON Lines export or a proof of Tallystick offline: Python 3.10, and nothing else.

    python verify.py books.jsonl [--earlier last-month.jsonl] [--head 'stripe.events/0@120=4f1c…']
    python verify.py books.jsonl --tree-head head.json --key d75a980182b1…
    python verify.py proof.json --key d75a980182b1…

It reads the file once. Each entry balances in every currency; its digest is that of its postings;
its link in the hash chain follows from its content and the link before; sequences have no gap (in
a part of the journal: do not go back). The trailer's counts, sums, trial balance and chain heads
are those of the entries; the journal's heads and the signed tree heads in the header are reached;
the seal is the SHA-256 of all bytes before it. The first line that is wrong is named; exit code 1.

A file can be wholly made anew, with chains that hold. Only something from elsewhere tells: an
earlier export (--earlier), a head that was written down or published (--head), or the public key
that tree heads are signed with (--key).
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import sys
from collections.abc import Iterable
from typing import Any, BinaryIO, cast

from tallystick.exports.hashes import (
    Tree,
    Wrong,
    check_growth,
    check_head,
    check_inclusion,
    check_reached,
    digest_of,
    link_after,
    require_shape,
    title,
)

Json = dict[str, Any]  # Any: JSON
Heads = dict[tuple[str, int], str]
FORM = "tallystick.export.v1"
GENESIS = "00" * 32
MINOR_MAX = 10**30
MINOR, HEX = re.compile(r"[1-9][0-9]{0,30}"), re.compile(r"[0-9a-f]{64}")
# Minor units' decimals are no part of the digest, so what they must be stands here.
# Source: Stripe, "Supported currencies"; the tokens' own contracts.
DECIMALS = {
    0: "bif clp djf gnf jpy kmf krw mga pyg rwf vnd vuv xaf xof xpf",
    3: "bhd jod kwd omr tnd",
    6: "usdc usdt",
    8: "btc",
    18: "dai eth matic pol",
}
DECIMALS_OF = {code: n for n, codes in DECIMALS.items() for code in codes.split()}
DECIMALS_ELSE = 2


class Checker:
    """What was read so far; ``heads`` are tree heads, ``keys`` those who may have signed them."""

    def __init__(
        self, anchors: Heads, heads: Iterable[Json] = (), keys: Iterable[str] = ()
    ) -> None:
        self.anchors, self.met = dict(anchors), cast("set[tuple[str, int]]", set())
        self.keys, self.heads = set(keys), cast("list[Json]", [])
        self.header, self.trailer = cast("Json", {}), cast("Json", {})
        self.whole, self.entries, self.postings = True, 0, 0
        self.accounts: dict[tuple[str, str, str], list[int]] = {}
        self.origins: dict[str, Json] = {}
        self.trees: dict[tuple[str, str], Tree] = {}
        self.marks: dict[tuple[str, str, int], list[tuple[Json, Json]]] = {}
        for head in heads:
            self._take(head)

    def _take(self, head: Json) -> None:
        check_head(head, self.keys)
        self.heads.append(head)

    def read_header(self, line: Json) -> None:
        """Take the first line."""
        if line.get("form") != FORM:
            raise Wrong(f"this is no header of the form {FORM}")
        self.header, self.whole = line, line["whole"] is True
        for name, head in line["starts"].items():
            self._anchor(name, head["sequence"], head["chain"])
        for head in line.get("tree_heads", []):
            self._take(head)
        if self.keys and not self.heads:
            raise Wrong("there is no tree head that a key could have signed")
        chosen = line["selection"]
        begins = not line["starts"] and chosen["from"] is None and chosen["to"] is None
        for head in self.heads:
            # Where every entry of a book must stand here, its trees can be made.
            grows = begins and chosen["book"] in (None, head["book"])
            for at in head["origins"]:
                name, sequence = at["origin"], at["sequence"]
                if sequence > line["starts"].get(name, {"sequence": 0})["sequence"]:
                    self.anchors[name, sequence] = at["chain"]
                if grows:
                    self.marks.setdefault((head["book"], name, sequence), []).append((head, at))

    def read_entry(self, line: Json) -> None:
        """Check one entry and count it."""
        try:
            require_shape(line)
            self._balance(line)
            self._follow(line)
        except Wrong as wrong:
            name = f"{line.get('origin')} entry {line.get('sequence')} ({line.get('reference')})"
            raise Wrong(f"{name}: {wrong}") from None

    def _balance(self, line: Json) -> None:
        chosen, excess = self.header["selection"]["book"], cast("dict[str, int]", {})
        if chosen is not None and line["book"] != chosen:
            raise Wrong(f"it is of book {line['book']}, and this export of {chosen}")
        for posting in line["postings"]:
            code, text = posting["amount"]["currency"], posting["amount"]["minor"]
            if not isinstance(text, str) or not MINOR.fullmatch(text) or int(text) > MINOR_MAX:
                raise Wrong(f"{text!r} is no amount above zero in minor units")
            exponent = posting["amount"]["exponent"]
            if repr(exponent) != repr(DECIMALS_OF.get(code, DECIMALS_ELSE)):
                raise Wrong(f"{code} does not have {exponent} decimals")
            if posting["direction"] not in ("debit", "credit"):
                raise Wrong(f"{posting['direction']!r} is neither debit nor credit")
            side = 0 if posting["direction"] == "debit" else 1
            sums = self.accounts.setdefault((line["book"], posting["account"], code), [0, 0])
            sums[side] += int(text)
            excess[code] = excess.get(code, 0) + (-int(text) if side else int(text))
        for code, minor in sorted(excess.items()):
            if minor:
                raise Wrong(f"debits less credits are {minor} minor units of {code}, not zero")
        if len(line["postings"]) < 2:
            raise Wrong("it has fewer than two postings")
        self.entries += 1
        self.postings += len(line["postings"])

    def _follow(self, line: Json) -> None:
        cause, name, sequence = line["caused_by"], line["origin"], line["sequence"]
        if digest_of(line) != line["digest"]:
            raise Wrong("its digest is not that of its postings")
        if name != f"{cause['topic']}/{cause['partition']}":
            raise Wrong(f"it was caused in {cause['topic']}/{cause['partition']}")
        start = self.header["starts"].get(name, {"sequence": 0, "chain": GENESIS})
        told = self.origins.get(name)
        last, link = (told["last"], told["chain"]) if told else (start["sequence"], start["chain"])
        if sequence <= last:
            raise Wrong(f"it stands behind entry {last}")
        if sequence != last + 1:
            if self.whole or "previous" not in line:
                missing = f"{last + 1}" if sequence == last + 2 else f"{last + 1} to {sequence - 1}"
                raise Wrong(f"before it, what was entry {missing} is missing")
            link = line["previous"]
        elif line.get("previous", link) != link:
            raise Wrong("the link before it is another one")
        if link_after(link, line) != line["chain"]:
            raise Wrong("its link does not follow from its content and the link before it")
        self._anchor(name, sequence, line["chain"])
        head = {"first": sequence, "last": sequence, "entries": 1, "chain": line["chain"]}
        if told:
            head |= {"first": told["first"], "entries": told["entries"] + 1}
        self.origins[name] = head
        place = (line["book"], name, sequence)
        tree = self.trees.setdefault(place[:2], Tree())
        tree.add(bytes.fromhex(line["chain"]))
        for head, at in self.marks.pop(place, ()):
            check_reached(head, at, tree, line["chain"])

    def _anchor(self, name: str, sequence: int, chain: str) -> None:
        known = self.anchors.get((name, sequence), chain)
        if known != chain:
            raise Wrong(f"the chain at entry {sequence} of {name} was {known}, and is {chain} here")
        self.met.add((name, sequence))

    def read_trailer(self, line: Json) -> None:
        """Hold the trailer against what was read."""
        self.trailer = line
        for what, expected in self.expected().items():
            # By their text: to Python 1 is True.
            if json.dumps(line.get(what), sort_keys=True) != json.dumps(expected, sort_keys=True):
                raise Wrong(f"the trailer's {what} {difference(expected, line.get(what))}")
        for (_, name, sequence), ((head, _), *_) in sorted(self.marks.items()):
            raise Wrong(f"the {title(head)} has entry {sequence} of {name}, which is not here")
        for name, head in sorted(self.header["journal"].items() if self.whole else ()):
            start = self.header["starts"].get(name, {"sequence": 0, "chain": GENESIS})
            at = self.origins.get(name, {"last": start["sequence"], "chain": start["chain"]})
            if (at["last"], at["chain"]) != (head["sequence"], head["chain"]):
                said = f"and the header says {head['sequence']} with another chain head"
                raise Wrong(f"{name} ends with entry {at['last']}, {said}")
        for name, sequence in sorted(set(self.anchors) - self.met if self.whole else ()):
            raise Wrong(f"{name} had an entry {sequence} once, which is not in this export")

    def expected(self) -> Json:
        """What the trailer must say."""
        sums: dict[str, list[int]] = {}
        for (_, _, code), (debit, credit) in self.accounts.items():
            total = sums.setdefault(code, [0, 0])
            total[0] += debit
            total[1] += credit
        return {
            "entries": self.entries,
            "postings": self.postings,
            "sums": [row({"currency": code}, code, sums[code]) for code in sorted(sums)],
            "trial_balance": [
                row({"book": book, "account": account, "currency": code}, code, both)
                for (book, account, code), both in sorted(self.accounts.items())
            ],
            "origins": self.origins,
        }

    def read_proof(self, line: Json) -> None:
        """Check that an entry stands in a book, or that a head goes on from an earlier one."""
        for head in (line["head"], *([line["from"]] if "from" in line else [])):
            self._take(head)
        if "from" in line:
            check_growth(line["from"], line["head"], line["paths"])
            return
        self.header = {"selection": {"book": line["head"]["book"]}, "starts": {}}
        self.whole = False
        self.read_entry(line["entry"])
        check_inclusion(line["entry"], line["head"], line["index"], line["path"])


def row(named: Json, code: str, both: list[int]) -> Json:
    """A row of sums as the trailer has it."""
    exponent = DECIMALS_OF.get(code, DECIMALS_ELSE)
    return {**named, "exponent": exponent, "debit": str(both[0]), "credit": str(both[1])}


def difference(expected: object, found: object) -> str:
    """Where two parts of a trailer part."""
    if isinstance(expected, list) and isinstance(found, list):
        rows = cast("list[object]", found)
        for number, here in enumerate(cast("list[object]", expected)):
            there = rows[number] if number < len(rows) else "nothing"
            if here != there:
                return f"says {there}, and the entries say {here}"
    return f"says {found}, and the entries say {expected}"


def parsed(raw: bytes) -> Json:
    """A line of JSON: an object, no name twice in it, no number with a fraction."""

    def once(pairs: list[tuple[str, Any]]) -> Json:  # Any: JSON
        made = dict(pairs)
        if len(made) != len(pairs):
            raise Wrong("a name stands twice in it")
        return made

    def refused(text: str) -> None:
        raise Wrong(f"{text} is no number for money")

    hooks: Any = {"object_pairs_hook": once, "parse_float": refused, "parse_constant": refused}
    try:
        value: Any = json.loads(raw.decode("utf-8"), **hooks)  # Any: JSON
    except (ValueError, RecursionError) as error:
        raise Wrong(f"this is not JSON Lines, which alone can be proved here: {error}") from None
    if not isinstance(value, dict):
        raise Wrong("this is not an object")
    return cast("Json", value)


def check(
    file: BinaryIO, anchors: Heads, heads: Iterable[Json] = (), keys: Iterable[str] = ()
) -> Checker:
    """Read an export to its end; raises at the first line that is wrong."""
    checker, digest, state = Checker(anchors, heads, keys), hashlib.sha256(), "header"
    number = 0
    for number, raw in enumerate(file, 1):
        try:
            state = step(checker, state, parsed(raw), digest.hexdigest)
        except Wrong as wrong:
            raise Wrong(f"line {number}: {wrong}") from None
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise Wrong(f"line {number}: a field lacks or is odd: {error!r}") from None
        digest.update(raw)
    if state != "end":
        raise Wrong(f"line {number + 1}: the file is cut off: here should be {EXPECTED[state]}")
    return checker


EXPECTED = {"header": "the header", "entries": "an entry or the trailer", "seal": "the seal"}
STEPS = {
    ("header", "header"): (Checker.read_header, "entries"),
    ("header", "proof"): (Checker.read_proof, "end"),
    ("entries", "entry"): (Checker.read_entry, "entries"),
    ("entries", "trailer"): (Checker.read_trailer, "seal"),
}


def step(checker: Checker, state: str, line: Json, digest: Any) -> str:  # Any: a callable
    """Take one line; gives what is expected behind it."""
    kind = str(line.get("line"))
    if (state, kind) in STEPS:
        read, behind = STEPS[state, kind]
        read(checker, line)
        return behind
    if state == "end":
        raise Wrong("something stands behind the seal")
    if (state, kind) != ("seal", "seal"):
        raise Wrong(f"here should be {EXPECTED[state]}")
    if line["sha256"] != digest():
        raise Wrong("the seal is not the SHA-256 of what stands before it")
    return "end"


def heads_of(path: str) -> Heads:
    """The chain heads that an earlier export ends with, itself checked first."""
    with open(path, "rb") as file:  # noqa: PTH123  # one line that any Python reads
        checker = check(file, {})
    return {(name, told["last"]): told["chain"] for name, told in checker.origins.items()}


def head_of(text: str) -> tuple[tuple[str, int], str]:
    """A chain head as it is written on a command line: origin@sequence=chain."""
    place, _, chain = text.partition("=")
    name, _, sequence = place.rpartition("@")
    if not name or not sequence.isdigit() or not HEX.fullmatch(chain):
        raise argparse.ArgumentTypeError("write ORIGIN@SEQUENCE=CHAIN: stripe.events/0@120=4f1c…")
    return (name, int(sequence)), chain


def tree_heads_of(path: str) -> list[Json]:
    """Tree heads from their file, or from a proof."""
    try:
        with open(path, "rb") as file:  # noqa: PTH123  # as above
            told = parsed(file.read())
    except (OSError, Wrong) as error:
        raise argparse.ArgumentTypeError(f"{path}: {error}") from None
    return cast("list[Json]", told.get("heads", [told.get("head", told)]))


def shown(minor: int, code: str) -> str:
    """An amount as a person writes it."""
    decimals = DECIMALS_OF.get(code, DECIMALS_ELSE)
    digits = str(abs(minor)).rjust(decimals + 1, "0")
    whole = digits if not decimals else f"{digits[:-decimals]}.{digits[-decimals:]}"
    return f"{'-' if minor < 0 else ''}{whole} {code.upper()}"


def tell(checker: Checker) -> None:
    """Say what holds: counts, heads, and by book the five roots of the balance sheet."""
    part = "" if checker.whole else " (a part of the journal: what was left out cannot be seen)"
    print(f"holds: {checker.entries} entries, {checker.postings} postings{part}")
    for name, told in sorted(checker.origins.items()):
        print(f"  {name}@{told['last']}={told['chain']}")
    for head in checker.heads:
        by = f"signed by {head['public_key']}" if head["signature"] else "not signed"
        print(f"  {title(head)}, {head['made_at']}, {by}")
    roots: dict[tuple[str, str], dict[str, int]] = {}
    for (book, account, code), (debit, credit) in sorted(checker.accounts.items()):
        at = roots.setdefault((book, code), {})
        root = account.split(":", 1)[0]
        at[root] = at.get(root, 0) + debit - credit
    for (book, code), at in roots.items():
        owned = at.get("assets", 0)
        owed = -sum(at.get(root, 0) for root in ("liabilities", "equity", "revenue", "expenses"))
        income = -at.get("revenue", 0) - at.get("expenses", 0)
        sign = "=" if owned == owed else "IS NOT"
        print(
            f"  {book}: assets {shown(owned, code)} {sign} liabilities, equity and income"
            f" {shown(owed, code)} (income {shown(income, code)})"
        )


def main(arguments: list[str] | None = None) -> int:
    """Check a file; the exit code."""
    about = argparse.ArgumentParser(description="Prove an export or a proof of Tallystick.")
    about.add_argument("file", help="the export or proof, or - for standard input")
    more: Json = {"action": "append", "default": []}
    about.add_argument("--earlier", help="an earlier export", **more)
    about.add_argument("--head", type=head_of, help="ORIGIN@SEQUENCE=CHAIN, known", **more)
    about.add_argument("--tree-head", type=tree_heads_of, help="a file of tree heads", **more)
    about.add_argument("--key", help="public key that signs tree heads", **more)
    given = about.parse_args(arguments)
    anchors: Heads = {}
    heads = [head for each in given.tree_head for head in each]
    try:
        for path in given.earlier:
            anchors.update(heads_of(path))
        anchors.update(dict(given.head))
        if given.file == "-":
            checker = check(sys.stdin.buffer, anchors, heads, given.key)
        else:
            with open(given.file, "rb") as file:  # noqa: PTH123  # as above
                checker = check(file, anchors, heads, given.key)
    except Wrong as wrong:
        print(f"does not hold: {wrong}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"cannot be read: {error}", file=sys.stderr)
        return 2
    tell(checker)
    return 0


if __name__ == "__main__":
    sys.exit(main())
