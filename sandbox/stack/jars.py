"""Kafka's jars: fetched by coordinate, used only when their SHA-256 sums are the committed ones.

The lock file names every jar with its version and sum; nothing is resolved at run time. jgo
fetches the files; this is the only place that knows it.
"""

import hashlib
import shutil
import tempfile
import tomllib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sandbox.stack.problems import StackProblem, not_installed

LOCK_FILE: Final = Path(__file__).parent / "locks" / "kafka.toml"
ENDPOINT: Final = "org.apache.kafka:kafka_2.13:4.3.0+org.slf4j:slf4j-simple:1.7.36"
DOWNLOADS_AT_ONCE: Final = 6
FETCH_TRIES: Final = 3
FREE_BYTES_MIN: Final = 200_000_000


@dataclass(frozen=True, slots=True, order=True)
class Jar:
    """One locked file."""

    group: str
    artifact: str
    version: str
    sha256: str

    @property
    def filename(self) -> str:
        """The name under which it is kept."""
        return f"{self.artifact}-{self.version}.jar"


@dataclass(frozen=True, slots=True)
class JarLock:
    """The jars of one Kafka release, with their sums."""

    kafka_version: str
    digest: str
    jars: tuple[Jar, ...]


def read_lock(path: Path = LOCK_FILE) -> JarLock:
    """The committed lock."""
    raw = path.read_bytes()
    table = tomllib.loads(raw.decode("utf-8"))
    jars = tuple(
        Jar(row["group"], row["artifact"], row["version"], row["sha256"]) for row in table["jar"]
    )
    kafka = next(jar for jar in jars if jar.artifact.startswith("kafka_"))
    return JarLock(kafka.version, hashlib.sha256(raw).hexdigest(), jars)


