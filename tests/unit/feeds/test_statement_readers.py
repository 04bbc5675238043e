"""Statement files of several banks' ways, held against figures taken from their raw tags."""

import re
import tomllib
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from services.feeds.statements.csv_map import CsvMap, CsvMapFile
from services.feeds.statements.reading import read_statements, sniffed
from services.feeds.statements.values import Format, Statement, StatementFile, StatementRefused

DATA = Path(__file__).parent / "data"


def read(name: str, *, chunk: int = 1 << 16) -> StatementFile:
    data = (DATA / name).read_bytes()
    form = sniffed(data[:4096]) or Format.CSV
    return read_statements(pieces(data, chunk), form, csv_map=german())


def german() -> CsvMap:
    return CsvMapFile.model_validate(tomllib.loads((DATA / "csv_german.toml").read_text())).csv


def pieces(data: bytes, size: int) -> Iterator[bytes]:
    return (data[at : at + size] for at in range(0, len(data), size))


def told(statement: Statement) -> list[tuple[str, str]]:
    return [(line.booked_on.isoformat(), str(line.amount)) for line in statement.lines]


FILES = sorted(p.name for p in DATA.iterdir() if p.suffix != ".toml")


@pytest.mark.parametrize("name", FILES)
def test_file_is_read_the_same_whatever_the_size_of_its_chunks(name: str) -> None:
    assert read(name, chunk=1) == read(name, chunk=7) == read(name)


@pytest.mark.parametrize("name", FILES)
def test_opening_and_lines_give_closing_wherever_a_file_tells_both(name: str) -> None:
    for statement in read(name).statements:
        if statement.opening is not None and statement.closing is not None:
            moved = sum(line.amount.minor for line in statement.booked)
            assert statement.opening.amount.minor + moved == statement.closing.amount.minor


def test_camt_entry_counts_and_not_its_details_in_another_currency() -> None:
    first, second = read("camt053_two_statements.xml").statements
    assert told(first) == [
        ("2026-11-19", "8.85 EUR"),
        ("2026-11-19", "2000.00 EUR"),
        ("2026-11-19", "-18.40 EUR"),
        ("2026-11-19", "-50.00 EUR"),
        ("2026-11-19", "250.00 EUR"),
    ]
    assert (first.account, first.number) == ("DE89370400440532013000", "221")
    assert str(first.available) == "3090.45 EUR"
    assert told(second) == [("2026-11-19", "12345 JPY"), ("2026-11-20", "700 JPY")]
    assert [line.is_pending for line in second.lines] == [False, True]


def test_camt_figures_are_those_of_the_raw_tags() -> None:
    raw = (DATA / "camt053_two_statements.xml").read_text()
    entries = re.findall(
        r'<Ntry>\s*<Amt Ccy="(\w+)">([\d.]+)</Amt><CdtDbtInd>(\w+)</CdtDbtInd>'
        r"(?:<RvslInd>\w+</RvslInd>)?<Sts>(?:<Cd>)?(\w+)",
        raw,
    )
    by_tag = {
        (code, f"{'-' if mark == 'DBIT' else ''}{float(amount):.2f}")
        for code, amount, mark, status in entries
        if status != "INFO"
    }
    by_reader = {
        (line.amount.currency.code.upper(), f"{float(str(line.amount).split()[0]):.2f}")
        for statement in read("camt053_two_statements.xml").statements
        for line in statement.lines
    }
    assert by_reader == by_tag
    assert read("camt053_two_statements.xml").left_out == 1


def test_camt_tells_references_counterparty_batch_charges_and_return() -> None:
    first = read("camt053_two_statements.xml").statements[0]
    sek, batch, charged, returned, _ = first.lines
    assert sek.reference == ("RF18539007547034 E2E-SEK-1 1a2b3c4d-0000-4000-8000-aabbccddeeff")
    assert (sek.counterparty, sek.bank_id) == ("Nordvik AB", "2026111900001")
    assert batch.reference == "STRIPE po_1Alpha STRIPE po_1Beta E2E-9"
    assert batch.description == "SAMMELGUTSCHRIFT batch of 2"
    assert charged.description == "charges 0.40 EUR"
    assert charged.counterparty == "Bäckerei Müller"
    assert returned.description == "reversal AC04 account closed"


