"""Whose name a bank line bears: the words that every bank writes, Stripe's own, and all others.

A word that is neither is taken for a payer's name, and a line that bears another payer's name is
never matched by amount and date.
"""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

# What banks write around any credit or debit, in the languages of the common statement formats.
_BANK_WORDS: Final = """
a abwa abwe account acct accounts ach advice amount an and as at auto automated automatic available
avis
balance bank banking bankgiro bacs batch benef bgc beneficiary bic bnf book booked booking by
cb ccd chaps clearing clr company confirmation corp corporate cr credit credited creditor
credits cross ct ctx currency customerref data date dated day dbt de debit debited debitor debits
deposit deposits des desc descr description descriptive details direct domestic dr ebank
eed effective eft electronic en end entry eref ext external faster fast fed fedwire
for fp fpi fps from fund funds furikomi fwd giro
gmbhref gutschrift haben iat iban id imad inbound incoming
ind indn individual info information instant instr inst instant instruction int interbank
international into intl inward iso item kref lastschrift le livraison local memo merchant
misc mref msg name narrative nacha net netw ordp network no note notprovided nr num
number obi of om omad on online or order orig origin originator originating other out
outgoing overboeking outward paid par part partial party pay payable payer paym payment payments
payout payouts pmt pmnt ppd preauth preauthorized prenote
proceeds processed processing purpose purp rcvd realtime
receipt received recd ref reference references remi trtp marf csid
refnum refno remittance remit remitter rem rmtinf
rtgs rtp sct sdd sec sender seq sepa sequence settle settled settlement settlements
sort spei src std standard status statement svwz swift tef telex tel terms text the to
topup top up total trace transaction transactions transfer transfers transferred trf trfr trn
trnsfr tt txn txns txt type ueberweisung uetr ultimate uberweisung unstructured ustrd utc
value valuta via virement virt vir von wert web weekly daily monthly wire wires with within
withdrawal xfer zahlung zahlungseingang sammler gutschr eingang paiement recu virements
transferencia abono ingreso pago bonifico accredito bonif pagamento overschrijving
storting bijschrijving betaling inkomend ontvangen betalning insattning overforing
jan feb mar apr may jun jul aug sep sept oct nov dec january february march april june july
august september october november december mon tue wed thu fri sat sun monday tuesday wednesday
thursday friday saturday sunday am pm gmt cet cest est edt pst pdt
aed ars aud bgn bhd brl cad chf clp cny cop czk dkk eur gbp hkd huf idr ils inr isk
jod jpy krw kwd mxn myr nok nzd omr pen php pln ron sar sek sgd thb tnd try twd uah usd vnd zar
euro euros dollar dollars pound pounds sterling yen franc francs
"""
# Words of a company's name or seat: they go with a payer's name and never stand for one.
_COMPANY_WORDS: Final = """
inc ltd limited llc plc gmbh sa sarl bv nv ab as oy kk pty pte co corp corporation company group
technology technologies tech europe european uk gb us usa eu ie irl ireland dublin london
singapore sg japan jp tokyo australia au canada ca brasil brazil br mexico mx india in hong kong hk
new zealand nz san francisco oakville south city
"""
_PAYER_MARKERS: Final = frozenset(
    {"from", "sender", "remitter", "payer", "debitor", "originator", "orig", "ultimate", "von"}
)
_STRIPE: Final = "stripe"

BANK_WORDS: Final = frozenset(_BANK_WORDS.split())
COMPANY_WORDS: Final = frozenset(_COMPANY_WORDS.split())
_CUT_MIN: Final = 3
# What a bank may have cut a common word short to, whole words among them.
_BEGINNINGS: Final = frozenset(
    word[:size]
    for word in (*BANK_WORDS, *COMPANY_WORDS, _STRIPE)
    for size in range(_CUT_MIN, len(word) + 1)
)

