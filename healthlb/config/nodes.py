"""The YAML tree with a place at every node, composed from the parser's events without recursion.

PyYAML's own composer is not used: it recurses (a deep file ends in a crash), expands aliases without a bound, and is
one long call into C, which would hold the interpreter's lock while probes wait. Here each event is one short call.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from healthlb.config.faults import Source

DEEPEST = 32
MOST_NODES = 1_000_000

EventParser: Any = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader
"""Only its events are used. Without libyaml they are the same, several times slower."""


@dataclass(slots=True)
class Node:
    """A place: line and column count from 0."""

    source: Source
    line: int
    column: int


@dataclass(slots=True)
class Scalar(Node):
    """A scalar's text; `plain` when it was written without quotes, so that it may mean a number."""

    text: str
    plain: bool


@dataclass(slots=True)
class Sequence(Node):
    """A list."""

    items: list[Node]


@dataclass(slots=True)
class Mapping(Node):
    """A mapping as written, so a key may be there twice; merge keys are already replaced by what they bring in."""

    pairs: list[tuple[Scalar, Node]]

    def find(self, key: str) -> Node:
        """Return the first value under a key, or the mapping itself where the key is absent: the nearest place."""
        return next((value for name, value in self.pairs if name.text == key), self)

    def has(self, key: str) -> bool:
        """Whether a key is written."""
        return any(name.text == key for name, _ in self.pairs)


class Malformed(Exception):  # noqa: N818 - not an error of ours but a property of the file
    """The text is not YAML that can be used; line and column count from 0."""

    def __init__(self, line: int, column: int, message: str) -> None:
        super().__init__(line, column, message)
        self.line = line
        self.column = column
        self.message = message


@dataclass(slots=True)
class _Open:
    """A collection whose end has not been seen: its pending key, its anchor, and the node count when it began."""

    node: Sequence | Mapping
    anchor: str | None
    began: int
    key: Scalar | None = None


class Composer:
    """Composes one document. `simple` is False once it met an anchor, an alias or a merge key."""

    def __init__(self, text: str, source: Source, first_line: int = 0) -> None:
        self._text = text
        self._source = source
        self._first_line = first_line
        self._stack: list[_Open] = []
        self._anchors: dict[str, tuple[Node, int]] = {}
        self._count = 0
        self._root: Node | None = None
        self.simple = True

    def compose(self) -> Node | None:
        """Return the document's root, or None when there is no document; raise Malformed."""
        parser = EventParser(self._text)
        try:
            for event in _events(parser):
                self._take(event)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            line, column = (mark.line, mark.column) if mark is not None else (0, 0)
            line, column, message = explain(error, self._text, line, column)
            raise Malformed(self._first_line + line, column, message) from None
        except yaml.YAMLError as error:
            raise Malformed(self._first_line, 0, f"not YAML: {' '.join(str(error).split())}") from None
        finally:
            parser.dispose()
        return self._root

    def _take(self, event: Any) -> None:
        kind = type(event)
        if kind is yaml.ScalarEvent:
            self._refuse_tag(event)
            mark = event.start_mark
            node = Scalar(self._source, self._first_line + mark.line, mark.column, event.value, event.implicit[0])
            self._count += 1
            if event.anchor is not None:
                self._name(event.anchor, node, 1)
            self._place(node)
        elif kind is yaml.MappingStartEvent or kind is yaml.SequenceStartEvent:
            self._open(event, is_mapping=kind is yaml.MappingStartEvent)
        elif kind is yaml.MappingEndEvent or kind is yaml.SequenceEndEvent:
            self._close()
        elif kind is yaml.AliasEvent:
            self._alias(event)
        elif kind is yaml.DocumentStartEvent and self._root is not None:
            raise self._malformed(event, "a second document begins here; the file is one document")

    def _open(self, event: Any, *, is_mapping: bool) -> None:
        self._refuse_tag(event)
        if len(self._stack) >= DEEPEST:
            raise self._malformed(event, f"nested deeper than {DEEPEST} levels")
        mark = event.start_mark
        line = self._first_line + mark.line
        node: Sequence | Mapping = (
            Mapping(self._source, line, mark.column, [])
            if is_mapping
            else Sequence(self._source, line, mark.column, [])
        )
        if event.anchor is not None:
            self._name(event.anchor, node, 0)
        self._stack.append(_Open(node, event.anchor, self._count))
        self._count += 1

    def _close(self) -> None:
        closed = self._stack.pop()
        if isinstance(closed.node, Mapping):
            closed.node.pairs = self._merged(closed.node.pairs)
        if closed.anchor is not None:
            self._name(closed.anchor, closed.node, self._count - closed.began)
        self._place(closed.node)

    def _alias(self, event: Any) -> None:
        self.simple = False
        node, size = self._anchors.get(event.anchor, (None, 0))
        if node is None:
            raise self._malformed(event, f"*{event.anchor} names nothing: no &{event.anchor} comes before it")
        if size == 0:
            raise self._malformed(event, f"*{event.anchor} contains itself")
        self._count += size
        self._place(node)

    def _name(self, anchor: str, node: Node, size: int) -> None:
        """Remember an anchor; size 0 says that its node is not complete, so an alias to it would be endless."""
        self.simple = False
        self._anchors[anchor] = (node, size)

    def _place(self, node: Node) -> None:
        """Put a finished node where it belongs."""
        if self._count > MOST_NODES:
            raise Malformed(
                node.line, node.column, f"more than {MOST_NODES:,} values once its aliases are expanded; refused"
            )
        if not self._stack:
            self._root = node
            return
        top = self._stack[-1]
        if isinstance(top.node, Sequence):
            top.node.items.append(node)
        elif top.key is not None:
            top.node.pairs.append((top.key, node))
            top.key = None
        elif isinstance(node, Scalar) and (node.text or not node.plain):
            top.key = node
        else:
            found = {Scalar: "nothing", Sequence: "a list", Mapping: "a mapping"}[type(node)]
            raise Malformed(node.line, node.column, f"expected a key, found {found}; keys are text")

    def _merged(self, pairs: list[tuple[Scalar, Node]]) -> list[tuple[Scalar, Node]]:
        """Replace `<<` by the pairs that it brings in; what the mapping says itself wins, then what comes first."""
        if not any(key.plain and key.text == "<<" for key, _ in pairs):
            return pairs
        self.simple = False
        kept = [(key, value) for key, value in pairs if not (key.plain and key.text == "<<")]
        known = {key.text for key, _ in kept}
        for key, value in pairs:
            if not (key.plain and key.text == "<<"):
                continue
            for brought in value.items if isinstance(value, Sequence) else [value]:
                if not isinstance(brought, Mapping):
                    raise Malformed(key.line, key.column, "<< takes a mapping or a list of mappings, by their aliases")
                fresh = [pair for pair in brought.pairs if pair[0].text not in known]
                known.update(name.text for name, _ in fresh)
                self._count += len(fresh)
                kept += fresh
        return kept

    def _refuse_tag(self, event: Any) -> None:
        if event.tag is not None:
            raise self._malformed(event, f"the tag {event.tag[:60]} is not used here; leave it out")

    def _malformed(self, event: Any, message: str) -> Malformed:
        return Malformed(self._first_line + event.start_mark.line, event.start_mark.column, message)