def test_camt_pages_make_one_statement() -> None:
    (statement,) = read("camt053_pages.xml").statements
    assert told(statement) == [("2026-11-19", "5.00 EUR"), ("2026-11-19", "-17.50 EUR")]
    assert statement.opening is not None
    assert statement.closing is not None
    assert (str(statement.opening.amount), str(statement.closing.amount)) == (
        "10.00 EUR",
        "-2.50 EUR",
    )


def test_camt_interim_reports_are_marked_so_in_any_encoding() -> None:
    (report,) = read("camt052_intraday.xml").statements
    assert report.is_interim
    assert [line.is_pending for line in report.lines] == [False, True]
    assert report.lines[1].description == "Kartenumsatz Café Rose"
    (notice,) = read("camt054_notice.xml").statements
    assert notice.is_interim
    assert notice.lines[0].reference == "210000000003139471430009017 E-100 QR-1"


def test_mt940_pages_reversals_and_subfields_are_read() -> None:
    (statement,) = read("mt940_german.sta").statements
    assert [str(line.amount) for line in statement.lines] == [
        "8.85 EUR",
        "-18.40 EUR",
        "-50.00 EUR",
        "0.05 EUR",
        "250.00 EUR",
    ]
    assert (statement.account, statement.number) == ("37040044/0532013000", "00221")
    first, *_, last = statement.lines
    assert first.reference == "STRIPE po_1Alpha Payout E2E-SEK-1"
    assert (first.counterparty, first.bank_id) == ("Nordvik AB", "2026111900001")
    assert (last.reference, last.description) == ("KUNDE-77", "")


def test_mt940_statements_of_one_file_stay_apart_and_years_turn() -> None:
    eur, kwd = read("mt940_dutch.940").statements
    assert told(eur) == [("2027-01-01", "25.00 EUR"), ("2026-12-31", "-0.01 EUR")]
    assert eur.lines[0].counterparty == "J. VAN DIJK"
    assert eur.lines[0].reference == "Factuur 2026/77"
    assert told(kwd) == [("2027-01-02", "1.250 KWD")]
    assert kwd.lines[0].reference == "Test trans PO-77"


def test_mt942_is_interim_and_its_expected_lines_are_pending() -> None:
    (report,) = read("mt942_interim.txt").statements
    assert report.is_interim
    assert [(str(n.amount), n.is_pending) for n in report.lines] == [
        ("12.30 EUR", False),
        ("99.99 EUR", True),
    ]


def test_bai2_signs_come_from_type_codes_and_decimals_from_the_currency() -> None:
    usd, kwd = read("bai2_report.bai").statements
    assert [str(n.amount) for n in usd.lines] == ["1500.00 USD", "-266.50 USD"]
    assert [str(n.amount) for n in kwd.lines] == ["1.250 KWD"]
    paid, check = usd.lines
    assert (paid.bank_id, paid.reference) == ("DD1620", "po_1Gamma STRIPE TRANSFER,PAYOUT")
    assert check.value_on == date(2026, 11, 19)
    assert check.description == "CHECK PAID,FOR OFFICE,RENT"


def test_ofx_of_both_ages_is_read() -> None:
    (checking,) = read("ofx1_checking.ofx").statements
    assert told(checking) == [
        ("2026-11-18", "1500.00 USD"),
        ("2026-11-19", "-20.50 USD"),
        ("2026-11-19", "-20.50 USD"),
    ]
    assert [n.bank_id for n in checking.lines] == ["F-1", "F-2", "F-3"]
    assert checking.lines[0].reference == "po_1Delta & more"
    assert checking.lines[1].counterparty == "Café Rose"
    (card,) = read("ofx2_card.ofx").statements
    assert [(str(n.amount), n.is_pending) for n in card.lines] == [
        ("-12.34 EUR", False),
        ("-5.00 EUR", True),
    ]
    assert card.lines[0].counterparty == "Büro & Co"
    assert card.closing is not None
    assert card.closing.amount.minor == 0


def test_csv_is_read_by_its_map_and_its_running_balance_makes_it_a_statement() -> None:
    (statement,) = read("csv_german.csv").statements
    assert told(statement) == [("2026-11-19", "-18.50 EUR"), ("2026-11-20", "1250.00 EUR")]
    assert statement.account == "DE89370400440532013000"
    assert statement.opening is not None
    assert str(statement.opening.amount) == "1000.00 EUR"
    assert statement.lines[1].description == "Anzahlung; Teil 1"


