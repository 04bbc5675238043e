"""`verify.py` offline: signatures, tree heads, proofs; in plain Python, held against the libraries."""

import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.ledger.exports.journal import Selection, Told
from services.ledger.exports.json_lines import JsonLines
from services.ledger.proof.merkle import KnownNodes, consistency_path, inclusion_path, root_of
from services.ledger.shell.proof.signing import SigningKey, is_signed
from tallystick.exports import verify
from tallystick.exports.hashes import Tree, Wrong, climbed, consistent, link_after
from tallystick.exports.hashes import is_signed as plainly_signed
from tallystick.exports.verifier import verifier_source, write_verifier
from tests.support.exported import about, entry, json_lines, told
from tests.support.tree_heads import KEY, leaves_of, signed_head

Json = dict[str, Any]  # Any: JSON
STORY: Final = [
    *told([entry(n, book="other" if n % 3 == 0 else "main") for n in range(12)]),
    *told([entry(n + 50) for n in range(5)], topic="stripe.objects"),
]
HEAD: Final = signed_head(STORY)
# Source: RFC 8032, section 7.1: public key, message, signature.
VECTORS: Final = (
    (
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ),
    (
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ),
)


@pytest.mark.parametrize(("public", "message", "signature"), VECTORS)
def test_signature_of_rfc_8032_holds_and_a_changed_one_does_not(
    public: str, message: str, signature: str
) -> None:
    key, said, signed = map(bytes.fromhex, (public, message, signature))
    assert plainly_signed(key, said, signed)
    assert not plainly_signed(key, said + b"x", signed)
    for at in (0, 31, 32, 63):
        assert not plainly_signed(
            key, said, signed[:at] + bytes([signed[at] ^ 1]) + signed[at + 1 :]
        )
    assert not plainly_signed(bytes(31) + b"\x80", said, signed)
    assert not plainly_signed(key, said, signed[:-1])


def test_signature_with_a_number_past_the_order_is_refused() -> None:
    public, message, signature = map(bytes.fromhex, VECTORS[1])
    order = 2**252 + 27742317777372353535851937790883648493
    more = int.from_bytes(signature[32:], "little") + order
    assert not plainly_signed(public, message, signature[:32] + more.to_bytes(32, "little"))


@settings(max_examples=20)
@given(st.binary(min_size=32, max_size=32), st.integers(0, 511))
def test_signature_holds_in_plain_python_as_in_the_library(secret: bytes, bit: int) -> None:
    key = SigningKey.of(f"ed25519-secret:{secret.hex()}")
    head = signed_head(STORY, key=key)
    signature, public = bytes.fromhex(head.signature), bytes.fromhex(head.public_key)
    assert plainly_signed(public, head.signed_bytes(), signature)
    bent = int.from_bytes(signature, "little") ^ (1 << bit)
    other = bent.to_bytes(64, "little")
    theirs = is_signed(head.model_copy(update={"signature": other.hex()}))
    assert plainly_signed(public, head.signed_bytes(), other) == theirs


@given(st.data(), st.integers(1, 120))
def test_paths_lead_in_plain_python_where_the_tree_says(data: st.DataObject, size: int) -> None:
    leaves = [str(n).encode() for n in range(size)]
    at = data.draw(st.integers(0, size - 1))
    nodes = KnownNodes([], {0: leaves})
    tree = Tree(leaves)
    assert tree.root() == root_of(leaves).hex()
    path = [step.hex() for step in inclusion_path(at, size, nodes)]
    assert climbed(Tree([leaves[at]]).peaks[0], at, size, path)[1].hex() == tree.root()
    first = at + 1
    growth = [step.hex() for step in consistency_path(first, size, nodes)]
    was = root_of(leaves[:first]).hex()
    assert consistent(first, size, was, growth) == (was, tree.root())
    other = root_of([*leaves[: first - 1], b"x"]).hex()
    assert first == size or consistent(first, size, other, growth) != (other, tree.root())
    with pytest.raises(Wrong):
        climbed(leaves[at], at, size, [*path, was])


