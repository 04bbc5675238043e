"""What a platform and Stripe itself do: transfers, application fees, bills, reserves, news."""

from dataclasses import dataclass, replace

from sandbox.stripe.facts import (
    ApplicationFee,
    BalanceTransaction,
    BalanceType,
    Charge,
    Fee,
    FeeRefund,
    ReserveHold,
    ReserveRelease,
    Transfer,
    TransferReversal,
)
from sandbox.stripe.payments import Order, Payments
from sandbox.stripe.settlement import Settlement, available_on
from sandbox.stripe.shapes.money import balance_object
from sandbox.stripe.store import CONNECTED, INCOME, OTHER, Movement, Store
from sandbox.world.jsons import JsonObject


@dataclass(slots=True)
class Platform:
    """Business that is not a customer's payment."""

    store: Store
    payments: Payments

    def transfer(
        self, at: int, *, amount: int, currency: str, destination: str, source: str | None = None
    ) -> Transfer:
        """Pass money on to a connected account."""
        store = self.store
        sequence = store.next_sequence()
        transfer_id = store.new_id("tr", sequence)
        txn = store.move(
            at,
            Movement(
                settlement=Settlement(amount=-amount, currency=currency),
                type="transfer",
                reporting_category="transfer",
                counterpart=CONNECTED,
                available_on=at,
                source=transfer_id,
            ),
        )
        transfer = store.put(
            Transfer(
                id=transfer_id,
                created=at,
                sequence=sequence,
                owner=store.account,
                amount=amount,
                currency=currency,
                destination=destination,
                destination_payment=store.new_id("py", sequence),
                balance_transaction=txn.id,
                source_transaction=source,
            )
        )
        store.emit(at, "transfer.created", transfer)
        return transfer

    def reverse_transfer(
        self, at: int, transfer_id: str, amount: int, *, source_refund: str | None = None
    ) -> TransferReversal:
        """Take a part of a transfer back."""
        store = self.store
        transfer = store.get(Transfer, transfer_id)
        sequence = store.next_sequence()
        reversal_id = store.new_id("trr", sequence)
        txn = store.move(
            at,
            Movement(
                settlement=Settlement(amount=amount, currency=transfer.currency),
                type="transfer_refund",
                reporting_category="transfer_reversal",
                counterpart=CONNECTED,
                available_on=at,
                source=reversal_id,
            ),
        )
        reversal = store.put(
            TransferReversal(
                id=reversal_id,
                created=at,
                sequence=sequence,
                owner=store.account,
                amount=amount,
                currency=transfer.currency,
                transfer=transfer.id,
                balance_transaction=txn.id,
                source_refund=source_refund,
                destination_payment_refund=store.new_id("pyr", sequence),
            )
        )
        before = transfer.amount_reversed
        transfer = store.put(
            replace(
                transfer,
                amount_reversed=before + amount,
                reversals=(*transfer.reversals, reversal.id),
            )
        )
        store.emit(at, "transfer.reversed", transfer, previous={"amount_reversed": before})
        return reversal

    def direct_charge(
        self, at: int, *, account: str, amount: int, currency: str, fee_amount: int, fee: Fee
    ) -> ApplicationFee:
        """A payment that is a connected account's; ours is the application fee alone."""
        store = self.store
        share = Fee(
            amount=fee_amount,
            currency=currency,
            type="application_fee",
            description="Tallystick Demo application fee",
            application="ca_SimulatedApplication",
        )
        charge = self.payments.pay(
            at,
            Order(
                amount=amount,
                currency=currency,
                description="Order at a connected account",
                owner=account,
                application_fee_amount=fee_amount,
            ),
            Settlement(amount=amount, currency=currency, fees=(fee, share)),
        )
        sequence = store.next_sequence()
        fee_id = store.new_id("fee", sequence)
        txn = store.move(
            at,
            Movement(
                settlement=Settlement(amount=fee_amount, currency=currency),
                type="application_fee",
                reporting_category="platform_earning",
                counterpart=CONNECTED,
                available_on=available_on(at),
                source=fee_id,
            ),
        )
        store.put(replace(store.get(Charge, charge.id), application_fee=fee_id))
        made = store.put(
            ApplicationFee(
                id=fee_id,
                created=at,
                sequence=sequence,
                owner=store.account,
                amount=fee_amount,
                currency=currency,
                account=account,
                charge=charge.id,
                balance_transaction=txn.id,
            )
        )
        store.emit(at, "application_fee.created", made)
        return made

    def refund_application_fee(self, at: int, fee_id: str, amount: int) -> FeeRefund:
        """Give a part of an application fee back."""
        store = self.store
        fee = store.get(ApplicationFee, fee_id)
        sequence = store.next_sequence()
        refund_id = store.new_id("fr", sequence)
        txn = store.move(
            at,
            Movement(
                settlement=Settlement(amount=-amount, currency=fee.currency),
                type="application_fee_refund",
                reporting_category="platform_earning_refund",
                counterpart=CONNECTED,
                available_on=at,
                source=refund_id,
            ),
        )
        refund = store.put(
            FeeRefund(
                id=refund_id,
                created=at,
                sequence=sequence,
                owner=store.account,
                amount=amount,
                currency=fee.currency,
                fee=fee.id,
                balance_transaction=txn.id,
            )
        )
        fee = store.put(
            replace(
                fee,
                amount_refunded=fee.amount_refunded + amount,
                refunds=(*fee.refunds, refund.id),
            )
        )
        store.emit(at, "application_fee.refunded", fee)
        return refund

    def bill(self, at: int, *, amount: int, currency: str, description: str) -> BalanceTransaction:
        """Stripe bills the account: a balance transaction, and no event at all."""
        return self.store.move(
            at,
            Movement(
                settlement=Settlement(amount=-amount, currency=currency),
                type="stripe_fee",
                reporting_category="fee",
                counterpart=INCOME,
                available_on=at,
                description=description,
            ),
        )

    def hold_reserve(
        self, at: int, *, amount: int, currency: str, release_after: int
    ) -> ReserveHold:
        """Set funds aside: one leg out of the payments balance, one into the reserve."""
        store = self.store
        sequence = store.next_sequence()
        hold = store.put(
            ReserveHold(
                id=store.new_id("reshold", sequence),
                created=at,
                sequence=sequence,
                owner=store.account,
                amount=amount,
                currency=currency,
                amount_releasable=amount,
                release_after=release_after,
            )
        )
        self._reserve_legs(at, hold.id, "reserve_hold", -amount, currency)
        store.emit(at, "reserve.hold.created", hold)
        return hold

    def release_reserve(self, at: int, hold_id: str, amount: int) -> ReserveRelease:
        """Give funds back from the reserve into the payments balance."""
        store = self.store
        hold = store.get(ReserveHold, hold_id)
        sequence = store.next_sequence()
        release = store.put(
            ReserveRelease(
                id=store.new_id("resrel", sequence),
                created=at,
                sequence=sequence,
                owner=store.account,
                amount=amount,
                currency=hold.currency,
                hold=hold.id,
            )
        )
        self._reserve_legs(at, release.id, "reserve_release", amount, hold.currency)
        store.put(
            replace(
                hold,
                amount_releasable=hold.amount_releasable - amount,
                releases=(*hold.releases, (release.id, amount)),
            )
        )
        store.emit(at, "reserve.release.created", release)
        return release

    def strange_movement(
        self,
        at: int,
        *,
        amount: int,
        currency: str,
        txn_type: str,
        balance_type: BalanceType = BalanceType.PAYMENTS,
    ) -> BalanceTransaction:
        """A movement of a kind that nobody knows yet, and without a source."""
        return self.store.move(
            at,
            Movement(
                settlement=Settlement(amount=amount, currency=currency),
                type=txn_type,
                reporting_category="other_adjustment",
                counterpart=OTHER,
                available_on=at,
                description="A movement of a later API version",
                balance_type=balance_type,
            ),
        )

    def tell_balance(self, at: int) -> None:
        """The event that says that funds have become available; its object has no id."""
        own = [t for t in self.store.every(BalanceTransaction) if t.owner == self.store.account]
        self.store.emit(at, "balance.available", balance_object(own, self.store.view(at)))

    def tell(self, at: int, event_type: str, subject: JsonObject) -> None:
        """An event about something that moves no money."""
        self.store.emit(at, event_type, subject)

    def _reserve_legs(
        self, at: int, source: str, txn_type: str, amount: int, currency: str
    ) -> None:
        for balance_type, part in (
            (BalanceType.PAYMENTS, amount),
            (BalanceType.RISK_RESERVED, -amount),
        ):
            self.store.move(
                at,
                Movement(
                    settlement=Settlement(amount=part, currency=currency),
                    type=txn_type,
                    reporting_category="risk_reserved_funds",
                    counterpart=OTHER,
                    available_on=at,
                    source=source,
                    balance_type=balance_type,
                ),
            )
