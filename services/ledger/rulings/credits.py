"""Customers' credits by command: given, and spent as far as there are any."""

from pydantic import JsonValue

from services.ledger import accounts
from services.ledger.holds import Name
from services.ledger.rules import customer_credits
from services.ledger.rules.usable import positive, usable
from services.ledger.rulings.cases import Case, Ruling, overdrawn
from shared.contracts.commands import GrantCredits, SpendCredits
from shared.contracts.money import Money, MoneyOnWire


def change_credits(command: GrantCredits | SpendCredits, case: Case) -> Ruling:
    """The ruling on a command about credits: the entry, and what the customer has now.

    What is spent must be there and not held, unless the command allows to go below zero.

    Raises:
        CommandRefused: It is not there, its day is closed, or the amount is not above zero.
    """
    amount = positive(command.amount, accounts.CREDITS)
    usable(accounts.CREDITS, case.find, key=command.customer)
    usable(accounts.CREDITS_ISSUED, case.find)
    effective_at = case.effective(command.effective_at)
    name: Name = (str(accounts.CREDITS), command.customer, amount.currency.code)
    available = case.available(name)
    is_spent = isinstance(command, SpendCredits)
    if isinstance(command, SpendCredits):
        if available.minor < amount.minor and not command.allow_below_zero:
            case.refuse(overdrawn(name, available, amount))
        booked = customer_credits.spent(command, amount, case.book, effective_at=effective_at)
    else:
        booked = customer_credits.granted(command, amount, case.book, effective_at=effective_at)
    moved = -amount if is_spent else amount
    balance = Money(case.standing.posted.get(name, 0), amount.currency) + moved
    decided: dict[str, JsonValue] = {
        "customer": command.customer,
        "spent" if is_spent else "granted": MoneyOnWire.of(amount).model_dump(),
        "balance": MoneyOnWire.of(balance).model_dump(),
        "available": MoneyOnWire.of(available + moved).model_dump(),
    }
    said = f"{command.customer} has {balance}"
    return Ruling(said, (booked,), decided)
