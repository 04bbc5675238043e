"""Statement files before a real Kafka and a real Postgres: from the folder to the topic, once."""

import asyncio
import hashlib
import shutil
import uuid
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import asyncpg
import pytest

from services.feeds.config import Sources
from services.feeds.shell.file_import import Asked, FileImport
from services.feeds.shell.file_store import FileStore, Outcome
from services.feeds.shell.folder import StatementFolder
from services.feeds.shell.store import MIGRATIONS, SCHEMA, FeedStore
from services.feeds.statements.accounts import InterimIs, StatementAccount
from shared.contracts.audits import AuditReport
from shared.contracts.books import BookMap
from shared.contracts.errors import Unavailable
from shared.contracts.observations import BANK_OBSERVATION, BankBalance, BankLine, LineState
from shared.contracts.topics import BANK_OBSERVATIONS, FEEDS_AUDITS
from shared.runtime.kafka import KafkaAddress, Partition, Publisher, end_offsets
from shared.runtime.metrics import Health
from shared.runtime.migrations import migrate
from shared.runtime.postgres import Database
from tests.support.ingest import records_since

pytestmark = pytest.mark.stack

DATA = Path(__file__).parents[1] / "unit/feeds/data"
IBAN = "DE89370400440532013000"


@dataclass
class Files:
    """A folder, what is told of it, and the parts in between."""

    kafka: str
    folder: Path
    watched: StatementFolder
    imports: FileImport
    files: FileStore
    publisher: Publisher
    name: str
    sources: Sources
    since: dict[Partition, int]

    def drop(self, data: bytes, name: str) -> Path:
        (self.folder / name).write_bytes(data)
        return self.folder / name

    async def look(self) -> str:
        """Two looks: a file is taken once it lies still."""
        await self.watched.look()
        return await self.watched.look()

    async def told(self) -> list[BankLine | BankBalance]:
        records = await records_since(self.kafka, BANK_OBSERVATIONS, self.since)
        own = [r for r in records if r.key == self.name.encode()]
        assert all(r.envelope().extension("book") == "main" for r in own)
        return [BANK_OBSERVATION.validate_json(r.value) for r in own]

    async def lines(self) -> list[tuple[str, LineState]]:
        return [(t.amount.minor, t.state) for t in await self.told() if isinstance(t, BankLine)]

    async def stands(self, data: bytes) -> list[bool]:
        """What was told of a file that was refused: that it stands, or no longer."""
        digest = hashlib.sha256(data).hexdigest()
        records = await records_since(self.kafka, FEEDS_AUDITS, self.since)
        told = [AuditReport.model_validate_json(r.value) for r in records]
        own = [each for each in told if each.evidence == (f"sha256:{digest}",)]
        assert {(each.book, each.subject) for each in own} <= {("main", digest[:12])}
        assert [each.told_at for each in own] == sorted({each.told_at for each in own})
        return [each.stands for each in own]

    async def balances(self) -> list[tuple[str, bool]]:
        return [(t.amount.minor, t.agreed) for t in await self.told() if isinstance(t, BankBalance)]


@pytest.fixture
async def files(kafka: str, database_dsn: str, tmp_path: Path) -> AsyncGenerator[Files]:
    await migrate(database_dsn, schema=SCHEMA, folder=MIGRATIONS)
    database = await Database.open(database_dsn, search_path=SCHEMA)
    publisher = Publisher(kafka)
    name = f"bank_{uuid.uuid4().hex[:12]}"
    sources = Sources(
        statements=(
            StatementAccount(IBAN, name),
            StatementAccount("JP-0042", f"{name}.jpy"),
            StatementAccount("000111222", f"{name}.ofx"),
        )
    )
    store = FileStore(database)
    imports = FileImport(
        files=store,
        store=FeedStore(database),
        publisher=publisher,
        kafka=KafkaAddress(kafka),
        books=BookMap(),
        bytes_max=1 << 20,
    )
    for child in ("accepted", "refused"):
        (tmp_path / child).mkdir()
    watched = StatementFolder(
        tmp_path, imports=imports, sources=lambda: sources, health=Health(), look_seconds=1
    )
    since = await end_offsets(kafka, [BANK_OBSERVATIONS, FEEDS_AUDITS])
    yield Files(kafka, tmp_path, watched, imports, store, publisher, name, sources, since)
    await publisher.stop()
    await database.close()


