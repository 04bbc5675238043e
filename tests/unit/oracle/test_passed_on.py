"""What the oracle says of what goes on from one key to another."""

from dataclasses import replace

from oracle.journal import Booked, Books
from oracle.passed_on import followers, movers, passed_on_differences
from oracle.values import Fact, Leg, Model, Name, PassedOn, Position, Told

RECEIVABLE, LOSS, REVENUE = "assets:receivable", "expenses:bad-debt", "revenue:stripe"
OBJECTS = "stripe.objects"
ASKED_AT, GIVEN_UP_AT = Position(OBJECTS, 0, 4), Position(OBJECTS, 3, 9)
OTHERWISE_AT = Position(OBJECTS, 1, 0)
ASKED = Fact(
    Name("main", "stripe:invoice:in_1"),
    (Leg(RECEIVABLE, "in_1", "usd", 100), Leg(REVENUE, "", "usd", -100)),
)
LOST = Name("main", "bad_debt:stripe:invoice:in_1")
MOVED = (Leg(RECEIVABLE, "in_1", "usd", -100), Leg(LOSS, "", "usd", 100))


def booked(*legs: Leg, at: Position = ASKED_AT, message_id: str = "m_asked") -> Booked:
    return Booked(
        name=LOST,
        kind="bad_debt",
        legs=legs,
        effective_at="",
        recorded_at="",
        rules_version=2,
        caused_by=at,
        message_id=message_id,
        sequence=1,
        digest="",
        chain="",
    )


GIVEN_UP = PassedOn("main", RECEIVABLE, "in_1", LOSS, "")
ELSEWHERE = PassedOn("main", RECEIVABLE, "in_1", "expenses:other", "")


def said(
    stands: Booked | None,
    unheard: Position | None = None,
    also: PassedOn | None = None,
    noted: Position | None = None,
) -> tuple[list[str], bool]:
    """The kinds of difference, and whether a loss is expected."""
    model = Model({ASKED.name: [Told(ASKED, ASKED_AT, "m_asked")]})
    model.passed_on[GIVEN_UP] = [(GIVEN_UP_AT, "m_given_up")]
    if also is not None:
        model.passed_on[also] = [(OTHERWISE_AT, "m_also")]
    expected = {ASKED.name: ASKED}
    books = Books(
        entries=(stands,) if stands is not None else (),
        balances={},
        open_items={},
        trial_balance={},
        positions={},
        published=(),
        conflicts=frozenset({noted} if noted is not None else ()),
    )
    heard = {unheard} if unheard is not None else set[Position]()
    found = list(passed_on_differences(model, books, expected, heard))
    return [each.kind for each in found], LOST in expected


def test_what_an_invoice_asked_for_is_lost_by_either_of_its_two_messages() -> None:
    assert said(booked(*MOVED)) == ([], True)
    assert said(booked(*MOVED, at=GIVEN_UP_AT, message_id="m_given_up")) == ([], True)


def test_loss_that_is_not_booked_or_otherwise_or_by_another_message_is_a_difference() -> None:
    assert said(None) == (["missing"], True)
    less = [leg._replace(minor=leg.minor // 2) for leg in MOVED]
    assert said(booked(*less))[0] == ["legs_differ"]
    elsewhere = Position(OBJECTS, 0, 5)
    assert said(booked(*MOVED, at=elsewhere))[0] == ["not_the_first_telling"]
    assert said(booked(*MOVED, message_id="m_other"))[0] == ["message_differs"]


def test_nothing_is_lost_where_nobody_who_counts_has_said_so() -> None:
    assert said(booked(*MOVED), unheard=GIVEN_UP_AT) == ([], False)


def test_only_what_rules_book_on_the_receivable_of_that_invoice_moves_on() -> None:
    by_a_tick = replace(ASKED, name=Name("main", "release:tick:1"))
    of_another = replace(ASKED, legs=(Leg(RECEIVABLE, "in_2", "usd", 5), Leg(LOSS, "", "usd", -5)))
    for told in (by_a_tick, of_another, replace(ASKED, name=Name("other", ASKED.name.reference))):
        assert list(followers(movers({told.name: told}), GIVEN_UP)) == []


def test_of_two_places_that_a_key_is_told_to_go_on_to_the_one_in_the_books_stands_and_it_is_noted() -> (
    None
):
    assert said(booked(*MOVED), also=ELSEWHERE) == (["conflict_not_noted"], True)
    assert said(booked(*MOVED), also=ELSEWHERE, noted=OTHERWISE_AT) == ([], True)
    # Nothing is in the books: it is the first that was told.
    assert said(None, also=ELSEWHERE, noted=OTHERWISE_AT) == (["missing"], True)


def test_what_a_person_books_there_by_hand_goes_on_too() -> None:
    by_hand = replace(ASKED, name=Name("main", "command:k1"))
    ((_, after),) = followers(movers({by_hand.name: by_hand}), GIVEN_UP)
    assert after.name.reference == "bad_debt:command:k1"
    assert sorted(after.legs) == sorted(MOVED)
