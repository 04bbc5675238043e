"""The page of metrics, read from where the code makes them."""

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

from shared.runtime.metrics import PREFIX

_ROOT: Final = Path(__file__).parents[1]
_ROOMS: Final = (
    ("Every service", "shared/runtime"),
    ("Ingest (door and poller)", "services/ingest"),
    ("Feeds", "services/feeds"),
    ("Ledger", "services/ledger"),
    ("Reconciler", "services/reconciler"),
    ("Console", "services/console"),
    ("Archiver", "services/archiver"),
)
_KINDS: Final = MappingProxyType({"Counter": "counter", "Gauge": "gauge", "Histogram": "histogram"})
_TOTAL: Final = "_total"


@dataclass(frozen=True, slots=True, order=True)
class Metric:
    """One metric as it is scraped: a counter ends in ``_total``, a histogram has ``_bucket`` …."""

    name: str
    kind: str
    labels: tuple[str, ...]
    about: str


def metrics_page(made: str) -> str:
    """``metrics.md``: each metric with its labels and one line on what it says."""
    lines = [
        "# Metrics",
        "",
        made,
        "",
        "Each process answers `/metrics` in Prometheus' text format, beside `/livez` and `/readyz`",
        "(with its reasons). Units are base units: seconds, bytes, records. No id of an event",
        "or an object, no address, and nothing that a stranger wrote is a label. A histogram has",
        "`_bucket`, `_sum` and `_count`.",
    ]
    for title, folder in _ROOMS:
        found = sorted(set(metrics_of(_ROOT / folder)))
        if found:
            lines += ["", f"## {title}", "", "| metric | kind | it says |", "|---|---|---|"]
            lines += [f"| `{_shown(each)}` | {each.kind} | {each.about} |" for each in found]
    return "\n".join(lines) + "\n"


def metrics_of(folder: Path) -> Iterator[Metric]:
    """The metrics that the files of a folder make."""
    for file in sorted(folder.rglob("*.py")):
        text = file.read_text("utf-8")
        if not any(kind in text for kind in _KINDS):
            continue
        tree = ast.parse(text)
        words = _constants(tree)
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and (metric := _metric(node, words)) is not None:
                yield metric


def _metric(call: ast.Call, words: Mapping[str, str]) -> Metric | None:
    kind = _KINDS.get(call.func.id) if isinstance(call.func, ast.Name) else None
    texts = [_text(argument, words) for argument in call.args[:2]]
    # Another class of such a name, collections.Counter, is given no two texts.
    if kind is None or len(texts) < 2 or not all(texts):
        return None
    name, about = texts
    if kind == "counter" and not name.endswith(_TOTAL):
        name += _TOTAL
    labels = call.args[2].elts if len(call.args) > 2 and isinstance(call.args[2], ast.List) else []
    return Metric(name, kind, tuple(_text(each, words) for each in labels), _sentence(about))


def _constants(tree: ast.Module) -> dict[str, str]:
    """The texts that a module names at its top."""
    found = {"PREFIX": PREFIX}
    for node in tree.body:
        match node:
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.Constant(value=str(text))):
                found[name] = text
            case _:
                pass
    return found


def _text(node: ast.expr, words: Mapping[str, str]) -> str:
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.Name(id=name):
            return words.get(name, "")
        case ast.JoinedStr(values=values):
            return "".join(_text(each, words) for each in values)
        case ast.FormattedValue(value=value):
            return _text(value, words)
        case _:
            return ""


def _sentence(about: str) -> str:
    text = about.replace("|", "\\|")
    return text[:1].upper() + text[1:]


def _shown(metric: Metric) -> str:
    labels = ",".join(metric.labels)
    return f"{metric.name}{{{labels}}}" if labels else metric.name
