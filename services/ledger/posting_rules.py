"""THE TABLE: every kind of message and the rule that books it.

``decide`` is the whole ledger as a function: one message in, its entries and remarks out. It
remembers nothing. What needs memory (event ids seen, references booked) is its caller's, who gets
an identity with a digest, and references with theirs.

    stripe.events          the object shown in data.object, by what the object says it is
    stripe.objects         the object itself
      charge               payment, payment_failed
      refund               refund, refund_failed, refund_released
      transfer             transfer, and each reversal in it
      transfer_reversal    transfer_reversal
      balance_transaction  one rule for every type, see rules/balance_transactions.py
      invoice              on accrual basis: see rules/invoices.py; else nothing
      invoice_payment      on accrual basis: invoice_paid
      credit_note          on accrual basis: credit_note, credit_note_voided
      payment_intent,      where the book sells credits: credits_assigned
      checkout.session
      anything else        nothing; what is expanded in it is booked
    bank.observations      bank_line, bank_line_reversed
    reconciliation.matches match, match_undone
    ledger.commands        nothing here: what is asked is judged by where its book stands
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Final, assert_never

from services.ledger import billing, refunds
from services.ledger.activation.in_force import BookInForce, InForce
from services.ledger.activation.rule_versions import RULES, Rules, RuleTable
from services.ledger.decisions import (
    FOREIGN_ACCOUNT,
    NO_BOOKING,
    OTHER_MODE,
    RULES_VERSION,
    ZERO_AMOUNT,
    Decision,
    Findings,
    Input,
    Remark,
    difference,
    subject_of,
)
from services.ledger.readers import contracts, exact_json, stripe, told
from services.ledger.readers import fields as read
from services.ledger.readers.billed import CreditNote, CustomerNamed, Invoice, InvoicePayment
from services.ledger.readers.exact_json import JsonObject, as_object, parse_object
from services.ledger.rules import balance_transactions
from services.ledger.rules.refusals import CommandRefused, refusal_of
from services.ledger.rulings.asking import Asked
from shared.contracts import references, topics
from shared.contracts.books import Basis, BookData, BookMap, Mode
from shared.contracts.commands import LEDGER_COMMAND
from shared.contracts.discrepancies import DiscrepancyKind
from shared.contracts.errors import InvariantBroken, Refused, Unreadable
from shared.contracts.journal import DEFAULT_BOOK
from shared.contracts.messages import MATCH_RECORD, MatchMade, OutcomeKind
from shared.contracts.observations import BANK_OBSERVATION, BankBalance, LineState
from shared.contracts.stripe_context import account_named

__all__ = [
    "RULES_VERSION",
    "Decision",
    "Input",
    "Remark",
    "decide",
    "difference",
    "subject_of",
]


_THIN: Final = "v2.core.event"
_STAMPED_MODES: Final[Mapping[str, bool]] = MappingProxyType({"true": True, "false": False})


def decide(message: Input, in_force: InForce, rules: Rules = RULES) -> Decision:
    """What a message means for the books; the same bytes under the same mean the same for ever.

    ``rules`` are the versions that there are; the one that is in force books.

    Raises:
        Refused: Nothing can be made of the bytes: park them.
        InvariantBroken: A version is in force that is not among the rules.
    """
    table = rules.get(in_force.rules_version)
    if table is None:
        raise InvariantBroken(
            f"rules version {in_force.rules_version} is in force, and this program knows"
            f" {', '.join(map(str, sorted(rules)))}: it is older than the books"
        )
    rule = _TOPIC_RULES.get(message.topic)
    if rule is None:
        raise Unreadable(f"the ledger reads nothing from {message.topic[:80]!r}")
    return rule(message, in_force, table)


def _stripe_event(message: Input, in_force: InForce, rules: RuleTable) -> Decision:
    event = parse_object(message.envelope.data)
    event_id = read.ident(event)
    account, context = read.text(event, "account"), read.text(event, "context")
    named = account_named(account, context)
    shown = as_object((as_object(event.get("data")) or {}).get("object"))
    livemode = _livemode(event)
    book = _book_of_stripe(message, in_force.book_map, named, livemode=livemode)
    found = Findings()
    if event.get("object") == _THIN:
        found.nothing(NO_BOOKING, event_id, "a thin event names an object and shows none")
    elif shown is None:
        raise Unreadable("the event shows no object in data.object")
    elif message.envelope.extension("foreign") == "true" or not book.is_own(account, context):
        found.nothing(FOREIGN_ACCOUNT, event_id, f"it belongs to {named or 'another account'}")
    elif message.envelope.extension("othermode") == "true":
        found.nothing(OTHER_MODE, event_id, "a test event, as live Connect endpoints get them too")
    elif _is_of_another_mode(message, book, (livemode, _livemode(shown)), event_id, found):
        pass
    else:
        _book_object(shown, read.instant(event), in_force.of(book), rules, found)
    entries, remarks = found.told()
    said = exact_json.digest(_said(event, account, context))
    unearned, passed_on = tuple(found.unearned), tuple(found.passed_on)
    return Decision(
        book.book, event_id, said, entries, remarks, unearned=unearned, passed_on=passed_on
    )


def _said(event: JsonObject, account: str, context: str) -> JsonObject:
    """What an event says; how it was told is no part of that.

    A thin event read through the API also shows data, which its notification does not.
    """
    matter = "related_object" if event.get("object") == _THIN else "data"
    said = {
        "id": event.get("id"),
        "type": event.get("type"),
        "created": event.get("created"),
        matter: event.get(matter),
        "account": account,
    }
    return said | {"context": context} if context else said


def _stripe_object(message: Input, in_force: InForce, rules: RuleTable) -> Decision:
    shown = parse_object(message.envelope.data)
    object_id = stripe.name_of(shown)
    account = message.envelope.extension("account")
    livemode = _livemode(shown)
    book = _book_of_stripe(message, in_force.book_map, account, livemode=livemode)
    found = Findings()
    if message.envelope.extension("foreign") == "true" or not book.is_own(account):
        found.nothing(FOREIGN_ACCOUNT, object_id, f"it belongs to {account}")
    elif not _is_of_another_mode(message, book, (livemode,), object_id, found):
        _book_object(shown, message.envelope.time, in_force.of(book), rules, found)
    entries, remarks = found.told()
    unearned, passed_on = tuple(found.unearned), tuple(found.passed_on)
    return Decision(book.book, None, None, entries, remarks, unearned=unearned, passed_on=passed_on)


def _livemode(fields: JsonObject) -> bool | None:
    return read.flag(fields, "livemode")


def _book_of_stripe(
    message: Input, book_map: BookMap, account: str, *, livemode: bool | None
) -> BookData:
    """The book that the door stamped, else the one of the account in that mode, else the first.

    A stamp that the data does not know stands by itself, with nothing known of its accounts.
    """
    stamped = message.envelope.extension("book")
    if stamped:
        return book_map.named(stamped) or BookData(name=stamped)
    if livemode is None:
        return book_map.books[0]
    mode = Mode.of(livemode=livemode)
    owner = book_map.of_stripe(account, mode) if account else None
    in_mode = (b for b in book_map.books if b.mode in (None, mode))
    return owner or next(in_mode, book_map.books[0])


def _is_of_another_mode(
    message: Input,
    book: BookData,
    told_modes: tuple[bool | None, ...],
    subject: str,
    found: Findings,
) -> bool:
    """Whether a message belongs to the other of Stripe's two worlds, and the remark of it."""
    stamped = _STAMPED_MODES.get(message.envelope.extension("livemode"))
    is_live = None if book.mode is None else book.mode is Mode.LIVE
    for said in (*told_modes, stamped):
        if is_live is None:
            is_live = said
        elif said is not None and said is not is_live:
            break
    else:
        return False
    expected, other = Mode.of(livemode=bool(is_live)), Mode.of(livemode=not is_live)
    found.remarks.append(
        Remark(
            OutcomeKind.REFUSED,
            DiscrepancyKind.MODE_MISMATCH,
            subject,
            f"it is of {other} mode, and this book or delivery is of {expected} mode",
        )
    )
    return True


