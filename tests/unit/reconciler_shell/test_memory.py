"""The last record of each match, as our own topic tells it."""

from datetime import UTC, datetime

from services.reconciler.shell.keeping.memory import last_of
from shared.contracts.messages import MatchKind, MatchMade, MatchUndone

AT = datetime(2026, 11, 20, tzinfo=UTC)


def made(revision: int) -> MatchMade:
    return MatchMade(
        id="m1",
        revision=revision,
        match_kind=MatchKind.BANK_LINE,
        book="main",
        effective_at=AT,
        clears=(),
        rule="amount_and_date",
    )


def undone(revision: int) -> MatchUndone:
    return MatchUndone(
        id="m1",
        revision=revision,
        match_kind=MatchKind.BANK_LINE,
        book="main",
        effective_at=AT,
        clears=(),
        reason="no longer follows",
    )


def test_match_that_was_undone_stays_undone_though_its_making_is_repeated() -> None:
    assert last_of([made(1), undone(1), made(1)]) == {"m1": undone(1)}


def test_match_made_again_stands_though_its_undoing_is_repeated() -> None:
    assert last_of([made(1), undone(1), made(2), made(1), undone(1)]) == {"m1": made(2)}
