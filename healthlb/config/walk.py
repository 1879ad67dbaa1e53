"""Walks a YAML tree along declared options: values become dataclasses, mistakes become faults with their place.

Every fault is collected and the walk goes on. What could not be read is `WRONG`, so that nothing more is said of it.
"""

import difflib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import MISSING, dataclass, fields
from functools import cache
from typing import Any, Final

from checks.options import Either, ListOf, Record, TableOf, name_of, one_of
from checks.wire.secrets import hide_variable
from healthlb.config.faults import Faults, Keys
from healthlb.config.nodes import Mapping as MappingNode
from healthlb.config.nodes import Node, Scalar, Sequence
from healthlb.config.scalars import expand, resolve

LONGEST_GUESS = 64


class Wrong:
    """The value of what could not be read; its fault is told already."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "WRONG"


WRONG: Final = Wrong()


@dataclass(frozen=True, slots=True)
class NamedTable:
    """A mapping from names (`kinds.Name`) to one kind."""

    kind: Any


@dataclass(frozen=True, slots=True)
class Option:
    """One declared option."""

    kind: Any
    doc: str
    default: Any
    known_as: Mapping[str, str]

    @property
    def required(self) -> bool:
        """Whether it must be given."""
        return self.default is MISSING


@cache
def options_of(of: type) -> Mapping[str, Option]:
    """Return a dataclass's options by their keys."""
    return {
        field.name: Option(
            field.metadata["kind"], field.metadata["doc"], field.default, field.metadata.get("known_as", {})
        )
        for field in fields(of)
        if "kind" in field.metadata
    }