def broken(name: str, old: bytes, new: bytes) -> str:
    data = (DATA / name).read_bytes()
    assert old in data
    form = sniffed(data[:4096]) or Format.CSV
    with pytest.raises(StatementRefused) as refused:
        read_statements([data.replace(old, new, 1)], form, csv_map=german())
    assert refused.value.fix
    return refused.value.why


@pytest.mark.parametrize(
    ("name", "old", "new", "why"),
    [
        ("camt053_two_statements.xml", b">8.85<", b">8.86<", "says '2258.85'"),
        ("camt053_two_statements.xml", b">8.85<", b">8,85<", "entry 1 of statement 'STM-221': '8,85'"),
        ("camt053_two_statements.xml", b">3190.45<", b">3190.46<", "does not add up"),
        ("camt053_two_statements.xml", b">8.85<", b">8.855<", "more than the 2 decimals"),
        ("camt053_two_statements.xml", b">8.85<", b">-8.85<", "below zero"),
        ("camt053_two_statements.xml", b">8.85<", b">8,85<", "is no amount"),
        ("camt053_two_statements.xml", b">8.85<", b">\xd9\xa8.85<", "is no amount"),
        ("camt053_two_statements.xml", b"2026-11-19</Dt></BookgDt>", b"2026-02-30</Dt></BookgDt>", "no day of any calendar"),
        ("camt053_two_statements.xml", b"<NbOfNtries>5<", b"<NbOfNtries>6<", "says that it has 6 entries"),
        ("camt053_two_statements.xml", b"OPBD", b"XXXX", "has no opening balance"),
        ("camt053_two_statements.xml", b"<Cd>BOOK<", b"<Cd>BUKD<", "is unknown"),
        ("camt053_two_statements.xml", b"B\xc3\xa4ckerei", b"B\xe4ckerei", "not in the encoding that it declares"),
        ("camt053_two_statements.xml", b"</Document>", b"", "no well-formed XML"),
        ("camt053_pages.xml", b"<LastPgInd>true", b"<LastPgInd>false", "lacks its last page"),
        ("camt052_intraday.xml", b"ISO-8859-1", b"KLINGON-1", "declared encoding cannot be read"),
        ("mt940_german.sta", b"8,85", b"8,86", "does not add up"),
        ("mt940_german.sta", b"CR8,85", b"CR8.85", "is no line"),
        ("mt940_german.sta", b":60M:C261119EUR940,50", b":60M:C261119EUR940,51", "ends with :62M:"),
        ("mt940_german.sta", b":61:2611191119DR", b":61:2611311119DR", "no day of any calendar"),
        ("mt940_dutch.940", b":62F:C270101EUR24,99\n", b"", "has no :62F:"),
        ("mt942_interim.txt", b":90C:2", b":90C:3", "says 3 lines"),
        ("bai2_report.bai", b"150000", b"150001", "does not agree with its trailer"),
        ("bai2_report.bai", b"16,165", b"16,900", "neither credit nor debit"),
        ("bai2_report.bai", b"99,1900000,1,13/\n", b"", "does not end with a 99"),
        ("ofx1_checking.ofx", b"1500.00", b"1,500.00", "is no amount"),
        ("ofx1_checking.ofx", b"</STMTTRN>", b"", "ends nothing"),
        ("ofx1_checking.ofx", b"</OFX>", b"", "does not end with </OFX>"),
        ("ofx1_checking.ofx", b"<FITID>F-1", b"<FITID>F-1<CORRECTFITID>F-0", "corrects 'F-0'"),
        ("ofx2_card.ofx", b"<MEMO></MEMO>", b"<CURRENCY><CURRATE>1.1</CURRATE><CURSYM>USD</CURSYM></CURRENCY>", "a rate"),
        ("ofx2_card.ofx", b"B\xc3\xbcro", b"B\xfcro", "holds other bytes"),
        ("csv_german.csv", b"1.250,00", b"1.25,00", "thousands in the wrong places"),
        ("csv_german.csv", b"-18,50", b"-18.50", "thousands in the wrong places"),
        ("csv_german.csv", b"1.250,00", b"1.250,01", "running balance"),
        ("csv_german.csv", b"19.11.2026", b"31.11.2026", "is no day"),
        ("csv_german.csv", b'"Betrag"', b'"Amount"', "there is no column 'Betrag'"),
        ("csv_german.csv", b'"Anzahlung; Teil 1"', b"Anzahlung; Teil 1", "has 7 columns"),
    ],
)  # fmt: skip
def test_broken_file_is_refused_with_what_is_wrong(
    name: str, old: bytes, new: bytes, why: str
) -> None:
    assert why in broken(name, old, new)


