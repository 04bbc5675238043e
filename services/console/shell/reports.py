"""Reports made in one moment of the views: figures fetched, then laid out by the core."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Final

from services.console.shell.figures_of import EARNED, Figures
from services.console.shell.keys_of import Keys
from services.console.shell.readers import Snapshot
from services.console.statements.balance_sheet import (
    balance_sheet,
    balance_sheets,
    translated_balance_sheet,
    translated_trial_balance,
    trial_balances,
)
from services.console.statements.figures import (
    Closing,
    Figure,
    MissingRate,
    at_closing,
    both,
    by_currency,
    root_of,
)
from services.console.statements.income import (
    cash_flows,
    income_statement,
    income_statements,
    translated_cash_flow,
    translated_income_statement,
)
from services.console.statements.moments import AsOf, end_of
from services.console.statements.names import AccountNames, account_names
from services.console.statements.query import Asked
from services.console.statements.report import (
    Basis,
    Kind,
    Position,
    Report,
    Statement,
    used_rates,
)
from services.console.statements.roll_up import (
    NO_TAGS,
    Part,
    RollUpLine,
    Tags,
    Unit,
    names_a_key,
    roll_up,
)
from services.console.statements.solvency import RUNWAY_DAYS, solvency
from services.console.views import BadRequest
from shared.contracts.money import Currency

KEYS_MAX: Final = 10_000
ACCOUNT, KEY, TAG = "account", "key", "tag"
_ONE_DAY: Final = timedelta(days=1)
Made = Statement | tuple[MissingRate, ...] | None


async def basis_of(views: Snapshot, asked: Asked, read_at: datetime) -> Basis:
    """What an answer holds for."""
    positions = await views.rows("positions")
    recorded, unpassed = asked.as_of.recorded, list[str]()
    if recorded is not None:
        unpassed = [
            f"{row['topic']}/{row['partition']}"
            for row in await views.rows("origin_numbers")
            if row["last_recorded_at"] is None or row["last_recorded_at"] < recorded.before
        ]
    return Basis(
        asked.book.name,
        asked.book.time_zone,
        asked.end,
        asked.period,
        read_at,
        tuple(Position(r["topic"], r["partition"], r["next_offset"]) for r in positions),
        tuple(sorted(unpassed)),
    )


async def names_of(views: Snapshot, book: str) -> AccountNames:
    """What a book's accounts were ever called."""
    return account_names(
        await views.rows("charts_in_force", book), await views.rows("account_names", book)
    )


async def report(views: Snapshot, kind: Kind, asked: Asked, read_at: datetime) -> Report:
    """A statement in each currency, and in one where that is asked for."""
    figures = Figures(views, asked.book)
    today = read_at.astimezone(asked.book.zone).date()
    closing = Closing(asked.reporting, {}) if asked.reporting is not None else None
    if asked.reporting is not None:
        closing = await figures.closing(asked.reporting, asked.end)
    match kind:
        case Kind.TRIAL_BALANCE | Kind.BALANCE_SHEET:
            alone, translated = await _standing(figures, kind, asked, closing)
        case Kind.INCOME_STATEMENT:
            alone, translated = await _income(figures, asked)
        case Kind.CASH_FLOW:
            alone, translated = await _cash_flow(figures, asked, closing)
        case Kind.SOLVENCY:
            alone, translated = await _solvency(figures, asked, closing, today)
    is_missing = isinstance(translated, tuple)
    return Report(
        kind,
        await basis_of(views, asked, read_at),
        tuple(s for s in alone if asked.currency in (None, s.currency)),
        asked.reporting,
        None if isinstance(translated, tuple) else translated,
        translated if isinstance(translated, tuple) else (),
        used_rates(closing, alone) if closing is not None and not is_missing else (),
    )


async def _standing_figures(
    figures: Figures, asked: Asked, reporting: Currency
) -> tuple[list[Figure], list[Figure]]:
    """What stands, and the same with what was earned and spent at the rates of its days."""
    standing = await figures.turnover(asked.end)
    earned = await figures.at_daily_rates(asked.end, reporting)
    kept = [figure for figure in standing if root_of(figure.account) not in EARNED]
    return standing, [*kept, *earned]


async def _standing(
    figures: Figures, kind: Kind, asked: Asked, closing: Closing | None
) -> tuple[Sequence[Statement], Made]:
    alone = balance_sheets if kind is Kind.BALANCE_SHEET else trial_balances
    if closing is None:
        return alone(await figures.turnover(asked.end)), None
    standing, all_figures = await _standing_figures(figures, asked, closing.reporting)
    translate = translated_balance_sheet if kind is Kind.BALANCE_SHEET else translated_trial_balance
    return alone(standing), translate(all_figures, closing)


