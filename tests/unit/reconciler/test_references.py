"""What a line's text proves: names cut beside words that go on alike, and parts of unknown ids."""

import pytest

from services.reconciler.evidence.mentions import Certainty
from services.reconciler.evidence.name_index import index_of
from services.reconciler.evidence.references import Evidence, evidence_of
from tests.support.reconciler_facts import A, B, line, payout

# Of one account, as Stripe makes ids: all have LkdIwHu7ix in them.
ENDS_LIKE_STRIPE = "po_1aGvemLkdIwHu7ixn7v2scSu"
UNKNOWN = "po_1UKy8YLkdIwHu7ix3rMsLwV5"


def read(text: str) -> Evidence:
    known = [payout(A), payout(B), payout(ENDS_LIKE_STRIPE)]
    return evidence_of(line(text), index_of(known))


@pytest.mark.parametrize(
    ("text", "how"),
    [
        (f"STRIPE {ENDS_LIKE_STRIPE[8:]}", Certainty.END),
        (f"{ENDS_LIKE_STRIPE[:16]} 7th", Certainty.CUT),
        (f"{ENDS_LIKE_STRIPE[:22]}", Certainty.CUT),
    ],
)
def test_cut_reference_counts_though_the_next_word_goes_on_like_the_id(
    text: str, how: Certainty
) -> None:
    assert read(text).strong == {ENDS_LIKE_STRIPE: how}


def test_part_of_an_unknown_id_of_the_same_account_is_foreign() -> None:
    evidence = read(f"STRIPE {UNKNOWN[8:]}")
    assert not evidence.strong
    assert evidence.foreign == (UNKNOWN[8:],)


def test_own_account_id_names_no_payout_and_forbids_none() -> None:
    evidence = read("STRIPE acct_1MTfjCLkdIwHu7ix")
    assert not evidence.strong
    assert not evidence.foreign
