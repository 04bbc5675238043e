"""What a payout's certificate is made of, out of both services' published views."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from typing import Any, Final

from services.console.reconciling.allocation import (
    Allocated,
    Available,
    Claim,
    allocated,
    taken_before,
)
from services.console.reconciling.certificate import (
    TAKEN_BACK,
    Certified,
    Movement,
    Payout,
    Posted,
    Said,
    Settlement,
)
from services.console.reconciling.paper import Clocks, ReadUpTo
from services.console.shell.legs import legs_of
from services.console.shell.readers import Row, Snapshot
from shared.contracts.envelope import rfc3339
from shared.contracts.money import Money, MoneyOnWire

IN_TRANSIT: Final = "assets:stripe:in-transit"
UNPAID_MAX: Final = 100_000


class NoSuchPayout(Exception):
    """A payout that is not known."""


async def certified(
    ledger: Snapshot, reconciler: Snapshot, book: str, payout_id: str, *, now: datetime
) -> Certified:
    """All that is known of one payout.

    Raises:
        NoSuchPayout: It is not known.
    """
    rows = await reconciler.rows("payout", book, payout_id)
    if not rows:
        raise NoSuchPayout(f"payout {payout_id} is not known in book {book}")
    if rows[0]["what"] != "payout":
        raise NoSuchPayout(f"{payout_id} is a top-up: it holds nothing that adds up to it")
    payout = _payout(rows[0])
    parts = await reconciler.rows("contents_of", book, payout_id)
    named = [name for part in parts for name in part["balance_transactions"]]
    is_complete = (
        bool(parts) and len(parts) == parts[0]["parts"] and len(named) == parts[0]["count"]
    )
    keys = [f"balance_transaction:{name}" for name in named]
    movements = tuple(_movement(r) for r in await reconciler.rows("movements_by_key", book, keys))
    postings = await _postings(ledger, book, movements, [payout_id])
    matches = await reconciler.rows("matches_of_objects", book, [f"object:{payout_id}"])
    settlements, written_off = await _settlements(reconciler, book, payout_id, matches)
    open_rows = await ledger.rows("open_key", book, IN_TRANSIT, payout_id)
    allocation, fee = await _allocation(reconciler, book, payout) if not parts else (None, 0)
    return Certified(
        book=book,
        payout=payout,
        movements=movements,
        named=len(named),
        is_complete=is_complete,
        postings=postings,
        settlements=settlements,
        open_minor=sum(r["minor"] for r in open_rows),
        allocated=allocation,
        written_off=written_off,
        fee_minor=fee,
        clocks=await clocks(ledger, reconciler, now=now, told_at=payout.told_at),
        said=await _said(reconciler, book, payout_id),
    )


async def _said(reconciler: Snapshot, book: str, payout_id: str) -> tuple[Said, ...]:
    """What is not resolved about a payout."""
    rows = await reconciler.rows("discrepancies_about", book, payout_id)
    return tuple(
        Said(
            _word(told),
            str(told.get("severity") or ""),
            told["state"],
            told["expected"],
            told["found"],
            told["next_step"],
        )
        for told in (row["record"] for row in rows)
    )


def _word(told: Mapping[str, Any]) -> str:  # Any: JSON
    is_taken_back = str(told.get("cause") or "").startswith(f"{TAKEN_BACK}:")
    return TAKEN_BACK if is_taken_back else str(told["discrepancy"]).replace("_", " ")


async def clocks(
    ledger: Snapshot, reconciler: Snapshot, *, now: datetime, told_at: datetime | None = None
) -> Clocks:
    """Until when each side has been read: the ledger's positions and the reconciler's."""
    told = (("Stripe told it at", rfc3339(told_at)),) if told_at is not None else ()
    return (
        *told,
        ("ledger has booked up to", _read_up_to(await ledger.rows("positions"))),
        (
            "reconciler has read up to",
            _read_up_to(await reconciler.rows("reconciler_positions")),
        ),
        ("both read at", rfc3339(now)),
    )


def _read_up_to(rows: Iterable[Row]) -> ReadUpTo:
    return ReadUpTo(
        tuple((r["topic"], r["partition"], r["next_offset"]) for r in rows if r["next_offset"])
    )


def _payout(row: Row) -> Payout:
    created: datetime = row["created"]
    return Payout(
        id=row["id"],
        stage=row["stage"],
        amount=Money.of(row["minor"], row["currency"]),
        created=created,
        arrival=row["arrival"],
        method=row["method"],
        destination=row.get("destination") or "",
        failure=row["failure"],
        traces=tuple(row["traces"]),
        told_at=row.get("told_at") or created,
    )


def _movement(row: Row) -> Movement:
    return Movement(
        id=row["id"],
        type=row["type"],
        category=row["category"],
        source=row["source"] or "",
        amount_minor=row["amount_minor"] or 0,
        fee_minor=row["fee_minor"] or 0,
        net_minor=row["net_minor"] or 0,
        currency=row["currency"] or "",
        created=row["created"],
        balance_type=row["balance_type"] or "",
        available_on=row["available_on"],
    )


async def _postings(
    ledger: Snapshot, book: str, movements: Sequence[Movement], keys: list[str]
) -> tuple[Posted, ...]:
    """The postings of the movements' entries, and of those that are kept under the payout's key."""
    references = [f"stripe:balance_transaction:{m.id}" for m in movements]
    moments = sorted({m.created for m in movements if m.created is not None})
    found = list(await ledger.rows("entries_at", book, moments, references))
    found += await ledger.rows("entries_of_key", book, keys)
    entries = {(r["topic"], r["partition"], r["sequence"]): r for r in found}
    by_origin: dict[tuple[str, int], list[Row]] = {}
    for place in sorted(entries):
        by_origin.setdefault(place[:2], []).append(entries[place])
    told: list[Posted] = []
    for origin, rows in by_origin.items():
        for leg in await legs_of(ledger, rows):
            entry = entries[(*origin, leg["sequence"])]
            minor = leg["minor"] if leg["direction"] == "debit" else -leg["minor"]
            told.append(
                Posted(entry["reference"], leg["account"], leg["key"], minor, entry["effective_at"])
            )
    return tuple(told)


async def _settlements(
    reconciler: Snapshot, book: str, payout_id: str, matches: Sequence[Row]
) -> tuple[tuple[Settlement, ...], int]:
    """The lines that settle a payout, and what was written off of it."""
    found: list[Settlement] = []
    written_off = 0
    for row in matches:
        made: dict[str, Any] = row["record"]  # Any: JSON
        if made["match_kind"] == "write_off":
            cleared = [c for c in made["clears"] if c["key"] == payout_id]
            written_off -= sum(int(c["amount"]["minor"]) for c in cleared)
            continue
        line = made["line"]
        if line is None:
            continue
        for settled in made["settles"]:
            if settled["object"] == payout_id:
                share = MoneyOnWire.model_validate(settled["share"]).money()
                booked_on = await _booked_on(reconciler, book, line["account"], line["id"])
                found.append(
                    Settlement(
                        match=row["id"],
                        rule=made["rule"],
                        account=line["account"],
                        line=line["id"],
                        booked_on=booked_on,
                        share=_paid(made, payout_id, share),
                        evidence=tuple(made["evidence"]),
                    )
                )
    return tuple(found), written_off


def _paid(made: dict[str, Any], payout_id: str, share: Money) -> Money:  # Any: JSON
    """What the line really paid: what is cleared in transit, where that is told."""
    cleared = [c for c in made["clears"] if c["key"] == payout_id and c["account"] == IN_TRANSIT]
    if not cleared:
        return share
    return Money(-sum(int(c["amount"]["minor"]) for c in cleared), share.currency)


async def _booked_on(reconciler: Snapshot, book: str, account: str, line_id: str) -> date | None:
    rows = await reconciler.rows("bank_line", book, f"line:{account}/{line_id}")
    found: date | None = rows[0]["booked_on"] if rows else None
    return found


async def _allocation(
    reconciler: Snapshot, book: str, payout: Payout
) -> tuple[Allocated | None, int]:
    """What a payout without contents is taken to be made of, and its fee; none once it is over."""
    currency = payout.amount.currency.code
    rows = await reconciler.rows("payouts_without_contents", book, currency)
    claims = {
        r["id"]: Claim(r["id"], r["created"], r["minor"] + r["fee_minor"], r["borne_by"] or "")
        for r in rows
    }
    mine = claims.get(payout.id)
    if mine is None:
        return None, 0
    available = await _available(reconciler, book, currency, mine.borne_by)
    before = taken_before(mine, list(claims.values()))
    found = allocated(payout.amount.minor, before, available)
    return replace(found, borne_by=mine.borne_by), mine.minor - payout.amount.minor


async def _available(
    reconciler: Snapshot, book: str, currency: str, borne_by: str
) -> list[Available]:
    """The money that is allotted, the oldest first: what no contents name, or what these do."""
    if borne_by:
        parts = await reconciler.rows("contents_of", book, borne_by)
        keys = [f"balance_transaction:{n}" for part in parts for n in part["balance_transactions"]]
        found = [
            row
            for row in await reconciler.rows("movements_by_key", book, keys)
            if row["currency"] == currency and not row["type"].startswith("payout")
        ]
        found.sort(key=lambda r: (r["available_on"] or date.max, r["created"], r["id"]))
    else:
        found = await reconciler.rows("unpaid_movements", book, currency, UNPAID_MAX)
    return [
        Available(r["id"], r["type"], r["net_minor"], r["available_on"], r["created"])
        for r in found
    ]
