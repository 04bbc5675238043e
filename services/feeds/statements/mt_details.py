"""``:86:``, in the ways that banks write it: subfields, slash codes, SEPA keywords, free text.

Source: DFÜ-Abkommen Anlage 3 (German banks, ``?20``…), SWIFT MT940 structured (Dutch banks,
``/EREF/``), SEPA identifiers ``EREF+`` … ``SVWZ+``.
"""

import re
from dataclasses import dataclass
from typing import Final

_GERMAN: Final = re.compile(r"([0-9]{3})\?")
_SUBFIELD: Final = re.compile(r"\?([0-9]{2})")
_REMITTANCE: Final = tuple(f"{n}" for n in (*range(20, 30), *range(60, 64)))
_KEYWORD: Final = re.compile(r"(EREF|KREF|MREF|CRED|DEBT|SVWZ|ABWA|ABWE|IBAN|BIC|COAM|OAMT|PURP)\+")
_SLASHED: Final = frozenset(
    re.findall(
        "[A-Z]+",
        "ACCW ADDR BENM BIC BUSP CDTR CHGS CNTP CREF CSID DBTR EREF IBAN ID IREF ISDT KREF MARF"
        " MREF NAME NRTX ORDP PREF PURP REMI RTRN SVCL TRCD TRTP TXID UDTR ULTC ULTD",
    )
)
_NO_REFERENCES: Final = frozenset({"NOTPROVIDED", "NONREF"})


@dataclass(frozen=True, slots=True)
class Details:
    """What ``:86:`` says: the words, the references in it, and who is on the other side."""

    description: str = ""
    reference: str = ""
    counterparty: str = ""


def details_of(text: str) -> Details:
    """The details of a ``:86:`` field, whichever way it is written."""
    if _GERMAN.match(text):
        return _subfields(text.replace("\n", ""))
    joined = text.replace("\n", "")
    if _slash_parts(joined):
        return _slashed(joined)
    if _KEYWORD.search(joined):
        return Details(" ".join(text.split()), _keyworded(joined))
    words = " ".join(text.split())
    return Details(words, words)


def _subfields(text: str) -> Details:
    parts = _SUBFIELD.split(text)
    said: dict[str, str] = {}
    for code, value in zip(parts[1::2], parts[2::2], strict=True):
        said[code] = said.get(code, "") + value
    # A remittance is cut into pieces of 27 characters, words and all: they are joined unspaced.
    remittance = "".join(said.get(code, "") for code in _REMITTANCE)
    name = (said.get("32", "") + said.get("33", "")).strip()
    return Details(
        description=" ".join(filter(None, (said.get("00", ""), remittance))),
        reference=_keyworded(remittance) if _KEYWORD.search(remittance) else remittance,
        counterparty=name,
    )


def _keyworded(text: str) -> str:
    parts = _KEYWORD.split(text)
    said = dict(zip(parts[1::2], (v.strip() for v in parts[2::2]), strict=True))
    wanted = [said.get("SVWZ", "") or parts[0].strip()]
    wanted += [said.get(code, "") for code in ("EREF", "KREF", "MREF")]
    return " ".join(w for w in wanted if w and w.upper() not in _NO_REFERENCES)


def _slash_parts(text: str) -> list[tuple[str, str]]:
    """``/CODE/value/CODE/value``; a slash inside a value begins no code that is not known."""
    pieces = text.split("/")
    found: list[tuple[str, list[str]]] = []
    if pieces[0].strip():
        return []
    for piece in pieces[1:]:
        if piece.strip() in _SLASHED:
            found.append((piece.strip(), []))
        elif found:
            found[-1][1].append(piece)
        else:
            return []
    return [(code, "/".join(values).strip(" /")) for code, values in found]


def _slashed(text: str) -> Details:
    said: dict[str, str] = {}
    for code, value in _slash_parts(text):
        said.setdefault(code, value)
    party = said.get("CNTP", "").split("/")
    # /CNTP/account/BIC/name/city//
    name = said.get("NAME") or (party[2] if len(party) > 2 else "") or said.get("BENM", "")
    remittance = said.get("REMI", "")
    for marker in ("USTD//", "STRD/CUR/", "STRD/"):
        remittance = remittance.removeprefix(marker)
    references = [remittance, *(said.get(c, "") for c in ("EREF", "PREF", "IREF", "KREF", "CREF"))]
    return Details(
        description=" ".join(filter(None, (said.get("TRTP", ""), name, remittance))),
        reference=" ".join(r for r in references if r and r.upper() not in _NO_REFERENCES),
        counterparty=name.removeprefix("NAME/"),
    )
