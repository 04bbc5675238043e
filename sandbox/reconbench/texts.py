"""What banks write: around a reference, instead of it, and what they make of it."""

from random import Random
from typing import Final

ALPHABET: Final = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghjkmnpqrstuvwxyz23456789"
OWN_ACCOUNT: Final = "LkdIwHu7ix"
OTHER_ACCOUNT: Final = "Qz4nVbT9ke"
AROUND: Final = (
    "STRIPE PAYOUT {}",
    "ACH CREDIT STRIPE TRANSFER {}",
    "ORIG CO NAME:STRIPE CO ENTRY DESCR:TRANSFER SEC:CCD {}",
    "SEPA GUTSCHRIFT STRIPE PAYMENTS EUROPE LTD EREF+{} SVWZ+PAYOUT",
    "BGC STRIPE PAYMENTS UK {}",
    "/EREF/{}/REMI/STRIPE",
)
PLAIN: Final = (
    "STRIPE TRANSFER",
    "ACH CREDIT STRIPE TRANSFER",
    "STRIPE PAYOUT",
    "SEPA GUTSCHRIFT STRIPE PAYMENTS EUROPE LTD",
    "PREAUTHORIZED ACH CREDIT STRIPE",
)
CHARGED: Final = ("LESS CHARGES", "NET OF FEES", "SHA CHGS DEDUCTED", "ABZGL. SPESEN")
CONVERTED: Final = ("FX RATE 1.0832", "CONVERTED EXCH RATE 0.9231", "KURS 1,0832")
CREDITORS: Final = (
    "WIRE FROM ACME INDUSTRIES GMBH INV {}",
    "SEPA CREDIT GLOBEX SA {}",
    "JOHN SMITH RENT {}",
    "PAYPAL TRANSFER {}",
    "TAX REFUND IRS TREAS {}",
    "BARGELDEINZAHLUNG FILIALE {}",
)
DEBTORS: Final = (
    "DIRECT DEBIT CITY UTILITIES {}",
    "CARD PURCHASE OFFICE WORLD {}",
    "SEPA LASTSCHRIFT TELEKOM {}",
    "CHECK {} PAID NORTHWIND",
)
SIMILAR: Final = ("STRIPES & CO LTD", "PINSTRIPE LTD", "STRYPE PAYMENTS", "TRIPE STREET LLC")


def payout_id(random: Random, *, account: str = OWN_ACCOUNT) -> str:
    """An id as Stripe draws them: time, a piece of the account, and what is drawn."""
    time_part = "".join(random.choices(ALPHABET, k=5))
    return f"po_1{time_part}{account}{''.join(random.choices(ALPHABET, k=8))}"


def around(random: Random, reference: str) -> str:
    """A text with a reference in it."""
    return random.choice(AROUND).format(reference)


def mangled(random: Random, name: str) -> tuple[str, str]:
    """What a bank makes of an id, as (description, reference field)."""
    how = random.choice(
        ("cut16", "cut18", "cut35", "upper", "spaced", "glued", "front", "one", "two", "four")
    )
    match how:
        case "cut16" | "cut18":
            return "STRIPE", name[: int(how[3:])]
        case "cut35":
            return f"STRIPE PAYOUT {name} /INV 4711"[:35], ""
        case "upper":
            return f"STRIPE {name.upper().replace('_', '')}", ""
        case "spaced":
            return "STRIPE " + " ".join(name[i : i + 6] for i in range(0, len(name), 6)), ""
        case "glued":
            return f"STRIPEPAYOUT{name}".upper().replace("_", ""), ""
        case "front":
            return f"STRIPE {name[8:]}", ""
        case _:
            return f"STRIPE {garbled(random, name, {'one': 1, 'two': 2}.get(how, 4))}", ""


def garbled(random: Random, name: str, count: int) -> str:
    """An id with letters that a reader took for others, not at its very ends."""
    places = [i for i in range(5, len(name) - 5) if name[i].isalpha()]
    letters = list(name)
    for place in sorted(random.sample(places, min(count, len(places)))):
        others = [c for c in "xqwkzvj" if c != letters[place].lower()]
        letters[place] = random.choice(others)
    return "".join(letters)
