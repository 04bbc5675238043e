import pytest

from shared.contracts import references
from shared.contracts.discrepancies import DiscrepancyKind, discrepancy_id, match_id
from shared.contracts.errors import Unreadable

MADE = {
    references.payment("ch_1"): "stripe:payment:ch_1",
    references.payment_failed("ch_1"): "stripe:payment:ch_1:failed",
    references.refund("re_1"): "stripe:refund:re_1",
    references.refund_failed("re_1"): "stripe:refund:re_1:failed",
    references.refund_released("re_1"): "stripe:refund:re_1:released",
    references.transfer("tr_1"): "stripe:transfer:tr_1",
    references.transfer_reversal("trr_1"): "stripe:transfer_reversal:trr_1",
    references.balance_transaction("txn_1"): "stripe:balance_transaction:txn_1",
    references.bank_line("main", "l_1", 2): "bank:main:line:l_1:r2",
    references.bank_line_reversed("main", "l_1", 2): "bank:main:line:l_1:r2:reversed",
    references.match("mtc_1", 3): "match:mtc_1:3",
    references.match_undone("mtc_1", 3): "match:mtc_1:3:undone",
    references.command("k 1"): "command:k 1",
}


def test_references_are_the_natural_keys_of_their_facts() -> None:
    assert all(made == expected for made, expected in MADE.items())
    assert len(MADE) == 13


@pytest.mark.parametrize("part", ["", "a\x00b", "a\nb", "\ud800", "x" * 300])
def test_reference_of_what_cannot_be_a_key_is_unreadable(part: str) -> None:
    with pytest.raises(Unreadable):
        references.payment(part)


@pytest.mark.parametrize("key", ["k" * 201, "two\nlines", "k" * 500])
def test_command_with_a_long_or_unprintable_key_has_a_reference_of_its_hash(key: str) -> None:
    made = references.command(key)
    assert made.startswith("command:")
    assert len(made) == len("command:") + 64
    assert made == references.command(key)


def test_discrepancy_id_is_a_function_of_what_is_wrong_with_what() -> None:
    one = discrepancy_id("main", DiscrepancyKind.PAYOUT_OVERDUE, "po_1")
    assert one == "dsc_" + one.removeprefix("dsc_").lower()
    assert one == discrepancy_id("main", DiscrepancyKind.PAYOUT_OVERDUE, "po_1")
    others = {
        discrepancy_id("other", DiscrepancyKind.PAYOUT_OVERDUE, "po_1"),
        discrepancy_id("main", DiscrepancyKind.PAYOUT_FAILED, "po_1"),
        discrepancy_id("main", DiscrepancyKind.PAYOUT_OVERDUE, "po_2"),
    }
    assert len({one, *others}) == 4


def test_discrepancy_id_is_the_same_for_ever() -> None:
    assert discrepancy_id("main", DiscrepancyKind.PAYOUT_OVERDUE, "po_1") == PUBLISHED


def test_match_id_does_not_depend_on_the_order_of_its_sides() -> None:
    assert match_id("main", "bank_line", ["l_1", "po_1"]) == match_id(
        "main", "bank_line", ["po_1", "l_1"]
    )
    assert match_id("main", "bank_line", ["l_1"]) != match_id("main", "exchange", ["l_1"])


PUBLISHED = "dsc_b0d542d908655eff6e1af5bfbe6357eb"
