"""What the simulated Stripe can be made to tell, and what must happen there for each event.

An event is never made up: the steps make a payment, a refund, a payout in the simulated world,
with their balance transactions, and the event is what that world tells of it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from types import MappingProxyType
from typing import Final

from tallystick.amounts import AmountInvalid
from tallystick.amounts import minor_of as exactly

Json = dict[str, object]
AMOUNT_DEFAULT: Final = "42.00"
BANK_CURRENCIES: Final = ("usd", "jpy")
_FEE_SHARE: Final = 10
_WHOLE_DIGITS_MAX: Final = 9


class Sum(Enum):
    """An amount of a step, by the amount that was asked for.

    The covering one leaves so much to pay out, whatever the available balance has been.
    """

    WHOLE = auto()
    NEGATIVE = auto()
    COVERING = auto()
    NEGATIVE_COVERING = auto()
    TWICE = auto()
    FEE = auto()


@dataclass(frozen=True, slots=True)
class Made:
    """A value of a step: the id that an earlier step has made."""

    name: str


@dataclass(frozen=True, slots=True)
class Step:
    """One command to the world."""

    do: str
    fields: Mapping[str, object] = field(default_factory=dict[str, object])


@dataclass(frozen=True, slots=True)
class Trigger:
    """An event type, the words it may also be called by, and the steps that bring it about."""

    type: str
    about: str
    steps: tuple[Step, ...]
    also: tuple[str, ...] = ()
    needs_bank: bool = False


class TriggerUnknown(ValueError):
    """A type that the simulated Stripe cannot be made to tell."""

    def __init__(self, name: str) -> None:
        self.what = f"The simulated Stripe cannot make {name[:80]!r}"
        self.why = "no steps are known that bring such an event about"
        self.fix = "`tallystick trigger --list` shows every type"
        super().__init__(self.what)


def _step(do: str, **fields: object) -> Step:
    return Step(do, MappingProxyType(fields))


_CHARGE: Final = _step("charge", amount=Sum.WHOLE)
# What leaves the balance afterwards must be covered, fees included.
_COVER: Final = _step("charge", amount=Sum.TWICE)
_REFUND: Final = _step("refund", charge=Made("charge"))
_DISPUTE: Final = _step("dispute", charge=Made("charge"))
_ANSWER: Final = _step("answer_dispute", dispute=Made("dispute"))
_PAY_OUT: Final = _step("pay_out", amount=Sum.WHOLE)
_TOP_UP: Final = _step("top_up", amount=Sum.WHOLE)
_TOPPED_UP: Final = _step("complete_top_up", topup=Made("topup"))
_TRANSFER: Final = _step("transfer", amount=Sum.WHOLE)
_DIRECT: Final = _step("direct_charge", amount=Sum.WHOLE, fee=Sum.FEE)
_HOLD: Final = _step("hold_reserve", amount=Sum.WHOLE)


def _payout_to(state: str) -> Step:
    return _step("move_payout", payout=Made("payout"), to=state)


_AT_BANK: Final = _step(
    "bank_line",
    amount=Sum.WHOLE,
    description="STRIPE PAYOUT",
    payer="STRIPE",
    entry="TRANSFER",
    reference=Made("payout"),
)


def _left_bank(amount: Sum) -> Step:
    return _step(
        "bank_line",
        amount=amount,
        description="STRIPE TOPUP",
        payer="STRIPE",
        entry="TOPUP",
        reference=Made("topup"),
    )


def _customer(event_type: str, about: str, **more: object) -> Trigger:
    return Trigger(event_type, about, (Step("tell", {"kind": "customer", **more}),))


_TRIGGERS: Final = (
    Trigger("payment_intent.created", "a payment begins, and succeeds", (_CHARGE,)),
    Trigger("payment_intent.succeeded", "a card payment", (_CHARGE,), also=("payment",)),
    Trigger("charge.succeeded", "a card payment", (_CHARGE,), also=("charge",)),
    Trigger(
        "charge.updated",
        "a charge whose balance transaction comes later",
        (_step("charge", amount=Sum.WHOLE, settled=False), _step("settle", charge=Made("charge"))),
    ),
    Trigger("charge.refunded", "a payment given back", (_CHARGE, _REFUND), also=("refund",)),
    Trigger("refund.created", "a payment given back", (_CHARGE, _REFUND)),
    Trigger(
        "refund.updated",
        "a refund whose reference becomes known",
        (_CHARGE, _REFUND, _step("reference_refund", refund=Made("refund"))),
    ),
    Trigger(
        "refund.failed",
        "a refund that comes back",
        (_CHARGE, _REFUND, _step("fail_refund", refund=Made("refund"))),
    ),
    Trigger(
        "charge.refund.updated",
        "a refund that comes back, in the older event",
        (_CHARGE, _REFUND, _step("fail_refund", refund=Made("refund"))),
    ),
    Trigger(
        "charge.dispute.created",
        "a cardholder's claim",
        (_CHARGE, _DISPUTE),
        also=("dispute", "dispute.created"),
    ),
    Trigger("charge.dispute.funds_withdrawn", "the claim's money leaves", (_CHARGE, _DISPUTE)),
    Trigger("charge.dispute.updated", "a claim is answered", (_CHARGE, _DISPUTE, _ANSWER)),
    Trigger(
        "charge.dispute.closed",
        "a claim that is lost",
        (_CHARGE, _DISPUTE, _ANSWER, _step("lose_dispute", dispute=Made("dispute"))),
        also=("dispute.lost",),
    ),
    Trigger(
        "charge.dispute.funds_reinstated",
        "a claim that is won",
        (_CHARGE, _DISPUTE, _ANSWER, _step("win_dispute", dispute=Made("dispute"))),
        also=("dispute.won",),
    ),
    Trigger(
        "payout.created", "a payout begins", (_COVER, _PAY_OUT), also=("payout",), needs_bank=True
    ),
    Trigger(
        "payout.updated",
        "a payout goes to the bank",
        (_COVER, _PAY_OUT, _payout_to("in_transit")),
        needs_bank=True,
    ),
    Trigger(
        "payout.paid",
        "a payout that arrives, its line at the bank too",
        (_COVER, _PAY_OUT, _payout_to("in_transit"), _payout_to("paid"), _AT_BANK),
        needs_bank=True,
    ),
    Trigger(
        "payout.failed",
        "a payout that comes back",
        (_COVER, _PAY_OUT, _payout_to("in_transit"), _payout_to("failed")),
        needs_bank=True,
    ),
    Trigger(
        "payout.reconciliation_completed",
        "an automatic payout of a top-up whose contents are known",
        (
            _step("tell_balance"),
            _step("top_up", amount=Sum.COVERING),
            _TOPPED_UP,
            _left_bank(Sum.NEGATIVE_COVERING),
            _step("pay_out"),
            _payout_to("in_transit"),
            _payout_to("reconciled"),
        ),
        needs_bank=True,
    ),
    Trigger("topup.created", "money called from the bank", (_TOP_UP,), needs_bank=True),
    Trigger(
        "topup.succeeded",
        "money from the bank, its line there too",
        (_TOP_UP, _TOPPED_UP, _left_bank(Sum.NEGATIVE)),
        also=("topup",),
        needs_bank=True,
    ),
    Trigger(
        "transfer.created", "money to a connected account", (_COVER, _TRANSFER), also=("transfer",)
    ),
    Trigger(
        "transfer.reversed",
        "such money taken back",
        (
            _COVER,
            _TRANSFER,
            _step("reverse_transfer", transfer=Made("transfer"), amount=Sum.WHOLE),
        ),
    ),
    Trigger(
        "application_fee.created", "our fee of a connected account's payment, a tenth", (_DIRECT,)
    ),
    Trigger(
        "application_fee.refunded",
        "such a fee given back",
        (
            _DIRECT,
            _step(
                "refund_application_fee", application_fee=Made("application_fee"), amount=Sum.FEE
            ),
        ),
    ),
    Trigger("reserve.hold.created", "money set aside", (_COVER, _HOLD)),
    Trigger(
        "reserve.release.created",
        "money set aside, and free again",
        (_COVER, _HOLD, _step("release_reserve", hold=Made("hold"), amount=Sum.WHOLE)),
    ),
    Trigger("balance.available", "funds become available", (_CHARGE, _step("tell_balance"))),
    _customer("customer.created", "a customer; books nothing"),
    _customer("customer.updated", "a customer's new name; books nothing", name="Ada Lovelace"),
    _customer("customer.deleted", "a customer goes; books nothing", deleted=True),
    Trigger("product.created", "a product; books nothing", (Step("tell", {"kind": "product"}),)),
    Trigger(
        "setup_intent.succeeded",
        "a card kept for later; books nothing",
        (Step("tell", {"kind": "setup_intent"}),),
    ),
)

TRIGGERS: Final[Mapping[str, Trigger]] = MappingProxyType({t.type: t for t in _TRIGGERS})
_ALSO: Final = MappingProxyType({name: t for t in _TRIGGERS for name in t.also})


def trigger_named(name: str) -> Trigger:
    """The trigger of a type, or of another word for it.

    Raises:
        TriggerUnknown: There is none.
    """
    found = TRIGGERS.get(name) or _ALSO.get(name)
    if found is None:
        raise TriggerUnknown(name)
    return found


def minor_of(text: str, currency: str) -> int:
    """An amount as a person writes it, in minor units; Stripe takes at most nine whole digits.

    Raises:
        AmountInvalid: Not above zero, too precise for the currency, or too large.
    """
    minor = exactly(text, currency)
    if len(text.partition(".")[0]) > _WHOLE_DIGITS_MAX:
        raise AmountInvalid(f"{text[:40]!r} is more {currency} than Stripe takes")
    return minor


def command_of(
    step: Step, *, minor: int, currency: str, made: Mapping[str, str], tell: Callable[[Step], Json]
) -> Json:
    """The command of a step, with the amounts asked for and the ids that earlier steps made.

    ``tell`` gives the object of an event that moves no money.
    """
    covering = minor + max(0, -int(made.get("available", "0")))
    sums = {
        Sum.COVERING: covering,
        Sum.NEGATIVE_COVERING: -covering,
        Sum.WHOLE: minor,
        Sum.NEGATIVE: -minor,
        Sum.TWICE: 2 * minor + 1_000,
        Sum.FEE: max(minor // _FEE_SHARE, 1),
    }
    if step.do == "tell":
        return {"do": "tell", "object": tell(step)}
    command: Json = {"do": step.do}
    for name, value in step.fields.items():
        match value:
            case Sum():
                command[name] = sums[value]
            case Made():
                command[name] = made[value.name]
            case _:
                command[name] = value
    if step.do == "bank_line":
        command["account"] = f"main_{currency}"
    else:
        command["currency"] = currency
    return command


def told_object(step: Step, *, token: str, at: int) -> Json:
    """The object of an event that moves no money, as Stripe shows such a one."""
    match step.fields["kind"]:
        case "customer" if step.fields.get("deleted"):
            return {"id": f"cus_{token[:14]}", "object": "customer", "deleted": True}
        case "customer":
            return {
                "id": f"cus_{token[:14]}",
                "object": "customer",
                "address": None,
                "balance": 0,
                "created": at,
                "currency": None,
                "default_source": None,
                "delinquent": False,
                "description": None,
                "email": "ada@example.com",
                "invoice_prefix": token[:8].upper(),
                "livemode": False,
                "metadata": {},
                "name": step.fields.get("name", "Ada Byron"),
                "phone": None,
                "shipping": None,
            }
        case "product":
            return {
                "id": f"prod_{token[:14]}",
                "object": "product",
                "active": True,
                "created": at,
                "default_price": None,
                "description": None,
                "images": [],
                "livemode": False,
                "metadata": {},
                "name": "A tally stick",
                "type": "service",
                "updated": at,
                "url": None,
            }
        case _:
            return {
                "id": f"seti_1{token[:23]}",
                "object": "setup_intent",
                "automatic_payment_methods": None,
                "cancellation_reason": None,
                "created": at,
                "customer": None,
                "description": None,
                "last_setup_error": None,
                "livemode": False,
                "metadata": {},
                "payment_method": f"pm_1{token[:23]}",
                "payment_method_types": ["card"],
                "status": "succeeded",
                "usage": "off_session",
            }
