"""Placing, settling and releasing holds: what is set aside cannot be set aside again."""

from typing import Final

from pydantic import JsonValue

from services.ledger.chart import Root
from services.ledger.holds import Hold, HoldState
from services.ledger.rules import commands
from services.ledger.rules.refusals import CommandRefused
from services.ledger.rules.usable import in_utc, positive
from services.ledger.rulings.bank_accounts import require_bank_account, require_bank_accounts
from services.ledger.rulings.cases import Case, Ruling, overdrawn
from shared.contracts.commands import PlaceHold, ReleaseHold, SettleHold
from shared.contracts.envelope import rfc3339
from shared.contracts.money import MoneyOnWire

_HELD: Final = (Root.ASSETS, Root.LIABILITIES, Root.MEMO)


def change_hold(command: PlaceHold | SettleHold | ReleaseHold, case: Case) -> Ruling:
    """The ruling on a command about a hold.

    Raises:
        CommandRefused: It breaks a rule, which the refusal names.
    """
    match command:
        case PlaceHold():
            return _place_hold(command, case)
        case SettleHold():
            return _settle_hold(command, case)
        case ReleaseHold():
            return _release_hold(command, case)


def _place_hold(command: PlaceHold, case: Case) -> Ruling:
    """Set an amount aside, as far as it is available.

    Raises:
        CommandRefused: It is not available, or the account is none that holds money.
    """
    amount = positive(command.amount, command.account)
    known = case.find(command.account)
    if known is None or known.root not in _HELD or not known.is_open:
        raise CommandRefused(
            f"{command.account[:120]!r} is no open account that holds money",
            rule="account_holds_money",
            values={"account": command.account[:120]},
            way_out="name an open account of assets, liabilities or memo",
        )
    if bool(known.key) != bool(command.key):
        raise CommandRefused(
            f"{known.name} is kept by {known.key or 'no key'}",
            rule="account_key",
            values={"account": known.name, "key": command.key},
            way_out=f"name the {known.key}" if known.key else "leave the key out",
        )
    if command.expires_at is not None and command.expires_at <= case.recorded_at:
        case.refuse(
            CommandRefused(
                f"{command.expires_at} is over",
                rule="expires_later",
                values={"expires_at": rfc3339(in_utc(command.expires_at))},
                way_out="name a later time, or none",
            )
        )
    require_bank_account(case, known.name, amount.currency.code)
    name = case.name(known.name, command.key, amount.currency.code)
    available = case.available(name)
    if available.minor < amount.minor:
        case.refuse(overdrawn(name, available, amount))
    until = rfc3339(in_utc(command.expires_at)) if command.expires_at is not None else None
    decided: dict[str, JsonValue] = {
        "hold": command.idempotency_key,
        "account": known.name,
        "key": command.key,
        "amount": MoneyOnWire.of(amount).model_dump(),
        "expires_at": until,
        "available": MoneyOnWire.of(available - amount).model_dump(),
    }
    return Ruling(f"{amount} held", decided=decided)


def _settle_hold(command: SettleHold, case: Case) -> Ruling:
    """Take what was set aside, or less; the rest is released.

    Raises:
        CommandRefused: The hold is not open, or is of less.
    """
    hold = _open(command.hold, case)
    amount = positive(command.amount, hold.account) if command.amount else hold.amount
    if amount.currency != hold.amount.currency or amount.minor > hold.amount.minor:
        raise CommandRefused(
            f"{hold.id} holds {hold.amount}, not {amount}",
            rule="within_hold",
            values={"hold": hold.id, "held_minor": str(hold.amount.minor)},
            way_out=f"settle {hold.amount} or less, and the rest by another command",
        )
    effective_at = case.effective(command.effective_at)
    made = commands.settle_hold(
        command, case.book, case.find, hold, amount=amount, effective_at=effective_at
    )
    require_bank_accounts(case, made)
    case.require_memo_apart(made)
    case.require_floors(made, freed={hold.name: hold.amount.minor})
    decided: dict[str, JsonValue] = {
        "hold": hold.id,
        "settled": MoneyOnWire.of(amount).model_dump(),
        "released": MoneyOnWire.of(hold.amount - amount).model_dump(),
    }
    return Ruling("booked", (made,), decided)


def _release_hold(command: ReleaseHold, case: Case) -> Ruling:
    """Set the amount of a hold free again.

    Raises:
        CommandRefused: The hold is not open.
    """
    hold = _open(command.hold, case)
    decided: dict[str, JsonValue] = {
        "hold": hold.id,
        "released": MoneyOnWire.of(hold.amount).model_dump(),
    }
    return Ruling(f"{hold.amount} released", decided=decided)


def _open(hold_id: str, case: Case) -> Hold:
    hold = case.standing.holds.get(hold_id)
    if hold is None:
        raise CommandRefused(
            f"there is no hold {hold_id[:120]!r} in this book",
            rule="hold_known",
            values={"hold": hold_id},
            way_out="name the hold as the answer to its command did",
        )
    if hold.state is not HoldState.OPEN or hold.is_over(case.recorded_at):
        how = hold.state if hold.state is not HoldState.OPEN else "over by its own time"
        case.refuse(
            CommandRefused(
                f"{hold.id} is {how}",
                rule="hold_open",
                values={"hold": hold.id, "state": str(how)},
                way_out="place another hold",
            )
        )
    return hold