def _book_object(
    shown: JsonObject, at: datetime, book: BookInForce, rules: RuleTable, found: Findings
) -> None:
    """Book what an object shows, itself and all that is expanded in it."""
    for number, each in enumerate(stripe.tellings(shown, at, _wanted_by(book))):
        if isinstance(each, told.Refusal):
            # Of the object itself nothing can be read; of one inside it the rest still can.
            if each.apart is not None and refunds.is_left_out(
                each.apart, each.subject, rules, found
            ):
                continue
            if number == 0 and isinstance(each.error, Unreadable):
                raise each.error
            found.refuse(each.error, each.subject)
        else:
            try:
                _book_telling(each, book, rules, found)
            except Refused as refused:
                found.refuse(refused, _subject(each))


def _wanted_by(book: BookInForce) -> stripe.Wanted:
    is_accrual, sells_credits = book.basis is Basis.ACCRUAL, book.data.sells_credits
    if is_accrual or sells_credits:
        return stripe.Wanted(invoices=is_accrual, customers=sells_credits)
    return stripe.MONEY_ALONE


def _subject(each: told.Told) -> str:
    if isinstance(each, told.Nothing | told.Refusal):
        return each.subject
    return each.payment if isinstance(each, CustomerNamed) else each.id


def _book_telling(each: told.Told, book: BookInForce, rules: RuleTable, found: Findings) -> None:
    match each:
        case told.BalanceTransaction():
            _book_balance_transaction(each, book, rules, found)
        case told.Charge():
            _book_charge(each, book, rules, found)
        case told.Refund():
            refunds.book_refund(each, book, rules, found)
        case told.Transfer():
            found.book(rules.transfer(each, book), subject=each.id)
        case told.Reversal():
            found.book(rules.transfer_reversal(each, book), subject=each.id)
        case Invoice() | InvoicePayment() | CreditNote() | CustomerNamed():
            billing.book_billed(each, book, rules, found)
        case told.Nothing():
            found.nothing(NO_BOOKING, each.subject, each.why)
        case told.Refusal():
            found.refuse(each.error, each.subject)
        case _:
            assert_never(each)