async def _income(figures: Figures, asked: Asked) -> tuple[Sequence[Statement], Made]:
    moved = await figures.turnover(asked.end, first=asked.period.first)
    if asked.reporting is None:
        return income_statements(moved), None
    at_rates = await figures.at_daily_rates(
        asked.end, asked.reporting, first=asked.period.first, roots=(*EARNED, "equity")
    )
    return income_statements(moved), translated_income_statement(at_rates, asked.reporting)


async def _cash_flow(
    figures: Figures, asked: Asked, closing: Closing | None
) -> tuple[Sequence[Statement], Made]:
    first, zone = asked.period.first, asked.book.zone
    before: list[Figure] = []
    day_before = first - _ONE_DAY if first is not None else None
    if day_before is not None:
        opening = AsOf(end_of(day_before, zone), asked.as_of.recorded)
        before = await figures.turnover(opening)
    moved = await figures.turnover(asked.end, first=first)
    after = await figures.turnover(asked.end)
    alone = cash_flows(before, moved, after)
    if closing is None:
        return alone, None
    reporting = closing.reporting
    return alone, translated_cash_flow(
        before,
        await figures.at_daily_rates(asked.end, reporting, first=first, roots=None),
        after,
        opening_rates=await figures.closing(reporting, asked.end, on=day_before),
        closing_rates=closing,
    )


async def _solvency(
    figures: Figures, asked: Asked, closing: Closing | None, today: date
) -> tuple[Sequence[Statement], Made]:
    end = asked.end.effective or end_of(today, asked.book.zone)
    first = end.day - timedelta(days=RUNWAY_DAYS - 1)
    standing = await figures.turnover(asked.end)
    earned = await figures.earned(AsOf(end, asked.as_of.recorded), first=first)
    lately = {
        currency: income_statement(nets, currency).net_income
        for currency, nets in by_currency(earned).items()
    }
    alone = [
        solvency(sheet, net_income=lately.get(sheet.currency, 0))
        for sheet in balance_sheets(standing)
    ]
    if closing is None:
        return alone, None
    # What is owned, owed and burnt at the rate of the day: the question is about now. Net equity
    # is what is owned less what is owed, so that no rate of an earlier day is needed.
    held = at_closing(
        (f for f in standing if root_of(f.account) in ("assets", "liabilities")), closing
    )
    burnt = at_closing(earned, closing)
    if missing := both(held, burnt):
        return alone, missing
    net_income = income_statement(burnt.nets, closing.reporting).net_income
    sheet = balance_sheet(held.nets, closing.reporting, is_translated=True)
    return alone, solvency(sheet, net_income=net_income)


async def rolled_up(
    moment: Snapshot, asked: Asked, *, by: str, under: str, depth: int, tags: Tags = NO_TAGS
) -> list[RollUpLine]:
    """A roll-up by ``account``, ``key``, ``tag``, or a unit of time; of tags but by ``account``.

    Raises:
        BadRequest: No way to roll up; tags where they do not count, or none where they do; keys of
            no account, or too many; a moment within a day where days are rolled up.
    """
    figures = Figures(moment, asked.book)
    if (by == TAG and not tags) or (tags and by == ACCOUNT):
        raise BadRequest("tags: say which, and roll up by tag, by key or by a span of time")
    keys = [named for under_tag in tags.values() for named in under_tag if names_a_key(named)]
    if keys and by != KEY:
        raise BadRequest(
            f"tags: {keys[0][:140]} is a key, and sums by account know no keys: roll up by key"
        )
    if by == KEY:
        if not under:
            raise BadRequest("account: keys are those of an account: say which")
        parts = await Keys(moment, asked, under).figures()
        lines = roll_up(parts, prefix=under, depth=depth, tags=tags)
        if len(lines) > KEYS_MAX:
            raise BadRequest(
                f"by: {under} has more than {KEYS_MAX:,} keys then; name an account under it, put"
                " keys together by tags, or page through the open items over HTTP"
            )
        return lines
    if by in (ACCOUNT, TAG):
        turned_over = await figures.turnover(asked.end, first=asked.period.first)
        return roll_up([Part(f) for f in turned_over], prefix=under, depth=depth, tags=tags)
    if by not in set(Unit):
        raise BadRequest(f"by: one of {ACCOUNT}, {KEY}, {TAG}, {', '.join(Unit)}")
    if any(
        m is not None and m.rest_from is not None for m in (asked.end.effective, asked.end.recorded)
    ):
        raise BadRequest("by: spans of time are made of whole days: give days, not times")
    parts = await figures.by_unit(asked.end, Unit(by), first=asked.period.first)
    return roll_up(parts, prefix=under, depth=depth, tags=tags)