def camt(entries: Sequence[tuple[str, str]], opening: str, closing: str, *, day: str) -> bytes:
    """A camt.053 of one day: amounts with their texts."""
    rows = "".join(
        f'<Ntry><Amt Ccy="EUR">{amount.lstrip("-")}</Amt><CdtDbtInd>'
        f"{'DBIT' if amount.startswith('-') else 'CRDT'}</CdtDbtInd><Sts>BOOK</Sts>"
        f"<BookgDt><Dt>{day}</Dt></BookgDt><AddtlNtryInf>{text}</AddtlNtryInf></Ntry>"
        for amount, text in entries
    )
    balances = "".join(
        f"<Bal><Tp><CdOrPrtry><Cd>{kind}</Cd></CdOrPrtry></Tp><Amt Ccy='EUR'>{amount}</Amt>"
        f"<CdtDbtInd>CRDT</CdtDbtInd><Dt><Dt>{day}</Dt></Dt></Bal>"
        for kind, amount in (("OPBD", opening), ("CLBD", closing))
    )
    return (
        "<Document><BkToCstmrStmt><Stmt><Id>S</Id><Acct><Id><IBAN>"
        f"{IBAN}</IBAN></Id><Ccy>EUR</Ccy></Acct>{balances}{rows}</Stmt></BkToCstmrStmt></Document>"
    ).encode()


async def test_dropped_file_is_told_and_moved_and_the_same_file_again_is_told_no_more(
    files: Files,
) -> None:
    data = (DATA / "camt053_two_statements.xml").read_bytes()
    files.drop(data, "statement.xml")
    await files.watched.look()
    assert await files.told() == []
    await files.look()
    assert sorted(minor for minor, _ in await files.lines()) == sorted(
        ["885", "200000", "-1840", "-5000", "25000"]
    )
    (balance,) = [t for t in await files.told() if isinstance(t, BankBalance)]
    assert (balance.amount.minor, balance.agreed) == ("319045", True)
    assert balance.as_of is not None
    assert balance.as_of.date().isoformat() == "2026-11-19"
    (moved,) = (files.folder / "accepted").iterdir()
    assert moved.read_bytes() == data
    files.drop(data, "again.xml")
    await files.look()
    assert len(await files.lines()) == 5
    assert not (files.folder / "again.xml").exists()


async def test_refused_file_is_kept_with_its_reason_and_nothing_of_it_is_told(
    files: Files,
) -> None:
    broken = (DATA / "camt053_two_statements.xml").read_bytes().replace(b">12345<", b">12346<")
    files.drop(broken, "broken.xml")
    await files.look()
    assert await files.told() == []
    kept, reason = sorted((files.folder / "refused").iterdir())
    assert kept.read_bytes() == broken
    assert "does not add up" in reason.read_text()
    (taken,) = await files.files.newest("refused", 10)
    assert (taken.outcome, taken.name) == (Outcome.REFUSED, "broken.xml")
    assert "statement 9 of JP-0042 does not add up" in taken.reason


async def test_account_that_nobody_configured_is_said_with_what_to_do_and_taken_later(
    files: Files,
) -> None:
    path = files.drop((DATA / "camt053_pages.xml").read_bytes(), "dutch.xml")
    taken = await files.imports.take(path, files.sources)
    assert taken.outcome is Outcome.REFUSED
    assert "nobody has said whose account 'NL91ABNA0417164300' is" in taken.reason
    assert 'id = "NL91ABNA0417164300"' in taken.fix
    again = await files.imports.take(path, files.sources, Asked(account=files.name))
    assert (again.outcome, again.fresh) == (Outcome.ACCEPTED, 2)
    assert await files.balances() == [("-250", True)]


