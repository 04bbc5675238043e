"""Which matches are judged: those that name an account which somebody chose, and no others."""

from hypothesis import given
from hypothesis import strategies as st

from services.ledger.chart import default_chart
from services.ledger.rulings.matches import OF_THE_RULES, is_judged
from services.reconciler.facts.kinds import CONNECT, IN_TRANSIT, SETTLING, SUSPENSE
from services.reconciler.rules.matching_rules import default_rules

FIXED = (SUSPENSE, IN_TRANSIT, SETTLING, CONNECT, "equity:exchange")


@given(st.lists(st.sampled_from(FIXED)))
def test_match_of_what_waits_and_what_settles_it_is_never_judged(named: list[str]) -> None:
    assert not is_judged(named)


def test_account_of_a_difference_by_its_name_is_judged_and_in_the_chart() -> None:
    named = {tolerance.account for tolerance in default_rules().tolerances}
    assert named
    for account in named:
        assert is_judged((SUSPENSE, account))
        assert default_chart().find(account) is not None


def test_accounts_that_are_never_judged_are_in_the_chart() -> None:
    assert all(default_chart().find(account) is not None for account in OF_THE_RULES)