def export(entries: list[Told], *heads: object, **selection: Any) -> str:
    chosen = Selection(**selection)
    books = tuple(sorted({each.book for each in entries}))
    return json_lines(entries, about(entries, tree_heads=heads, selection=chosen, books=books))


def verdict(text: str, *, heads: list[Json] | None = None, keys: tuple[str, ...] = ()) -> str:
    """What is wrong; empty when all holds."""
    try:
        verify.check(io.BytesIO(text.encode()), {}, heads or [], keys)
    except Wrong as wrong:
        return str(wrong)
    return ""


def test_export_with_a_signed_head_is_proved_by_the_public_key() -> None:
    other = signed_head(STORY, book="other")
    assert verdict(export(STORY, HEAD, other), keys=(KEY.public_key,)) == ""
    assert verdict(export(STORY, HEAD)) == ""
    assert "it is signed by another key" in verdict(export(STORY, HEAD), keys=("ab" * 32,))
    assert "no tree head that a key" in verdict(export(STORY), keys=(KEY.public_key,))
    unsigned = signed_head(STORY, key=None)
    assert verdict(export(STORY, unsigned)) == ""
    assert "nobody signed it" in verdict(export(STORY, unsigned), keys=(KEY.public_key,))


def test_export_of_a_head_that_is_older_than_the_entries_is_proved_up_to_there() -> None:
    older = signed_head([each for each in STORY if each.sequence <= 4])
    assert verdict(export(STORY, older), keys=(KEY.public_key,)) == ""


def test_export_wholly_made_anew_is_told_by_the_head_that_was_signed() -> None:
    forged = told([entry(n, description="x") for n in range(12)])
    said = verdict(export([*forged, *STORY[12:]], HEAD))
    assert "stripe.events/0 entry 12" in said or "stripe.events/0 entry 11" in said
    assert "was" in said or "there, and the entries make" in said


def test_export_of_one_book_that_leaves_an_entry_out_is_told_by_its_tree() -> None:
    main = [each for each in STORY if each.book == "main"]
    links = {(each.origin, each.sequence + 1): each.chain for each in STORY}
    main = [e._replace(previous=links.get((e.origin, e.sequence), "")) for e in main]
    assert verdict(export(main, HEAD, book="main"), keys=(KEY.public_key,)) == ""
    left_out = [*main[:2], *main[3:]]
    assert "the entries make" in verdict(export(left_out, HEAD, book="main"))


def test_export_whose_end_was_cut_off_lacks_what_the_head_tells() -> None:
    cut = [each for each in STORY if each.origin != "stripe.events/0" or each.sequence <= 9]
    said = verdict(export(cut, HEAD))
    assert "the tree head of 13 entries of book main has entry 12 of stripe.events/0" in said
    elsewhere = [json.loads(HEAD.model_dump_json())]
    assert "which is not here" in verdict(export(cut), heads=elsewhere)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"size": 14}, "its root is not that of its origins"),
        ({"root": "00" * 32}, "its root is not that of its origins"),
        ({"book": "other"}, "its signature does not hold"),
        ({"made_at": "2020-01-01T00:00:00Z"}, "its signature does not hold"),
        ({"rules_version": 4}, "its signature does not hold"),
        ({"signature": "00" * 64}, "its signature does not hold"),
        ({"public_key": "00" * 32}, "its signature does not hold"),
        ({"signature": "zz"}, "a field lacks or is odd"),
        ({"origins": []}, "its root is not that of its origins"),
    ],
)
def test_head_that_was_touched_is_refused(change: Json, said: str) -> None:
    header, *rest = export(STORY, HEAD).splitlines()
    line = json.loads(header)
    line["tree_heads"][0] |= change
    assert said in verdict("\n".join([json.dumps(line), *rest]) + "\n")


def inclusion() -> Json:
    """A proof of one entry, as `tallystick prove` writes it."""
    wanted = STORY[7]
    leaves = leaves_of(STORY, "main", wanted.origin)
    index = leaves.index(bytes.fromhex(wanted.chain))
    path = inclusion_path(index, len(leaves), KnownNodes([], {0: leaves}))
    shown = JsonLines().entry(wanted._replace(previous=STORY[6].chain))
    return {
        "line": "proof",
        "entry": json.loads(shown),
        "index": index,
        "path": [step.hex() for step in path],
        "head": json.loads(HEAD.model_dump_json()),
    }


