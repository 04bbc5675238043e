"""Opening, closing and renaming accounts, each with its history."""

from pydantic import JsonValue

from services.ledger.account_changes import AccountChange, KnownAccount
from services.ledger.chart import Root
from services.ledger.rules.refusals import CommandRefused
from services.ledger.rulings.bank_accounts import is_unheard_of
from services.ledger.rulings.cases import Case, Ruling
from shared.contracts.commands import CloseAccount, OpenAccount, RenameAccount, Side
from shared.contracts.journal import Direction, account
from shared.contracts.money import Money, currency_of

_OPEN_SHOWN_MAX = 3


def change_account(command: OpenAccount | CloseAccount | RenameAccount, case: Case) -> Ruling:
    """The ruling on a command about an account.

    Raises:
        CommandRefused: It breaks a rule, which the refusal names.
    """
    match command:
        case OpenAccount():
            return _open_account(command, case)
        case CloseAccount():
            return _close_account(command, case)
        case RenameAccount():
            return _rename_account(command, case)


def _open_account(command: OpenAccount, case: Case) -> Ruling:
    """Open an account that is not there, or one that was closed.

    Raises:
        CommandRefused: It is there and open, or it is another account than the one that was closed.
        AccountInvalid: No account can have that name.
    """
    name = str(account(command.account))
    known = case.find(name)
    if known is not None and known.is_open and not is_unheard_of(case, name):
        case.refuse(
            CommandRefused(
                f"{name} is there already, as {known.display!r}",
                rule="account_unknown",
                values={"account": name, "display": known.display},
                way_out="use it, or rename it",
            )
        )
    normal = Direction(command.normal) if command.normal is not None else None
    if known is not None and (command.key or known.key, normal or known.normal) != (
        known.key,
        known.normal,
    ):
        case.refuse(
            CommandRefused(
                f"{name} was kept by {known.key or 'no key'} and grows by {known.normal}",
                rule="account_same",
                values={"account": name, "key": known.key, "normal": known.normal},
                way_out="open it as it was, or open another",
            )
        )
    root = Root(name.partition(":")[0])
    return _changed(
        case,
        name,
        display=command.display,
        is_open=True,
        key=known.key if known is not None else command.key,
        normal=known.normal if known is not None else normal or root.normal,
        has_floor=command.floor or (known is not None and known.has_floor),
        said="opened",
    )


def _close_account(command: CloseAccount, case: Case) -> Ruling:
    """Close an account where nothing is left on it.

    Raises:
        CommandRefused: It is not there, closed already, kept by the rules, or something is left.
    """
    known = _there(command.account, case)
    if known.is_clearing or known.is_mirror:
        raise CommandRefused(
            f"{known.name} is kept by the posting rules",
            rule="account_of_the_rules",
            values={"account": known.name},
            way_out="leave it open: at zero it stands in no statement",
        )
    if not known.is_open:
        case.refuse(
            CommandRefused(
                f"{known.name} is closed already",
                rule="account_open",
                values={"account": known.name},
                way_out="there is nothing left to do",
            )
        )
    left = [
        f"{name[1] or 'in all'}: {Money(minor, currency_of(name[2]))}"
        for name, minor in case.standing.open_of(known.name)
    ]
    held = [hold.id for hold in case.standing.holds_of(known.name) if not _is_over(hold.id, case)]
    if left or held:
        shown = "; ".join(left[:_OPEN_SHOWN_MAX])
        case.refuse(
            CommandRefused(
                f"{known.name} is not empty"
                + (f" ({shown})" if left else "")
                + (f", and {len(held)} holds are open" if held else ""),
                rule="account_empty",
                values={
                    "account": known.name,
                    "left": shown,
                    "holds": ",".join(held[:_OPEN_SHOWN_MAX]),
                },
                way_out="move what is left to another account and end the holds",
            )
        )
    return _changed(
        case,
        known.name,
        display=known.display,
        is_open=False,
        key=known.key,
        normal=known.normal,
        has_floor=known.has_floor,
        said="closed",
    )


def _rename_account(command: RenameAccount, case: Case) -> Ruling:
    """Give an account another display name.

    Raises:
        CommandRefused: It is not there, or has that name.
    """
    known = _there(command.account, case)
    if known.display == command.display:
        case.refuse(
            CommandRefused(
                f"{known.name} is called {known.display!r}",
                rule="account_other_name",
                values={"account": known.name, "display": known.display},
                way_out="there is nothing left to do",
            )
        )
    return _changed(
        case,
        known.name,
        display=command.display,
        is_open=known.is_open,
        key=known.key,
        normal=known.normal,
        has_floor=known.has_floor,
        said=f"renamed from {known.display!r}",
    )


def _there(name: str, case: Case) -> KnownAccount:
    known = case.find(name)
    if known is None:
        raise CommandRefused(
            f"there is no account {name[:120]!r}",
            rule="account_known",
            values={"account": name[:120]},
            way_out="name an account of the chart, or one that was opened",
        )
    return known


def _is_over(hold_id: str, case: Case) -> bool:
    return case.standing.holds[hold_id].is_over(case.recorded_at)


def _changed(
    case: Case,
    name: str,
    *,
    display: str,
    is_open: bool,
    key: str,
    normal: Direction,
    has_floor: bool,
    said: str,
) -> Ruling:
    before: AccountChange | None = case.standing.changes.get(name)
    decided: dict[str, JsonValue] = {
        "account": name,
        "number": before.number + 1 if before is not None else 1,
        "display": display,
        "is_open": is_open,
        "is_of_chart": case.book.chart.find(name) is not None,
        "key": key,
        "normal": Side(normal).value,
        "floor": has_floor,
    }
    return Ruling(said, decided=decided)
