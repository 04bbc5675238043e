"""The embedded stack: real processes, killed for real."""

import asyncio
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import asyncpg
import psutil
import pytest

from sandbox.stack import Stack, StackProblem, StackSettings, postgres_home, probe
from sandbox.stack.jars import ensure_jars, jar_dir, read_lock
from sandbox.stack.kafka import class_cache
from sandbox.stack.process import ProcessRecord
from shared.runtime.kafka_client import ADMIN, admin_client
from tests.support.stack import RunningStack, scratch_folder

pytestmark = pytest.mark.stack

ROOT = Path(__file__).parents[2]


def settings_in(folder: Path) -> StackSettings:
    return StackSettings(dir=folder, kafka_port=0, postgres_port=0, kafka_heap_mb=256)


@pytest.fixture
def folder() -> Generator[Path]:
    with scratch_folder() as made:
        yield made
        Stack(settings_in(made)).wipe()


async def create_topic(bootstrap: str, name: str) -> None:
    async with admin_client(bootstrap) as admin:
        await admin.create_topics([ADMIN.NewTopic(name, 1, 1)])


async def topics(bootstrap: str) -> set[str]:
    async with admin_client(bootstrap) as admin:
        return set(await admin.list_topics())


async def write_row(dsn: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute("create table kept (id int); insert into kept values (7)")
    finally:
        await connection.close()


async def rows(dsn: str) -> list[int]:
    connection = await asyncpg.connect(dsn)
    try:
        return [row["id"] for row in await connection.fetch("select id from kept")]
    finally:
        await connection.close()


async def test_fresh_databases_are_empty_and_apart(
    stack: RunningStack, empty_database_dsn: str
) -> None:
    other = await asyncio.to_thread(stack.fresh_database)
    first = await asyncpg.connect(empty_database_dsn)
    second = await asyncpg.connect(other)
    try:
        await first.execute("create table seen (id int)")
        found = await second.fetchval("select count(*) from pg_tables where tablename = 'seen'")
        assert found == 0
    finally:
        await first.close()
        await second.close()
        await asyncio.to_thread(stack.drop_database, other)


def test_broker_and_server_are_set_for_books_that_must_not_be_lost(stack: RunningStack) -> None:
    broker = probe.kafka_facts(stack.kafka_bootstrap).settings
    assert broker["auto.create.topics.enable"] == "false"
    assert broker["log.message.timestamp.type"] == "LogAppendTime"
    assert broker["log.retention.ms"] == "-1"
    server = probe.postgres_facts(stack.postgres_dsn)
    assert server.version.startswith("18")
    assert server.settings["fsync"] == server.settings["full_page_writes"] == "on"


def test_data_is_intact_after_kill_9_of_broker_and_server(folder: Path) -> None:
    with Stack(settings_in(folder), tied=True) as stack:
        before = (stack.kafka_bootstrap, stack.postgres_dsn)
        asyncio.run(create_topic(stack.kafka_bootstrap, "kept"))
        asyncio.run(write_row(stack.postgres_dsn))

        stack.kill("kafka")
        stack.kill("postgres")
        assert [part.is_running for part in stack.status()] == [False, False]

        stack.start()
        assert (stack.kafka_bootstrap, stack.postgres_dsn) == before
        assert "kept" in asyncio.run(topics(stack.kafka_bootstrap))
        assert asyncio.run(rows(stack.postgres_dsn)) == [7]


def test_second_start_takes_over_what_runs_and_leaves_it_running(folder: Path) -> None:
    with Stack(settings_in(folder), tied=True) as first:
        pids = [part.pid for part in first.status()]
        with Stack(settings_in(folder), tied=True) as second:
            assert [part.pid for part in second.status()] == pids
            assert second.postgres_dsn == first.postgres_dsn
        assert [part.pid for part in first.status()] == pids
    assert not any(psutil.pid_exists(pid) for pid in pids)


def test_other_settings_replace_what_runs(folder: Path) -> None:
    with Stack(settings_in(folder), tied=True) as first:
        kafka, postgres = first.kafka.record, first.postgres.record
        changed = settings_in(folder).model_copy(update={"kafka_heap_mb": 300})
        with Stack(changed, tied=True) as second:
            assert second.kafka.record != kafka
            assert second.postgres.record == postgres


def test_killed_owner_leaves_no_process_and_the_next_start_has_the_data(folder: Path) -> None:
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(folder)], stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    assert owner.stdout is not None
    assert owner.stdout.readline() == "up\n"
    owner.send_signal(signal.SIGKILL)
    owner.wait()
    owner.stdout.close()

    with Stack(settings_in(folder), tied=True) as stack:
        assert "kept" in asyncio.run(topics(stack.kafka_bootstrap))
        assert asyncio.run(rows(stack.postgres_dsn)) == [7]
        running = [part.pid for part in stack.status()]
    assert not any(psutil.pid_exists(pid) for pid in running)
    # Nothing of the killed owner is left either: whatever still names the folder would be it.
    assert [each.pid for each in processes_of(folder)] == []


