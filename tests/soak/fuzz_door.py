"""A coverage-guided fuzzer at the door: ``make fuzz``, ten minutes unless said otherwise.

No part of ``make test``. libFuzzer's options go behind it, so that a crash that was found is run
again by its file: ``make fuzz ARGS=crash-…``.
"""

import importlib
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

SECONDS: Final = 600
_BODY_BYTES_MAX: Final = 4_096


def main(arguments: list[str]) -> None:
    """Fuzz for ten minutes, or as the options say."""
    # Any: it is installed by `make fuzz` alone, and has no types.
    atheris: Any = importlib.import_module("atheris")
    with atheris.instrument_imports(include=["services.ingest", "shared.contracts"]):
        driven = importlib.import_module("tests.support.deliveries_of_bytes")
    with tempfile.TemporaryDirectory() as folder:
        corpus = Path(folder) / "corpus"
        corpus.mkdir()
        for number, seed in enumerate(driven.seeds()):
            (corpus / str(number)).write_bytes(seed)
        words = Path(folder) / "words"
        words.write_text("\n".join(map(_quoted, driven.WORDS)))
        options = [f"-max_total_time={SECONDS}", f"-max_len={_BODY_BYTES_MAX}", f"-dict={words}"]
        given = arguments[1:]
        # Later options win; a file to run again stands alone.
        places = [] if any(not word.startswith("-") for word in given) else [str(corpus)]
        atheris.Setup([arguments[0], *options, *given, *places], driven.judge_bytes)
        atheris.Fuzz()


def _quoted(word: bytes) -> str:
    """A word as libFuzzer's dictionaries have it."""
    return '"' + "".join(f"\\x{byte:02x}" for byte in word) + '"'


if __name__ == "__main__":
    main(sys.argv)
