"""Payouts and top-ups: money between the balance and the bank."""

from dataclasses import dataclass, replace
from typing import Final

from sandbox.stripe.facts import (
    BalanceTransaction,
    BalanceType,
    Fee,
    Payout,
    PayoutStatus,
    Topup,
)
from sandbox.stripe.settlement import Settlement
from sandbox.stripe.store import BANKS, Movement, Store

_FAILURES: Final = {
    "account_closed": "The bank account has been closed.",
    "no_account": "The bank account could not be located.",
    "could_not_process": "The bank could not process this payout.",
}


@dataclass(slots=True)
class Payouts:
    """The way to the bank and back."""

    store: Store

    def due(self, at: int, currency: str) -> list[BalanceTransaction]:
        """What an automatic payout of this second would pay out."""
        return [
            txn
            for txn in self.store.every(BalanceTransaction)
            if txn.owner == self.store.account
            and txn.currency == currency
            and txn.balance_type is BalanceType.PAYMENTS
            and txn.payout is None
            and txn.available_on <= at
        ]

    def pay_out_all(
        self, at: int, currency: str, *, destination: str, arrival_date: int
    ) -> Payout | None:
        """An automatic payout of all that is available, or ``None`` if that is nothing."""
        included = self.due(at, currency)
        amount = sum(txn.net for txn in included)
        if amount <= 0:
            return None
        payout = self._created(
            at,
            amount=amount,
            currency=currency,
            destination=destination,
            arrival_date=arrival_date,
            is_automatic=True,
        )
        for txn in included:
            self.store.put(replace(txn, payout=payout.id))
        return payout

    def pay_out(
        self,
        at: int,
        *,
        amount: int,
        currency: str,
        destination: str,
        arrival_date: int,
        instant_fee: int = 0,
    ) -> Payout:
        """A payout that somebody asked for; an instant one may cost a fee."""
        return self._created(
            at,
            amount=amount,
            currency=currency,
            destination=destination,
            arrival_date=arrival_date,
            is_automatic=False,
            instant_fee=instant_fee,
        )

    def submit(self, at: int, payout_id: str) -> Payout:
        """The payout goes to the bank."""
        payout = self.store.get(Payout, payout_id)
        return self._changed(at, replace(payout, status=PayoutStatus.IN_TRANSIT), payout)

    def complete_reconciliation(self, at: int, payout_id: str) -> Payout:
        """Stripe can tell which transactions an automatic payout pays out."""
        payout = self.store.get(Payout, payout_id)
        payout = self.store.put(replace(payout, reconciliation_status="completed"))
        self.store.emit(at, "payout.reconciliation_completed", payout)
        return payout

    def arrive(self, at: int, payout_id: str) -> Payout:
        """Stripe expects the payout at the bank by now: paid, which proves nothing."""
        payout = self.store.get(Payout, payout_id)
        payout = self.store.put(replace(payout, status=PayoutStatus.PAID))
        self.store.emit(at, "payout.paid", payout)
        return payout

    def trace(self, at: int, payout_id: str, value: str | None) -> Payout:
        """The bank's reference of a payout becomes known, or it is known that there is none."""
        payout = self.store.get(Payout, payout_id)
        status = "unsupported" if value is None else "supported"
        return self._changed(at, replace(payout, trace_status=status, trace_value=value), payout)

    def fail(self, at: int, payout_id: str, *, code: str) -> Payout:
        """The bank sends a payout back, perhaps after it was told paid."""
        store = self.store
        payout = store.get(Payout, payout_id)
        txn = store.move(
            at,
            Movement(
                settlement=Settlement(amount=payout.amount, currency=payout.currency),
                type="payout_failure",
                reporting_category="payout_reversal",
                counterpart=BANKS,
                available_on=at,
                source=payout.id,
                description="PAYOUT FAILURE",
            ),
        )
        payout = store.put(
            replace(
                payout,
                status=PayoutStatus.FAILED,
                failure_code=code,
                failure_message=_FAILURES[code],
                failure_balance_transaction=txn.id,
            )
        )
        store.emit(at, "payout.failed", payout)
        return payout

    def top_up(self, at: int, *, amount: int, currency: str, expected_on: int) -> Topup:
        """Money is called from the bank into the balance."""
        sequence = self.store.next_sequence()
        topup = self.store.put(
            Topup(
                id=self.store.new_id("tu", sequence),
                created=at,
                sequence=sequence,
                owner=self.store.account,
                amount=amount,
                currency=currency,
                expected_availability_date=expected_on,
            )
        )
        self.store.emit(at, "topup.created", topup)
        return topup

    def complete_top_up(self, at: int, topup_id: str) -> Topup:
        """The money that was called has come."""
        store = self.store
        topup = store.get(Topup, topup_id)
        txn = store.move(
            at,
            Movement(
                settlement=Settlement(amount=topup.amount, currency=topup.currency),
                type="topup",
                reporting_category="topup",
                counterpart=BANKS,
                available_on=at,
                source=topup.id,
                description="Top-up",
            ),
        )
        topup = store.put(replace(topup, status="succeeded", balance_transaction=txn.id))
        store.emit(at, "topup.succeeded", topup)
        return topup

    def _created(
        self,
        at: int,
        *,
        amount: int,
        currency: str,
        destination: str,
        arrival_date: int,
        is_automatic: bool,
        instant_fee: int = 0,
    ) -> Payout:
        store = self.store
        sequence = store.next_sequence()
        payout_id = store.new_id("po", sequence)
        fee = Fee(
            amount=instant_fee,
            currency=currency,
            type="stripe_fee",
            description="Instant payout fee",
        )
        txn = store.move(
            at,
            Movement(
                settlement=Settlement(
                    amount=-amount, currency=currency, fees=(fee,) if instant_fee else ()
                ),
                type="payout",
                reporting_category="payout",
                counterpart=BANKS,
                available_on=at,
                source=payout_id,
                description="STRIPE PAYOUT",
                # A manual payout belongs to no automatic one yet: the next of those bears it.
                payout=payout_id if is_automatic else None,
            ),
        )
        payout = store.put(
            Payout(
                id=payout_id,
                created=at,
                sequence=sequence,
                owner=store.account,
                amount=amount,
                currency=currency,
                destination=destination,
                arrival_date=arrival_date,
                is_automatic=is_automatic,
                method="instant" if instant_fee else "standard",
                reconciliation_status="in_progress" if is_automatic else "not_applicable",
                balance_transaction=txn.id,
            )
        )
        store.emit(at, "payout.created", payout)
        return payout

    def _changed(self, at: int, payout: Payout, before: Payout) -> Payout:
        self.store.put(payout)
        self.store.emit(at, "payout.updated", payout, previous={"status": before.status.value})
        return payout
