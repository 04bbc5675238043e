"""XML read as a stream: small trees of named elements, one after the other.

A document type is refused before anything in it is looked at, so there are no entities, inner or
outer, that could grow or fetch. Depth, texts and trees are bounded.
Source: expat's security notes; the billion-laughs and external-entity attacks.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final, NoReturn
from xml.parsers import expat

from services.feeds.statements.values import StatementRefused

DEPTH_MAX: Final = 64
TEXT_CHARACTERS_MAX: Final = 64 * 1024
ELEMENTS_MAX: Final = 20_000
_NO_TEXT: Final = ""


@dataclass(slots=True)
class Element:
    """An element without its namespace: its name, attributes, text and children."""

    name: str
    attributes: dict[str, str]
    text: str = _NO_TEXT
    children: "list[Element]" = field(default_factory=list)

    def at(self, *path: str) -> "Element | None":
        """The first element down a path of names."""
        here: Element | None = self
        for name in path:
            here = next((c for c in here.children if c.name == name), None) if here else None
        return here

    def every(self, *path: str) -> "list[Element]":
        """All elements down a path of names."""
        found: list[Element] = [self]
        for name in path:
            found = [c for each in found for c in each.children if c.name == name]
        return found

    def said(self, *path: str) -> str:
        """The text of the first element down a path; empty when there is none."""
        found = self.at(*path)
        return found.text.strip() if found else ""


@dataclass(slots=True)
class _Reader:
    wanted: frozenset[str]
    whole: Callable[[tuple[str, ...]], bool]
    crowded: frozenset[str]
    crowd_max: int
    path: list[str] = field(default_factory=list[str])
    open: list[Element] = field(default_factory=list[Element])
    done: list[tuple[tuple[str, ...], Element | None]] = field(
        default_factory=list[tuple[tuple[str, ...], Element | None]]
    )
    elements: int = 0

    def start(self, name: str, attributes: dict[str, str]) -> None:
        local = name.rpartition(" ")[2]
        self.path.append(local)
        if len(self.path) > DEPTH_MAX:
            raise StatementRefused(f"XML nested deeper than {DEPTH_MAX}")
        if self.open or self.whole(tuple(self.path)):
            self.elements += 1
            if self.elements > ELEMENTS_MAX:
                raise StatementRefused(f"one entry holds more than {ELEMENTS_MAX} elements")
            short = {key.rpartition(" ")[2]: value for key, value in attributes.items()}
            self.open.append(Element(local, short))
        elif local in self.wanted:
            self.done.append((tuple(self.path), None))

    def characters(self, text: str) -> None:
        if self.open:
            here = self.open[-1]
            here.text += text
            if len(here.text) > TEXT_CHARACTERS_MAX:
                raise StatementRefused(f"a text is longer than {TEXT_CHARACTERS_MAX} characters")

    def end(self, _name: str) -> None:
        path = tuple(self.path)
        self.path.pop()
        if not self.open:
            return
        here = self.open.pop()
        if not self.open:
            self.elements = 0
            self.done.append((path, here))
            return
        above = self.open[-1]
        if here.name in self.crowded:
            # Of very many alike the first few are kept; how many there were is counted.
            count = int(above.attributes.get(f"count {here.name}", "0")) + 1
            above.attributes[f"count {here.name}"] = str(count)
            if count > self.crowd_max:
                self.elements -= _size(here)
                return
        above.children.append(here)


def _size(element: Element) -> int:
    return 1 + sum(_size(child) for child in element.children)


def _refuse_type(*_: object) -> NoReturn:
    raise StatementRefused(
        "it has a document type or entities, which no statement needs and attacks are made of",
        fix="do not import it; ask where it came from",
    )


def trees(
    chunks: Iterable[bytes],
    *,
    wanted: frozenset[str],
    whole: Callable[[tuple[str, ...]], bool],
    crowded: frozenset[str] = frozenset(),
    crowd_max: int = 20,
) -> Iterator[tuple[tuple[str, ...], Element | None]]:
    """Elements by path, as they come: ``None`` when a wanted one begins, the tree of a whole one.

    Raises:
        StatementRefused: It is not XML, or not XML that is read here.
    """
    reader = _Reader(wanted, whole, crowded, crowd_max)
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.characters
    parser.StartDoctypeDeclHandler = _refuse_type
    parser.EntityDeclHandler = _refuse_type
    parser.ExternalEntityRefHandler = _refuse_type
    last = b""
    try:
        for chunk in chunks:
            last = chunk
            parser.Parse(chunk, False)
            yield from reader.done
            reader.done.clear()
        parser.Parse(b"", True)
    except expat.ExpatError as error:
        raise StatementRefused(_why(error, last)) from None
    except (LookupError, ValueError) as error:
        # A declared encoding that nobody knows, or one that is none of characters.
        raise StatementRefused(f"its declared encoding cannot be read: {error}") from None
    yield from reader.done


def _why(error: expat.ExpatError, chunk: bytes) -> str:
    where = f"line {error.lineno}, column {error.offset + 1}"
    said = expat.ErrorString(error.code)
    if said == "not well-formed (invalid token)" and not _is_utf8(chunk):
        return f"it is not in the encoding that it declares: bytes at {where} are no UTF-8 text"
    return f"it is no well-formed XML: {said} at {where}"


def _is_utf8(chunk: bytes) -> bool:
    # A character may be cut at either end of a chunk.
    for cut in range(4):
        try:
            chunk[cut : len(chunk)].decode("utf-8")
        except UnicodeDecodeError as error:
            if error.start + cut < len(chunk) - 3 and error.start > 3:
                return False
        else:
            return True
    return False