_TOKEN = re.compile(r"[^\W_]+(?:[&'][^\W_]+)*")
# A short prefix and a number, as in ST-X1Y2Z3: a reference number, no word.
_NUMBERED = re.compile(r"\b[^\W\d_]{1,3}[-/](?=\w*\d)\w+")
_NAME_WITH_NUMBER = re.compile(r"([^\W\d_]{4,})\d{1,4}")
# The receiver's own name inside a structured text: ours, not a payer's.
_RECEIVER = re.compile(
    r"\b(?:ind(?:ividual)?\s*name|indn|beneficiary|bnf|benm|creditor(?:\s*name)?|credit\s*to)\s*[:=/]"
    r"[^:=/]*?(?=\s+[\w]+(?:\s+\w+)?\s*[:=/]|[/;|\n]|$)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Names:
    """The names in a line's text.

    ``others`` are the proper words, in order, that are neither a bank's nor a known payer's;
    ``is_payer_named`` tells that Stripe, or a payer name of the book, stands in the text.
    """

    others: tuple[str, ...]
    is_payer_named: bool

    def forbids(self, descriptor: str) -> bool:
        """Whether the line bears another name than a payout's own statement descriptor."""
        if not self.others:
            return False
        # A descriptor names the payer, and with a payer's name go the words of a company's.
        bare = tuple(word for word in self.others if word not in COMPANY_WORDS)
        left = _without(bare, proper_words(descriptor))
        return bool(left) or left == bare


def names_in(
    description: str, reference: str, counterparty: str, payer_names: Sequence[str]
) -> Names:
    """The names that a line's three texts bear."""
    fields = (description, reference, counterparty)
    known = tuple(_plain(name) for name in payer_names)
    is_named = any(_names_payer(field, known) for field in fields)
    payers = tuple(proper_words(name) for name in payer_names)
    others = [_others(field, payers, is_named=is_named) for field in fields]
    if counterparty and not others[2] and _names_payer(counterparty, known):
        # The bank itself says who paid. Further words are then ours or a purpose, unless the
        # text says in so many words from whom the money is.
        free = [i for i in (0, 1) if not _PAYER_MARKERS & set(_tokens(fields[i]))]
        for i in free:
            others[i] = ()
    return Names(tuple(word for field in others for word in field), is_named)


@lru_cache(maxsize=4096)
def proper_words(text: str) -> tuple[str, ...]:
    """The words of a name that are neither a bank's nor Stripe's."""
    return tuple(w for w in _tokens(text) if not _is_common(w, is_named=True))


def _others(field: str, payers: Iterable[tuple[str, ...]], *, is_named: bool) -> tuple[str, ...]:
    if not field:
        return ()
    text = _RECEIVER.sub(" ", field) if is_named else field
    tokens = _tokens(text)
    proper = [
        word
        for i, word in enumerate(tokens)
        if not _is_common(word, is_named=is_named)
        and not (is_named and i == len(tokens) - 1 and _is_cut(word))
    ]
    left = tuple(proper)
    for payer in payers:
        left = _without(left, payer)
    return left


def _names_payer(field: str, known: Iterable[str]) -> bool:
    words = _tokens(field)
    if any(_is_stripe(word) for word in words):
        return True
    text = f" {' '.join(words)} "
    return any(name and f" {name} " in text for name in known)


def _plain(name: str) -> str:
    return " ".join(_tokens(name))


@lru_cache(maxsize=1024)
def _tokens(text: str) -> tuple[str, ...]:
    """The words of a text, folded; numbers and reference numbers are no words."""
    folded = text
    if not text.isascii():
        folded = unicodedata.normalize("NFKD", text.replace("\N{RIGHT SINGLE QUOTATION MARK}", "'"))
        folded = "".join(c for c in folded if not unicodedata.combining(c))
    folded = _NUMBERED.sub(" ", folded.casefold())
    words: list[str] = []
    for found in _TOKEN.findall(folded):
        if found.isalpha() or not any(c.isdigit() for c in found):
            words.append(found)
        elif named := _NAME_WITH_NUMBER.fullmatch(found):
            words.append(named[1])
    return tuple(words)


def _is_common(word: str, *, is_named: bool) -> bool:
    if len(word) == 1 and word.isascii():
        return True
    if word in BANK_WORDS or _is_stripe(word):
        return True
    return is_named and word in COMPANY_WORDS


def _is_stripe(word: str) -> bool:
    if not word.startswith(_STRIPE):
        return False
    rest = word.removeprefix(_STRIPE)
    return not rest or rest in BANK_WORDS or (rest in COMPANY_WORDS and len(rest) > 2)


def _is_cut(word: str) -> bool:
    """Whether a bank may have cut a common word short to this."""
    return word in _BEGINNINGS


def _without(words: tuple[str, ...], phrase: tuple[str, ...]) -> tuple[str, ...]:
    """Words with each occurrence of a phrase taken out."""
    if not phrase:
        return words
    left: list[str] = []
    i = 0
    while i < len(words):
        if words[i : i + len(phrase)] == phrase:
            i += len(phrase)
        else:
            left.append(words[i])
            i += 1
    return tuple(left)
