"""What `verify` costs over a long journal: entries a second, and whether memory stays flat.

``python -m tests.bench.verifying [ENTRIES]`` writes a journal with chains that hold into a database
of its own, and proves it. Only the proving is timed, in a process of its own.
"""

import argparse
import asyncio
import json
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final

import asyncpg

from services.ledger.proof.hash_chain import GENESIS
from services.ledger.proof.proving import LegRow, Row, digest_of, link_of
from services.ledger.shell.proof.trees import grow_trees
from services.ledger.shell.proof.verify import verify_journal
from services.ledger.shell.store import bring_up_to_date, open_journal
from shared.runtime.postgres import set_codecs
from tests.support.stack import running_stack

NOW: Final = datetime(2026, 11, 1, tzinfo=UTC)
ORIGINS: Final = 8
AT_ONCE: Final = 20_000
_ENTRY: Final = ("origin_id", *Row._fields)
_POSTING: Final = ("origin_id", *LegRow._fields)
_KEPT: Final = """
set search_path = ledger;
insert into claims (book, reference, digest, origin_id, caused_offset)
select book, reference, digest, origin_id, caused_offset from entries order by book, reference;
create temporary table legs as
select e.book, p.account, p.key, p.currency, p.exponent, e.origin_id,
    (e.effective_at at time zone 'UTC')::date as effective_day,
    (e.recorded_at at time zone 'UTC')::date as recorded_day, e.effective_at, e.recorded_at,
    case p.direction when 'debit' then p.minor else 0 end as debit,
    case p.direction when 'credit' then p.minor else 0 end as credit
from postings p join entries e on e.origin_id = p.origin_id and e.sequence = p.sequence;
insert into day_buckets (book, account, currency, effective_day, recorded_day, origin_id, exponent,
    debit_minor, credit_minor)
select book, account, currency, effective_day, recorded_day, origin_id, max(exponent), sum(debit),
    sum(credit) from legs group by 1, 2, 3, 4, 5, 6;
insert into balances (book, account, currency, origin_id, exponent, debit_minor, credit_minor)
select book, account, currency, origin_id, max(exponent), sum(debit), sum(credit)
from legs group by 1, 2, 3, 4;
insert into open_items (book, account, key, currency, exponent, minor, since, since_recorded)
select book, account, key, currency, max(exponent), sum(debit - credit), min(effective_at),
    min(recorded_at)
from legs where key <> '' group by 1, 2, 3, 4 having sum(debit) <> sum(credit);
insert into positions (cluster_id, topic_id, topic, partition, next_offset)
select 'c', 't', topic, partition, sequence + 1 from origins;
insert into published (origin_id, sequence, chain, next_offset)
select origin_id, sequence, chain, sequence + 1 from origins
on conflict (origin_id) do update set sequence = excluded.sequence, chain = excluded.chain;
analyze;
"""


def stretch(
    origin_id: int, link: bytes, first: int, last: int
) -> Iterator[tuple[Row, list[LegRow]]]:
    """Payments, every second one settled with its fee, each behind the link before it."""
    for sequence in range(first, last + 1):
        number = origin_id * 10**8 + sequence // 2
        at = NOW + timedelta(seconds=sequence / 4)
        settled = sequence % 2 == 0
        gross = 1000 + sequence % 977
        legs = (
            (
                ("assets:stripe:balance", "", "debit", gross - 30),
                ("expenses:stripe-fees", "", "debit", 30),
                ("assets:stripe:settling", f"ch_{number}", "credit", gross),
            )
            if settled
            else (
                ("assets:stripe:settling", f"ch_{number}", "debit", gross),
                ("revenue:stripe", "", "credit", gross),
            )
        )
        rows = [
            LegRow(sequence, n, account, key, side, minor, "usd", 2, at)
            for n, (account, key, side, minor) in enumerate(legs, 1)
        ]
        kind = "charge_settled" if settled else "payment"
        row = Row(
            *(sequence, "main", f"stripe:{kind}:{number}:{sequence}", kind, at, at, sequence),
            *(f"evt_{origin_id}_{sequence}", 1, f"Charge ch_{number}", None, b"", b"", len(rows)),
        )
        row = row._replace(digest=digest_of(row, rows))
        link = link_of(link, f"stripe.events/{origin_id - 1}", row)
        yield row._replace(chain=link), rows


async def fill(dsn: str, entries: int) -> None:
    """A journal of so many entries, with all that is kept beside it."""
    await bring_up_to_date(dsn)
    owner = await asyncpg.connect(dsn)
    await set_codecs(owner)
    await owner.execute("set session_replication_role = replica; set search_path = ledger")
    months = [NOW.date() + timedelta(days=30 * n) for n in range(6)]
    await owner.execute(
        "select open_journal_months('ledger', $1)", [m.replace(day=1) for m in months]
    )
    for origin_id in range(1, ORIGINS + 1):
        link, last = GENESIS, entries // ORIGINS
        for first in range(1, last + 1, AT_ONCE):
            made = list(stretch(origin_id, link, first, min(first + AT_ONCE - 1, last)))
            link = made[-1][0].chain
            await owner.copy_records_to_table(
                "entries", columns=_ENTRY, records=[(origin_id, *row) for row, _ in made]
            )
            legs = [(origin_id, *leg) for _, rows in made for leg in rows]
            await owner.copy_records_to_table("postings", columns=_POSTING, records=legs)
        await owner.execute(
            "insert into origins (topic, partition, sequence, chain)"
            " values ('stripe.events', $1, $2, $3)",
            *(origin_id - 1, last, link),
        )
    await owner.execute("set session_replication_role = origin")
    await owner.execute(_KEPT, timeout=600)
    await owner.close()
    journal = await open_journal(dsn)
    while await grow_trees(journal):
        pass
    await journal.close()


async def prove(dsn: str) -> dict[str, float]:
    """Prove it once; how long it took and the most memory that this process had."""
    journal = await open_journal(dsn)
    first, worked = time.perf_counter(), time.process_time()
    verified = await verify_journal(journal)
    seconds, worked = time.perf_counter() - first, time.process_time() - worked
    await journal.close()
    if not verified.is_sound:
        raise SystemExit("\n".join(verified.problems))
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {
        "entries": verified.entries,
        "seconds": seconds,
        "processor_seconds": worked,
        "memory_mb": most,
    }


def main() -> int:
    """Run it; the exit code."""
    about = argparse.ArgumentParser()
    about.add_argument("entries", type=int, nargs="*", default=[100_000, 1_000_000])
    about.add_argument("--prove", default="", help=argparse.SUPPRESS)
    given = about.parse_args()
    if given.prove:
        sys.stdout.write(json.dumps(asyncio.run(prove(given.prove))))
        return 0
    with running_stack(on_disk=True) as stack:
        for entries in given.entries:
            dsn = stack.fresh_database("bench")
            asyncio.run(fill(dsn, entries))
            command = [sys.executable, "-m", "tests.bench.verifying", "--prove", dsn]
            told = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
            rate = told["entries"] / told["seconds"]
            sys.stdout.write(
                f"{told['entries']:>10,} entries  {told['seconds']:7.1f} s  {rate:>8,.0f} entries/s"
                f"  {told['processor_seconds']:6.1f} s of processor  {told['memory_mb']:4.0f} MB\n"
            )
            sys.stdout.flush()
            stack.drop_database(dsn)
    return 0


if __name__ == "__main__":
    sys.exit(main())