class Walk:
    """One reading of the options. `variables` notes which of the environment's variables the values rest on."""

    def __init__(self, faults: Faults, environ: Mapping[str, str]) -> None:
        self.faults = faults
        self.variables: dict[str, str | None] = {}
        self._environ = environ

    def fault(self, node: Node, keys: Keys, message: str) -> Wrong:
        """Add a fault at a node."""
        self.faults.add(node.source, node.line, node.column, keys, message)
        return WRONG

    def guess(self, word: object, known: Iterable[str]) -> str:
        """Return `; did you mean 'x'?` when a known word is near, else nothing."""
        if not isinstance(word, str) or len(word) > LONGEST_GUESS or self.faults.full:
            return ""
        names = {name.lower(): name for name in known}
        near = difflib.get_close_matches(word.lower(), list(names), 1, 0.6)
        return f"; did you mean '{names[near[0]]}'?" if near else ""

    def value(self, node: Node) -> Any:
        """Return a scalar's value, or an empty list or mapping in the place of one; ValueError on a bad variable."""
        if not isinstance(node, Scalar):
            return [] if isinstance(node, Sequence) else {}
        text = expand(node.text, self.variable) if "$" in node.text else node.text
        return resolve(text) if node.plain else text

    def read(self, kind: Any, node: Node, keys: Keys) -> Any:
        """Return what a node means as a kind, or WRONG."""
        match kind:
            case Record():
                return self.record(kind.of, node, keys)
            case ListOf():
                return self._list(kind, node, keys)
            case TableOf() | NamedTable():
                return self._table(kind.kind, node, keys)
            case Either():
                return self.read(self._choose(kind.kinds, node), node, keys)
            case _:
                return self._scalar(kind, node, keys)

    def record(self, of: type, node: Node, keys: Keys) -> Any:
        """Return a dataclass instance, or WRONG when any of its fields is."""
        values = self.fields(options_of(of), node, keys)
        if values is None or any(value is WRONG for value in values.values()):
            return WRONG
        return of(**values)

    def partial(self, of: type, node: Node, keys: Keys, raw: Collection[str] = ()) -> Any:
        """Return a dataclass instance whose unreadable fields are WRONG; those in `raw` are the nodes themselves."""
        values = self.fields(options_of(of), node, keys, raw=raw, refused=getattr(of, "refused", None))
        return WRONG if values is None else of(**values)

    def fields(
        self,
        options: Mapping[str, Option],
        node: Node,
        keys: Keys,
        *,
        raw: Collection[str] = (),
        refused: Mapping[str, str] | None = None,
    ) -> dict[str, Any] | None:
        """Return every option's value, or None when the node is no mapping; `refused` as for `unknown`."""
        if not isinstance(node, MappingNode):
            self.fault(node, keys, f"expected a mapping, found {self.found(node)}")
            return None
        values: dict[str, Any] = {}
        seen: dict[str, Scalar] = {}
        for key, value in node.pairs:
            name = key.text
            if name in seen:
                self.fault(key, keys / name, twice(key, seen[name]))
                continue
            seen[name] = key
            option = options.get(name)
            if option is None:
                self.fault(key, keys / _short(name), self.unknown(name, options, refused or {}))
            elif name in raw:
                values[name] = value
            else:
                values[name] = self.read(option.kind, value, keys / name)
        for name, option in options.items():
            if name in values:
                continue
            values[name] = option.default
            if option.default is MISSING:
                values[name] = self.fault(node, keys / name, f"is missing: {_begin_small(option.doc)}")
        return values

    def pairs(self, nodes: Iterable[Node], keys: Keys) -> list[tuple[Scalar, Node]]:
        """Return the pairs, with free names, of mappings that are one together, without those that are there twice."""
        seen: dict[str, Scalar] = {}
        pairs = []
        for node in nodes:
            if not isinstance(node, MappingNode):
                self.fault(node, keys, f"expected a mapping, found {self.found(node)}")
                continue
            for key, value in node.pairs:
                first = seen.setdefault(key.text, key)
                if first is key:
                    pairs.append((key, value))
                else:
                    self.fault(key, keys / _short(key.text), twice(key, first))
        return pairs

    def unknown(self, name: str, options: Mapping[str, Option], refused: Mapping[str, str]) -> str:
        """Return what is said of a key that is not known; `refused` are those that have a sentence of their own."""
        if name in refused:
            return refused[name]
        guess = self.guess(name, options)
        known = "" if guess or self.faults.full else f"; known here: {', '.join(options)}"
        return f"unknown key{guess or known}"

    def _list(self, kind: ListOf, node: Node, keys: Keys) -> Any:
        if isinstance(node, Sequence):
            values = [self.read(kind.kind, item, keys / index) for index, item in enumerate(node.items)]
        elif kind.single and not (isinstance(node, Scalar) and node.plain and not node.text):
            values = [self.read(kind.kind, node, keys)]
        else:
            return self.fault(node, keys, f"expected a list, found {self.found(node)}")
        if len(values) < kind.minimum:
            return self.fault(node, keys, f"expected a list of at least {kind.minimum}, found {len(values)}")
        return WRONG if WRONG in values else tuple(values)

    def _table(self, kind: Any, node: Node, keys: Keys) -> Any:
        if not isinstance(node, MappingNode):
            return self.fault(node, keys, f"expected a mapping, found {self.found(node)}")
        values = [
            (key.text, self.read(kind, value, keys / _short(key.text))) for key, value in self.pairs([node], keys)
        ]
        return WRONG if any(value is WRONG for _, value in values) else tuple(values)

    def _choose(self, kinds: tuple[Any, ...], node: Node) -> Any:
        """Return the kind that is written the way that the node is, else the first, whose complaint then stands."""
        return next((kind for kind in kinds if self.is_written_as(kind, node)), kinds[0])

    def is_written_as(self, kind: Any, node: Node) -> bool:
        """Whether a kind is told from others by being a mapping, a list or a scalar as this node is."""
        if isinstance(kind, Record | TableOf | NamedTable):
            return isinstance(node, MappingNode)
        if isinstance(kind, ListOf):
            return isinstance(node, Sequence)
        if isinstance(kind, Either):
            return any(self.is_written_as(one, node) for one in kind.kinds)
        return isinstance(node, Scalar)

    def _scalar(self, kind: Any, node: Node, keys: Keys) -> Any:
        try:
            value = self.value(node)
        except ValueError as error:
            return self.fault(node, keys, str(error))
        try:
            return kind.parse(value)
        except ValueError as error:
            guess = self.guess(value, getattr(kind, "words", ()))
            return self.fault(node, keys, f"{error}{guess}")

    def found(self, node: Node) -> str:
        """Return how a node is named in a sentence."""
        try:
            return name_of(self.value(node))
        except ValueError:
            return "text"

    def variable(self, name: str) -> str | None:
        """Return a variable of the environment, and note that it was asked for."""
        value = self._environ.get(name)
        self.variables[name] = value
        if value:
            hide_variable(name, value)
        return value


def wrong(*values: object) -> bool:
    """Whether any of the values could not be read, so that nothing can be said about how they fit together."""
    return any(value is WRONG for value in values)


def twice(node: Node, first: Node) -> str:
    """Return what is said of a second node where one is allowed."""
    place = f"line {first.line + 1}" if first.source is node.source else f"{first.source.path}:{first.line + 1}"
    return f"is here twice; {place} has it already"


def words(names: Iterable[str]) -> str:
    """Return `a, b or c`."""
    return one_of(tuple(names))


def _short(name: str) -> str:
    return name if len(name) <= LONGEST_GUESS else f"{name[:LONGEST_GUESS]}..."


def _begin_small(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:].rstrip(".")