async def test_refused_file_is_told_once_until_its_bytes_are_taken(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = (DATA / "camt053_pages.xml").read_bytes()

    async def away(*_: object) -> None:
        raise Unavailable("Kafka is away")

    path = files.drop(data, "dutch.xml")
    with monkeypatch.context() as broken:
        broken.setattr(files.publisher, "publish_all", away)
        assert "Kafka is away" in await files.look()
    assert path.exists()
    assert await files.stands(data) == []
    await files.look()
    assert not path.exists()
    assert await files.stands(data) == [True]
    files.drop(data, "dutch.xml")
    await files.look()
    assert await files.stands(data) == [True]
    path = files.drop(data, "again.xml")
    await files.imports.take(path, files.sources, Asked(account=files.name, is_dry=True))
    assert await files.stands(data) == [True]
    await files.imports.take(path, files.sources, Asked(account=files.name))
    await files.imports.take(path, files.sources, Asked(account=files.name))
    assert await files.stands(data) == [True, False]


async def test_files_that_were_refused_before_refusals_were_told_are_told(
    empty_database_dsn: str, tmp_path: Path
) -> None:
    for file in sorted(MIGRATIONS.glob("000[12]_*.sql")):
        shutil.copy(file, tmp_path)
    await migrate(empty_database_dsn, schema=SCHEMA, folder=tmp_path)
    owner = await asyncpg.connect(empty_database_dsn)
    for outcome in ("refused", "accepted"):
        await owner.execute(
            "insert into feeds.statement_files values"
            " ($1, 'a.xml', 1, 'camt', $2, 'it is cut off', 'ask', '{}', 0, 0, '{}', '2026-11-01Z')",
            outcome,
            outcome,
        )
    await owner.close()
    await migrate(empty_database_dsn, schema=SCHEMA, folder=MIGRATIONS)
    database = await Database.open(empty_database_dsn, search_path=SCHEMA)
    store = FileStore(database)
    (found,) = await store.untold_refusals(10, first_book="main")
    assert (found.sha256, found.book, found.stands) == ("refused", "main", True)
    assert found.since == found.decided_at
    await store.told_refusals([found])
    assert await store.untold_refusals(10, first_book="main") == []
    await database.close()


async def test_overlapping_files_tell_a_line_once_and_true_twins_each(files: Files) -> None:
    twins = [("10.00", "fee"), ("10.00", "fee")]
    files.drop(camt([("5.00", "a"), *twins], "0.00", "25.00", day="2026-11-02"), "1.xml")
    await files.look()
    files.drop(camt([*twins, ("5.00", "a")], "0.00", "25.00", day="2026-11-02"), "2.xml")
    files.drop(camt([("10.00", "fee")], "25.00", "35.00", day="2026-11-02"), "3.xml")
    await files.look()
    assert sorted(minor for minor, _ in await files.lines()) == ["1000", "1000", "1000", "500"]
    assert (await files.balances())[-1] == ("3500", True)


async def test_announced_lines_post_or_go_when_the_statement_of_their_day_comes(
    files: Files,
) -> None:
    files.drop((DATA / "camt052_intraday.xml").read_bytes(), "052.xml")
    await files.look()
    assert sorted(await files.lines()) == [
        ("-7700", LineState.PENDING),
        ("885", LineState.PENDING),
    ]
    assert await files.balances() == []
    files.drop((DATA / "camt053_two_statements.xml").read_bytes(), "053.xml")
    await files.look()
    told = (await files.lines())[2:]
    assert ("885", LineState.POSTED) in told
    assert ("-7700", LineState.REMOVED) in told
    assert len(told) == 6
    # The report comes once more, late: what it announces is settled already.
    late = (DATA / "camt052_intraday.xml").read_bytes().replace(b"R-1", b"R-2")
    files.drop(late, "late.xml")
    await files.look()
    assert len(await files.lines()) == 8


async def test_ofx_balance_is_accepted_once_balance_lines_and_balance_agree(files: Files) -> None:
    first = (DATA / "ofx1_checking.ofx").read_bytes()
    begin, end = first.index(b"<STMTTRN>"), first.index(b"</BANKTRANLIST>")
    later = (
        first[:begin]
        + b"<STMTTRN><TRNTYPE>CREDIT<DTPOSTED>20261121<TRNAMT>41.00<FITID>F-9</STMTTRN>"
        + first[end:]
    ).replace(b"2459.00<DTASOF>20261120", b"2500.00<DTASOF>20261121")
    ofx = replace(files, name=f"{files.name}.ofx")
    files.drop(first, "a.ofx")
    await files.look()
    assert await ofx.balances() == [("245900", False)]
    files.drop(later, "b.ofx")
    await files.look()
    assert await ofx.balances() == [("245900", False), ("250000", True)]


async def test_account_is_told_by_one_kind_of_file(files: Files) -> None:
    files.drop(camt([("5.00", "a")], "0.00", "5.00", day="2026-11-02"), "1.xml")
    await files.look()
    swift = f":20:X\n:25:{IBAN}\n:28C:1\n:60F:C261102EUR0,00\n:61:261102C5,00NTRFX\n:62F:C261102EUR5,00\n-"
    path = files.drop(swift.encode(), "1.sta")
    taken = await files.imports.take(path, files.sources)
    assert "is told by camt files, and this one is mt940" in taken.reason
    assert len(await files.lines()) == 1


async def test_interim_reports_can_be_taken_as_posted_where_there_are_no_statements(
    files: Files,
) -> None:
    sources = Sources(statements=(StatementAccount(IBAN, files.name, interim=InterimIs.POSTED),))
    path = files.drop((DATA / "camt052_intraday.xml").read_bytes(), "052.xml")
    await files.imports.take(path, sources)
    assert ("885", LineState.POSTED) in await files.lines()
    statement = files.drop(camt([("5.00", "a")], "0.00", "5.00", day="2026-11-02"), "053.xml")
    taken = await files.imports.take(statement, sources)
    assert "takes interim reports as posted" in taken.reason


async def test_file_that_was_written_down_and_not_told_is_told_by_the_next_look(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    files.drop(camt([("5.00", "a"), ("7.00", "b")], "0.00", "12.00", day="2026-11-02"), "1.xml")

    async def away(*_: object) -> None:
        raise Unavailable("Kafka is away")

    with monkeypatch.context() as broken:
        broken.setattr(files.publisher, "publish_all", away)
        assert "Kafka is away" in await files.look()
    assert (files.folder / "1.xml").exists()
    assert await files.told() == []
    await files.look()
    assert sorted(await files.lines()) == [("500", LineState.POSTED), ("700", LineState.POSTED)]
    assert await files.balances() == [("1200", True)]
    assert not (files.folder / "1.xml").exists()


async def test_two_processes_that_take_overlapping_files_at_once_tell_each_line_once(
    files: Files,
) -> None:
    paths = [
        files.drop(
            camt([("5.00", "a"), ("7.00", "b")], "0.00", "12.00", day="2026-11-02") + b" " * n,
            f"{n}.xml",
        )
        for n in range(4)
    ]
    taken = await asyncio.gather(*(files.imports.take(p, files.sources) for p in paths))
    assert sorted(t.fresh for t in taken) == [0, 0, 0, 2]
    ids = [t.id for t in await files.told() if isinstance(t, BankLine)]
    assert len(set(ids)) == 2


async def test_lost_database_tells_no_line_a_second_time(
    files: Files, fresh_database: object, kafka: str
) -> None:
    data = camt([("5.00", "a"), ("7.00", "b")], "0.00", "12.00", day="2026-11-02")
    path = files.drop(data, "1.xml")
    await files.imports.take(path, files.sources)
    assert callable(fresh_database)
    dsn = str(fresh_database())
    await migrate(dsn, schema=SCHEMA, folder=MIGRATIONS)
    database = await Database.open(dsn, search_path=SCHEMA)
    imports = FileImport(
        files=FileStore(database),
        store=FeedStore(database),
        publisher=files.publisher,
        kafka=KafkaAddress(kafka),
        books=BookMap(),
        bytes_max=1 << 20,
    )
    taken = await imports.take(path, files.sources)
    await database.close()
    assert (taken.outcome, taken.lines, taken.fresh) == (Outcome.ACCEPTED, 2, 0)
    assert len(await files.lines()) == 2


async def test_file_past_the_limit_is_refused_and_one_that_is_written_is_left_alone(
    files: Files,
) -> None:
    files.drop(b"<Document>" + b" " * (2 << 20), "large.xml")
    files.drop(b"half", "download.xml.part")
    (files.folder / "link.xml").symlink_to(DATA / "camt053_pages.xml")
    (files.folder / "november").mkdir()
    said = "link.xml is a link, and left alone; november is a folder, and left alone"
    assert await files.look() == said
    (taken,) = await files.files.newest("", 10)
    assert "at most 1048576 are read" in taken.reason
    assert (files.folder / "download.xml.part").exists()
    assert (files.folder / "link.xml").is_symlink()


async def test_dry_run_says_what_is_new_and_leaves_nothing_behind(files: Files) -> None:
    path = files.drop(camt([("5.00", "a")], "0.00", "5.00", day="2026-11-02"), "1.xml")
    taken = await files.imports.take(path, files.sources, Asked(is_dry=True))
    assert (taken.outcome, taken.fresh) == (Outcome.ACCEPTED, 1)
    assert await files.files.newest("", 10) == []
    assert await files.told() == []