OWNER = """
import asyncio, sys, time
from pathlib import Path
from sandbox.stack import Stack
from tests.integration.test_stack import create_topic, settings_in, write_row
stack = Stack(settings_in(Path(sys.argv[1])), tied=True)
stack.start()
asyncio.run(create_topic(stack.kafka_bootstrap, "kept"))
asyncio.run(write_row(stack.postgres_dsn))
print("up", flush=True)
time.sleep(600)  # stays until it is killed
"""


def processes_of(folder: Path) -> list[psutil.Process]:
    found: list[psutil.Process] = []
    for process in psutil.process_iter():
        try:
            if process.pid != os.getpid() and str(folder) in " ".join(process.cmdline()):
                found.append(process)
        except psutil.Error:
            continue
    return found


def test_stale_lock_file_with_a_living_stranger_does_not_stop_postgres(folder: Path) -> None:
    settings = settings_in(folder)
    with Stack(settings, tied=True, parts=("postgres",)) as stack:
        asyncio.run(write_row(stack.postgres_dsn))
        stack.kill("postgres")
        # After a reboot the id in the lock file may belong to anybody, here to us.
        lock = folder / "postgres" / "data" / "postmaster.pid"
        lines = lock.read_text().splitlines()
        lock.write_text("\n".join([str(os.getpid()), *lines[1:]]) + "\n")
        stack.start()
        assert asyncio.run(rows(stack.postgres_dsn)) == [7]


@pytest.mark.parametrize("part", ["kafka", "postgres"])
def test_taken_port_is_named_with_its_holder_and_the_way_out(folder: Path, part: str) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        settings = settings_in(folder).model_copy(update={f"{part}_port": port})
        with pytest.raises(StackProblem) as caught:
            Stack(settings, tied=True).start()
    assert f"Port {port}" in caught.value.what
    assert f"process {os.getpid()}" in caught.value.why
    assert f"TALLYSTICK_STACK_{part.upper()}_PORT" in caught.value.fix
    assert not any(status.is_running for status in Stack(settings).status())


def test_server_that_cannot_start_is_explained_by_the_end_of_its_log(folder: Path) -> None:
    settings = settings_in(folder)
    with Stack(settings, tied=True, parts=("postgres",)) as stack:
        stack.kill("postgres")
        (folder / "postgres" / "data" / "global" / "pg_control").unlink()
        with pytest.raises(StackProblem, match="pg_control"):
            stack.start()


def test_password_is_kept_for_its_owner_alone(folder: Path) -> None:
    with Stack(settings_in(folder), tied=True, parts=("postgres",)) as stack:
        assert stack.postgres.password_file.stat().st_mode & 0o777 == 0o600
        wrong = stack.postgres_dsn.replace(stack.postgres_dsn.split(":")[2].split("@")[0], "guess")
        with pytest.raises(ConnectionError, match="password"):
            probe.postgres_facts(wrong)