def growth() -> Json:
    """A proof that a book goes on from an earlier head."""
    earlier = signed_head([each for each in STORY if each.sequence <= 4])
    paths: dict[str, list[str]] = {}
    for was, now in zip(earlier.origins, HEAD.origins, strict=True):
        leaves = leaves_of(STORY, "main", was.origin)
        path = consistency_path(was.size, now.size, KnownNodes([], {0: leaves}))
        paths[was.origin] = [step.hex() for step in path]
    return {
        "line": "proof",
        "from": json.loads(earlier.model_dump_json()),
        "paths": paths,
        "head": json.loads(HEAD.model_dump_json()),
    }


@pytest.mark.parametrize("made", [inclusion, growth])
def test_proof_holds_with_the_public_key_alone(made: Callable[[], Json]) -> None:
    assert verdict(json.dumps(made()) + "\n", keys=(KEY.public_key,)) == ""
    assert "another key" in verdict(json.dumps(made()) + "\n", keys=("ab" * 32,))


def test_proof_of_a_changed_entry_or_place_does_not_hold() -> None:
    for change, said in (
        ({"index": 1}, "its path does not lead"),
        ({"index": 99}, "its path does not lead"),
        ({"path": inclusion()["path"][:-1]}, "the path is not of that length"),
        ({"path": inclusion()["path"][::-1]}, "its path does not lead"),
    ):
        assert said in verdict(json.dumps(inclusion() | change)), change
    proof = inclusion()
    proof["entry"]["description"] = "x"
    assert "its link does not follow" in verdict(json.dumps(proof))
    proof = inclusion()
    proof["entry"]["postings"][0]["amount"]["minor"] = "7"
    assert "debits less credits" in verdict(json.dumps(proof))
    proof = inclusion()
    proof["entry"]["description"] = "x"
    proof["entry"]["chain"] = link_after(proof["entry"]["previous"], proof["entry"])
    assert "its path does not lead" in verdict(json.dumps(proof))


def test_proof_of_growth_over_another_history_does_not_hold() -> None:
    other = signed_head(told([entry(n) for n in range(2)]))
    proof = growth() | {"from": json.loads(other.model_dump_json())}
    assert "does not go on from the earlier one" in verdict(json.dumps(proof))
    back = growth()
    back["from"], back["head"] = back["head"], back["from"]
    assert "is no later one" in verdict(json.dumps(back))
    cut = growth()
    cut["paths"] = {name: [] for name in cut["paths"]}
    assert verdict(json.dumps(cut)) != ""


def test_one_file_needs_nothing_but_python(tmp_path: Path) -> None:
    source = verifier_source()
    assert "tallystick.exports" not in source
    script = write_verifier(tmp_path)
    (tmp_path / "books.jsonl").write_text(export(STORY, HEAD))
    (tmp_path / "head.json").write_text(HEAD.model_dump_json())
    (tmp_path / "proof.json").write_text(json.dumps(inclusion()))
    (tmp_path / "growth.json").write_text(json.dumps(growth()))

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-I", "-S", str(script), *arguments],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    for name in ("books.jsonl", "proof.json", "growth.json"):
        done = run(name, "--key", KEY.public_key)
        assert (done.returncode, done.stderr) == (0, ""), name
        assert f"signed by {KEY.public_key}" in done.stdout
        assert run(name, "--key", "ab" * 32).returncode == 1
    assert run("books.jsonl", "--tree-head", "head.json").returncode == 0
    assert run("books.jsonl", "--tree-head", "proof.json").returncode == 0
    (tmp_path / "heads.json").write_text(json.dumps({"heads": [HEAD.model_dump(mode="json")]}))
    assert run("books.jsonl", "--tree-head", "heads.json").returncode == 0
    assert run("books.jsonl", "--tree-head", "nowhere.json").returncode == 2
