"""Whose an event is, by what Stripe writes into it: ``account`` and ``context``.

``account`` names a connected account. ``context`` is a path of accounts, ``/`` between them, which
a call about the event sends back as ``Stripe-Context``: its last part is the account that the
event is about. Source: Stripe API reference, "The Event object"; "Stripe-Context".
"""


def account_named(account: str, context: str) -> str:
    """The account that an event names; empty where it is the receiver's own."""
    # A slash at the end ends the last part and begins no other: nobody becomes us by it.
    return account or context.rstrip("/").rpartition("/")[2]
