"""camt.052, .053 and .054: entries and balances as ISO 20022 writes them, whatever the version.

``Ntry/Amt`` is what moves the balance, and ``CdtDbtInd`` its direction, also of a reversal;
transaction details are only its breakdown, often in another currency.
Source: ISO 20022 message definition reports, camt.052.001, camt.053.001, camt.054.001.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from typing import Final

from services.feeds.statements.texts import (
    LINES_MAX,
    amount_of,
    currency_named,
    iso_day,
    plain,
    sha256_of,
    shown,
)
from services.feeds.statements.values import (
    Balance,
    Format,
    Statement,
    StatementFile,
    StatementLine,
    StatementRefused,
    checked,
)
from services.feeds.statements.xml_trees import Element, trees
from shared.contracts.money import Currency, Money

_STATEMENTS: Final = {"Stmt": "053", "Rpt": "052", "Ntfctn": "054"}
_BEGIN: Final = frozenset({"Document", *_STATEMENTS})
_PARTS_DEPTH: Final = 4
_SIGNS: Final = {"CRDT": 1, "DBIT": -1}
_NO_REFERENCES: Final = frozenset({"NOTPROVIDED", "NONREF", "NOTAVAILABLE", "UNKNOWN", "0"})
_REFERENCES: Final = ("EndToEndId", "UETR", "InstrId", "TxId", "PmtInfId", "MndtId")


@dataclass(slots=True)
class _Open:
    """A statement while its parts come in."""

    kind: str
    ident: str = ""
    number: str = ""
    is_last_page: bool = True
    account: str = ""
    currency: str = ""
    balances: list[tuple[str, bool, Balance]] = field(
        default_factory=list[tuple[str, bool, Balance]]
    )
    entries: list[StatementLine] = field(default_factory=list[StatementLine])
    told: dict[str, tuple[int, str]] = field(default_factory=dict[str, tuple[int, str]])
    count: int = 0
    left_out: int = 0


def read_camt(chunks: Iterable[bytes]) -> StatementFile:
    """All statements, reports and notifications of a file.

    Raises:
        StatementRefused: It is not camt, or does not add up.
    """
    found: list[_Open] = []
    is_document = False
    lines = 0
    for path, element in trees(
        chunks, wanted=_BEGIN, whole=_is_part, crowded=frozenset({"TxDtls"})
    ):
        if element is None:
            is_document |= path == ("Document",)
            if len(path) == _PARTS_DEPTH - 1 and path[-1] in _STATEMENTS:
                found.append(_Open(_STATEMENTS[path[-1]]))
            continue
        _take(found[-1], element)
        lines += element.name == "Ntry"
        if lines > LINES_MAX:
            raise StatementRefused(f"it has more than {LINES_MAX} entries")
    if not is_document or not found:
        raise StatementRefused("it is XML, and no camt.052, camt.053 or camt.054 document")
    statements = tuple(checked(_closed(pages)) for pages in _paged(found))
    return StatementFile(Format.CAMT, statements, sum(each.left_out for each in found))


def _is_part(path: tuple[str, ...]) -> bool:
    return len(path) == _PARTS_DEPTH and path[-2] in _STATEMENTS and path[0] == "Document"


def _take(statement: _Open, part: Element) -> None:
    match part.name:
        case "Id":
            statement.ident = plain(part.text)
        case "ElctrncSeqNb" | "LglSeqNb":
            statement.number = statement.number or plain(part.text)
        case "StmtPgntn" | "RptPgntn" | "NtfctnPgntn":
            statement.is_last_page = part.said("LastPgInd") in ("true", "1", "")
        case "Acct":
            statement.account = plain(
                part.said("Id", "IBAN") or part.said("Id", "Othr", "Id")
            ).replace(" ", "")
            statement.currency = part.said("Ccy")
        case "Bal":
            statement.balances.append(_balance(part))
        case "TxsSummry":
            _summary(statement, part)
        case "Ntry":
            statement.count += 1
            try:
                line = _line(part, statement)
            except StatementRefused as error:
                at = f"entry {statement.count} of statement {shown(statement.ident)}"
                raise StatementRefused(f"{at}: {error.why}", fix=error.fix) from None
            if line is None:
                statement.left_out += 1
            else:
                statement.entries.append(line)
        case _:
            pass


def _money(part: Element) -> Money:
    amount = part.at("Amt")
    if amount is None:
        raise StatementRefused(f"a {part.name} has no amount")
    currency = currency_named(amount.attributes.get("Ccy", ""))
    said = amount_of(amount.text.strip(), currency)
    if said.minor < 0:
        raise StatementRefused(
            f"{shown(amount.text.strip())}: an amount below zero, where CdtDbtInd has the sign"
        )
    sign = _SIGNS.get(part.said("CdtDbtInd"))
    if sign is None:
        raise StatementRefused(f"a {part.name} of {said} is neither CRDT nor DBIT")
    return said if sign > 0 else -said


def _day(part: Element, name: str) -> date | None:
    text = part.said(name, "Dt") or part.said(name, "DtTm")
    return iso_day(text) if text else None


def _balance(part: Element) -> tuple[str, bool, Balance]:
    on = _day(part, "Dt")
    kind = part.said("Tp", "CdOrPrtry", "Cd") or part.said("Tp", "CdOrPrtry", "Prtry")
    if on is None:
        raise StatementRefused(f"a balance {shown(kind)} has no day")
    is_between = kind == "ITBD" or part.said("Tp", "SubTp", "Cd") == "INTM"
    return kind, is_between, Balance(_money(part), on)


def _summary(statement: _Open, part: Element) -> None:
    for name in ("TtlNtries", "TtlCdtNtries", "TtlDbtNtries"):
        for told in part.every(name):
            number = told.said("NbOfNtries")
            count = int(number) if number.isascii() and number.isdigit() else -1
            statement.told[name] = (count, told.said("Sum"))


def _status(entry: Element) -> str:
    status = entry.at("Sts")
    if status is None:
        return "BOOK"
    return status.said("Cd") or status.said("Prtry") or status.text.strip()


def _line(entry: Element, statement: _Open) -> StatementLine | None:
    status = _status(entry)
    if status == "INFO":
        return None
    if status not in ("BOOK", "PDNG", "FUTR"):
        raise StatementRefused(f"an entry has the status {shown(status)}, which is unknown")
    amount = _money(entry)
    valued = _day(entry, "ValDt")
    booked = _day(entry, "BookgDt") or valued
    if booked is None:
        raise StatementRefused(f"an entry of {amount} has neither booking day nor value day")
    details = entry.every("NtryDtls", "TxDtls")
    bank_id = _reference(entry.said("AcctSvcrRef"))
    return StatementLine(
        amount=amount,
        booked_on=booked,
        value_on=valued,
        is_pending=status != "BOOK",
        bank_id=bank_id,
        description=plain(*_described(entry, details)),
        reference=plain(*(_references(entry, details))),
        counterparty=plain(_other_side(details[0], amount)) if len(details) == 1 else "",
        source_sha256=_digest(entry, statement.kind),
    )


def _digest(entry: Element, kind: str) -> str:
    parts: list[str] = [kind]

    def walk(element: Element) -> None:
        parts.extend((element.name, *sorted(element.attributes.values()), element.text.strip()))
        for child in element.children:
            walk(child)

    walk(entry)
    return sha256_of(*parts)


def _reference(text: str) -> str:
    clean = plain(text)
    return "" if clean.upper() in _NO_REFERENCES else clean


def _references(entry: Element, details: list[Element]) -> Iterator[str]:
    for each in details:
        yield from (plain(text.text) for text in each.every("RmtInf", "Ustrd"))
        for structured in each.every("RmtInf", "Strd"):
            yield _reference(structured.said("CdtrRefInf", "Ref"))
            yield from (_reference(d.said("Nb")) for d in structured.every("RfrdDocInf"))
            yield from (plain(d.text) for d in structured.every("AddtlRmtInf"))
        yield from (_reference(each.said("Refs", name)) for name in _REFERENCES)
    yield _reference(entry.said("NtryRef"))


def _described(entry: Element, details: list[Element]) -> Iterator[str]:
    yield entry.said("AddtlNtryInf")
    if entry.said("RvslInd") in ("true", "1"):
        yield "reversal"
    batch = sum(int(each.attributes.get("count TxDtls", "0")) for each in entry.every("NtryDtls"))
    if batch > 1:
        yield f"batch of {batch}"
    for each in details:
        yield each.said("AddtlTxInf")
        yield each.said("RtrInf", "Rsn", "Cd") or each.said("RtrInf", "Rsn", "Prtry")
        yield from (text.text for text in each.every("RtrInf", "AddtlInf"))
    for part in (entry, *details):
        yield from _charges(part)
    if not entry.said("AddtlNtryInf"):
        code = entry.said("BkTxCd", "Prtry", "Cd")
        domain = entry.at("BkTxCd", "Domn")
        family = domain and [
            domain.said("Cd"),
            domain.said("Fmly", "Cd"),
            domain.said("Fmly", "SubFmlyCd"),
        ]
        yield code or " ".join(family or ())


def _charges(part: Element) -> Iterator[str]:
    """Charges are in the entry's amount already: they are told, never added."""
    for charges in part.every("Chrgs"):
        amounts = [r.at("Amt") for r in charges.every("Rcrd")] or [
            charges.at("Amt") or charges.at("TtlChrgsAndTaxAmt")
        ]
        for amount in amounts:
            if amount is not None:
                yield f"charges {amount.text.strip()} {amount.attributes.get('Ccy', '')}"


