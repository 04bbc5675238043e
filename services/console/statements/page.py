"""Statements as they go out over HTTP: as JSON, as CSV, and as pages for people."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from html import escape
from typing import Final

from services.console.statements.layout import Styled
from services.console.views import BadRequest

# The page loads nothing and runs nothing; its few rules of style stand in it.
CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none';"
    " frame-ancestors 'none'"
)
_STYLE: Final = (
    "body{font:14px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:80rem;padding:0 1rem;"
    "color:#1b1f24;background:#fff}h1{font-size:1.5rem;margin:0 0 .25rem}p{color:#57606a}"
    "pre{font:13px/1.45 ui-monospace,monospace;margin:1.5rem 0;overflow-x:auto}"
    "pre b{font-size:15px}.total{font-weight:600}"
    ".sound{background:#dafbe1;color:#116329}.wrong{background:#ffebe9;color:#a40e26}"
    "footer{font-size:.85rem;color:#57606a;overflow-wrap:anywhere}@media print{body{margin:0}}"
)
_CLASSES: Final = frozenset({"total", "sound", "wrong"})


class Form(StrEnum):
    """How an answer is written."""

    JSON = "json"
    CSV = "csv"
    HTML = "html"


def form_of(words: Mapping[str, str], accepted: str) -> Form:
    """The form that is asked for by name, else a page where the asker reads pages.

    Raises:
        BadRequest: No such form.
    """
    asked = words.get("format", Form.HTML if "text/html" in accepted else Form.JSON)
    try:
        return Form(asked)
    except ValueError:
        raise BadRequest(f"format: one of {', '.join(Form)}") from None


def page(
    title: str, lines: Sequence[Styled], notes: Sequence[Styled], links: Mapping[str, str]
) -> str:
    """The lines of a table as a page that stands by itself and prints well; each part by itself.

    ``links`` are the same in other forms, and what comes next, by what a reader clicks on.
    """
    parts: list[list[str]] = [[]]
    for line in lines:
        if line.text:
            parts[-1].append(_line(line))
        elif parts[-1]:
            parts.append([])
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en">',
            '<meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{escape(title)}</title>",
            f"<style>{_STYLE}</style>",
            f"<h1>{escape(title)}</h1>",
            "<p>"
            + " · ".join(f'<a href="{escape(to)}">{escape(name)}</a>' for name, to in links.items())
            + "</p>",
            *("<pre>" + "\n".join(part) + "</pre>" for part in parts if part),
            "<footer>",
            *(f"<p>{escape(note.text)}</p>" for note in notes),
            "</footer>",
            "</html>",
            "",
        ]
    )


def _line(line: Styled) -> str:
    text = escape(line.text)
    if line.style == "heading":
        return f"<b>{text}</b>"
    return f'<span class="{line.style}">{text}</span>' if line.style in _CLASSES else text