BOMB = b"""<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]>
<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.02">&b;</Document>"""
THIEF = b"""<?xml version="1.0"?><!DOCTYPE d SYSTEM "file:///etc/passwd"><Document>&d;</Document>"""
OFX_BOMB = b"""<?xml version="1.0"?><?OFX OFXHEADER="200"?><!DOCTYPE OFX [<!ENTITY a "ha">]><OFX>&a;</OFX>"""


@pytest.mark.parametrize("attack", [BOMB, THIEF, OFX_BOMB])
def test_entities_and_document_types_are_refused_before_they_do_anything(attack: bytes) -> None:
    form = sniffed(attack)
    assert form is not None
    with pytest.raises(StatementRefused, match="document type"):
        read_statements([attack], form)


def test_deep_and_wide_xml_is_refused() -> None:
    deep = b"<Document>" + b"<a>" * 100
    with pytest.raises(StatementRefused, match="nested deeper"):
        read_statements([deep], Format.CAMT)
    wide = b"<Document><B><Stmt><Ntry>" + b"<a/>" * 30_000
    with pytest.raises(StatementRefused, match="one entry holds more"):
        read_statements([wide], Format.CAMT)


def test_batch_of_very_many_details_is_counted_and_not_kept() -> None:
    data = (DATA / "camt053_pages.xml").read_bytes()
    details = b"<NtryDtls>" + b"<TxDtls><Refs><EndToEndId>E</EndToEndId></Refs></TxDtls>" * 50_000
    grown = data.replace(b"<AddtlNtryInf>one", details + b"</NtryDtls><AddtlNtryInf>one")
    (statement,) = read_statements(pieces(grown, 65536), Format.CAMT).statements
    assert statement.lines[0].description == "one batch of 50000"


def test_file_of_16_bit_characters_says_so() -> None:
    text = (DATA / "mt940_german.sta").read_text()
    with pytest.raises(StatementRefused, match="UTF-16"):
        read_statements([text.encode("utf-16")], Format.MT940)


@pytest.mark.parametrize("mistake", ["amount", "both", "account", "word", "day"])
def test_map_that_cannot_be_meant_is_refused(mistake: str) -> None:
    told = german().model_dump()
    match mistake:
        case "amount":
            told["columns"] |= {"amount": None}
        case "both":
            told["columns"] |= {"debit": "Soll"}
        case "day":
            told |= {"date_format": "%d.%m."}
        case "account":
            told |= {"account": ""}
        case _:
            told["columns"] |= {"indicator": "S/H"}
    with pytest.raises(
        ValueError, match=r"say account|name either|debit_words|day, month and year"
    ):
        CsvMap.model_validate(told)


@pytest.mark.parametrize(
    ("thousands", "text"),
    [(" ", "-1\u202f250,00"), (" ", "\u22121\u00a0250,00"), ("'", "1\u2019250,00-")],
)
def test_signs_that_only_look_otherwise_are_what_the_map_names(thousands: str, text: str) -> None:
    columns = {"booked_on": "#1", "amount": "#2"}
    how = CsvMap.model_validate(
        {"decimal": ",", "thousands": thousands, "delimiter": ";", "date_format": "%d.%m.%Y",
         "has_header": False, "account": "A", "currency": "eur", "columns": columns}
    )  # fmt: skip
    data = f"20.11.2026;{text}\n".encode()
    (statement,) = read_statements([data], Format.CSV, csv_map=how).statements
    assert [line.amount.minor for line in statement.lines] == [-125_000]


@pytest.mark.parametrize("year", [b"0026", b"1899", b"9999"])
def test_line_of_a_year_that_no_bank_tells_of_is_refused(year: bytes) -> None:
    said = broken("csv_german.csv", b'"20.11.2026"', b'"20.11.' + year + b'"')
    assert f"a line that was booked on {year.decode()}-11-20" in said
