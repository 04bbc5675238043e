"""What the words of the contracts mean, for the reference pages.

A word that is missing here stops the generator, so that no list grows without its meaning.
"""

from typing import Final

ATTRIBUTES: Final = {
    "specversion": "`1.0`",
    "id": "the message's id: Stripe's event id, or a hash of the content",
    "source": "who tells it",
    "type": "the message type",
    "time": "when it was told, RFC 3339 in UTC",
    "subject": "the object that it is about, where there is one",
    "dataschema": "the `$id` of the schema, where there is one",
}

EXTENSIONS: Final = {
    "book": "the book that the message belongs to",
    "account": "the Stripe account that it is about, empty where it is the endpoint's own",
    "livemode": "`true` or `false`, as Stripe says it",
    "endpoint": "the webhook endpoint that took it",
    "via": "`webhook`, `fetched` or `poll`",
    "signature": "`Stripe-Signature` as it was sent, so that anyone can verify the bytes again",
    "verdict": "what the door said of it",
    "foreign": "`true` when it belongs to an account that is not ours: recorded, never booked",
    "resent": "the position of the stored delivery that was sent through the door once more",
    "redriveattempt": "how often the record was sent to its topic again: `dead-letters redrive`,"
    " `book send`",
    "redrivenfrom": "the dead letter that it was sent again from, or the record itself",
    "redrivenby": "who sent it again",
    "redrivenat": "when, RFC 3339 in UTC",
    "othermode": "`true` for a test event at a live Connect endpoint: recorded, never booked",
    "context": "the accounts that an event is about, `/` between them, as Stripe wrote it",
    "stripeversion": "the API version that the object was told in",
    "expectedversion": "the one that the endpoint was to be sent, where it was told in another",
}

VERDICTS: Final = {
    "accepted": "verified and published; the answer is 2xx",
    "missing_header": "no `Stripe-Signature`",
    "malformed_header": "`Stripe-Signature` cannot be taken apart, or has no `v1`",
    "bad_timestamp": "its `t` is no plain integer of seconds",
    "out_of_tolerance": "its `t` is too old or too far in the future: look at the clock",
    "bad_signature": "no `v1` fits the bytes and any of the endpoint's secrets",
    "body_too_large": "more bytes than the door takes",
    "body_encoded": "the body is compressed; Stripe never sends it so",
    "not_json": "verified, and no JSON",
    "not_an_event": "verified JSON, and not one of Stripe's events",
    "unknown_endpoint": "no endpoint of that name is set up",
    "wrong_mode": "a test event at a live endpoint, or the other way",
    "wrong_payload": "a thin event at an endpoint for snapshots, or the other way",
    "unknown_account": "no book keeps this Stripe account in this mode",
    "peer_not_allowed": "the allow-list is on, and the sender's address is not on it",
    "rate_limited": "too many deliveries of this peer, or too many that were refused: 429",
    "unavailable": "the log did not take it in time: 503, and Stripe sends it again",
}

OUTCOMES: Final = {
    "nothing_to_book": "read and understood; it moves no money here",
    "noted": "booked, and a person should look",
    "refused": "it can never be booked as it stands",
    "conflict": "it contradicts what was told first; the first stands",
    "accepted": "a command was carried out",
}

REASONS: Final = {
    "no_booking": "a kind of message that moves no money by itself",
    "zero_amount": "every amount is zero",
    "foreign_account": "it belongs to an account that is not ours",
    "other_mode": "a test event at a live Connect endpoint: recorded, and no money of ours",
    "unreadable": "the bytes are not what the contract says; the record is in the dead letters",
    "command": "the outcome of a command",
    "unfit": "the database cannot hold it; the record is in the dead letters",
    "rule_failed": "a rule broke on it: a mistake of ours; the record is in the dead letters",
}

DISCREPANCIES: Final = {
    "payout_overdue": "Stripe sent a payout and the bank has not shown it in time",
    "payout_amount_mismatch": "the bank showed a payout short or over",
    "payout_failed": "a payout failed, and its money went back to Stripe",
    "refund_failed": "a refund failed: the customer does not have the money",
    "duplicate_bank_credit": "the bank credited one payout twice",
    "unidentified_bank_credit": "money came in that nothing explains",
    "unidentified_bank_debit": "money went out that nothing explains",
    "balance_drift": "the bank's balance, or Stripe's, is not the one in the books",
    "negative_stripe_balance": "the balance at Stripe is below zero",
    "event_conflict": "two events with one id say different things",
    "reference_conflict": "one fact was told with two amounts",
    "mode_mismatch": "a test event for live books, or the other way",
    "invalid_amount": "an amount that is no integer, out of range, or in an unknown currency",
    "unknown_balance_transaction": "a kind of balance transaction without a rule: in suspense",
    "topup_overdue": "a top-up that the bank has not shown in time",
    "clearing_overdue": "one half of a matter came, the other did not in time",
    "ambiguous_match": "several answers fit equally well; a person chooses",
    "event_missing": "Stripe lists an event that is not on the log and cannot be fetched",
    "balance_transaction_missing": "the same for a balance transaction",
    "events_silent": "no webhook for longer than is usual for these hours of the week",
    "event_list_empty": "Stripe lists nothing of a time of which the log has something",
    "webhook_endpoint_missing": "no endpoint at Stripe sends to this one of ours",
    "webhook_endpoint_disabled": "an endpoint at Stripe that sends to us is switched off",
    "webhook_endpoint_misconfigured": "it is set to another API version, or leaves events out",
    "books_differ": "rebuilt from the topics, the books are not what they are",
    "bank_feed_stale": "a bank account was not read for too long",
    "pending_changed": "a pending bank line went, and what it names is still waited for",
    "match_refused": "the ledger refused to clear what was matched, or written off",
    "statement_file_refused": "a statement file was refused, and nothing of it was taken",
}
