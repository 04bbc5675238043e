"""What people ruled counts for the commands that ask the reconciler's core."""

from services.reconciler.facts.kinds import Fact
from services.reconciler.facts.rulings import Ruling
from shared.contracts.acts import ActDecided, Decided, HandRuling, HandShare, LineName
from shared.contracts.messages import Position
from shared.contracts.money import Money, MoneyOnWire
from tallystick.cli.expectations import waited_for
from tallystick.rules_test.history import ruled_by
from tests.support.reconciler_facts import LATER, SOON, A, facts_of, line, payout


def usd(minor: int) -> MoneyOnWire:
    return MoneyOnWire.of(Money.of(minor, "usd"))


def decided(outcome: Decided, *rulings: HandRuling) -> list[Ruling]:
    told = ActDecided(
        outcome=outcome, book="main", number=1, idempotency_key="k", message_id="m",
        act="match_by_hand", decided_at=SOON, rulings=rulings,
        caused_by=Position(topic="reconciliation.commands", partition=0, offset=0),
    )  # fmt: skip
    book, found = ruled_by(told.model_dump_json().encode())
    assert book == "main"
    return found


def states(*known: Fact) -> list[str]:
    return [wait.state.value for _, wait in waited_for([(facts_of(known), LATER)])]


def test_what_was_matched_and_written_off_by_hand_is_waited_for_no_more() -> None:
    known: list[Fact] = [payout(), line(f"STRIPE {A}", 9_900)]
    share = HandShare(object=A, amount=usd(9_900))
    matched = decided(
        Decided.ACCEPTED,
        HandRuling(
            key="ops/l1", what="match", line=LineName(account="ops", id="l1"), shares=(share,),
            amount=usd(0),
        ),
    )  # fmt: skip
    written_off = decided(
        Decided.ACCEPTED,
        HandRuling(
            key=f"off/{A}", what="write_off", object=A, account="expenses:bank-fees",
            amount=usd(100),
        ),
    )  # fmt: skip
    assert states(*known) == ["mismatched"]
    assert states(*known, *matched) == ["missing"]
    assert states(*known, *matched, *written_off) == []


def test_a_refused_act_rules_nothing() -> None:
    assert decided(Decided.REFUSED) == []
