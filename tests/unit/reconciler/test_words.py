"""Whose name a bank line bears, in texts as banks write them."""

import pytest

from services.reconciler.evidence.words import names_in, proper_words

OURS = ("Northwind Goods",)


def others(text: str, *, payer: str = "", reference: str = "") -> tuple[str, ...]:
    return names_in(text, reference, payer, OURS).others


@pytest.mark.parametrize(
    "text",
    [
        "",
        "4711 2026-11-11",
        "ACH CREDIT",
        "STRIPE",
        "Stripe Payments Europe Ltd",
        "STRIPE TECHNOLOGY EUROPE LIMITED SEPA-Gutschrift SVWZ+ EREF+STRIPE-X1Y2",
        "STRIPEPAYOUT ST-X1Y2Z3A4B5",
        (
            "ORIG CO NAME:STRIPE ORIG ID:1800948598 CO ENTRY DESCR:TRANSFER SEC:CCD"
            " TRACE#:091000019876543 IND ID:ST-X1Y2Z3 IND NAME:ACME INC TRN: 3158765432TC"
        ),
        "FPS RECEIPT STRIPE PAYMENTS UK",
        "STRIPE TRANSF",
        "VIREMENT SEPA RECU DE STRIPE",
        "NORTHWIND GOODS payout",
    ],
)
def test_text_of_a_bank_about_stripe_bears_no_other_name(text: str) -> None:
    assert others(text) == ()


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("WIRE FROM GLOBEX CORP", ("globex",)),
        ("H&M 2026", ("h&m",)),
        ("Acme24 transfer", ("acme",)),
        ("STRIPES CLOTHING LTD", ("stripes", "clothing", "ltd")),
        ("PAYPAL TRANSFER", ("paypal",)),
        ("Société Générale virement", ("societe", "generale")),
        ("\u0440\u043e STRIPE", ("\u0440\u043e",)),
        ("SALARY NOVEMBER", ("salary",)),
        ("ACCOUNT MAINTENANCE FEE", ("maintenance", "fee")),
        ("PAYMENTS LTD", ("ltd",)),
    ],
)
def test_any_other_proper_word_is_taken_for_a_payers_name(text: str, name: tuple[str, ...]) -> None:
    assert others(text) == name


def test_bank_that_names_stripe_as_the_payer_may_write_our_own_name_beside_it() -> None:
    assert others("ACME SHOP WEEK 47", payer="Stripe Payments UK Ltd") == ()
    assert others("FROM GLOBEX FOR ACME", payer="Stripe Payments UK Ltd") == ("globex", "acme")
    assert others("STRIPE PAYOUT", payer="Globex GmbH") == ("globex",)


@pytest.mark.parametrize(
    ("text", "descriptor", "forbidden"),
    [
        ("ACME SHOP", "ACME SHOP", False),
        ("ACME EUROPE LTD", "Acme Europe", False),
        ("STRIPE ACME SHOP", "ACME SHOP", False),
        ("ACME SHOP", "", True),
        ("ACME STORE", "ACME SHOP", True),
        ("ACME SHOP GLOBEX", "ACME SHOP", True),
        ("LIMITED", "ACME", True),
        ("STRIPE PAYOUT", "ACME SHOP", False),
    ],
)
def test_statement_descriptor_is_the_only_other_name_a_payout_may_bear(
    text: str, descriptor: str, *, forbidden: bool
) -> None:
    assert names_in(text, "", "", ()).forbids(descriptor) is forbidden


def test_proper_words_of_a_descriptor_leave_out_what_any_payout_may_say() -> None:
    assert proper_words("STRIPE PAYOUT Acme Ltd") == ("acme",)