def _book_charge(each: told.Charge, book: BookInForce, rules: RuleTable, found: Findings) -> None:
    found.book(rules.payment(each, book), subject=each.id)
    if each.state is told.ChargeState.RETURNED:
        found.book(rules.payment_failed(each, book), subject=each.id)
    billing.book_credits(each, book, rules, found)


def _book_balance_transaction(
    each: told.BalanceTransaction, book: BookInForce, rules: RuleTable, found: Findings
) -> None:
    booked, is_explained = rules.balance_transaction(each, book, rules.movements)
    found.book(booked, subject=each.id)
    if booked is not None and not is_explained:
        lacks = (
            "rule" if balance_transactions.has_no_rule(each, rules.movements) else "key told along"
        )
        found.remarks.append(
            Remark(
                OutcomeKind.NOTED,
                DiscrepancyKind.UNKNOWN_BALANCE_TRANSACTION,
                each.id,
                f"no {lacks} for type {each.type[:80]}, category {each.category[:80] or 'none'},"
                f" source {each.source or 'none'}",
                booked.reference,
                abs(each.net),
            )
        )


def _bank_observation(message: Input, in_force: InForce, rules: RuleTable) -> Decision:
    fields = parse_object(message.envelope.data)
    account = read.text(fields, "account")
    book = _book_of_bank(message, in_force.book_map, account)
    found = Findings()
    told_id = read.text(fields, "id") or account
    try:
        observed = contracts.read(BANK_OBSERVATION, message.envelope.data)
        if isinstance(observed, BankBalance):
            found.nothing(NO_BOOKING, account, "a balance is compared, never booked")
        else:
            forms = (rules.bank_line_reversed, rules.bank_line)
            booked = (rule(observed, in_force.of(book)) for rule in forms)
            found.entries.extend(each for each in booked if each is not None)
            if not found.entries:
                is_posted = observed.state is LineState.POSTED
                reason = ZERO_AMOUNT if is_posted else NO_BOOKING
                found.nothing(reason, told_id, f"a {observed.state} line moves no money")
    except Unreadable:
        raise
    except Refused as refused:
        found.refuse(refused, told_id)
    entries, remarks = found.told()
    return Decision(book.book, None, None, entries, remarks)


def _book_of_bank(message: Input, book_map: BookMap, account: str) -> BookData:
    stamped = message.envelope.extension("book")
    if stamped:
        return book_map.named(stamped) or BookData(name=stamped)
    book = book_map.of_bank(account)
    if book is None:
        raise Unreadable(f"no book names the bank account {account[:80]!r}")
    return book


def _match(message: Input, in_force: InForce, rules: RuleTable) -> Decision:
    record = contracts.read(MATCH_RECORD, message.envelope.data)
    book = in_force.named(record.book)
    found = Findings()
    try:
        booked = (
            rules.match_made(record, book)
            if isinstance(record, MatchMade)
            else rules.match_undone(record, book)
        )
        found.book(booked, subject=record.id)
    except Refused as refused:
        found.refuse(refused, record.id)
    entries, remarks = found.told()
    return Decision(book.name, None, None, entries, remarks)


def _command(message: Input, in_force: InForce, _: RuleTable) -> Decision:
    fields = parse_object(message.envelope.data)
    key = fields.get("idempotency_key")
    if not isinstance(key, str) or not key:
        raise Unreadable("the command has no idempotency_key")
    named = read.text(fields, "book") or message.envelope.extension("book")
    book_map = in_force.book_map
    book = book_map.named(named) if named else book_map.books[0]
    asked: Asked | None = None
    remarks: tuple[Remark, ...] = ()
    try:
        command = contracts.read(LEDGER_COMMAND, message.envelope.data)
        if book is None:
            raise CommandRefused(
                f"there is no book {named[:80]!r}",
                rule="book_known",
                values={"book": named[:80]},
                way_out="name one that is",
            )
        asked = Asked(command, in_force.of(book))
    except Refused as refused:
        remarks = (refusal_of(refused, key),)
    return Decision(
        book=book.book if book is not None else DEFAULT_BOOK,
        identity=references.command(key),
        identity_digest=exact_json.digest(fields),
        remarks=remarks,
        asked=asked,
    )


_TopicRule = Callable[[Input, InForce, RuleTable], Decision]

_TOPIC_RULES: Final[Mapping[str, _TopicRule]] = MappingProxyType(
    {
        topics.STRIPE_EVENTS: _stripe_event,
        topics.STRIPE_OBJECTS: _stripe_object,
        topics.BANK_OBSERVATIONS: _bank_observation,
        topics.MATCHES: _match,
        topics.LEDGER_COMMANDS: _command,
    }
)
