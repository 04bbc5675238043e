"""Stripe's objects for the walk: of test mode, otherwise as the stories tell them."""

from tests.support import stories
from tests.walk.walking import Json

T0 = stories.T0


def charge(charge_id: str, amount: int, currency: str = "usd", **changes: object) -> Json:
    """A captured charge."""
    return stories.charge(charge_id, amount, currency, **{"livemode": False, **changes})


def movement(
    txn_id: str, kind: str, amount: int, fee: int, source: object, **changes: object
) -> Json:
    """A balance transaction; in the category of its type's name unless ``category`` says one."""
    return stories.txn(txn_id, kind, amount, fee, "", **changes) | {"source": source}


def refund(refund_id: str, charge_id: str, amount: int, **changes: object) -> Json:
    """A refund that succeeded, unless it says otherwise."""
    return stories.refund(refund_id, charge_id, amount, **changes)


def payout(payout_id: str, amount: int, status: str, **changes: object) -> Json:
    """A payout to a bank account."""
    return stories.payout(payout_id, amount, status, **{"livemode": False, **changes})


def transfer(transfer_id: str, amount: int, *reversals: Json, **changes: object) -> Json:
    """A transfer to a connected account, with the reversals that it shows."""
    return {
        "id": transfer_id,
        "object": "transfer",
        "amount": amount,
        "amount_reversed": sum(int(each["amount"]) for each in reversals),
        "balance_transaction": None,
        "created": T0,
        "currency": "usd",
        "destination": "acct_1Merchant",
        "livemode": False,
        "reversals": {"object": "list", "data": list(reversals), "has_more": False},
        "reversed": False,
        "source_transaction": None,
    } | changes


def reversal(reversal_id: str, transfer_id: str, amount: int, **changes: object) -> Json:
    """One reversal of a transfer."""
    return {
        "id": reversal_id,
        "object": "transfer_reversal",
        "amount": amount,
        "created": T0,
        "currency": "usd",
        "source_refund": None,
        "transfer": transfer_id,
    } | changes


def dispute(dispute_id: str, status: str, *movements: Json, **changes: object) -> Json:
    """A dispute with the balance transactions that it shows."""
    return {
        "id": dispute_id,
        "object": "dispute",
        "amount": 5_000,
        "balance_transactions": list(movements),
        "charge": "ch_disputed",
        "created": T0,
        "currency": "usd",
        "livemode": False,
        "status": status,
    } | changes