def _events(parser: Any) -> Iterator[Any]:
    while parser.check_event():
        yield parser.get_event()


BRACKETED_ADDRESS = re.compile(r"\[[0-9A-Fa-f.]*:[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*\]")
BRACKETED = "an IPv6 address in brackets needs quotes: '[2001:db8::1]:443'"
SENTENCES = (
    ("mapping values are not allowed", "a ': ' that begins a mapping where none can be; put the text in quotes"),
    ("found unexpected end of stream", "a quote that is never closed"),
    ("could not find expected ':'", "a key without its ':'"),
    ("expected ',' or ']'", "a list in [ ] that is not closed or lacks a comma"),
    ("expected ',' or '}'", "a mapping in { } that is not closed or lacks a comma; quote text that holds { or }"),
    ("expected key", "an entry that is indented differently from those before it, or stray text"),
    ("expected '-' indicator", "an entry of a list that does not begin with '- ' in the list's own column"),
    ("expected <block end>", "an entry that is indented differently from those before it, or stray text"),
    ("unknown escape character", "an unknown \\ escape in double quotes; in 'single quotes' a \\ is just a \\"),
    ("node content", "a value was expected here"),
    ("a tab character", "a tab; YAML is indented with spaces"),
)


def explain(error: yaml.MarkedYAMLError, text: str, line: int, column: int) -> tuple[int, int, str]:
    """Return where (line and column from 0) and, in plain words, how the text stops being YAML.

    What is open at the text's end is told where it began.
    """
    problem = error.problem or "not YAML"
    near = _line(text, line)
    character = near[column : column + 1]
    if error.context_mark is not None and ("end of stream" in problem or not near.strip()):
        line, column = error.context_mark.line, error.context_mark.column
    last = text.count("\n")
    if line > last:
        line, column = last, len(_line(text, last))
    if "cannot start any token" in problem:
        if character == "\t":
            return line, column, "a tab; YAML is indented with spaces"
        return line, column, f"text cannot begin with {character}; put it in quotes"
    if ("[" in near and near[column - 1 : column + 1] == "]:") or _in_bracketed_address(near, column):
        return line, column, BRACKETED
    for words, sentence in SENTENCES:
        if words in problem:
            return line, column, sentence
    return line, column, f"not YAML: {problem}"


def _in_bracketed_address(near: str, column: int) -> bool:
    """Whether YAML gave up within an address such as [::1], which it takes for a list."""
    return any(match.start() <= column <= match.end() for match in BRACKETED_ADDRESS.finditer(near))


def _line(text: str, line: int) -> str:
    start = 0
    for _ in range(line):
        end = text.find("\n", start)
        if end < 0:
            return ""
        start = end + 1
    end = text.find("\n", start)
    return text[start : end if end >= 0 else len(text)]


def single_pair(node: Node | None) -> tuple[Scalar, Node] | None:
    """Return the one pair of a mapping that has just one, else None."""
    if isinstance(node, Mapping) and len(node.pairs) == 1:
        return node.pairs[0]
    return None