def test_jar_that_is_not_the_locked_one_is_refused_before_anything_starts(folder: Path) -> None:
    lock = read_lock()
    good = ensure_jars(StackSettings().cache_dir)
    cache = folder / "cache"
    copy = jar_dir(cache, lock)
    shutil.copytree(good, copy)
    victim = copy / lock.jars[0].filename
    victim.write_bytes(victim.read_bytes() + b"x")
    # A repository that answers 404 stands for a network that cannot replace it.
    unreachable = settings_in(folder).model_copy(
        update={"cache_dir": cache, "maven_repository": "http://127.0.0.1:1"}
    )
    with pytest.raises(StackProblem) as caught:
        Stack(unreachable, tied=True, parts=("kafka",)).start()
    assert victim.name in caught.value.what
    assert "network" in caught.value.fix
    assert ProcessRecord.load(folder / "kafka.pid") is None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_stack_runs_for_an_ordinary_user_and_with_a_torn_cache_of_classes() -> None:
    user = pwd.getpwnam("nobody")
    site = next(path for path in sys.path if path.endswith("site-packages"))
    python = interpreter_for(user, f"{ROOT}:{site}")
    if python is None:
        why = "the user can reach no interpreter of our version, or not this checkout"
        pytest.skip(why)  # the machine\'s, not ours to change
    with scratch_folder() as made:
        for each in (made / "stack", made / "cache"):
            each.mkdir()
            os.chown(each, user.pw_uid, user.pw_gid)
        lock = read_lock()
        jars = jar_dir(made / "cache", lock)
        shutil.copytree(ensure_jars(StackSettings().cache_dir), jars)
        class_cache(jars).write_bytes(b"torn")
        done = subprocess.run(
            [python, "-c", ORDINARY],
            check=False,
            capture_output=True,
            text=True,
            cwd=made,
            user=user.pw_uid,
            group=user.pw_gid,
            extra_groups=[],
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(made / "stack"),
                "PYTHONPATH": f"{ROOT}:{site}",
                "PYTHONDONTWRITEBYTECODE": "1",
                "TALLYSTICK_STACK_DIR": str(made / "stack"),
                "TALLYSTICK_STACK_CACHE_DIR": str(made / "cache"),
                "TALLYSTICK_STACK_KAFKA_PORT": "0",
                "TALLYSTICK_STACK_POSTGRES_PORT": "0",
            },
        )
        assert done.stdout == f"up as {user.pw_uid}\n", done.stderr


ORDINARY = """
import os
from sandbox.stack import Stack
with Stack(tied=True) as stack:
    assert all(part.is_running for part in stack.status())
    print("up as", os.getuid())
"""


def interpreter_for(user: pwd.struct_passwd, path: str) -> str | None:
    """An interpreter of our version by which the user can run our code."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    for candidate in (
        sys.executable,
        f"/usr/bin/python{version}",
        f"/usr/local/bin/python{version}",
    ):
        try:
            asked = subprocess.run(
                [candidate, "-c", "import ssl, ctypes, sandbox.stack"],
                env={"PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"},
                check=False,
                capture_output=True,
                cwd="/",
                user=user.pw_uid,
                group=user.pw_gid,
                extra_groups=[],
            )
        except OSError:
            continue
        if asked.returncode == 0:
            return candidate
    return None


@pytest.mark.skipif(os.geteuid() != 0, reason="an ordinary user runs Postgres himself")
def test_stack_below_a_closed_home_folder_runs_for_root_and_the_home_stays_closed() -> None:
    with scratch_folder() as made:
        home = made / "home"
        home.mkdir(mode=0o700)
        settings = settings_in(home / "checkout" / ".tallystick")
        stack = Stack(settings, tied=True, parts=("postgres",))
        try:
            stack.start()
            asyncio.run(write_row(stack.postgres_dsn))
            stack.kill("postgres")
            stack.start()
            assert asyncio.run(rows(stack.postgres_dsn)) == [7]
            assert home.stat().st_mode & 0o777 == 0o700
            elsewhere = (settings.dir / "postgres").resolve()
        finally:
            stack.wipe()
        assert not elsewhere.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root needs a copy of the programs")
def test_copied_programs_run_for_the_server_s_user() -> None:
    user = pwd.getpwnam("nobody")
    with scratch_folder() as made:
        install = postgres_home.copied_programs(made, (user.pw_uid, user.pw_gid))
        assert install.is_relative_to(made)
        said = subprocess.run(
            [str(install / "bin" / "postgres"), "--version"],
            check=True,
            capture_output=True,
            text=True,
            user=user.pw_uid,
            group=user.pw_gid,
            extra_groups=[],
            env={},
        )
        assert " 18." in said.stdout
        # A second checkout finds the copy and makes no other.
        assert postgres_home.copied_programs(made, (user.pw_uid, user.pw_gid)) == install


def test_two_starts_at_once_make_one_stack(folder: Path) -> None:
    code = (
        "import sys\nfrom sandbox.stack import Stack\nfrom pathlib import Path\n"
        "from tests.integration.test_stack import settings_in\n"
        "s = Stack(settings_in(Path(sys.argv[1])), parts=('postgres',))\ns.start()\n"
        "print([p.pid for p in s.status()])"
    )
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(folder)], stdout=subprocess.PIPE, text=True, cwd=ROOT
        )
        for _ in range(2)
    ]
    said = [racer.communicate(timeout=60)[0] for racer in racers]
    assert said[0] == said[1] != ""
