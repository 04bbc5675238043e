"""A clear text in an editor: on a file system in memory, for us alone, and wiped behind."""

import contextlib
import os
import shlex
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Generator, Mapping
from pathlib import Path
from types import FrameType
from typing import Final

import psutil

_PREFIX: Final = "tallystick-secrets-"
_IN_MEMORY: Final = ("/dev/shm", "/run/shm")  # noqa: S108 - a folder of ours alone is made there
_SIGNALS: Final = (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
# Both leave copies of what was edited beside the file and in the home folder, unless told so.
_QUIET: Final[Mapping[str, tuple[str, ...]]] = dict.fromkeys(("vim", "nvim"), ("-n", "-i", "NONE"))


class EditorFailed(ValueError):
    """The editor cannot be started, or ended with an error."""

    what = "Nothing was changed"
    fix = "set EDITOR to an editor that waits until it is closed, or use `tallystick secrets set`"

    @property
    def why(self) -> str:
        """What happened."""
        return str(self)


def edited(text: str, editor: str, *, folder: Path | None = None) -> str:
    """The text as a person leaves it in the editor.

    Raises:
        EditorFailed: The editor cannot be started, or ended with an error.
        UnicodeDecodeError: What was left is no UTF-8 text.
    """
    with _private_folder(folder or memory_folder()) as room:
        file = room / "secrets.env"
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as out:
            out.write(text)
        _run(editor, file)
        return file.read_text("utf-8")


def is_in_memory(folder: Path) -> bool:
    """Whether a folder never reaches a disk."""
    return str(folder) in _IN_MEMORY


def memory_folder() -> Path:
    """A folder in memory; the one for temporary files where the machine has none."""
    for name in _IN_MEMORY:
        if Path(name).is_dir() and os.access(name, os.W_OK | os.X_OK):
            return Path(name)
    return Path(tempfile.gettempdir())


def _run(editor: str, file: Path) -> None:
    try:
        command = shlex.split(editor)
        words = [*command, *_QUIET.get(Path(command[0]).name, ()), str(file)]
        code = subprocess.run(words, check=False).returncode
    except (OSError, ValueError, IndexError) as error:
        raise EditorFailed(f"the editor {editor!r} cannot be started: {error}") from None
    if code != 0:
        raise EditorFailed(f"the editor ended with {code}")


@contextlib.contextmanager
def _private_folder(parent: Path) -> Generator[Path]:
    """A folder that nobody else sees; its files are overwritten and gone at the end.

    A signal that would end us ends the block instead. What a kill -9 leaves, the next one wipes.
    """
    _wipe_left_overs(parent)
    before = {number: signal.signal(number, _leave) for number in _SIGNALS}
    room = Path(tempfile.mkdtemp(dir=parent, prefix=f"{_PREFIX}{os.getpid()}-"))
    try:
        yield room
    finally:
        _wipe(room)
        for number, handler in before.items():
            signal.signal(number, handler)


def _leave(number: int, _frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


def _wipe_left_overs(parent: Path) -> None:
    for room in parent.glob(f"{_PREFIX}*"):
        owner = room.name.removeprefix(_PREFIX).partition("-")[0]
        with contextlib.suppress(OSError):
            is_ours = not room.is_symlink() and room.stat().st_uid == os.getuid()
            if is_ours and owner.isdigit() and not psutil.pid_exists(int(owner)):
                _wipe(room)


def _wipe(room: Path) -> None:
    # Editors put copies beside the file: all that is there goes.
    for path in sorted(room.rglob("*")):
        with contextlib.suppress(OSError):
            if path.is_file() and not path.is_symlink():
                with path.open("r+b") as file:
                    file.write(b"\0" * path.stat().st_size)
    shutil.rmtree(room, ignore_errors=True)
