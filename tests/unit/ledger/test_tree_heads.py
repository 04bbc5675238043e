"""Tree heads: what is signed, what fits together, and what two heads of a book contradict."""

from datetime import UTC, datetime
from typing import Final

import pytest

from services.ledger.proof.merkle import Frontier, leaf_hash, node_hash
from services.ledger.proof.tree_heads import (
    Grown,
    HeadsSeen,
    contradiction,
    head_of,
    inner_problem,
    known_public_keys,
)
from services.ledger.shell.proof.signing import KeyInvalid, SigningKey, is_signed
from shared.contracts.tree_heads import TreeHead, key_id_of

NOW: Final = datetime(2026, 11, 21, 4, 5, 6, tzinfo=UTC)
# Source: RFC 8032, section 7.1, test 1.
SECRET: Final = "ed25519-secret:9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"
PUBLIC: Final = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"


def grown(origin: str, size: int, *, offset: int = 0, sequence: int = 0) -> Grown:
    """A tree of so many links, which begin at a number."""
    tree = Frontier()
    links = [bytes([(n + offset) % 256]) * 32 for n in range(size)]
    tree.extend(links)
    return Grown(origin, tree, sequence or size, links[-1])


def head(*trees: Grown, book: str = "main", key: SigningKey | None = None) -> TreeHead:
    made = head_of(book, trees, rules_version=1, made_at=NOW, public_key="")
    return key.signed(made) if key else made


def test_key_of_rfc_8032_has_the_public_key_that_stands_there() -> None:
    key = SigningKey.of(SECRET)
    assert (key.public_key, key.text) == (PUBLIC, SECRET)
    assert SigningKey.of(SigningKey.new().text + "\n").public_key != PUBLIC


@pytest.mark.parametrize("text", ["", "x", SECRET[:-1], SECRET.upper(), PUBLIC])
def test_text_that_is_no_key_is_refused_without_being_shown(text: str) -> None:
    with pytest.raises(KeyInvalid) as refused:
        SigningKey.of(text)
    assert not text or text not in str(refused.value)
    assert SECRET not in repr(SigningKey.of(SECRET))


def test_head_that_was_signed_is_proved_and_any_change_of_it_is_not() -> None:
    signed = head(grown("stripe.events/0", 5), key=SigningKey.of(SECRET))
    assert is_signed(signed)
    assert (signed.public_key, signed.key_id) == (PUBLIC, key_id_of(PUBLIC))
    other = SigningKey.new().public_key
    for change in (
        {"book": "other"},
        {"size": 6},
        {"root": "00" * 32},
        {"rules_version": 2},
        {"made_at": datetime(2026, 11, 21, tzinfo=UTC)},
        {"public_key": other},
        {"public_key": "ff" * 32},
        {"signature": "00" * 64},
        {"signature": ""},
        {"public_key": ""},
    ):
        assert not is_signed(signed.model_copy(update=change)), change


def test_head_without_a_signature_is_not_signed() -> None:
    assert not is_signed(head(grown("stripe.events/0", 5)))
    assert head(grown("stripe.events/0", 5)).key_id == ""


def test_root_of_a_head_is_that_of_a_tree_over_its_origins_in_order() -> None:
    made = head(grown("stripe.objects/1", 3), grown("stripe.events/0", 5))
    assert [each.origin for each in made.origins] == ["stripe.events/0", "stripe.objects/1"]
    left, right = (leaf_hash(each.leaf()) for each in made.origins)
    assert made.root == node_hash(left, right).hex()
    assert made.size == 8
    assert inner_problem(made) == ""


def test_head_whose_parts_do_not_fit_says_which() -> None:
    made = head(grown("stripe.events/0", 5), grown("stripe.objects/1", 3))
    first, second = made.origins
    for change, said in (
        ({"size": 9}, "its size"),
        ({"root": "00" * 32}, "its root"),
        ({"origins": (second, first)}, "in order"),
        ({"origins": (first, first)}, "in order"),
        ({"origins": (first.model_copy(update={"sequence": 9}), second)}, "its root"),
    ):
        assert said in inner_problem(made.model_copy(update=change)), change


@pytest.mark.parametrize(
    ("later", "said"),
    [
        ((grown("a/0", 5), grown("b/0", 3)), ""),
        ((grown("a/0", 6), grown("b/0", 3), grown("c/0", 1)), ""),
        ((grown("a/0", 9),), "b/0 had 3 entries, and has none any more"),
        ((grown("a/0", 4), grown("b/0", 9)), "a/0 had 5 entries up to 5, and has 4"),
        ((grown("a/0", 5, offset=1), grown("b/0", 9)), "a/0 has two trees of 5 entries"),
        ((grown("a/0", 5, sequence=6), grown("b/0", 9)), "a/0 has two trees of 5 entries"),
        ((grown("a/0", 7, sequence=5), grown("b/0", 3)), "a/0 has two numbers of entries up to 5"),
    ],
)
def test_head_behind_another_contradicts_it_only_where_it_must(
    later: tuple[Grown, ...], said: str
) -> None:
    earlier = head(grown("a/0", 5), grown("b/0", 3))
    found = contradiction(earlier, head(*later))
    assert found == said if not said else found.startswith(said)


def test_heads_in_order_and_told_again_contradict_nothing() -> None:
    seen = HeadsSeen()
    for size in (2, 5, 5, 2, 9):
        assert seen.take(head(grown("a/0", size))) == ""
        assert seen.take(head(grown("a/0", size + 1), book="other")) == ""
    assert seen.last["main"].size == 9


def test_two_heads_of_one_size_with_other_roots_are_equivocation() -> None:
    seen = HeadsSeen()
    for size in (2, 5, 9):
        seen.take(head(grown("a/0", size)))
    assert seen.take(head(grown("a/0", 5, offset=7))).startswith("equivocation: ")
    assert seen.take(head(grown("a/0", 4), grown("b/0", 5))).startswith("equivocation: ")


def test_head_that_forgets_an_origin_contradicts_the_one_before() -> None:
    seen = HeadsSeen()
    seen.take(head(grown("a/0", 2), grown("b/0", 2)))
    assert seen.take(head(grown("a/0", 9))) == "b/0 had 2 entries, and has none any more"
    assert seen.take(head(grown("a/0", 3))) == ""


def test_public_keys_of_a_setting_are_read_and_what_is_none_is_refused() -> None:
    assert list(known_public_keys(f" {PUBLIC},{'ab' * 32} ,")) == [PUBLIC, "ab" * 32]
    assert not known_public_keys("")
    with pytest.raises(ValueError, match="no public key"):
        known_public_keys(PUBLIC.upper())
