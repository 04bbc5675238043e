"""The reference page of balance transactions: each type and category as the ledger's rules book it.

The accounts are read off the rules by asking them, so the page says what the code does.
"""

import inspect
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final

from services.ledger.readers.told import BalanceTransaction
from services.ledger.rules.balance_transactions import (
    ADJUSTMENT_RULES,
    BALANCE_TRANSACTION_RULES,
    CATEGORY_RULES,
    LOAN_CATEGORIES,
    Rule,
)
from services.ledger.rules.movements import lent
from shared.contracts.money import Money, currency_of

_ZERO: Final = Money(0, currency_of("usd"))
_ASKED: Final = BalanceTransaction(
    id="balance transaction",
    type="",
    category="",
    balance_type="payments",
    gross=Money(1, _ZERO.currency),
    fee=_ZERO,
    net=Money(1, _ZERO.currency),
    source="source",
    charge="charge",
    is_of_payout=False,
    created_at=datetime(2026, 1, 1, tzinfo=UTC),
)


def balance_transactions_page(made_by: str) -> str:
    """``balance-transactions.md``: type and category → account, with what it is."""
    adjustments = ADJUSTMENT_RULES.items()
    finer = {key: rule for key, rule in CATEGORY_RULES.items() if key[0] != "adjustment"}
    lines = [
        "# Balance transactions",
        "",
        made_by,
        "",
        "What each type of Stripe's balance transactions books. All have one shape; amounts are",
        "signed, and a negative one turns its side:",
        "",
        "    Dr the balance, by its balance_type     net",
        "    Dr expenses:stripe-fees                 fee",
        "    Cr the account below                    gross",
        "",
        "In suspense the net stands as it is, under the id of the balance transaction, and the",
        "discrepancy `unknown_balance_transaction` asks for a look. So does a type that needs a",
        "source or charge as its key and comes without. Why each account is the right one says",
        "[the accounting model](../explanation/accounting.md).",
        "",
        "## By type",
        "",
        *_table(("type", "account"), BALANCE_TRANSACTION_RULES.items()),
        "",
        "## Adjustments, by category",
        "",
        *_table(("reporting category", "account"), adjustments),
        "",
        "Without a category the source decides: `dp_…` and `du_…` are disputes, `re_…` and `pyr_…`",
        "refunds that failed.",
        "",
        "## Where the category is finer than the type",
        "",
        *_table(
            ("type and category", "account"),
            ((f"{kind}` in `{category}", rule) for (kind, category), rule in finer.items()),
        ),
        *_rows((f"any type in `{category}`", lent) for category in sorted(LOAN_CATEGORIES)),
    ]
    return "\n".join(lines) + "\n"


def _table(head: tuple[str, str], rules: Iterable[tuple[str, Rule]]) -> list[str]:
    return [
        f"| {head[0]} | {head[1]} | what it is |",
        "|---|---|---|",
        *_rows((f"`{name}`", rule) for name, rule in rules),
    ]


def _rows(rules: Iterable[tuple[str, Rule]]) -> list[str]:
    return [f"| {name} | {_account(rule)} | {_what(rule)} |" for name, rule in rules]


def _account(rule: Rule) -> str:
    line = rule(_ASKED)
    if line is None:
        return "`liabilities:suspense`[balance transaction]"
    return f"`{line.account}`[{line.key}]" if line.key else f"`{line.account}`"


def _what(rule: Rule) -> str:
    sentence = (inspect.getdoc(rule) or "").split("\n\n", 1)[0]
    return " ".join(sentence.split()).replace("|", "\\|")