def _other_side(details: Element, amount: Money) -> str:
    sides = ("Dbtr", "UltmtDbtr") if amount.minor >= 0 else ("Cdtr", "UltmtCdtr")
    for side in sides:
        party = details.at("RltdPties", side)
        if party is not None and (name := party.said("Nm") or party.said("Pty", "Nm")):
            return name
    return ""


def _paged(found: list[_Open]) -> Iterator[list[_Open]]:
    """Statements with their pages together; a page goes on where the one before it ended."""
    pages: list[_Open] = []
    for each in found:
        if pages and each.account != pages[-1].account:
            raise StatementRefused(f"statement {shown(pages[-1].ident)} lacks its last page")
        pages.append(each)
        if each.is_last_page:
            yield pages
            pages = []
    if pages:
        raise StatementRefused(
            f"statement {shown(pages[-1].ident)} lacks its last page",
            fix="put all of its pages into one file, in order",
        )


def _closed(pages: list[_Open]) -> Statement:
    first, last = pages[0], pages[-1]
    codes = [b.amount.currency for page in pages for _, _, b in page.balances]
    codes += [line.amount.currency for page in pages for line in page.entries]
    if not first.currency and not codes:
        raise StatementRefused(f"statement {shown(first.ident)} names no currency")
    currency = currency_named(first.currency) if first.currency else codes[0]
    for page in pages:
        _hold_against_summary(page, currency)
    opening = _one_of(first, ("OPBD", "PRCD"), between=0)
    closing = _one_of(last, ("CLBD",), between=-1)
    is_interim = first.kind != "053"
    available = [b.amount for kind, _, b in last.balances if kind in ("CLAV", "ITAV")]
    statement = Statement(
        account=first.account,
        currency=currency,
        number=first.number,
        is_interim=is_interim,
        # An interim balance is of another moment than its entries, or of none.
        opening=None if is_interim else opening,
        closing=None if is_interim else closing,
        available=available[-1] if available else None,
        lines=tuple(line for page in pages for line in page.entries),
    )
    if not is_interim and (opening is None or closing is None):
        lacks = "opening" if opening is None else "closing"
        raise StatementRefused(f"{statement.name} has no {lacks} balance to check its lines by")
    return statement


