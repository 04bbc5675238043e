"""What a walk saw: checks that are printed and counted, and the books as they stand."""

from dataclasses import dataclass, field
from typing import Final

import httpx

from tests.walk.asking import Asking, Json, Said, say

__all__ = ["NOTHING_OPEN", "NO_ENTRY", "Check", "Json", "Said", "Walk", "say"]

SEEN_CHARACTERS_MAX: Final = 400
REFUSED_EXIT_CODE: Final = 4
REFUSED_STATUS: Final = 422
# No key that waits for its other half, and no posting.
NOTHING_OPEN: Final[dict[str, list[int]]] = {}
NO_ENTRY: Final[list[str]] = []


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at."""

    point: str
    what: str
    command: str
    seen: str
    is_held: bool


@dataclass(slots=True)
class Walk(Asking):
    """One way through an installation. ``holds`` says what was seen, and goes on either way."""

    checks: list[Check] = field(default_factory=list[Check])

    # -------------------------------------------------------------- checks

    def holds(
        self, point: str, what: str, condition: object, seen: object, *, command: str = ""
    ) -> bool:
        """Note one check, with the last command that was run unless one is named, and print it."""
        text = " ".join(str(seen).split())
        short = text if len(text) <= SEEN_CHARACTERS_MAX else f"{text[:SEEN_CHARACTERS_MAX]} …"
        check = Check(point, what, command or self.command, short, bool(condition))
        self.checks.append(check)
        verdict = "holds" if check.is_held else "DOES NOT HOLD"
        say(f"{point:>3}  {verdict:13}  {what}")
        say(f"                    ran:  {check.command}")
        say(f"                    seen: {check.seen}")
        return check.is_held

    def same(
        self, point: str, what: str, found: object, expected: object, *, command: str = ""
    ) -> bool:
        """A check that two values are equal; both are seen where they are not."""
        seen = found if found == expected else f"{found}, not {expected}"
        return self.holds(point, what, found == expected, seen, command=command)

    def entry(self, point: str, what: str, reference: str, *lines: str, book: str = "shop") -> bool:
        """A check that a fact is booked by just these postings; none: that it is not booked."""
        found = self.postings(reference, book=book)
        self.command = f"postings of {reference} in {book}"
        return self.same(point, what, sorted(found), sorted(lines))

    def refused(
        self, point: str, what: str, found: Said | httpx.Response, rule: str, **values: str
    ) -> bool:
        """A check that a command was refused by that rule, with its values and a way out."""
        told: Json = {}
        if isinstance(found, Said):
            code, is_refusal = found.code, found.code == REFUSED_EXIT_CODE
            told = found.json if found.out.startswith("{") else {"reason": found.all}
        else:
            code, is_refusal = found.status_code, found.status_code == REFUSED_STATUS
            told = found.json()
        decided: Json = told.get("decided") or {}
        known = {name: str(decided.get("values", {}).get(name)) for name in values}
        seen = f"{code} {decided.get('rule')}: {told.get('reason') or told}"
        is_told = decided.get("rule") == rule and decided.get("values") and decided.get("way_out")
        return self.holds(point, what, is_refusal and is_told and known == values,
                          f"{seen} {known or ''}")  # fmt: skip

    # ----------------------------------------------------------- the books

    def balance(self, account: str, currency: str = "usd", *, book: str = "shop") -> int:
        """What an account stands at, debit positive, in minor units."""
        rows = self.sql(
            "select minor from ledger_read.balances where book = $1 and account = $2"
            " and currency = $3",
            book,
            account,
            currency,
        )
        return int(rows[0]["minor"]) if rows else 0

    def postings(self, reference: str, *, book: str = "shop") -> list[str]:
        """An entry as a bookkeeper writes it: ``Dr account[key] minor currency``, in order."""
        rows = self.sql(
            "select direction, account, key, minor, currency from ledger_read.postings"
            " where book = $1 and reference = $2 order by ordinal",
            book,
            reference,
        )
        return [
            f"{'Dr' if row['direction'] == 'debit' else 'Cr'} {row['account']}"
            f"{'[' + row['key'] + ']' if row['key'] else ''} {int(row['minor'])} {row['currency']}"
            for row in rows
        ]

    def open_keys(self, *keys: str, book: str = "shop") -> dict[str, list[int]]:
        """What stands open under keys, over all clearing accounts; empty where all have met."""
        rows = self.sql(
            "select key, minor from ledger_read.open_items where book = $1 and key = any($2)"
            " and account not like 'memo:%' order by key, account, currency",
            book,
            list(keys),
        )
        found: dict[str, list[int]] = {}
        for row in rows:
            found.setdefault(str(row["key"]), []).append(int(row["minor"]))
        return found

    def at_key(self, account: str, key: str, currency: str = "usd", *, book: str = "shop") -> int:
        """What one key of an account stands at, debit positive, in minor units."""
        rows = self.sql(
            "select coalesce(sum(case when direction = 'debit' then minor else -minor end), 0)"
            " as minor from ledger_read.postings"
            " where book = $1 and account = $2 and key = $3 and currency = $4",
            book,
            account,
            key,
            currency,
        )
        return int(rows[0]["minor"])
