"""The statements of the ledger by name, as the files in ``sql/`` have them."""

from pathlib import Path
from typing import Final

from shared.runtime.postgres import load_queries

SQL: Final = load_queries(Path(__file__).parent / "sql")
