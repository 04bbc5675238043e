"""The books that must come out, in a bookkeeper's words, made of the simulators' own facts.

It follows the posting table of the accounting model and shares no code with what books: every
charge, refund, transfer, balance transaction and bank line gives one balanced record here.
"""

from dataclasses import dataclass, field
from itertools import chain
from typing import Final

from sandbox.stripe.facts import (
    BalanceTransaction,
    BalanceType,
    Charge,
    Refund,
    Transfer,
    TransferReversal,
)
from sandbox.stripe.settlement import EXPONENTS
from sandbox.world import truth_of_billing
from sandbox.world.books import Books, Leg
from sandbox.world.calendar import text_of
from sandbox.world.jsons import JsonObject
from sandbox.world.state import State

BALANCE: Final = "assets:stripe:balance"
SETTLING: Final = "assets:stripe:settling"
IN_TRANSIT: Final = "assets:stripe:in-transit"
RESERVE: Final = "assets:stripe:reserve"
CONNECT: Final = "liabilities:connect"
SUSPENSE: Final = "liabilities:suspense"
EXCHANGE: Final = "equity:exchange"
REVENUE: Final = "revenue:stripe"
REFUNDS: Final = "revenue:refunds"
APPLICATION_FEES: Final = "revenue:application-fees"
FEES: Final = "expenses:stripe-fees"
DISPUTES: Final = "expenses:disputes"

_BALANCES: Final = {
    BalanceType.PAYMENTS: BALANCE,
    BalanceType.ISSUING: "assets:stripe:issuing",
    BalanceType.PREFUNDING: "assets:stripe:refund-and-dispute-prefunding",
    BalanceType.RISK_RESERVED: RESERVE,
}
_SETTLED: Final = frozenset({"charge", "refund", "refund_failure", "transfer", "transfer_refund"})
_ON_THE_WAY: Final = frozenset({"payout", "payout_failure", "topup"})


@dataclass(slots=True)
class Truth:
    """The books that a world's facts give."""

    state: State
    books: Books = field(default_factory=Books)

    @classmethod
    def of(cls, state: State) -> "Truth":
        """The books of all that has happened so far."""
        truth = cls(state)
        truth._payments()
        truth._transfers()
        truth._balance_transactions()
        truth._bank_lines()
        truth._exchanges()
        truth._billing()
        return truth

    def _own(self, owner: str) -> bool:
        return owner == self.state.stripe.store.account

    def _payments(self) -> None:
        store = self.state.stripe.store
        for charge in filter(lambda c: self._own(c.owner), store.every(Charge)):
            self._pair(charge.id, SETTLING, REVENUE, charge.currency, charge.amount)
        for refund in filter(lambda r: self._own(r.owner), store.every(Refund)):
            self._pair(refund.id, SETTLING, REFUNDS, refund.currency, -refund.amount)
            if refund.status == "failed":
                self._pair(refund.id, SETTLING, REFUNDS, refund.currency, refund.amount)

    def _transfers(self) -> None:
        store = self.state.stripe.store
        for transfer in store.every(Transfer):
            self.books.record(
                transfer.created,
                transfer.id,
                "transfer",
                Leg(CONNECT, transfer.currency, transfer.amount, transfer.destination),
                Leg(SETTLING, transfer.currency, -transfer.amount, transfer.id),
            )
        for reversal in store.every(TransferReversal):
            owed = Leg(
                CONNECT,
                reversal.currency,
                -reversal.amount,
                store.get(Transfer, reversal.transfer).destination,
            )
            self.books.record(
                reversal.created,
                reversal.id,
                "reversal",
                Leg(SETTLING, reversal.currency, reversal.amount, reversal.id),
                owed
                if reversal.source_refund is None
                else Leg(REFUNDS, reversal.currency, -reversal.amount),
            )

    def _pair(self, fact: str, account: str, other: str, currency: str, minor: int) -> None:
        """One leg on a clearing account under the fact's key, the other where it belongs."""
        self.books.record(
            0, fact, account, Leg(account, currency, minor, fact), Leg(other, currency, -minor)
        )

    def _balance_transactions(self) -> None:
        for txn in self.state.stripe.store.every(BalanceTransaction):
            if not self._own(txn.owner):
                continue
            balance = _BALANCES[txn.balance_type]
            self.books.record(
                txn.created,
                txn.id,
                txn.type,
                Leg(balance, txn.currency, txn.net),
                Leg(FEES, txn.currency, txn.fee),
                _other_side(txn),
            )

    def _bank_lines(self) -> None:
        for line in self.state.bank.every_line():
            account = self.state.bank.account(line.account_id)
            cash = Leg(f"assets:bank:{account.name}", line.currency, line.amount)
            share = self.state.shares.get(line.id)
            if share is None:
                other = Leg(SUSPENSE, line.currency, -line.amount, line.id)
            else:
                other = Leg(IN_TRANSIT, line.currency, -share.amount, share.settles)
            self.books.record(line.created, line.id, "bank line", cash, other)

    def _billing(self) -> None:
        store, books = self.state.stripe.store, self.state.scenario.books
        told = chain(
            truth_of_billing.invoices(store) if books.basis == "accrual" else (),
            truth_of_billing.customer_credits(store) if books.sells_credits else (),
        )
        for fact, legs in told:
            self.books.record(0, fact, "billing", *legs)

    def _exchanges(self) -> None:
        """Clear every payment of which one currency was paid and another one came."""
        open_keys: dict[str, dict[str, int]] = {}
        for (account, key, currency), minor in self.books.keyed().items():
            if account == SETTLING:
                open_keys.setdefault(key, {})[currency] = minor
        for key, by_currency in open_keys.items():
            if len(by_currency) > 1:
                for currency, minor in by_currency.items():
                    self._pair(key, SETTLING, EXCHANGE, currency, -minor)