def _one_of(page: _Open, kinds: tuple[str, ...], *, between: int) -> Balance | None:
    """The balance of the first kind that there is, else the one between two pages."""
    for wanted in kinds:
        found = [b for kind, is_between, b in page.balances if kind == wanted and not is_between]
        if len({(b.amount, b.on) for b in found}) > 1:
            raise StatementRefused(f"statement {shown(page.ident)} has two balances {wanted}")
        if found:
            return found[0]
    intermediate = [b for kind, is_between, b in page.balances if is_between or kind in kinds]
    return intermediate[between] if intermediate else None


def _hold_against_summary(page: _Open, currency: Currency) -> None:
    """Counts and sums that the file itself gives, where it gives them of all its entries."""
    count, _ = page.told.get("TtlNtries", (-1, ""))
    if count >= 0 and count != page.count:
        raise StatementRefused(
            f"statement {shown(page.ident)} says that it has {count} entries, and has {page.count}"
        )
    if page.left_out or any(line.is_pending for line in page.entries):
        return
    for name, sign in (("TtlCdtNtries", 1), ("TtlDbtNtries", -1)):
        told, total = page.told.get(name, (-1, ""))
        lines = [line.amount.minor for line in page.entries if line.amount.minor * sign > 0]
        if total and sum(lines) * sign != amount_of(total, currency).minor:
            raise StatementRefused(
                f"statement {shown(page.ident)}: {name} says {shown(total)}, and its entries give"
                f" {Money(sum(lines) * sign, currency)}"
            )
        if told > 0 and told != len(lines) and all(e.amount.minor for e in page.entries):
            raise StatementRefused(
                f"statement {shown(page.ident)}: {name} says {told} entries, and has {len(lines)}"
            )