def sha256_of(path: Path) -> str:
    """The SHA-256 sum of a file, in hex; empty when it is not there."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""


def jar_dir(cache_dir: Path, lock: JarLock) -> Path:
    """Where the jars of a lock are kept."""
    return cache_dir / f"kafka-{lock.kafka_version}-{lock.digest[:12]}"


def wrong_jars(folder: Path, lock: JarLock) -> tuple[Jar, ...]:
    """The jars that are missing from a folder or are not what the lock says."""
    return tuple(jar for jar in lock.jars if sha256_of(folder / jar.filename) != jar.sha256)


def ensure_jars(
    cache_dir: Path,
    *,
    mirror: str = "",
    progress: Callable[[str], None] = lambda _: None,
    lock: JarLock | None = None,
) -> Path:
    """A folder with all jars of the lock, each with the right sum; fetches what is missing.

    Raises:
        StackProblem: No network, no disk space, or a file that is not what the lock says.
    """
    wanted = lock or read_lock()
    folder = jar_dir(cache_dir, wanted)
    missing = wrong_jars(folder, wanted)
    if not missing:
        return folder
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _require_space(folder)
        with tempfile.TemporaryDirectory(prefix="fetch-", dir=cache_dir) as scratch:
            _fetch_all(missing, Path(scratch), folder, mirror=mirror, progress=progress)
    except OSError as error:
        raise _cannot_keep(cache_dir, error) from error
    return folder


def _fetch_all(
    missing: tuple[Jar, ...],
    scratch: Path,
    folder: Path,
    *,
    mirror: str,
    progress: Callable[[str], None],
) -> None:
    total = len(missing)
    with ThreadPoolExecutor(max_workers=DOWNLOADS_AT_ONCE) as pool:
        jobs = [pool.submit(_fetch, jar, scratch, folder, mirror) for jar in missing]
        try:
            for done, job in enumerate(as_completed(jobs), start=1):
                job.result()
                progress(f"Kafka: fetched {done} of {total} jars")
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _fetch(jar: Jar, scratch: Path, folder: Path, mirror: str) -> None:
    """Fetch one jar, check it, and only then put it where it is used from."""
    # Slow imports, needed only when a jar is missing.
    try:
        from jgo.maven import MavenContext  # noqa: PLC0415 - a slow import, needed here alone
        from requests import RequestException  # noqa: PLC0415 - as above
    except ImportError as error:
        raise not_installed(error.name or "jgo") from error

    remote = {"mirror": mirror} if mirror else None
    for attempt in range(1, FETCH_TRIES + 1):
        # A folder for each try: jgo takes a half-written file of a broken try for the jar.
        context = MavenContext(
            repo_cache=scratch / f"{jar.filename}.{attempt}", remote_repos=remote
        )
        component = context.project(jar.group, jar.artifact).at_version(jar.version)
        try:
            fetched = Path(component.artifact().resolve())
        except (RequestException, RuntimeError, ValueError) as error:
            if attempt == FETCH_TRIES:
                raise _cannot_fetch(jar, error) from error
        else:
            _keep(jar, fetched, folder)
            return


def _keep(jar: Jar, fetched: Path, folder: Path) -> None:
    """Put a jar where it is used from, when it is what the lock says."""
    found = sha256_of(fetched)
    if found != jar.sha256:
        raise StackProblem(
            f"{jar.filename} is not the file that was locked",
            why=f"its SHA-256 is {found[:16]}…, the lock says {jar.sha256[:16]}…",
            fix="do not use it: try another network or mirror; nothing was started or kept",
        )
    shutil.move(fetched, folder / jar.filename)


def _require_space(folder: Path) -> None:
    free = shutil.disk_usage(folder).free
    if free < FREE_BYTES_MIN:
        raise StackProblem(
            "Too little disk space for Kafka's jars",
            why=f"{free // 1_000_000} MB are free in {folder}",
            fix=f"free {FREE_BYTES_MIN // 1_000_000} MB, or set TALLYSTICK_STACK_CACHE_DIR",
        )


def _cannot_fetch(jar: Jar, error: Exception) -> StackProblem:
    return StackProblem(
        f"Kafka's jar {jar.filename} could not be fetched",
        why=f"{type(error).__name__}: {str(error)[:300]}",
        fix="check the network (HTTPS_PROXY is respected) and run the command again: what was "
        "fetched is kept. A mirror: TALLYSTICK_STACK_MAVEN_REPOSITORY=URL",
    )


def _cannot_keep(folder: Path, error: OSError) -> StackProblem:
    return StackProblem(
        "Kafka's jars could not be stored",
        why=str(error),
        fix=f"make {folder} writable, or set TALLYSTICK_STACK_CACHE_DIR to a folder that is",
    )


def resolve_lock(cache_dir: Path) -> str:
    """The text of a fresh lock file, resolved with all dependencies. Used by ``make lock``."""
    import jgo  # noqa: PLC0415 - a slow import, needed here alone

    environment = jgo.build(ENDPOINT, cache_dir=cache_dir, update=True)
    rows = tomllib.loads((Path(environment.path) / "jgo.lock.toml").read_text(encoding="utf-8"))
    unusual = [row for row in rows["dependencies"] if row.get("packaging", "jar") != "jar"]
    if unusual or any(row.get("classifier") for row in rows["dependencies"]):
        raise StackProblem(
            "The lock cannot hold what was resolved",
            why=f"a file has a classifier or is no jar: {unusual}",
            fix="teach sandbox/stack/jars.py about it",
        )
    jars = sorted(
        Jar(row["groupId"], row["artifactId"], row["version"], row["sha256"])
        for row in rows["dependencies"]
    )
    head = (
        "# Every jar that the embedded Kafka runs on, with its SHA-256 sum.\n"
        "# Written by `make lock`; the sums are checked before anything is started.\n"
        f'endpoint = "{ENDPOINT}"\n'
    )
    blocks = (
        f'\n[[jar]]\ngroup = "{jar.group}"\nartifact = "{jar.artifact}"\n'
        f'version = "{jar.version}"\nsha256 = "{jar.sha256}"\n'
        for jar in jars
    )
    return head + "".join(blocks)
