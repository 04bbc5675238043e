"""What people and agents ask for: expenses, an owner's capital, reversals, holds that are settled.

Whether a request is granted depends on what stands in the books, and that is not followed here: one
that was refused may be absent. One that is booked must be just what was asked for. A reversal and a
settlement lean on another record, so they are worked out when all have been read.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from oracle.reading import Json, optional_text, text, wire_money
from oracle.values import (
    CannotBook,
    Fact,
    Leg,
    Model,
    Name,
    Position,
    Told,
    fact,
    reversed_legs,
)

OWNER: Final = "equity:owner"
# Of the accounts that hold money, those that grow by credit though their root does not say so.
_BY_CREDIT: Final = frozenset({"memo:credits-issued"})


@dataclass(frozen=True, slots=True)
class Request:
    """A command that leans on another record."""

    book: str
    reference: str
    told: Json
    position: Position
    message_id: str


def at_once(book: str, name: str, told: Json) -> Fact | None:
    """The fact of a request that says everything itself; of another kind, nothing."""
    match told.get("kind"):
        case "book_expense":
            category = text(told, "category")
            bought = category if ":" in category else f"expenses:{category}"
            amount, currency = _positive(told, "amount")
            paid = optional_text(told, "paid_from_key")
            return fact(
                book,
                name,
                [
                    Leg(bought, optional_text(told, "key"), currency, amount),
                    Leg(text(told, "paid_from"), paid, currency, -amount),
                ],
            )
        case "owner_capital":
            amount, currency = _positive(told, "amount")
            taken = -amount if told.get("direction") == "withdraw" else amount
            return fact(
                book,
                name,
                [
                    Leg(text(told, "account"), optional_text(told, "key"), currency, taken),
                    Leg(OWNER, "", currency, -taken),
                ],
            )
        case _:
            return None


def work_out(model: Model, requests: list[Request], by_key: dict[Name, Json]) -> None:
    """Add the reversals and settlements, in the order in which they stand.

    ``by_key`` are all commands by their book and key: a hold is one of them.
    """
    waiting = sorted(requests, key=lambda each: each.position)
    while waiting:
        left = [each for each in waiting if not _is_worked_out(model, each, by_key)]
        if len(left) == len(waiting):
            # What they lean on was never told: if they stand in the books, that is one too many,
            # but for reversals of what no record tells.
            model.reversals |= {
                Name(each.book, each.reference): Name(each.book, text(each.told, "reference"))
                for each in left
                if each.told.get("kind") == "reverse_entry"
            }
            return
        waiting = left


def _is_worked_out(model: Model, request: Request, by_key: dict[Name, Json]) -> bool:
    try:
        found = next(_leaning(model, request, by_key), None)
    except CannotBook as why:
        model.refused.append((request.position, str(why)))
        return True
    if found is None:
        return False
    told = Told(found, request.position, request.message_id, is_request=True)
    model.tellings.setdefault(found.name, []).append(told)
    return True


def _leaning(model: Model, request: Request, by_key: dict[Name, Json]) -> Iterator[Fact]:
    told = request.told
    if told.get("kind") == "reverse_entry":
        undone = text(told, "reference")
        tellings = model.tellings.get(Name(request.book, undone))
        if tellings:
            first = min(tellings, key=lambda telling: telling.position)
            legs = reversed_legs(first.fact.legs)
            booked = fact(request.book, request.reference, legs, reverses=undone)
            if booked is not None:
                yield booked
        return
    hold = by_key.get(Name(request.book, text(told, "hold")))
    if hold is None or hold.get("kind") != "place_hold":
        return
    amount, currency = _positive(told if told.get("amount") else hold, "amount")
    account = text(hold, "account")
    taken = amount if _grows_by_credit(request.book, account, by_key) else -amount
    booked = fact(
        request.book,
        request.reference,
        [
            Leg(account, optional_text(hold, "key"), currency, taken),
            Leg(text(told, "to"), optional_text(told, "to_key"), currency, -taken),
        ],
    )
    if booked is not None:
        yield booked


def _grows_by_credit(book: str, account: str, by_key: dict[Name, Json]) -> bool:
    """By its root, unless whoever opened it said otherwise."""
    for name, told in by_key.items():
        is_opened = name.book == book and told.get("kind") == "open_account"
        if is_opened and told.get("account") == account and told.get("normal"):
            return optional_text(told, "normal") == "credit"
    return account in _BY_CREDIT or account.partition(":")[0] == "liabilities"


def _positive(told: Json, name: str) -> tuple[int, str]:
    amount, currency = wire_money(told.get(name))
    if amount <= 0:
        raise CannotBook(f"{name}: {amount}")
    return amount, currency


def leans(told: Json) -> bool:
    """Whether a request leans on another record."""
    return told.get("kind") in ("reverse_entry", "settle_hold")