def _other_side(txn: BalanceTransaction) -> Leg:
    """Where the gross amount of a balance transaction comes from, or goes to."""
    source = txn.source or ""
    if txn.type in _SETTLED or txn.type in ("reserve_hold", "reserve_release"):
        return Leg(SETTLING, txn.currency, -txn.amount, source)
    if txn.type in _ON_THE_WAY:
        return Leg(IN_TRANSIT, txn.currency, -txn.amount, source)
    if txn.type == "adjustment":
        return Leg(DISPUTES, txn.currency, -txn.amount, source)
    if txn.type in ("application_fee", "application_fee_refund"):
        return Leg(APPLICATION_FEES, txn.currency, -txn.amount)
    if txn.type == "stripe_fee":
        return Leg(FEES, txn.currency, -txn.amount)
    return Leg(SUSPENSE, txn.currency, -txn.amount, txn.id)


def truth_document(state: State) -> JsonObject:
    """The truth as JSON: balances, balances by key, discrepancies, and both parties' own books.

    Amounts are signed minor units, debit positive, as text.
    """
    books = Truth.of(state).books
    store = state.stripe.store
    return {
        "scenario": state.scenario.world.name,
        "seed": state.plan.seed,
        "payments": state.plan.payments,
        "as_of": text_of(state.agenda.now),
        "ends_at": text_of(state.plan.end_at),
        "over": state.agenda.now >= state.plan.end_at,
        "mode": "live" if store.livemode else "test",
        "stripe_account": store.account,
        "bank_accounts": [
            {
                "name": name,
                "currency": part.currency,
                "destination": part.destination,
                "id": state.bank.named(name).id,
            }
            for name, part in state.scenario.banks.items()
        ],
        "balances": [
            {"account": account, **money(minor, currency)}
            for (account, currency), minor in books.balances().items()
        ],
        "keyed": [
            {"account": account, "key": key, **money(minor, currency)}
            for (account, key, currency), minor in books.keyed().items()
        ],
        "discrepancies": [
            {
                "kind": finding.kind,
                "subject": finding.subject,
                "amount": None
                if finding.amount is None or finding.currency is None
                else money(finding.amount, finding.currency),
            }
            for finding in sorted(state.findings, key=lambda f: (f.kind, f.subject))
        ],
        "stripe": {
            "balances": {
                currency: str(store.balance(currency)) for currency in sorted(_currencies(state))
            },
        },
        "bank": {
            account.name: {
                "currency": account.currency,
                "minor": str(state.bank.balance(account.id)),
            }
            for account in state.bank.accounts()
        },
    }


def money(minor: int, currency: str) -> JsonObject:
    """An amount as topics carry it."""
    return {"minor": str(minor), "currency": currency, "exponent": EXPONENTS[currency]}


def _currencies(state: State) -> set[str]:
    every = state.stripe.store.every(BalanceTransaction)
    return {txn.currency for txn in every if txn.owner == state.stripe.store.account}
