"""The file by which a shell looks into a demo that was kept."""

import json
import stat
import subprocess
import sys
from pathlib import Path

from tallystick.demo.environment import environment_of, write_shell_file
from tallystick.demo.record import DemoRecord

RECORD = DemoRecord.new(
    scenario="month", seed=None, payments=None, speed=None, ends_on="2026-11-21"
)
SHOW = "import json, os; print(json.dumps(dict(os.environ)))"


def test_shell_that_reads_the_file_has_all_that_the_services_were_told(tmp_path: Path) -> None:
    folder = tmp_path / "a folder's name"
    folder.mkdir()
    file = write_shell_file(RECORD, folder)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    done = subprocess.run(
        ["sh", "-c", '. "$1"; exec "$2" -c "$3"', "sh", str(file), sys.executable, SHOW],
        check=True,
        capture_output=True,
        env={"PATH": "/usr/bin:/bin"},
    )
    found = json.loads(done.stdout)
    wanted = environment_of(RECORD, folder) | {"TALLYSTICK_STACK_DIR": str(folder)}
    assert wanted.items() <= found.items()
    # Where Kafka and Postgres are is found by the folder, and may change when they start again.
    assert not {"TALLYSTICK_KAFKA_BOOTSTRAP", "TALLYSTICK_POSTGRES_DSN"} & set(found)
