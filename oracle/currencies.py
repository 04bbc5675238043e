"""How many decimals each currency has on Stripe's wire.

Source: Stripe docs, "Supported currencies", and what Stripe once supported (the last row of the
codes with two decimals); ISO 4217.
"""

from typing import Final

from oracle.values import MINOR_MAX, CannotBook

_BY_EXPONENT: Final = {
    0: "bif clp djf gnf jpy kmf krw mga pyg rwf vnd vuv xaf xof xpf",
    3: "bhd jod kwd omr tnd",
    6: "usdc usdt",
    8: "btc",
    18: "dai eth matic pol",
    2: """
        aed afn all amd ang aoa ars aud awg azn bam bbd bdt bgn bmd bnd bob brl bsd bwp byn bzd
        cad cdf chf cny cop crc cve czk dkk dop dzd egp etb eur fjd fkp gbp gel gip gmd gtq gyd
        hkd hnl htg huf idr ils inr isk jmd kes kgs khr kyd kzt lak lbp lkr lrd lsl mad mdl mkd
        mmk mnt mop mur mvr mwk mxn myr mzn nad ngn nio nok npr nzd pab pen pgk php pkr pln qar
        ron rsd rub sar sbd scr sek sgd shp sle sos srd std szl thb tjs top try ttd twd tzs uah
        ugx usd uyu uzs wst xcd xcg yer zar zmw
        btn eek ghs hrk ltl lvl mro sll svc vef
    """,
}
EXPONENTS: Final = {
    code: exponent for exponent, codes in _BY_EXPONENT.items() for code in codes.split()
}


def currency(code: object) -> str:
    """The code in lower case.

    Raises:
        CannotBook: No exponent is known for it.
    """
    if not isinstance(code, str) or code.lower() not in EXPONENTS:
        raise CannotBook(f"currency {code!r} is not known")
    return code.lower()


def minor(value: object) -> int:
    """An integer of minor units, as Stripe's JSON says it.

    Raises:
        CannotBook: Not an integer, or past 10^30.
    """
    if type(value) is not int or abs(value) > MINOR_MAX:
        raise CannotBook(f"{str(value)[:40]!r} is not an amount of minor units")
    return value
